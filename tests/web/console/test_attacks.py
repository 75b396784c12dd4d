"""What attackers try against the console: stolen sessions, moments between two steps, guesses."""

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from tests.databases import POSTGRES, query
from tests.web.console.console import ORIGIN, PASSWORD, AdminBrowser, ConsoleUnderTest, console_of
from tests.web.console.test_access import become, link_of

from worksgate.administration.alerts import AlertKind
from worksgate.administration.alerts.watching import DAY, Watch
from worksgate.administration.console.browsers import ConsoleBrowser
from worksgate.administration.console.sessions import SESSIONS, SignInOver
from worksgate.administration.console.sign_in import BETWEEN
from worksgate.administration.roles import Permission, Role, may
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.password_hashing import BusyRefusal, HashingBusy, PasswordHashing
from worksgate.directory.administrators import AdministratorAccount
from worksgate.provider import stranger_records
from worksgate.provider.account.one_time_links import LinkNotValid
from worksgate.provider.account.password_reset import PasswordReset
from worksgate.provider.account.reset_links import ResetLinks
from worksgate.provider.account.reset_requests import ResetRequests
from worksgate.provider.sources import SourcesInUse
from worksgate.sources import Identified, Person
from worksgate.web.console import help_limit
from worksgate.web.console.routes import ROUTES


async def is_in(browser: AdminBrowser) -> bool:
    return (await browser.get("/me")).status_code == 200


async def try_password(console: ConsoleUnderTest, browser: AdminBrowser, **form: str) -> int:
    await browser.get("/sign-in")
    return (await browser.post("/sign-in", **form)).status_code


async def lock_out(console: ConsoleUnderTest, username: str) -> None:
    """Guess from the network of everybody else until guesses have to wait."""
    console.clock.stop()  # the first wait is short: a busy machine might sit it out
    guesser = await console.browser()
    form = {"username": username, "password": "wrong wrong wrong"}
    statuses = [await try_password(console, guesser, **form) for _ in range(12)]
    assert statuses[-1] == 429


# Sessions


@pytest.mark.parametrize("how", ["sign out", "everything", "factors", "app removed", "other app"])
async def test_r156_a_session_ends_with_all_others_and_with_the_factor(
    console: ConsoleUnderTest, how: str
) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("admin", Role.ADMIN)
    browser, owner = await console.signed_in("admin"), await console.signed_in("owner")
    anybody, event = console.administration.people, AuditEvent(event=Event.FACTOR_REMOVED, at=0.0)
    match how:
        case "sign out":
            await console.administration.users.sign_out("admin")
        case "everything":
            await anybody.end_everything("admin")
        case "factors":
            await anybody.reset_factors("admin")
        case "app removed":
            await anybody._directory.factors.remove_totp(subject, event)
        case "other app":
            await console.enrol("admin", subject)
    assert not await is_in(browser)
    assert await is_in(owner)


