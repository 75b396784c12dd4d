"""Purging expired data, and reading the audit log."""

import pytest
from msgspec.structs import replace
from sqlalchemy import insert
from tests.administration.installation import Office, opened
from tests.databases import NOW

from worksgate.administration import Administration, NotFound, Refused
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.database.schema import accounts
from worksgate.directory import Account
from worksgate.directory.console_sessions import ConsoleSession
from worksgate.directory.invitations import Invitation
from worksgate.directory.rows import account_values
from worksgate.oauth.model import SpentTransaction
from worksgate.settings.options import Settings
from worksgate.sources import Person

DAY = 86_400.0


def _spent(number: int, expires_at: float) -> SpentTransaction:
    return SpentTransaction(
        key=f"k{number}", grant_id="g", subject_id="s", client_id="c", expires_at=expires_at
    )


async def test_r110_a_purge_removes_what_has_expired_and_nothing_else(at_work: Office) -> None:
    old = [AuditEvent(event=Event.LOGIN_FAILED, at=NOW - 401 * DAY) for _ in range(3)]
    await at_work.directory.record(old)
    await at_work.administration.clients.add("Acme")
    await at_work.administration.clients.rotate_secret("Acme", overlap=10)
    await at_work.store.save(*(_spent(number, NOW + 50) for number in range(1_100)))
    await at_work.store.save(_spent(-1, NOW + 101))
    at_work.clock.now = NOW + 100
    told: list[int] = []
    assert await at_work.administration.upkeep.purge(told.append) == 1_100 + 1 + 3
    assert told[-1] == 1_104
    assert len(told) > 3
    assert await at_work.store.find(SpentTransaction, "k-1") is not None
    assert len((await at_work.administration.clients.get("Acme")).secrets) == 1
    kept = await at_work.administration.audit_log.search()
    assert [event.event for event in kept] == [
        Event.CLIENT_CHANGED,
        Event.CLIENT_CHANGED,
        Event.SYSTEM,
    ]
    assert kept[-1].detail == "up to record 3: 3 audit records were past their time"


async def test_r110_a_purge_removes_sessions_and_links_of_the_console(at_work: Office) -> None:
    sessions, links = at_work.directory.console_sessions, at_work.directory.first_links
    added = await at_work.administration.users.add("tanaka", password="purple lantern over")
    owner = await at_work.administration.administrators.set_role("tanaka", Role.ADMIN)
    assert added.account.person.subject_id == owner.subject_id
    event = AuditEvent(event=Event.CONSOLE_SIGNED_IN, at=NOW)
    for key, until in (("old", NOW + 50), ("new", NOW + 200)):
        session = ConsoleSession(
            key=key,
            subject_id=owner.person.subject_id,
            created_at=NOW,
            used_at=NOW,
            expires_at=until,
            proved_at=NOW,
        )
        assert await sessions.begin(session, owner, event)
    await links.issue("link", NOW, NOW + 60, event)
    for key, until in (("old", NOW + 100), ("new", NOW + 101)):
        invitation = Invitation(
            id=key,
            name="Aoi",
            email=None,
            role="admin",
            created_at=NOW,
            expires_at=until,
            inviter=None,
            actor="cli:root",
        )
        await at_work.directory.invitations.add(key, invitation, event)
    preferences = at_work.directory.preferences
    for whose in (owner.subject_id, "ldap:gone"):
        await preferences.choose_language(whose, "ja")
    at_work.clock.now = NOW + 100
    assert await at_work.administration.upkeep.purge() == 3
    assert await sessions.find("new", at_work.clock.now) is not None
    (kept,) = await at_work.directory.invitations.all(NOW)
    assert kept.invitation.id == "new"
    languages = [await preferences.language(each) for each in (owner.subject_id, "ldap:gone")]
    assert languages == ["ja", ""]


async def test_r115_a_purge_records_the_owners_of_keys_that_the_release_before_gave(
    at_work: Office,
) -> None:
    account = Account(id="a", username="aoi", external_key="E-7", created_at=NOW)
    async with at_work.directory.changing() as transaction:
        await transaction.connection.execute(insert(accounts).values(account_values(account)))
    await at_work.administration.upkeep.purge()
    async with at_work.directory.changing() as transaction:
        (owner,) = await transaction.release_key("E-7", NOW)
        assert (owner.subject_id, owner.recorded) == ("directory:a", True)


