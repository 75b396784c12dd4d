"""The audit log of LINE WORKS, saved, and its sign-ins beside ours."""

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.administration.external_keys.line_works import KEYRING, TENANT, api_app
from tests.databases import directory_in, query
from tests.line_works_api.fake_api import Watch
from tests.line_works_api.simulated import HOSTS, InProcess, simulator

from worksgate.administration.actor import Actor
from worksgate.administration.audit_log import AuditLogAdministration
from worksgate.administration.clients import ClientAdministration
from worksgate.administration.errors import Refused
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.administration.line_works_logs import LineWorksLogs, Wanted
from worksgate.audit import AuditEvent, Event
from worksgate.conformance.directory_api import Rules, SignIn
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.line_works_api.calling import Timing
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.errors import ApiUnavailable
from worksgate.settings.options import Settings

START = 1_800_000_000.0
LONG_AGO = {"since": START - 187 * 86_400, "until": START - 186.5 * 86_400}
WANTED = Wanted(
    client="tenant", service="auth", since=START, until=START + 86_400, language="en_US"
)
PEOPLE = {
    "both": "both@example.com",
    "bare": "bare",
    "stopped": "stopped@example.com",
    "unknown": None,
    "idle": "idle@example.com",
}


@dataclass
class Logs:
    """What a test calls, and what it looks at."""

    logs: LineWorksLogs
    directory: Directory
    api: LineWorksApiAdministration

    async def issued(self, name: str, at: float, *events: Event) -> None:
        """Somebody was given a code; with other ``events`` of the same sign-in."""
        await self.directory.record(
            [
                AuditEvent(
                    at=at,
                    event=each,
                    login_id=f"{at:.0f}-{name}",
                    client_id="tenant",
                    subject_id=f"directory:{name}",
                )
                for each in (*events, Event.CODE_ISSUED)
            ]
        )


@asynccontextmanager
async def logs_in(database: Path, line_works: Any, *scopes: str) -> AsyncIterator[Logs]:
    watch = Watch()
    settings = Settings(
        line_works_api_urls=(f"line_works={HOSTS.api}",),
        line_works_auth_urls=(f"line_works={HOSTS.auth}",),
    )
    timing = Timing(now=watch.now, clock=watch.clock, sleep=watch.sleep)
    async with directory_in(database, KEYRING) as directory:
        await directory.signing_key()
        async with directory.changing() as transaction:
            await transaction.add_client(TENANT)
            await transaction.add_accounts(
                [
                    Account(id=name, username=name, works_account=account, created_at=1.0)
                    for name, account in PEOPLE.items()
                ]
            )
        actor = Actor("tester", watch.now)
        api = LineWorksApiAdministration(
            settings,
            directory,
            actor,
            lambda app, hosts: DirectoryApi.opened(
                app, hosts, timing=timing, transport=InProcess(line_works)
            ),
        )
        await api.set("tenant", api_app(*(scopes or ("audit.read",))))
        clients = ClientAdministration(settings, directory, actor)
        audit_log = AuditLogAdministration(directory, actor)
        yield Logs(LineWorksLogs(directory, api, audit_log, clients, actor), directory, api)


SIGN_INS = (
    SignIn(START + 100, "Both (BOTH@example.com)", "Success"),
    SignIn(START + 200, "bare@example.com", "Success"),
    SignIn(START + 300, "admin@example.com", "Success"),
)


async def test_who_was_given_a_code_and_is_not_in_their_log_is_named(
    database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "auth.csv"
    async with logs_in(database, simulator(Watch(), sign_ins=SIGN_INS)) as at:
        for name in ("both", "bare", "stopped", "unknown", "gone"):
            await at.issued(name, START + 90)
        await at.issued("stopped", START + 95)
        await at.issued("idle", START - 1)  # before
        await at.issued("idle", START + 86_399)  # they may sign in there afterwards
        await at.issued("idle", START + 99, Event.IMAP_SUCCEEDED)  # a mail client
        saved = await at.logs.save(WANTED, file)
        compared = await at.logs.compare(WANTED, file)
    assert (saved.client_id, saved.size) == ("tenant", file.stat().st_size)
    assert (compared.here, compared.there, compared.only_there) == (5, 3, 1)
    assert {(each.username, each.account, each.codes) for each in compared.missing} == {
        ("stopped", "stopped@example.com", 2),
        ("unknown", None, 1),
        ("directory:gone", None, 1),
    }
    assert compared.missing[0].last_at == START + 95


async def test_a_log_is_its_owners_alone_recorded_and_never_half_there(
    database: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    line_works = simulator(Watch(), sign_ins=SIGN_INS)
    async with logs_in(database, line_works) as at:
        await at.logs.save(WANTED, folder / "auth.csv")
        assert stat.S_IMODE((folder / "auth.csv").stat().st_mode) == 0o600
        before = (folder / "auth.csv").read_bytes()
        with pytest.raises(Refused, match="exists"):
            await at.logs.save(WANTED, folder / "auth.csv")
        line_works.rules = Rules(audit_log_breaks_off=True)
        with pytest.raises(ApiUnavailable, match="broke off"):
            await at.logs.save(WANTED, folder / "auth.csv", replace=True)
    assert [each.read_bytes() for each in folder.iterdir()] == [before]
    ((detail,), _) = query(database, "SELECT detail FROM audit WHERE event = 'system'")
    assert detail.startswith("the log auth of LINE WORKS is downloaded, 2027-01-1")


async def test_the_column_of_the_account_is_found_or_asked_for(
    database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "auth.csv"
    rules = {"audit_log_columns": ("a", "b", "c", "d", "e")}
    async with logs_in(database, simulator(Watch(), sign_ins=SIGN_INS, rules=rules)) as at:
        await at.logs.save(WANTED, file)
        with pytest.raises(Refused, match="one of a, b, c, d, e with --account-column"):
            await at.logs.compare(WANTED, file)
        assert (await at.logs.compare(WANTED, file, account_column="b")).there == 3


async def test_it_is_clear_of_which_domain_a_log_is(database: Path, tmp_path: Path) -> None:
    line_works = simulator(Watch())
    async with logs_in(database, line_works) as at:
        await at.api.set("tenant", replace(api_app("audit.read"), domains=(1, 2)))
        with pytest.raises(Refused, match="name one of 1, 2"):
            await at.logs.save(WANTED, tmp_path / "x")
        await at.logs.save(replace(WANTED, domain=1), tmp_path / "x")
        await at.api.set("tenant", api_app("directory"))
        with pytest.raises(Refused, match=r"lacks the scope audit\.read"):
            await at.logs.save(WANTED, tmp_path / "y")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"until": START + 32 * 86_400}, "31 days"),
        ({"until": START}, "31 days"),
        (LONG_AGO, "six months"),
    ],
)
async def test_a_span_that_cannot_be_had_is_refused(
    database: Path, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    line_works = simulator(Watch())
    async with logs_in(database, line_works) as at:
        with pytest.raises(Refused, match=problem):
            await at.logs.save(replace(WANTED, **changes), tmp_path / "x")
    assert not line_works.calls
