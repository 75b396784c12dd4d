"""Sessions of administrators: what a new one says of itself, and until when it is good."""

from dataclasses import dataclass, field, replace
from typing import NoReturn

import pytest
from tests.administration.installation import PASSWORD, Office
from tests.databases import NOW, query

from worksgate.administration.console import sessions as module
from worksgate.administration.console.browsers import ConsoleBrowser, KnownDevices
from worksgate.administration.console.sessions import (
    ABSOLUTE,
    IDLE,
    PROVED_FOR,
    SESSIONS,
    TOUCHED,
    ConsoleSessions,
    Opened,
    SignedIn,
    SignInOver,
)
from worksgate.administration.console.sources import AdministratorSources
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.console_sessions import ConsoleSession, is_session_name
from worksgate.directory.credential_changes import Change, CredentialChange
from worksgate.directory.queries import AuditFilter
from worksgate.oauth.model import CLOCK_SKEW
from worksgate.sources import Person

HERE = ConsoleBrowser("192.0.2.7", "Chrome", "secret")
ELSEWHERE = ConsoleBrowser("203.0.113.5", "", "other secret")
NOWHERE = ConsoleBrowser("", "", "third secret")


async def no_sources(_names: frozenset[str]) -> NoReturn:
    raise AssertionError("an administrator of the built-in directory needs no source")


class Sources(AdministratorSources):
    """They say what they were told to, and count how often they are asked."""

    asked = 0
    knows = True
    groups: tuple[str, ...] = ()

    async def present(self, account: AdministratorAccount) -> AdministratorAccount | None:
        self.asked += 1
        person = replace(account.person, groups=self.groups)
        return replace(account, person=person) if self.knows else None


@dataclass
class Desk:
    """The sessions of one owner, and what the log has of them."""

    office: Office
    sessions: ConsoleSessions
    sources: "Sources"
    account: AdministratorAccount
    logged: list[AuditEvent] = field(default_factory=list)

    async def begin(self, browser: ConsoleBrowser = HERE) -> Opened:
        return await self.sessions.begin(self.account, browser, "code")

    async def found(self, opened: Opened) -> SignedIn | None:
        return await self.sessions.find(opened.secret)

    async def shown(self, opened: Opened) -> SignedIn | None:
        """By a page that loads itself again."""
        return await self.sessions.find(opened.secret, is_used=False)

    async def one(self, opened: Opened) -> SignedIn:
        signed_in = await self.found(opened)
        assert signed_in is not None
        return signed_in

    async def open(self) -> list[ConsoleSession]:
        now = self.office.clock()
        return await self.office.directory.console_sessions.of(self.account.subject_id, now)

    async def records(self, event: Event) -> list[AuditEvent]:
        """The newest last."""
        return await self.office.directory.audit(AuditFilter(event=event))


@pytest.fixture
async def desk(at_work: Office, monkeypatch: pytest.MonkeyPatch) -> Desk:
    administration, directory = at_work.administration, at_work.directory
    await administration.users.add("owner", password=PASSWORD, name="Owner")
    await administration.administrators.set_role("owner", Role.OWNER)
    account = AdministratorAccount.of(await administration.users.get("owner"))
    sources = Sources(directory, no_sources)
    sessions = ConsoleSessions(directory, sources, KnownDevices(b"k" * 32), at_work.clock)
    desk = Desk(at_work, sessions, sources, account)
    monkeypatch.setattr(module, "log_events", desk.logged.extend)
    return desk


async def test_a_session_says_where_it_began(desk: Desk) -> None:
    for browser in (HERE, NOWHERE):
        await desk.begin(browser)
    assert {(each.address, each.browser) for each in await desk.open()} == {
        ("192.0.2.7", "Chrome"),
        (None, None),
    }


async def test_r252_a_session_has_a_record_and_a_line_of_the_log(desk: Desk) -> None:
    announced: list[CredentialChange] = []
    desk.office.directory.announce = announced.append
    for browser, where in ((HERE, ""), (HERE, ""), (ELSEWHERE, "; from a new place")):
        assert announced == []
        session = (await desk.one(await desk.begin(browser))).session
        newest = (await desk.records(Event.CONSOLE_SIGNED_IN))[-1]
        assert newest.detail == f"code{where}; session {session.name}"
        assert is_session_name(session.name)
        assert newest.address == browser.address
        assert desk.logged[-1].detail == newest.detail
        desk.office.clock.now += 1
    assert [each.change for each in announced] == [Change.CONSOLE_ELSEWHERE]


async def test_r156_no_session_begins_of_somebody_with_another_role(desk: Desk) -> None:
    administration = desk.office.administration
    await administration.users.add("other", password=PASSWORD, name="Other")
    await administration.administrators.set_role("other", Role.OWNER)
    await administration.administrators.set_role("owner", Role.ADMIN)
    with pytest.raises(SignInOver):
        await desk.begin()
    assert desk.logged == []


async def test_a_second_factor_is_fresh_for_five_minutes(desk: Desk) -> None:
    opened = await desk.begin()
    began = (await desk.one(opened)).session.proved_at
    assert began == NOW
    for age, is_fresh in ((0, True), (PROVED_FOR, True), (PROVED_FOR + 1, False), (-1, False)):
        assert (await desk.one(opened)).is_proved(NOW + age) == is_fresh
    desk.office.clock.now = NOW + PROVED_FOR + 1
    await desk.sessions.note_proof(await desk.one(opened))
    assert (await desk.one(opened)).is_proved(desk.office.clock())