async def test_the_end_of_audit_records_is_recorded_once_an_hour(at_work: Office) -> None:
    old = [AuditEvent(event=Event.LOGOUT, at=NOW - 400 * DAY + second) for second in range(3)]
    await at_work.directory.record(old)
    for later in (10.0, 1_800.0, 3_599.0):
        at_work.clock.now = NOW + later
        assert await at_work.administration.upkeep.purge() == 0
    at_work.clock.now = NOW + 3_600
    assert await at_work.administration.upkeep.purge() == 3
    (record,) = await at_work.administration.audit_log.search()
    assert (record.event, record.at, record.actor) == (Event.SYSTEM, NOW + 3_600, "tester")


async def test_audit_records_are_kept_for_ever_if_that_is_set(
    at_work: Office, hashing: PasswordHashing
) -> None:
    await at_work.directory.record([AuditEvent(event=Event.LOGOUT, at=0.0)])
    settings = Settings(audit_retention=0)
    administration = Administration(settings, at_work.directory, opened(at_work.store), hashing)
    assert await administration.upkeep.purge() == 0
    assert len(await administration.audit_log.search()) == 1


async def test_the_newest_records_are_reported_the_oldest_first(at_work: Office) -> None:
    events = [
        AuditEvent(event=Event.LOGIN_FAILED, at=NOW + number, detail=str(number))
        for number in range(10)
    ]
    await at_work.directory.record(events)
    assert await at_work.administration.audit_log.search(limit=3) == events[7:]
    assert (
        await at_work.administration.audit_log.search(since=NOW + 2, until=NOW + 5) == events[2:5]
    )
    assert await at_work.administration.audit_log.search(limit=0) == []


async def test_r105_one_login_can_be_followed(at_work: Office) -> None:
    steps = (Event.LOGIN_REQUESTED, Event.LOGIN_SUCCEEDED, Event.CODE_ISSUED, Event.CODE_REDEEMED)
    first = [AuditEvent(event=step, at=NOW, login_id="l1") for step in steps]
    await at_work.directory.record(
        [each for one in first for each in (one, replace(one, login_id="l2"))]
    )
    assert await at_work.administration.audit_log.search(login_id="l1") == first


async def test_a_person_is_found_under_a_former_name(at_work: Office) -> None:
    administration = at_work.administration
    await administration.users.add("hanako")
    await administration.users.add("jiro")
    await administration.users.change("hanako", username="hanako.y")
    await at_work.directory.record(
        [AuditEvent(event=Event.LOGIN_FAILED, at=NOW, username="hanako.y")]
    )
    found = await administration.audit_log.search(username="HANAKO.Y")
    assert [(event.event, event.username) for event in found] == [
        (Event.USER_CHANGED, "hanako"),
        (Event.USER_CHANGED, "hanako.y"),
        (Event.LOGIN_FAILED, "hanako.y"),
    ]


async def test_a_name_that_nobody_has_finds_nothing_but_what_was_recorded_under_it(
    at_work: Office,
) -> None:
    attempt = AuditEvent(event=Event.LOGIN_FAILED, at=NOW, username="hanako")
    others = [
        AuditEvent(event=Event.LOGIN_REQUESTED, at=NOW, login_id="l1"),
        AuditEvent(event=Event.LOGIN_FAILED, at=NOW, username="jiro"),
        AuditEvent(event=Event.CODE_REDEEMED, at=NOW, subject_id="directory:jiro"),
    ]
    await at_work.directory.record([attempt, *others])
    assert await at_work.administration.audit_log.search(username="nobody") == []
    assert await at_work.administration.audit_log.search(username="hanako") == [attempt]


async def test_all_of_a_person_is_found_after_they_are_removed(at_work: Office) -> None:
    account = (await at_work.administration.users.add("Hanako")).account
    await at_work.administration.users.add("jiro")
    subject_id = account.person.subject_id
    for event in (Event.LOGIN_SUCCEEDED, Event.CODE_REDEEMED):  # the call is found by its sign-in
        done = AuditEvent(event=event, at=NOW, subject_id=subject_id, login_id="l1")
        await at_work.directory.record([done])
    await at_work.administration.users.remove("hanako")
    found = await at_work.administration.audit_log.search(username="Hanako")
    assert [(event.event, event.detail) for event in found] == [
        (Event.USER_CHANGED, "added"),
        (Event.LOGIN_SUCCEEDED, None),
        (Event.CODE_REDEEMED, None),
        (Event.USER_CHANGED, "removed"),
    ]


