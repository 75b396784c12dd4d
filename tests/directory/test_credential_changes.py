"""Every change of a credential is announced after its commit: no method bypasses that."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

import pytest
from tests.databases import NOW

from worksgate.audit import AuditEvent, Event
from worksgate.directory import Account
from worksgate.directory.app_passwords import AppPassword, AppPasswordRows
from worksgate.directory.credential_changes import Change, CredentialChange, Origin, coming_from
from worksgate.directory.database import Directory
from worksgate.directory.endings import Endings
from worksgate.directory.factors import FactorRows, Passkey, TotpSecret

PERSON = "directory:1"
ACCOUNT = Account(id="1", username="aoi", password_hash="old", password_changed_at=NOW)
EVENT = AuditEvent(event=Event.SYSTEM, at=NOW, subject_id=PERSON, username="aoi")
TOTP = TotpSecret(subject_id=PERSON, secret=b"s" * 20, last_step=1, created_at=NOW)
PASSKEY = Passkey(
    id="p",
    subject_id=PERSON,
    public_key=b"k",
    sign_count=0,
    backed_up=False,
    aaguid="",
    transports=(),
    name="",
    created_at=NOW,
)
APP_PASSWORD = AppPassword(id="a", subject_id=PERSON, name="Mail", created_at=NOW, digest="d" * 64)

CHANGES: Final[Mapping[str, tuple[Change, Callable[[Directory], Awaitable[object]]]]] = {
    "FactorRows.keep_totp": (
        Change.AUTHENTICATOR_ADDED,
        lambda d: d.factors.keep_totp(TOTP, EVENT),
    ),
    "FactorRows.remove_totp": (
        Change.AUTHENTICATOR_REMOVED,
        lambda d: d.factors.remove_totp(PERSON, EVENT),
    ),
    "FactorRows.add_passkey": (
        Change.PASSKEY_ADDED,
        lambda d: d.factors.add_passkey(PASSKEY, 9, EVENT),
    ),
    "FactorRows.remove_passkey": (
        Change.PASSKEY_REMOVED,
        lambda d: d.factors.remove_passkey(PERSON, "p", EVENT),
    ),
    "FactorRows.replace_recovery_codes": (
        Change.RECOVERY_CODES_RENEWED,
        lambda d: d.factors.replace_recovery_codes(PERSON, ["c" * 64], NOW, EVENT),
    ),
    "FactorRows.use_recovery_code": (
        Change.RECOVERY_CODE_USED,
        lambda d: d.factors.use_recovery_code(PERSON, "c" * 64, EVENT),
    ),
    "FactorRows.remove_all": (
        Change.FACTORS_REMOVED,
        lambda d: d.factors.remove_all(PERSON, EVENT),
    ),
    "AppPasswordRows.add": (
        Change.APP_PASSWORD_ADDED,
        lambda d: d.app_passwords.add(APP_PASSWORD, 9, EVENT),
    ),
    "AppPasswordRows.remove": (
        Change.APP_PASSWORD_REMOVED,
        lambda d: d.app_passwords.remove(PERSON, "a", EVENT),
    ),
    "Endings.end": (
        Change.ALL_ENDED,
        lambda d: d.endings.end(PERSON, Change.ALL_ENDED, lambda event, detail: EVENT),
    ),
}
"""What each verb announces, and how it is called."""

NO_CHANGES = frozenset(
    {
        *("FactorRows.enrolled", "FactorRows.holders", "FactorRows.totp", "FactorRows.passkey"),
        *("FactorRows.console_passkeys", "FactorRows.totp_times", "FactorRows.rename_passkey"),
        *("FactorRows.recovery_digests", "FactorRows.use_totp", "FactorRows.use_passkey"),
        *("AppPasswordRows.of", "AppPasswordRows.find", "AppPasswordRows.names_of"),
        *("AppPasswordRows.note_use", "Endings.newer_factors"),
        *("FactorRows.add_first", "Endings.end_console_sessions"),
    }
)
"""What only reads, notes that a credential was used, gives a new account its first factors or a
passkey another name, or ends sessions."""


class Ear:
    """What has been announced."""

    def __init__(self, directory: Directory) -> None:
        self.heard: list[CredentialChange] = []
        directory.announce = self.heard.append

    @property
    def changes(self) -> list[Change]:
        return [each.change for each in self.heard]


def _verbs() -> set[str]:
    return {
        f"{kind.__name__}.{name}"
        for kind in (FactorRows, AppPasswordRows, Endings)
        for name, verb in inspect.getmembers(kind, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }


def test_r126_every_verb_on_credentials_is_known_to_announce_or_to_change_nothing() -> None:
    """Whoever adds a verb says here which change it announces, and is checked below."""
    assert _verbs() == set(CHANGES) | NO_CHANGES


async def furnish(directory: Directory, *, without: str = "") -> None:
    """Give the person one of each."""
    adding = {
        "FactorRows.keep_totp",
        "FactorRows.add_passkey",
        "FactorRows.replace_recovery_codes",
        "AppPasswordRows.add",
    }
    for name in sorted(adding - {without}):
        await CHANGES[name][1](directory)


@pytest.mark.parametrize("verb", CHANGES)
async def test_r126_a_verb_announces_its_change_once(directory: Directory, verb: str) -> None:
    await furnish(directory, without=verb)
    ear = Ear(directory)
    change, call = CHANGES[verb]
    await call(directory)
    assert ear.changes == [change]
    assert ear.heard[0].event == EVENT


@pytest.mark.parametrize(
    "verb", [each for each in CHANGES if "remove" in each or "use_recovery" in each]
)
async def test_what_changed_nothing_is_not_announced(directory: Directory, verb: str) -> None:
    ear = Ear(directory)
    await CHANGES[verb][1](directory)
    assert ear.changes == []


async def test_r126_an_own_password_change_is_announced(directory: Directory) -> None:
    await _add(directory)
    ear = Ear(directory)
    for expected in ("another", "old"):
        await directory.change_password("1", "new", NOW, expected_hash=expected, event=EVENT)
    assert ear.changes == [Change.PASSWORD_CHANGED]


async def test_r126_r128_another_password_by_an_administrator_ends_app_passwords_and_is_announced(
    directory: Directory,
) -> None:
    await _add(directory)
    await directory.app_passwords.add(APP_PASSWORD, 9, EVENT)
    ear = Ear(directory)
    async with directory.changing() as transaction:
        after = replace(ACCOUNT, password_hash="new")
        await transaction.change_account(ACCOUNT, after, NOW)
        await transaction.record(EVENT)
        assert ear.changes == []
    assert ear.changes == [Change.PASSWORD_SET]
    assert ear.heard[0].event == EVENT
    assert await directory.app_passwords.of(PERSON) == ()


async def test_another_name_leaves_app_passwords_and_is_not_announced(
    directory: Directory,
) -> None:
    await _add(directory)
    await directory.app_passwords.add(APP_PASSWORD, 9, EVENT)
    ear = Ear(directory)
    async with directory.changing() as transaction:
        await transaction.change_account(ACCOUNT, replace(ACCOUNT, name="Aoi"), NOW)
    assert ear.changes == []
    assert len(await directory.app_passwords.of(PERSON)) == 1


async def test_what_is_undone_is_not_announced(directory: Directory) -> None:
    await _add(directory)
    ear = Ear(directory)

    async def interrupted() -> None:
        async with directory.changing() as transaction:
            await transaction.change_account(ACCOUNT, replace(ACCOUNT, password_hash="new"), NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await interrupted()
    assert ear.changes == []


@pytest.mark.parametrize(("ends", "left"), [(True, 0), (False, 1)])
async def test_r128_an_own_password_change_ends_app_passwords_unless_they_are_kept(
    directory: Directory,
    ends: bool,  # noqa: FBT001  # a parameter of the test
    left: int,
) -> None:
    await _add(directory)
    await directory.app_passwords.add(APP_PASSWORD, 9, EVENT)
    await directory.change_password(
        "1", "new", NOW, expected_hash="old", event=EVENT, ends_app_passwords=ends
    )
    assert len(await directory.app_passwords.of(PERSON)) == left


async def test_r127_factors_from_a_moment_on_end_and_older_ones_stay(directory: Directory) -> None:
    await furnish(directory)
    newer = replace(PASSKEY, id="newer", created_at=NOW + 10)
    await directory.factors.add_passkey(newer, 9, EVENT)
    ended = await directory.endings.end(
        PERSON, Change.DISAVOWED, _described, factors_since=NOW + 10
    )
    left = await directory.factors.enrolled(PERSON)
    assert (ended.app_passwords, ended.factors) == (1, 1)
    assert (left.totp, [each.id for each in left.passkeys]) == (True, ["p"])
    assert left.recovery_codes_left == 1
    ended = await directory.endings.end(PERSON, Change.DISAVOWED, _described, factors_since=NOW)
    assert ended.factors == 2
    left = await directory.factors.enrolled(PERSON)
    assert not left.any
    assert left.recovery_codes_left == 0


async def test_change_says_where_its_request_came_from(directory: Directory) -> None:
    ear = Ear(directory)
    origin = Origin(address="203.0.113.7", browser="Chrome on Windows", language="ja")
    with coming_from(lambda: origin):
        await directory.factors.keep_totp(TOTP, EVENT)
    await directory.factors.keep_totp(TOTP, EVENT)
    assert [each.origin for each in ear.heard] == [origin, Origin()]


def _described(event: Event, detail: str) -> AuditEvent:
    return AuditEvent(event=event, at=NOW, subject_id=PERSON, detail=detail)


async def _add(directory: Directory) -> None:
    async with directory.changing() as transaction:
        await transaction.add_accounts([ACCOUNT])
