"""A reset does not reveal who exists, works once, for one password, and revokes what was before."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from tests.databases import NOW
from tests.mail_server import MailServer, silent_server
from tests.provider.account.resetting import (
    ADDRESS,
    NEW_PASSWORD,
    OLD_PASSWORD,
    SETTINGS,
    Resetting,
    resetting,
    secret_of,
)

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.password_hashing import HashingBusy, PasswordHashing
from worksgate.credentials.secrets import digest
from worksgate.database import Conflict, DatabaseUnavailable
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.transaction import Transaction
from worksgate.limits.rate_limit import DAY
from worksgate.mail import Mailer, MailMessage
from worksgate.oauth.model import Interim, Session
from worksgate.provider.account import reset_requests
from worksgate.provider.account.one_time_links import LinkNotValid
from worksgate.provider.account.password_reset import PasswordReset
from worksgate.provider.account.reset_links import ResetLinks
from worksgate.provider.account.reset_requests import _LONGEST_NAME, ResetRequests
from worksgate.provider.sign_in.transaction import TransactionSigner
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.sources import Person
from worksgate.store import StoreUnavailable
from worksgate.store.memory import MemoryStore

NOBODY = ("nobody", "nobody@example.com", "nomail", "gone", "gone@example.com", "", " ", "a" * 999)
STRANGE = ("\0", "aoi\nBcc: eve@example.com", "' OR 1=1 --", "%", "ａｏｉ＠example.com", "\ud800")


@dataclass
class Otherwise:
    """A directory, for one that does something in another way."""

    directory: Directory

    async def account_by_username(self, username: str) -> Account | None:
        return await self.directory.account_by_username(username)

    async def account_by_id(self, id: str) -> Account | None:  # noqa: A002  # as in the directory
        return await self.directory.account_by_id(id)

    async def accounts_by_email(self, email: str, limit: int) -> Sequence[Account]:
        return await self.directory.accounts_by_email(email, limit)

    async def record(self, events: Sequence[AuditEvent]) -> None:
        await self.directory.record(events)

    def changing(self) -> AbstractAsyncContextManager[Transaction]:
        return self.directory.changing()


class Silent(Otherwise):
    """Looks people up for ever."""

    async def account_by_username(self, username: str) -> Account | None:
        await asyncio.Event().wait()
        return None


class Failing(Otherwise):
    """Keeps nothing."""

    async def record(self, events: Sequence[AuditEvent]) -> None:
        raise DatabaseUnavailable("down")

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Transaction]:
        raise DatabaseUnavailable("down")
        yield


@dataclass
class OutrunAccounts(Otherwise):
    """An administrator is always a moment faster."""

    reset: Resetting

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Transaction]:
        await self.reset.change("aoi", password_hash="$argon2id$other", password_changed_at=NOW)
        async with self.directory.changing() as transaction:
            yield transaction


class Noting(Otherwise):
    """Notes the names for which somebody is looked up."""

    def __init__(self, directory: Directory) -> None:
        super().__init__(directory)
        self.names: list[str] = []

    async def account_by_username(self, username: str) -> Account | None:
        self.names.append(username)
        return await super().account_by_username(username)


class Conflicting(Otherwise):
    """Refuses every change."""

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Transaction]:
        async with self.directory.changing() as transaction:
            yield transaction
            raise Conflict("somebody has that key")


class OldPasswordMeanwhile(Otherwise):
    """Somebody signs in with the old password just before the new one is there."""

    def __init__(self, reset: Resetting) -> None:
        super().__init__(reset.directory)
        self._reset = reset

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Transaction]:
        async with self.directory.changing() as transaction:
            yield transaction
        self.session = await self._reset.open_session("aoi")


class Unforgetting(MemoryStore):
    """Ends nothing."""

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        raise StoreUnavailable("down")


# Who is told what


async def test_link_in_the_mail_changes_the_password(reset: Resetting, server: MailServer) -> None:
    await reset.ask("AOI ")
    (mail,) = await server.wait_for(1)
    assert mail.recipients == ("aoi@example.com",)
    assert mail.link.startswith("https://sso.example.com/w/account/reset?token=")
    secret = secret_of(mail.link)
    ticket = await reset.reset.open(secret, reset.clock())
    assert ticket is not None
    assert (ticket.person.username, ticket.expires_at) == ("aoi", NOW + 1_800)
    person = await reset.finish(secret)
    assert person.username == "aoi"
    assert not person.must_change_password
    assert await reset.sign_in("aoi", NEW_PASSWORD) == person
    assert await reset.sign_in("aoi", OLD_PASSWORD) is None


async def test_r257_the_link_comes_in_the_language_that_its_person_has_chosen(
    reset: Resetting, server: MailServer
) -> None:
    await reset.ask("aoi", language="zh-TW")
    await server.wait_for(1)  # a request is answered before its person is looked up
    await reset.directory.preferences.choose_language("directory:1", "ko")
    await reset.ask("aoi", language="zh-TW")
    await server.wait_for(2)
    await reset.answered()
    assert {"비밀번호" in mail.text for mail in server.received} == {False, True}


async def test_r79_asking_reveals_nothing_and_mail_goes_to_who_is_meant_alone(
    reset: Resetting, server: MailServer
) -> None:
    for number, typed in enumerate(("aoi", "aoi@example.com", *NOBODY, *STRANGE)):
        await reset.ask(typed, address=f"2001:db8:{number}::1")
    await reset.answered()
    assert {mail.recipients for mail in server.received} == {("aoi@example.com",)}
    assert len(server.received) == 2


async def test_r79_answer_does_not_wait_for_the_look_at_who_is_meant(reset: Resetting) -> None:
    """So its time cannot tell what the look finds."""
    asked = reset.on(accounts=Silent(reset.directory))
    began = time.monotonic()
    for number in range(30):
        await asked.requests.receive("aoi", "en", f"2001:db8:{number}::1", NOW)
    assert time.monotonic() - began < 5
    await asked.close(0.05)


async def test_r79_answer_does_not_wait_for_a_mail_server_that_says_nothing(
    database: Path, hashing: PasswordHashing
) -> None:
    with silent_server() as url:
        async with resetting(database, hashing, url) as reset:
            began = time.monotonic()
            await reset.ask("aoi")
            await reset.reset.close()
            assert time.monotonic() - began < 3
            assert len(await reset.events(Event.PASSWORD_RESET_REQUESTED)) == 1


async def test_shared_address_gets_a_mail_for_each_account(
    reset: Resetting, server: MailServer
) -> None:
    await reset.ask("SHARED@example.com")
    mails = await server.wait_for(2)
    assert {mail.recipients for mail in mails} == {("shared@example.com",), ("Shared@Example.com",)}
    tickets = [await reset.reset.open(secret_of(mail.link), NOW) for mail in mails]
    assert {ticket.person.username for ticket in tickets if ticket} == {"min", "jun"}
    names = {"shared@example.com": "min", "Shared@Example.com": "jun"}
    assert all(f"account {names[mail.recipients[0]]}." in mail.text for mail in mails)


async def test_address_of_many_accounts_gets_three_mails(
    reset: Resetting, server: MailServer
) -> None:
    async with reset.directory.changing() as transaction:
        await transaction.add_accounts(
            [
                Account(id=f"many{number}", username=f"many{number}", email="many@example.com")
                for number in range(5)
            ]
        )
    await reset.ask("many@example.com")
    await reset.answered()
    assert len(server.received) == 3


async def test_requests_are_recorded_with_what_became_of_them(reset: Resetting) -> None:
    await reset.ask("aoi")
    await reset.ask("nobody")
    await reset.answered()
    events = await reset.events(Event.PASSWORD_RESET_REQUESTED)
    found = {(event.username, event.subject_id, event.address, event.detail) for event in events}
    assert found == {
        ("aoi", "directory:1", ADDRESS, "a link was sent"),
        ("nobody", None, ADDRESS, "nobody with this name can get e-mail"),
    }


# How often


async def test_what_is_no_name_is_looked_up_nowhere_and_recorded(reset: Resetting) -> None:
    accounts = Noting(reset.directory)
    asked = reset.on(accounts=accounts)
    for typed in ("", "  ", "a" * _LONGEST_NAME, "a" * (_LONGEST_NAME + 1)):
        await asked.requests.receive(typed, "en", ADDRESS, NOW)
    await asked.close()
    assert accounts.names == ["a" * _LONGEST_NAME]
    events = await reset.events(Event.PASSWORD_RESET_REQUESTED)
    assert [each.detail for each in events] == ["nobody with this name can get e-mail"] * 4


async def test_requests_that_nobody_can_answer_are_counted(reset: Resetting) -> None:
    asked = reset.on()
    asked.requests._mail = None
    await asked.requests.receive("aoi", "en", ADDRESS, NOW)
    await asked.requests._strangers.close()
    (event,) = await reset.events(Event.PASSWORD_RESET_REQUESTED)
    assert event.detail == "not recorded one by one: 1 within a minute, networks: 1"


async def test_account_gets_three_links_an_hour_from_wherever_they_are_asked_for(
    reset: Resetting, server: MailServer
) -> None:
    for number in range(6):
        await reset.ask("aoi@example.com", address=f"2001:db8:{number}::1")
    for mail in await server.wait_for(3):
        assert await reset.reset.open(secret_of(mail.link), NOW), "nobody is locked out by others"
    reset.clock.now += 3_601
    await reset.ask("aoi")
    assert len(await server.wait_for(4)) == 4
    await reset.answered()
    assert len(server.received) == 4
    details = [event.detail for event in await reset.events(Event.PASSWORD_RESET_REQUESTED)]
    assert details.count("no link was sent: the limit per hour is reached") == 3


async def test_network_is_passed_over_after_twenty_requests_an_hour(
    reset: Resetting, server: MailServer
) -> None:
    for number in range(25):
        await reset.ask(f"nobody{number}", address=f"2001:db8::{number}")
    await reset.ask("aoi", address="2001:db8::ffff")
    await reset.ask("min", address=ADDRESS)
    await reset.answered()
    assert [mail.recipients for mail in server.received] == [("shared@example.com",)]
    assert len(await reset.events(Event.PASSWORD_RESET_REQUESTED)) == 21


async def test_r136_all_together_get_so_many_mails_a_day(
    reset: Resetting, server: MailServer
) -> None:
    with patch.object(reset_requests, "MAILS_A_DAY", 2):
        for number, name in enumerate(("aoi", "min", "aoi", "min")):
            await reset.ask(name, address=f"2001:db8:{number}::1")
        assert len(await server.wait_for(2)) == 2
        reset.clock.now += DAY + 1
        await reset.ask("aoi", address="2001:db8:9::1")
        await reset.answered()
    assert len(await server.wait_for(3)) == 3
    details = [event.detail for event in await reset.events(Event.PASSWORD_RESET_REQUESTED)]
    assert details.count("no link was sent: the limit of all people per day is reached") == 2


async def test_r136_any_number_of_networks_ask_for_so_many_links_a_day(reset: Resetting) -> None:
    with (
        patch.object(reset_requests, "REQUESTS_A_DAY", 20),
        patch.object(reset_requests, "PORTION", 10),
    ):
        limited = reset.on()
    for number in range(200):
        await limited.requests.receive(f"nobody{number}", "en", f"2001:db8:{number:x}::1", NOW)
    await limited.close()
    counted = await reset.events(Event.PASSWORD_RESET_REQUESTED)
    assert 20 <= len(counted) <= 20 + 10


async def test_r136_a_days_budget_that_strangers_used_up_keeps_no_known_browser_from_a_link(
    reset: Resetting, server: MailServer
) -> None:
    signer = TransactionSigner(b"k" * 32)
    with (
        patch.object(reset_requests, "REQUESTS_A_DAY", 20),
        patch.object(reset_requests, "PORTION", 10),
        patch.object(reset_requests, "MAILS_A_DAY", 0),
    ):
        limited = reset.on(knows_device=signer.knows_device)
        for number in range(50):
            await limited.requests.receive(f"nobody{number}", "en", f"2001:db8:{number:x}::1", NOW)
        cookie = ("a-device", signer.sign_device("aoi", "a-device"))
        await limited.requests.receive("min", "en", ADDRESS, NOW, [cookie])
        await limited.requests.receive("aoi", "en", ADDRESS, NOW)
        await limited.requests.receive("AOI", "en", ADDRESS, NOW, [cookie])
        await limited.close()
    assert [mail.recipients for mail in await server.wait_for(1)] == [("aoi@example.com",)]


async def test_r136_requests_that_fill_the_queue_keep_no_known_browser_from_a_link(
    reset: Resetting, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset_requests, "WAITING", 8)
    monkeypatch.setattr(reset_requests, "KEPT_FOR_KNOWN", 3)
    signer = TransactionSigner(b"k" * 32)
    limited = reset.on(knows_device=signer.knows_device)
    gate, answer = asyncio.Event(), limited.requests._answer

    async def held(request: Any) -> None:
        await gate.wait()
        await answer(request)

    monkeypatch.setattr(limited.requests, "_answer", held)
    cookie = ("a-device", signer.sign_device("aoi", "a-device"))
    for number in range(50):
        await limited.requests.receive(f"nobody{number}", "en", f"2001:db8:{number:x}::1", NOW)
    await limited.requests.receive("aoi", "en", ADDRESS, NOW, [cookie])
    gate.set()
    await limited.close()
    assert [mail.recipients for mail in await server.wait_for(1)] == [("aoi@example.com",)]
    await limited.requests._strangers.close()
    asked = [event.detail or "" for event in await reset.events(Event.PASSWORD_RESET_REQUESTED)]
    (counted,) = [detail for detail in asked if "not recorded one by one" in detail]
    assert int(counted.split()[5]) + len(asked) - 2 == 50, "none goes without a trace"


async def test_r136_mails_that_fill_the_queue_keep_no_known_browser_from_a_link(
    reset: Resetting,
) -> None:
    class Hung(Mailer):
        """A mail server that takes nothing, so that mails wait."""

        def __init__(self) -> None:
            self.kept_free: list[int] = []

        def queue(self, message: MailMessage, *, kept_free: int = 0) -> bool:
            self.kept_free.append(kept_free)
            return True

    signer = TransactionSigner(b"k" * 32)
    limited = reset.on(knows_device=signer.knows_device)
    hung = limited.requests._mail = Hung()
    cookie = ("a-device", signer.sign_device("aoi", "a-device"))
    await limited.requests.receive("aoi", "en", ADDRESS, NOW)
    await limited.requests.receive("aoi", "en", ADDRESS, NOW, [cookie])
    await limited.close()
    assert sorted(hung.kept_free) == [0, reset_requests.KEPT_FOR_KNOWN]


async def test_r136_a_network_that_asks_too_much_keeps_no_known_browser_in_it_from_a_link(
    reset: Resetting, server: MailServer
) -> None:
    signer = TransactionSigner(b"k" * 32)
    limited = reset.on(knows_device=signer.knows_device)
    for number in range(reset_requests.PER_NETWORK + 5):
        await limited.requests.receive(f"nobody{number}", "en", ADDRESS, NOW)
    cookie = ("a-device", signer.sign_device("aoi", "a-device"))
    await limited.requests.receive("aoi", "en", ADDRESS, NOW, [cookie])
    await limited.close()
    assert [mail.recipients for mail in await server.wait_for(1)] == [("aoi@example.com",)]


async def test_r136_links_that_strangers_ask_for_keep_no_known_browser_from_one(
    reset: Resetting,
) -> None:
    signer = TransactionSigner(b"k" * 32)
    limited = reset.on(knows_device=signer.knows_device)
    cookie = ("a-device", signer.sign_device("aoi", "a-device"))
    for devices in ([], [cookie]):
        for number in range(reset_requests.PER_ACCOUNT + 2):
            address = f"2001:db8:{number:x}::1"
            await limited.requests.receive("aoi", "en", address, NOW, devices)
    await limited.close()
    details = [event.detail for event in await reset.events(Event.PASSWORD_RESET_REQUESTED)]
    assert details.count("a link was sent") == 2 * reset_requests.PER_ACCOUNT
    assert details.count("no link was sent: the limit per hour is reached") == 4


# Once, in time, for this password


async def test_r84_link_works_once_however_many_use_it_at_the_same_time(reset: Resetting) -> None:
    secret = await reset.secret()
    passwords = [f"purple elephant orbit {number}" for number in range(8)]
    results = await asyncio.gather(
        *(reset.finish(secret, password) for password in passwords), return_exceptions=True
    )
    winners = [index for index, each in enumerate(results) if isinstance(each, Person)]
    assert len(winners) == 1
    assert sum(isinstance(each, LinkNotValid) for each in results) == 7
    assert await reset.sign_in("aoi", passwords[winners[0]])
    assert len(await reset.events(Event.PASSWORD_CHANGED)) == 1


async def test_r84_link_is_good_for_thirty_minutes(reset: Resetting) -> None:
    secret = await reset.secret()
    reset.clock.now = NOW + 1_799.9
    assert await reset.reset.open(secret, reset.clock())
    reset.clock.now = NOW + 1_800
    assert await reset.reset.open(secret, reset.clock()) is None
    with pytest.raises(LinkNotValid):
        await reset.finish(secret)


async def test_looking_at_a_link_does_not_use_it_up(reset: Resetting) -> None:
    secret = await reset.secret()
    for _ in range(5):
        assert await reset.reset.open(secret, NOW)
    assert await reset.finish(secret)
    assert await reset.reset.open(secret, NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"password_hash": "$argon2id$other", "password_changed_at": NOW},
        {"enabled": False},
        {"email": "new@example.com"},
    ],
)
async def test_link_dies_with_what_it_was_sent_for(
    reset: Resetting, server: MailServer, change: dict[str, object]
) -> None:
    await reset.ask("aoi")
    secret = secret_of((await server.wait_for(1))[0].link)
    await reset.change("aoi", **change)
    assert await reset.reset.open(secret, NOW) is None
    with pytest.raises(LinkNotValid):
        await reset.finish(secret)


async def test_password_that_changes_while_the_new_one_is_hashed_stays(reset: Resetting) -> None:
    secret = await reset.secret()
    with pytest.raises(LinkNotValid):
        await reset.on(accounts=OutrunAccounts(reset.directory, reset)).finish(
            secret, NEW_PASSWORD, NOW
        )
    assert (await reset.account("aoi")).password_hash == "$argon2id$other"
    assert await reset.events(Event.PASSWORD_CHANGED) == []


async def test_r84_all_other_links_die_with_the_one_that_was_used(reset: Resetting) -> None:
    first, second = await reset.secret(), await reset.secret()
    await reset.finish(first)
    with pytest.raises(LinkNotValid):
        await reset.finish(second)


async def test_r84_link_is_for_its_own_account(reset: Resetting) -> None:
    await reset.finish(await reset.secret("aoi"))
    assert await reset.sign_in("min", OLD_PASSWORD)
    assert await reset.sign_in("min", NEW_PASSWORD) is None


@pytest.mark.parametrize("secret", ["", "x", "\ud800", "a" * 5_000])
async def test_made_up_secret_is_no_link(reset: Resetting, secret: str) -> None:
    assert await reset.reset.open(secret, NOW) is None
    with pytest.raises(LinkNotValid):
        await reset.finish(secret)


async def test_secret_that_was_made_for_something_else_is_no_link(reset: Resetting) -> None:
    secret = await reset.secret()
    kept = await reset.store.take(Interim, digest(secret))
    assert kept is not None
    other = Interim(
        key=digest("other"),
        grant_id="g",
        subject_id=kept.subject_id,
        client_id="",
        expires_at=kept.expires_at,
        purpose="enrolment",
        data=kept.data,
    )
    await reset.store.save(other)
    assert await reset.reset.open("other", NOW) is None
    with pytest.raises(LinkNotValid):
        await reset.finish("other")
    assert await reset.store.find(Interim, digest("other"))


# What a reset ends, and what it does not


async def test_r30_all_that_the_person_held_ends(reset: Resetting) -> None:
    theirs, others = await reset.open_session("aoi"), await reset.open_session("min")
    await reset.finish(await reset.secret())
    assert await reset.store.find(Session, theirs) is None
    assert await reset.store.find(Session, others) is not None


async def test_r30_what_begins_with_the_old_password_meanwhile_ends_too(reset: Resetting) -> None:
    accounts = OldPasswordMeanwhile(reset)
    await reset.on(accounts=accounts).finish(await reset.secret(), NEW_PASSWORD, NOW)
    assert await reset.store.find(Session, accounts.session) is None


async def test_a_change_that_fails_at_the_end_of_the_server_ends_it_all_the_same(
    reset: Resetting,
) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise DatabaseUnavailable("down")

    task = asyncio.create_task(fail())
    reset.reset.unfinished.add(task)
    await reset.reset.close()
    assert task.done()


async def test_r85_password_of_ones_own_choice_is_no_temporary_one(reset: Resetting) -> None:
    assert (await reset.account("aoi")).must_change_password
    await reset.finish(await reset.secret())
    assert not (await reset.account("aoi")).must_change_password


@pytest.mark.parametrize("password", ["short", "aoi aoi aoi aoi aoi", "passwordpassword", ""])
async def test_password_that_is_not_accepted_keeps_the_link(
    reset: Resetting, password: str
) -> None:
    session, secret = await reset.open_session("aoi"), await reset.secret()
    with pytest.raises(ValueError, match=r"."):
        await reset.finish(secret, password)
    assert await reset.store.find(Session, session)
    assert await reset.finish(secret)


async def test_outage_keeps_the_link_and_the_password(reset: Resetting) -> None:
    secret = await reset.secret()
    with pytest.raises(DatabaseUnavailable):
        await reset.on(accounts=Failing(reset.directory)).finish(secret, NEW_PASSWORD, NOW)
    assert await reset.sign_in("aoi", OLD_PASSWORD)
    assert await reset.finish(secret)


async def test_a_change_that_is_refused_keeps_the_link_and_the_password(reset: Resetting) -> None:
    secret = await reset.secret()
    with pytest.raises(DatabaseUnavailable, match="has that key"):
        await reset.on(accounts=Conflicting(reset.directory)).finish(secret, NEW_PASSWORD, NOW)
    assert await reset.sign_in("aoi", OLD_PASSWORD)
    assert await reset.finish(secret)


async def test_r30_password_stays_where_what_is_held_cannot_be_ended(reset: Resetting) -> None:
    changing = reset.on(store=Unforgetting())
    link = await changing.links.issue(await reset.account("aoi"), actor="test", now=NOW)
    with pytest.raises(StoreUnavailable):
        await changing.finish(secret_of(link), NEW_PASSWORD, NOW)
    assert await reset.sign_in("aoi", OLD_PASSWORD)
    assert await changing.open(secret_of(link), NOW)


async def test_full_hashing_pool_keeps_the_link(reset: Resetting) -> None:
    secret = await reset.secret()
    busy = PasswordHashing(threads=1, waiting=1)
    refused = threading.Event()
    try:
        crowd = [asyncio.create_task(busy.pool.run(refused.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        finishing = reset.on(hashing=busy).finish(secret, NEW_PASSWORD, NOW)
        with pytest.raises(HashingBusy):
            await finishing
        refused.set()
        await asyncio.gather(*crowd)
        assert await reset.finish(secret)
    finally:
        refused.set()
        busy.close()


async def test_browser_that_hangs_up_leaves_a_whole_change(reset: Resetting) -> None:
    secret = await reset.secret()
    finishing = asyncio.create_task(reset.finish(secret))
    while not reset.reset.unfinished:  # noqa: ASYNC110  # nothing announces this moment
        await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    await reset.reset.close()
    assert await reset.sign_in("aoi", NEW_PASSWORD)


async def test_person_is_told_by_mail_that_the_password_has_changed(
    reset: Resetting, server: MailServer
) -> None:
    await reset.finish(await reset.secret())
    (mail,) = await server.wait_for(1)
    assert mail.recipients == ("aoi@example.com",)
    assert "was changed" in mail.message["Subject"]
    assert mail.link.startswith("https://sso.example.com/w/account/not-me?token=")


# The administrator's link


async def test_r105_link_of_an_administrator_is_recorded_with_who_made_it(
    reset: Resetting,
) -> None:
    await reset.finish(await reset.secret("nomail"))
    issued, changed = await reset.events(Event.RESET_LINK_ISSUED, Event.PASSWORD_CHANGED)
    assert (issued.username, issued.actor, issued.subject_id) == ("nomail", "test", "directory:4")
    assert issued.detail is None
    assert (changed.username, changed.address) == ("nomail", ADDRESS)


async def test_link_of_an_administrator_lives_as_long_as_they_say(reset: Resetting) -> None:
    account = await reset.account("aoi")
    link = await reset.reset.links.issue(account, actor="test", now=NOW, lifetime=86_400)
    assert await reset.reset.open(secret_of(link), NOW + 86_399)
    assert await reset.reset.open(secret_of(link), NOW + 86_400) is None


async def test_link_of_an_administrator_outlives_a_corrected_address(reset: Resetting) -> None:
    secret = await reset.secret()
    await reset.change("aoi", email="new@example.com")
    assert await reset.finish(secret)


async def test_disabled_person_gets_no_link(reset: Resetting) -> None:
    with pytest.raises(ValueError, match="disabled"):
        await reset.secret("gone")


async def test_r105_there_is_no_link_without_its_record(reset: Resetting) -> None:
    reset_links = reset.on(accounts=Failing(reset.directory)).links
    with pytest.raises(DatabaseUnavailable):
        await reset_links.issue(await reset.account("aoi"), actor="test", now=NOW)
    assert await reset.store.forget("directory:1") == 0


# The code that somebody reads out


async def code_for(reset: Resetting, links: ResetLinks, username: str = "aoi") -> str:
    account = await reset.account(username)
    return await links.issue_code(account, actor="test", identified="in person", now=NOW)


async def test_a_code_is_good_for_fifteen_minutes(reset: Resetting) -> None:
    code = await code_for(reset, reset.reset.links)
    await reset.change("aoi", email="corrected@example.com")
    assert await reset.reset.open_code(code, NOW + 899.9) == code.replace("-", "")
    assert await reset.reset.open_code(code, NOW + 900) is None


async def test_the_secret_of_a_link_is_no_code(reset: Resetting) -> None:
    assert await reset.reset.open_code(await reset.secret(), NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"password_hash": "$argon2id$other", "password_changed_at": NOW},
        {"enabled": False},
        {"role": "auditor"},
    ],
)
async def test_a_code_dies_with_what_it_was_made_for(
    reset: Resetting, change: dict[str, object]
) -> None:
    code = await code_for(reset, reset.reset.links)
    await reset.change("aoi", **change)
    assert await reset.reset.open_code(code, NOW) is None


async def test_there_is_no_code_for_a_disabled_person_nor_without_its_record(
    reset: Resetting,
) -> None:
    with pytest.raises(ValueError, match="disabled"):
        await code_for(reset, reset.reset.links, "gone")
    with pytest.raises(DatabaseUnavailable):
        await code_for(reset, reset.on(accounts=Failing(reset.directory)).links)
    assert await reset.store.forget("directory:1") == 0


async def test_without_a_mail_server_the_administrator_still_can(reset: Resetting) -> None:
    strangers = StrangerRecords(reset.audit, reset.store.bump)
    requests = ResetRequests(SETTINGS, reset.directory, reset.store, reset.audit, strangers)
    offline = PasswordReset(SETTINGS, reset.directory, reset.store, reset.hashing, requests)
    await offline.requests.receive("aoi", "en", ADDRESS, NOW)
    await offline.close()
    assert await reset.events(Event.PASSWORD_RESET_REQUESTED) == []
    link = await offline.links.issue(await reset.account("aoi"), actor="test", now=NOW)
    assert await offline.finish(secret_of(link), NEW_PASSWORD, NOW)


# Secrets


async def test_r106_link_address_and_passwords_are_in_no_log_and_no_file(
    reset: Resetting, server: MailServer, database: Path, logged: Callable[[], str]
) -> None:
    await reset.ask("aoi")
    secret = secret_of((await server.wait_for(1))[0].link)
    server.refused.add("shared@example.com")
    await reset.ask("min")
    with pytest.raises(ValueError, match=r"."):
        await reset.finish(secret, "canary weak")
    await reset.finish(secret, "canary of a strong password")
    with pytest.raises(LinkNotValid):
        await reset.finish(secret, "canary of another password")
    await reset.answered()
    await reset.audit.close()
    written = logged()
    for name in ("password_reset.requested", "password.changed", "mail.not_sent"):
        assert name in written
    for address in ("aoi@example.com", "shared@example.com"):
        assert address not in written
        assert all(address not in repr(event) for event in await reset.events(*Event))
    kept = b"".join(each.read_bytes() for each in database.parent.iterdir())  # a test
    assert b"password.changed" in kept
    for canary in (secret, "canary weak", "canary of"):
        assert canary not in written
        assert canary.encode() not in kept