async def test_a_person_is_found_with_what_names_nobody_in_their_sign_ins(at_work: Office) -> None:
    account = (await at_work.administration.users.add("hanako")).account
    subject_id = account.person.subject_id
    theirs = [
        AuditEvent(event=Event.LOGIN_REQUESTED, at=NOW + 1, login_id="l1", address="192.0.2.1"),
        AuditEvent(event=Event.LOGIN_FAILED, at=NOW + 1, login_id="l1", username="hanako"),
        AuditEvent(event=Event.LOGIN_REQUESTED, at=NOW + 1, login_id="l2"),
        AuditEvent(event=Event.LOGIN_SUCCEEDED, at=NOW + 1, login_id="l2", subject_id=subject_id),
        AuditEvent(event=Event.CODE_REDEEMED, at=NOW + 1, login_id="l2", subject_id=subject_id),
    ]
    others = [
        AuditEvent(event=Event.LOGIN_FAILED, at=NOW + 1, login_id="l1", username="jiro"),
        AuditEvent(event=Event.CODE_ISSUED, at=NOW + 1, login_id="l2", subject_id="directory:j"),
        AuditEvent(event=Event.LOGIN_REQUESTED, at=NOW + 1, login_id="l3"),
        AuditEvent(event=Event.LOGIN_REFUSED, at=NOW + 1),
        AuditEvent(event=Event.CODE_REDEEMED, at=NOW + 1, login_id="l3", subject_id="directory:j"),
    ]
    await at_work.directory.record(
        [each for pair in zip(theirs, others, strict=True) for each in pair]
    )
    administration = at_work.administration
    assert await administration.audit_log.search(username="hanako", since=NOW + 1) == theirs
    requested = await administration.audit_log.search(
        username="hanako", event=Event.LOGIN_REQUESTED
    )
    assert requested == [theirs[0], theirs[2]]
    await administration.users.remove("hanako")
    assert (
        await administration.audit_log.search(username="hanako", since=NOW + 1, until=NOW + 2)
        == theirs
    )


async def test_usernames_are_those_of_today(at_work: Office) -> None:
    administration = at_work.administration
    accounts = [(await administration.users.add(f"h{number}")).account for number in range(3)]
    subjects = [account.person.subject_id for account in accounts]
    await administration.users.change("h0", username="hanako")
    await administration.users.remove("h1")
    other = Person(subject_id="ldap:jiro", username="jiro", name="", external_key="E9")
    await at_work.directory.people.remember("ldap", other, NOW)
    strangers = [f"directory:{number}" for number in range(1_200)]
    assert await administration.audit_log.usernames(
        [*subjects, "ldap:jiro", "ldap:", *strangers]
    ) == {
        subjects[0]: "hanako",
        subjects[2]: "h2",
        "ldap:jiro": "jiro",
    }


async def test_records_of_a_client_are_found_by_name_and_after_its_end_by_id(
    at_work: Office,
) -> None:
    made = await at_work.administration.clients.add("Acme")
    await at_work.administration.clients.add("Beta")
    assert len(await at_work.administration.audit_log.search(client="acme")) == 1
    await at_work.administration.clients.remove("Acme")
    with pytest.raises(NotFound, match="there is no client 'acme'"):
        await at_work.administration.audit_log.search(client="acme")
    assert len(await at_work.administration.audit_log.search(client=made.client.client_id)) == 2


async def test_records_are_found_by_event(at_work: Office) -> None:
    await at_work.administration.clients.add("Acme")
    await at_work.administration.users.add("hanako")
    assert len(await at_work.administration.audit_log.search(event="client.changed")) == 1
    with pytest.raises(Refused, match="there is no event 'nonsense'; known are login"):
        await at_work.administration.audit_log.search(event="nonsense")


async def test_r242_records_are_found_by_who_did_it_wherever(at_work: Office) -> None:
    actors = ("mika", "console:mika", "cli:mika", "console:ken", None)
    await at_work.directory.record(
        [AuditEvent(event=Event.USER_CHANGED, at=NOW, actor=each, detail="set") for each in actors]
    )
    found = await at_work.administration.audit_log.search(by="mika")
    assert [each.actor for each in found] == ["mika", "console:mika", "cli:mika"]
    assert await at_work.administration.audit_log.search(by="nobody") == []