@pytest.mark.parametrize("how", ["role", "password", "disabled", "removed"])
async def test_r156_no_session_begins_after_what_would_have_ended_it(
    console: ConsoleUnderTest, how: str
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("admin", Role.ADMIN)
    users = console.administration.users
    seen = AdministratorAccount.of(await users.get("admin"))
    console.clock.advance(1)
    match how:
        case "role":
            await console.administration.administrators.set_role("admin", Role.AUDITOR)
        case "password":
            await users.set_password("admin", "another long passphrase here")
        case "disabled":
            await users.disable("admin")
        case "removed":
            await users.remove("admin")
    inside = await console.inside()
    with pytest.raises(SignInOver):
        await inside.sign_in.sessions.begin(
            seen, ConsoleBrowser("192.0.2.7", "Chrome", "secret"), "code"
        )
    assert query(console.database, "SELECT count(*) FROM console_sessions") == [(0,)]


@pytest.mark.parametrize("role", [None, Role.AUDITOR])
async def test_r156_a_role_that_is_taken_while_a_form_arrives_does_nothing_more(
    console: ConsoleUnderTest, role: Role | None
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("admin", Role.ADMIN)
    subject = await console.make("person", None)
    browser = await console.signed_in("admin")
    await browser.get(f"/person?id={subject}")
    form = urlencode({"csrf": browser.hidden("csrf"), "id": subject}).encode()

    async def slowly() -> AsyncIterator[bytes]:
        yield form[:10]
        await console.administration.administrators.set_role("admin", role)
        yield form[10:]

    kind = {"content-type": "application/x-www-form-urlencoded"}
    response = await browser.http.post("/person/disable", content=slowly(), headers=kind)
    assert (response.status_code, response.headers["location"]) == (303, "/sign-in")
    assert (await console.administration.users.get("person")).enabled


async def test_r28_r156_a_new_session_ends_the_one_before_it_in_this_browser(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    link = await link_of(console, recovers=True)
    assert await become(console, browser, link, "rescuer") == 200
    assert await is_in(browser)
    (stored,) = query(console.database, "SELECT subject_id FROM console_sessions")
    rescuer = await console.administration.users.get("rescuer")
    assert stored == (rescuer.person.subject_id,)


async def test_r252_a_sign_in_from_a_new_address_is_told(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("other", Role.OWNER)
    inside = await console.inside()
    watch = Watch(console.administration.sign_ins, console.administration.going_live.started_at)

    async def told_of(name: str, address: str) -> list[Mapping[str, object]]:
        account = AdministratorAccount.of(await console.administration.users.get(name))
        browser = ConsoleBrowser(address, "Chrome", "secret")
        await inside.sign_in.sessions.begin(account, browser, "code")
        found = await watch.look(console.clock())
        return [each.details for each in found if each.kind == AlertKind.CONSOLE_SIGN_IN]

    assert await told_of("owner", "192.0.2.7") == []
    console.clock.advance(DAY)
    assert await told_of("owner", "192.0.2.7") == []
    assert await told_of("other", "203.0.113.5") == []
    assert await told_of("owner", "203.0.113.5") == [
        {"username": "owner", "address": "203.0.113.5"}
    ]


async def test_the_second_step_is_over_after_five_minutes(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.browser()
    await try_password(console, browser, username="owner", password=PASSWORD)
    console.clock.advance(BETWEEN)
    await browser.post("/sign-in/code", step=browser.hidden("step"), code=console.code("owner"))
    assert browser.page.status_code == 401
    assert "Too much time has passed" in browser.page.text


# Links to choose a password


@pytest.mark.parametrize(("before", "after"), [(None, Role.OWNER), (Role.ADMIN, Role.OWNER)])
async def test_r158_a_reset_link_from_before_a_role_opens_nothing(
    console: ConsoleUnderTest, before: Role | None, after: Role
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("person", before)
    administration = console.administration
    directory = administration.people._directory
    store = await administration.users._store()
    links = ResetLinks(console.settings, directory, store)
    url = await administration.users.issue_reset_link("person")
    secret = dict(parse_qsl(urlsplit(url).query))["token"]
    assert (await links.find(secret, console.clock())).account.username == "person"
    await administration.administrators.set_role("person", after)
    with pytest.raises(LinkNotValid):
        await links.find(secret, console.clock())
    fresh = await administration.users.issue_reset_link("person")
    await links.find(dict(parse_qsl(urlsplit(fresh).query))["token"], console.clock())


async def test_r158_a_role_that_is_given_while_a_reset_link_is_used_makes_it_void(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("person", None)
    administration, inside = console.administration, await console.inside()
    directory = administration.people._directory
    store = await administration.users._store()
    hashing = inside.first_owner._hashing
    audit, strangers = inside.sign_in._audit, inside.sign_in._strangers
    reset = PasswordReset(
        console.settings,
        directory,
        store,
        RoleGivenMeanwhile(console, hashing),  # type: ignore[arg-type]  # what it calls
        ResetRequests(console.settings, directory, store, audit, strangers),
    )
    url = await administration.users.issue_reset_link("person")
    secret = dict(parse_qsl(urlsplit(url).query))["token"]
    with pytest.raises(LinkNotValid):
        await reset.finish(secret, "a new password from the link", console.clock())
    await reset.close()


@dataclass
class RoleGivenMeanwhile:
    """Hashing that takes as long as it takes to become an owner."""

    console: ConsoleUnderTest
    hashing: PasswordHashing

    async def check_new(self, password: str, context: Sequence[str], *, whose: str) -> None:
        return None

    async def hash(self, password: str) -> str:
        await self.console.administration.administrators.set_role("person", Role.OWNER)
        return await self.hashing.hash(password)


# Guesses


async def test_r79_r157_guesses_of_others_do_not_keep_a_known_browser_out(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    await browser.get("/me")
    await browser.post("/sign-out")
    await lock_out(console, "owner")
    assert await try_password(console, browser, username="owner", password=PASSWORD) == 200
    code = console.code("owner")
    assert (
        await browser.post("/sign-in/code", step=browser.hidden("step"), code=code)
    ).status_code == 303


async def test_r79_r157_a_browser_is_known_to_one_administrator_only(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("admin", Role.ADMIN)
    browser = await console.signed_in("admin")
    await browser.get("/me")
    await browser.post("/sign-out")
    await lock_out(console, "owner")
    assert await try_password(console, browser, username="owner", password=PASSWORD) == 429


@dataclass
class SlowSource:
    """The directory while an imported hash is there: refusals take a while, and may be busy."""

    person: Person | None
    is_busy: bool = False
    takes: float = 0.0
    is_full: bool = False
    name: str = "directory"

    async def only(self, _: frozenset[str]) -> SourcesInUse:
        """As the sources of the console."""
        return SourcesInUse({self.name: self})

    async def authenticate(self, username: str, password: str) -> Person | None:
        raise NotImplementedError

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return last_seen

    def check_capacity(self, *, is_known: bool = True) -> None:
        if self.is_full:
            raise HashingBusy

    async def identify(self, username: str) -> Identified:
        return Identified(username, is_busy=self.is_busy)

    async def verify(self, identified: Identified, password: str, *, admitted: bool) -> Person:
        if self.person is not None and password == PASSWORD:
            return self.person
        raise BusyRefusal

    async def refusal_time(self) -> float:
        return self.takes


async def test_r145_r157_a_guess_that_could_not_be_checked_counts(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    inside = await console.inside()
    inside.sign_in.sources._sources = SlowSource(None, is_busy=True).only
    console.clock.stop()
    browser = await console.browser()
    form = {"username": "owner", "password": "wrong wrong wrong"}
    statuses = [await try_password(console, browser, **form) for _ in range(12)]
    assert (statuses[0], statuses[-1]) == (503, 429)
    assert "wrong name or password" in await console.refusals()


async def test_a_password_that_cannot_be_checked_now_is_no_guess(
    console: ConsoleUnderTest,
) -> None:
    inside = await console.inside()
    inside.sign_in.sources._sources = SlowSource(None, is_full=True).only
    browser = await console.browser()
    form = {"username": "owner", "password": "wrong wrong wrong"}
    statuses = [await try_password(console, browser, **form) for _ in range(12)]
    assert statuses == [503] * 12


@pytest.mark.parametrize(("is_busy", "status"), [(False, 401), (True, 503)])
async def test_r121_r157_a_right_password_without_a_role_is_refused_like_a_wrong_one(
    console: ConsoleUnderTest, *, is_busy: bool, status: int
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("person", None)
    person = (await console.administration.users.get("person")).person
    inside = await console.inside()
    source = SlowSource(person, is_busy=is_busy, takes=0.4)
    inside.sign_in.sources._sources = source.only
    browser = await console.browser()
    for password in (PASSWORD, "wrong wrong wrong"):
        began = time.monotonic()
        form = {"username": "person", "password": password}
        assert await try_password(console, browser, **form) == status
        assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("is_enabled", [True, False])
async def test_r277_a_right_password_that_opens_nothing_sets_no_failures_back(
    console: ConsoleUnderTest, *, is_enabled: bool
) -> None:
    """Otherwise the guess after it would tell that it was right."""
    role = None if is_enabled else Role.AUDITOR
    await console.make("owner", Role.OWNER)
    await console.make("person", role)
    if not is_enabled:
        await console.administration.users.disable("person")
    browser, wrong = await console.browser(), "wrong wrong wrong"
    passwords = [*[wrong] * 9, PASSWORD, wrong]
    statuses = [
        await try_password(console, browser, username="person", password=each) for each in passwords
    ]
    assert statuses == [401] * 10 + [429]


async def test_r157_a_flood_of_refusals_does_not_fill_the_audit_log(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stranger_records, "DEFAULT_PER_MINUTE", 2)
    await console.make("owner", Role.OWNER)
    inside = await console.inside()
    inside.sign_in.sources._sources = SlowSource(None, is_busy=True).only
    browser = await console.browser()
    for number in range(6):
        await try_password(console, browser, username=f"n{number}", password="wrong wrong")
    await inside.sign_in._audit.flush()
    refused = await console.administration.audit_log.search(event=Event.CONSOLE_REFUSED)
    assert [each.address for each in refused] == ["192.0.2.7"] * 2


# Roles


async def test_r160_a_help_desk_helps_thirty_times_an_hour(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(help_limit, "HELPED", 3)
    await console.make("owner", Role.OWNER)
    await console.make("help", Role.HELP_DESK)
    subject = await console.make("person", None)
    owner, desk = await console.signed_in("owner"), await console.signed_in("help")
    for browser, last in ((desk, 429), (owner, 303)):
        await browser.get(f"/person?id={subject}")
        token = browser.hidden("csrf")
        statuses = [
            (await browser.post("/person/sign-out", csrf=token, id=subject)).status_code
            for _ in range(4)
        ]
        assert statuses == [303, 303, 303, last]
    for _ in range(3):
        console.clock.advance(help_limit.WINDOW // 3 + 1)
        await desk.get("/me")
    assert (await desk.post("/person/sign-out", id=subject)).status_code == 303


async def test_no_form_about_a_person_goes_past_that_limit(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(help_limit, "HELPED", 0)
    await console.make("owner", Role.OWNER)
    await console.make("help", Role.HELP_DESK)
    subject = await console.make("person", None)
    desk = await console.signed_in("help")
    answers = {}
    for route in ROUTES:
        about_a_person = route.method == "POST" and route.path.startswith("/person/")
        if about_a_person and may(Role.HELP_DESK, route.permission or Permission.OWN):
            await desk.get(f"/person?id={subject}")
            await desk.post(route.path, id=subject, version="0", identified="in_person")
            answers[route.path] = desk.page.status_code
    assert {"/person/code", "/person/reset-mail", "/person/disable"} < answers.keys()
    assert set(answers.values()) == {429}, answers


async def test_an_administrator_has_ten_sessions_at_most(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    first = await console.signed_in("owner")
    account = AdministratorAccount.of(await console.administration.users.get("owner"))
    inside, browser = await console.inside(), ConsoleBrowser("192.0.2.7", "Chrome", "secret")
    for _ in range(SESSIONS):
        console.clock.advance(1)
        await inside.sign_in.sessions.begin(account, browser, "code")
    assert query(console.database, "SELECT count(*) FROM console_sessions") == [(SESSIONS,)]
    assert not await is_in(first)


async def test_a_temporary_password_opens_no_session(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    await console.administration.users.set_password("owner", PASSWORD, temporary=True)
    browser = await console.browser()
    assert await try_password(console, browser, username="owner", password=PASSWORD) == 403
    assert "a password of their own" in browser.page.text
    assert await console.refusals() == ["the password is temporary"]
    console.clock.advance(console.settings.temporary_password_lifetime)
    assert await try_password(console, browser, username="owner", password=PASSWORD) == 401


async def test_a_recovery_code_opens_one_session(console: ConsoleUnderTest) -> None:
    browser = await console.browser()
    await become(console, browser, await link_of(console), "first")
    (code, *_) = re.findall(r"<li><code>(.*?)</code>", browser.page.text)
    for status in (303, 401):
        other = await console.browser()
        await try_password(console, other, username="first", password=PASSWORD)
        step = other.hidden("step")
        await other.post("/sign-in/code", step=step, recovery="1", recovery_code=code)
        assert other.page.status_code == status
    recorded = await console.administration.audit_log.search(event=Event.CONSOLE_SIGNED_IN)
    assert str(recorded[-1].detail).startswith("recovery code; ")


async def test_a_role_of_a_later_version_opens_nothing(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("admin", Role.ADMIN)
    browser = await console.signed_in("admin")
    query(console.database, "UPDATE accounts SET role = 'deployer' WHERE role = 'admin'")
    assert not await is_in(browser)
    other = await console.browser()
    assert await try_password(console, other, username="admin", password=PASSWORD) == 401


async def test_r153_an_owner_by_a_link_is_a_warning_in_the_log(
    console: ConsoleUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    await console.make("owner", Role.OWNER)
    link = await link_of(console, recovers=True)
    assert await become(console, await console.browser(), link, "rescuer") == 200
    logged = capsys.readouterr().out
    assert "console.owner_by_link" in logged
    assert link.removeprefix("/first?token=") not in logged


@pytest.mark.parametrize("client", ["::ffff:192.0.2.7", "192.0.2.7"])
async def test_r154_an_allowed_network_is_known_in_every_spelling(
    tmp_path: Path, client: str
) -> None:
    async with console_of(tmp_path, console_allowed_addresses=("192.0.2.0/24",)) as console:
        transport = httpx2.ASGITransport(app=console._application, client=(client, 1))
        async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            assert (await http.get("/sign-in")).status_code == 200


# Hostile input, exports, logs


HOSTILE = [
    ("/find?q=%00", 400),
    ("/people?q=a%00", 400),
    ("/person?id=directory:%00", 400),
    ("/audit?user=%00", 400),
    ("/people?" + "a=1&" * 30, 400),
    ("/find?q=" + "%25" * 9_000, 303),
    ("/people?q=%ff%fe&after=%ff&id=%ff", 200),
    ("/people?q=%ed%a0%80", 200),
    ("/person?id=" + "x" * 5_000, 404),
    ("/people?state=no_such&source=%27%20OR%201=1", 200),
    ("/clients?q=%ff%25_&after=%ff", 200),
    ("/client?id=" + "x" * 5_000, 404),
    ("/client/edit?id=%27&part=%27", 404),
    ("/client/rules?id=%ed%a0%80", 404),
    ("/audit/changes?kind=no_such&before=" + "9" * 30, 200),
    ("/audit/changes?before=999999999999999999", 200),
    ("/go-live/rehearsal?after=" + "9" * 5_000, 200),
]
"""Addresses, and the status of the page that they get."""


@pytest.mark.parametrize("database", ["worksgate.db", f"worksgate{POSTGRES}"])
async def test_r159_hostile_addresses_get_a_page(tmp_path: Path, database: str) -> None:
    async with console_of(tmp_path, database=database) as console:
        await console.make("owner", Role.OWNER)
        browser = await console.signed_in("owner")
        for path, status in HOSTILE:
            assert (await browser.get(path)).status_code == status, path[:100]


@pytest.mark.parametrize("typed", ["%", "_", "%%%", "a_b", "\\"])
async def test_r159_a_search_takes_every_character_as_it_is(
    console: ConsoleUnderTest, typed: str
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("axb", None)
    browser = await console.signed_in("owner")
    browser.page = await browser.http.get("/people", params={"q": typed})
    assert "Nobody matches" in browser.page.text


async def test_r159_a_form_with_nul_changes_nothing(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    await browser.get("/administrators")
    await browser.post("/administrators/role", username="a\0", role="owner")
    assert browser.page.status_code == 400


@pytest.mark.parametrize("at", ["99999999999:00", "24:00", "-1:00", "7", "９" * 30 + ":00"])
async def test_what_is_no_time_is_refused(console: ConsoleUnderTest, at: str) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    await browser.get("/me")
    assert (await browser.post("/go-live/start", at=at)).status_code == 409


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
async def test_r159_an_export_is_recorded_and_no_formula(
    console: ConsoleUnderTest, first: str
) -> None:
    await console.make("owner", Role.OWNER)
    directory = console.administration.people._directory
    event = AuditEvent(event=Event.LOGIN_FAILED, at=0.0, username=f"{first}HYPERLINK(1)")
    await directory.record([event])
    browser = await console.signed_in("owner")
    await browser.get("/audit")
    exported = await browser.post("/audit/export", event="login.failed")
    assert f""","'{first}HYPERLINK(1)",""" in exported.text
    records = await console.administration.audit_log.search(event=Event.SYSTEM)
    assert [(each.actor, each.detail) for each in records] == [
        ("console:owner", "an export begins: audit records as CSV, event=login.failed"),
        ("console:owner", "1 records were exported: audit records"),
    ]


async def test_r159_a_crash_does_not_log_the_secret_of_a_first_link(
    console: ConsoleUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    link = await link_of(console)
    inside = await console.inside()

    async def crash(*_: object) -> None:
        raise RuntimeError("a bug")

    inside.first_owner.offer = crash  # type: ignore[method-assign,assignment]  # a bug
    browser = await console.browser()
    assert (await browser.get(link)).status_code == 500
    logged = capsys.readouterr()
    assert "console.crashed" in logged.out + logged.err
    assert link.removeprefix("/first?token=") not in logged.out + logged.err
    for row in query(console.database, "SELECT detail, username FROM audit"):
        assert link.removeprefix("/first?token=") not in str(row)