async def test_r152_a_session_ends_half_an_hour_after_its_last_use(desk: Desk) -> None:
    opened = await desk.begin()
    desk.office.clock.now += IDLE - 1
    await desk.one(opened)
    desk.office.clock.now += IDLE - 1
    await desk.one(opened)
    desk.office.clock.now += IDLE
    assert await desk.found(opened) is None


async def test_r152_a_session_ends_after_eight_hours(desk: Desk) -> None:
    opened = await desk.begin()
    while desk.office.clock() + 1_500 < NOW + ABSOLUTE:
        desk.office.clock.now += 1_500
        await desk.one(opened)
    (session,) = await desk.open()
    assert session.expires_at == NOW + ABSOLUTE
    # However it came by a later end:
    query(desk.office.file, f"UPDATE console_sessions SET expires_at = {NOW + 2 * ABSOLUTE}")
    desk.office.clock.now = NOW + ABSOLUTE - 1
    await desk.shown(opened)
    desk.office.clock.now = NOW + ABSOLUTE
    assert await desk.found(opened) is None


async def test_a_use_is_noted_once_a_minute(desk: Desk) -> None:
    opened, noted = await desk.begin(), []
    for after in (TOUCHED - 1, TOUCHED, 2 * TOUCHED - 1, 2 * TOUCHED):
        desk.office.clock.now = NOW + after
        await desk.one(opened)
        noted.append((await desk.open())[0].used_at - NOW)
    assert noted == [0, TOUCHED, TOUCHED, 2 * TOUCHED]


async def test_r225_what_is_no_use_extends_nothing(desk: Desk) -> None:
    opened = await desk.begin()
    desk.office.clock.now = NOW + IDLE - 1
    assert await desk.shown(opened) is not None
    (session,) = await desk.open()
    assert (session.used_at, session.expires_at) == (NOW, NOW + IDLE)
    assert session.asked_at == NOW + IDLE - 1
    desk.office.clock.now = NOW + IDLE
    assert await desk.found(opened) is None


async def test_the_source_is_asked_once_a_minute_and_a_use_is_noted_all_the_same(
    desk: Desk,
) -> None:
    opened = await desk.begin()
    for after, asked in ((TOUCHED - 1, 0), (TOUCHED, 1), (TOUCHED + 1, 1), (2 * TOUCHED, 2)):
        desk.office.clock.now = NOW + after
        assert await desk.shown(opened) is not None
        assert desk.sources.asked == asked
    await desk.one(opened)
    assert (await desk.open())[0].used_at == NOW + 2 * TOUCHED
    desk.office.clock.now = NOW + 3 * TOUCHED
    await desk.shown(opened)
    await desk.one(opened)  # its use is just a minute ago, the question not
    assert (await desk.open())[0].used_at == NOW + 3 * TOUCHED


async def test_r191_a_session_ends_when_its_source_no_longer_knows_who_it_is(desk: Desk) -> None:
    opened = await desk.begin()
    desk.office.clock.now += TOUCHED
    desk.sources.knows = False
    assert await desk.found(opened) is None
    assert await desk.open() == []
    (ended,) = await desk.records(Event.CONSOLE_SIGNED_OUT)
    assert (ended.address, ended.detail) == ("192.0.2.7", "directory no longer knows them")


async def test_r226_other_groups_are_noted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[tuple[str, ...]] = []

    async def note_groups(_source: str, person: Person, _event: object = None) -> None:
        noted.append(person.groups)

    monkeypatch.setattr(desk.office.directory.people, "note_groups", note_groups)
    opened = await desk.begin()
    for groups in ((), ("IT",)):
        desk.office.clock.now += TOUCHED
        desk.sources.groups = groups
        await desk.one(opened)
    assert noted == [("IT",)]


async def test_a_session_of_somebody_who_may_not_sign_in_opens_nothing(desk: Desk) -> None:
    opened = await desk.begin()
    query(desk.office.file, "UPDATE accounts SET enabled = 0")
    assert await desk.found(opened) is None


async def test_r269_a_session_may_be_from_a_clock_that_is_ahead(desk: Desk) -> None:
    opened = await desk.begin()
    desk.office.clock.now = NOW - CLOCK_SKEW
    await desk.one(opened)
    desk.office.clock.now -= 1
    assert await desk.found(opened) is None


async def test_what_has_ended_is_not_among_the_open_sessions(desk: Desk) -> None:
    await desk.begin()
    rows = desk.office.directory.console_sessions
    for now, count in ((NOW + IDLE - 1, 1), (NOW + IDLE, 0)):
        assert len(await rows.of(desk.account.subject_id, now)) == count
        assert len(await rows.open(now, 10)) == count


async def test_of_too_many_sessions_the_least_recently_used_end(desk: Desk) -> None:
    first, *_ = [await desk.begin() for _ in range(SESSIONS)]
    desk.office.clock.now += TOUCHED
    await desk.one(first)
    desk.office.clock.now += 1
    await desk.begin()
    assert len(await desk.open()) == SESSIONS
    assert await desk.found(first) is not None
    assert len(await desk.records(Event.CONSOLE_SIGNED_OUT)) == 1


async def test_who_has_no_cookie_has_no_session(desk: Desk) -> None:
    await desk.begin()
    assert await desk.sessions.find(None) is None
    assert await desk.sessions.find("another") is None


async def test_one_session_or_all_of_them_are_ended(desk: Desk) -> None:
    first, second, third = [await desk.begin() for _ in range(3)]
    signed_in = await desk.one(first)
    assert len(await desk.sessions.of(signed_in)) == 3
    assert await desk.sessions.end(signed_in, (await desk.one(second)).session.key, HERE) == 1
    assert await desk.found(second) is None
    assert await desk.found(third) is not None
    assert await desk.sessions.end(signed_in, None, HERE) == 2
    assert await desk.found(first) is None
