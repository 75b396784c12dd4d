"""What administrators change is kept field by field, and can be undone."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.administration.installation import PASSWORD, Office, opened
from tests.databases import NOW, query

from worksgate.administration import Actor, Administration, Forbidden, Outdated, Refused
from worksgate.administration.purging import remove_expired
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.credentials.secrets import digest
from worksgate.database import Conflict
from worksgate.directory import queries
from worksgate.directory.change_log import ChangeKind, RecordedChange
from worksgate.settings.options import Settings
from worksgate.sources import Person

HANA = Person(subject_id="ldap:1", username="hana", name="Hana")
ALL = list(ChangeKind)


async def recorded(at_work: Office, subject: str) -> list[RecordedChange]:
    """The changes of something, the oldest first."""
    shown = await at_work.administration.changes.page(subject=subject, limit=100)
    return [each.change for each in reversed(shown)]


def fields_of(change: RecordedChange) -> list[tuple[str, object, object]]:
    return [(each.field, each.before, each.after) for each in change.fields]


async def test_r161_a_change_of_a_client_is_kept_field_by_field(at_work: Office) -> None:
    clients = at_work.administration.clients
    made = await clients.add("Acme", domain="example.com")
    client_id = made.client.client_id
    await clients.change("Acme", name="Acme KK", rules=["deny kind=app"], expires_in_web=60)
    await clients.change("Acme KK", expires_in_web=60)
    await clients.disable("Acme KK")
    await clients.remove("Acme KK")
    added, changed, disabled, removed = await recorded(at_work, client_id)
    assert (added.kind, added.actor, added.role, added.at) == (
        ChangeKind.CLIENT,
        "tester",
        None,
        NOW,
    )
    assert (added.session, added.request_id) == (None, None)  # not in the console
    assert ("exists", False, True) in fields_of(added)
    assert ("domain", None, "example.com") in fields_of(added)
    assert fields_of(changed) == [
        ("name", "Acme", "Acme KK"),
        ("expires_in_web", 86_400, 60),
        ("rules", [], ["deny kind=app"]),
    ]
    assert fields_of(disabled) == [("enabled", True, False)]
    assert ("name", "Acme KK", None) in fields_of(removed)
    assert added.version < changed.version < disabled.version < removed.version


async def test_r161_a_change_of_a_person_or_a_role_is_kept_whoever_makes_it(
    at_work: Office,
) -> None:
    administration = at_work.administration
    made = await administration.users.add("anna", password=PASSWORD, external_key="S-1")
    subject = made.account.person.subject_id
    await administration.users.change("anna", external_key="S-2", groups=["sales"])
    await administration.users.change("anna", external_key="S-2")
    await administration.administrators.set_role("anna", Role.AUDITOR)
    await administration.users.set_password("anna", "another long password")
    await administration.administrators.set_role("anna", None)
    rows = [{"username": "anna", "name": "Anna"}]
    await administration.people_import.run(rows, dry_run=False, update=True)
    await administration.users.disable("anna")
    found = await recorded(at_work, subject)
    assert [(each.kind.value, *fields_of(each)) for each in found] == [
        ("person", ("external_key", "S-1", "S-2"), ("groups", [], ["sales"])),
        ("role", ("role", None, "auditor")),
        ("person", ("password", None, "changed")),
        ("role", ("role", "auditor", None)),
        ("person", ("name", "", "Anna")),
        ("person", ("enabled", True, False)),
    ]
    assert [each.version for each in found] == [1, 2, 3, 4, 5, 6]
    assert (await administration.users.get("anna")).version == 6


async def test_r161_disabling_somebody_of_another_source_is_kept(at_work: Office) -> None:
    administration = at_work.administration
    await at_work.directory.people.remember("corp", HANA, NOW)
    await administration.people.set_enabled("hana", "corp", enabled=False)
    await administration.people.set_enabled("hana", "corp", enabled=False)
    await administration.departures.leave("hana", "corp")
    (change,) = await recorded(at_work, HANA.subject_id)
    assert (change.kind, fields_of(change)) == (ChangeKind.PERSON, [("enabled", True, False)])


async def test_r161_a_change_is_kept_in_its_own_commit(at_work: Office) -> None:
    clients = at_work.administration.clients
    made = await clients.add("Acme")
    await clients.add("Beta")
    with pytest.raises(Conflict):
        await clients.change("Acme", name="beta", domain="example.com")
    assert len(await recorded(at_work, made.client.client_id)) == 1
    author = Actor("tester", at_work.clock).author()

    async def fail() -> None:
        async with at_work.directory.changing(author) as transaction:
            await transaction.change_client(made.client, replace(made.client, name="Gamma"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert len(await recorded(at_work, made.client.client_id)) == 1
    assert (await clients.get("Acme")).name == "Acme"


async def test_r161_no_secret_is_in_a_change(at_work: Office) -> None:
    administration = at_work.administration
    made = await administration.clients.add("Acme")
    renewed = await administration.clients.rotate_secret("Acme", overlap=60)
    await administration.users.add("anna", password=PASSWORD)
    changed = await administration.users.set_password("anna", "another long password")
    text = json.dumps(query(at_work.file, "SELECT * FROM changes"))
    hashed = changed.account.password_hash or ""
    for secret in (made.client_secret, renewed.client_secret):
        assert secret not in text
        assert digest(secret) not in text
    assert hashed.rpartition("$")[2] not in text
    _, last = await recorded(at_work, made.client.client_id)
    assert fields_of(last) == [("secret", None, "changed")]


async def undone(at_work: Office, event: Event) -> list[str]:
    """The details of the audit records that say that a change was undone."""
    records = await at_work.administration.audit_log.search(event=event)
    return [each.detail for each in records if each.detail and "undone" in each.detail]


async def test_r162_a_change_of_a_client_is_undone_by_another(at_work: Office) -> None:
    administration = at_work.administration
    client = (await administration.clients.add("Acme")).client
    before = await administration.clients.change(
        "Acme", user_key="external_key", rules=["deny kind=app"], access_token_lifetime=60
    )
    await administration.clients.change(
        "Acme", user_key="works_account", rules=[], access_token_lifetime=None, enabled=False
    )
    changes = await recorded(at_work, client.client_id)
    await administration.changes.undo(changes[-1].number, ALL)
    assert await administration.clients.get("Acme") == before
    last = (await recorded(at_work, client.client_id))[-1]
    assert last.undoes == changes[-1].number
    (detail,) = await undone(at_work, Event.CLIENT_CHANGED)
    assert detail.startswith(f"Acme: change {last.undoes} undone: set access_token_lifetime, ")
    assert fields_of(last) == [
        (name, after, before) for name, before, after in fields_of(changes[-1])
    ]
    with pytest.raises(Refused, match="it has been undone"):
        await administration.changes.undo(changes[-1].number, ALL)
    await administration.changes.undo(last.number, ALL)
    assert not (await administration.clients.get("Acme")).enabled
    with pytest.raises(Outdated):
        await administration.changes.undo(changes[-1].number, ALL)


async def test_r162_what_has_been_changed_since_is_not_undone(at_work: Office) -> None:
    administration = at_work.administration
    client = (await administration.clients.add("Acme")).client
    await administration.clients.change("Acme", domain="example.com")
    await administration.clients.change("Acme", require_state=False)
    shown = await administration.changes.page(subject=client.client_id, limit=3)
    assert [each.can_undo for each in shown] == [True, False, False]
    with pytest.raises(Outdated):
        await administration.changes.undo(shown[1].change.number, ALL)
    assert (await administration.clients.get("Acme")).domain == "example.com"


async def test_r162_secrets_and_removals_are_not_undone(at_work: Office) -> None:
    administration = at_work.administration
    await administration.clients.add("Acme")
    await administration.clients.rotate_secret("Acme", overlap=60)
    await administration.users.add("anna", password=PASSWORD)
    await administration.users.set_password("anna", "another long password")
    await administration.clients.remove("Acme")
    for each in await administration.changes.page(limit=10):
        assert not each.can_undo
        with pytest.raises(Refused, match="cannot be undone"):
            await administration.changes.undo(each.change.number, ALL)


async def test_r162_a_person_gets_back_what_they_had(at_work: Office) -> None:
    administration = at_work.administration
    made = await administration.users.add("anna", password=PASSWORD, external_key="S-1")
    subject = made.account.person.subject_id
    await administration.users.change(
        "anna", username="anne", external_key="S-2", groups=["sales"], email="a@example.com"
    )
    (change,) = await recorded(at_work, subject)
    await at_work.sign_in(made.account)
    await administration.changes.undo(change.number, ALL)
    account = await administration.users.get("anna")
    assert (account.external_key, account.groups, account.email) == ("S-1", (), None)
    assert await at_work.holds_nothing(made.account), "their key at LINE WORKS is another"
    assert await undone(at_work, Event.USER_CHANGED) == [
        f"change {change.number} undone: set username, external_key, email, groups"
    ]


async def test_r162_somebody_of_another_source_is_enabled_again(at_work: Office) -> None:
    administration = at_work.administration
    await at_work.directory.people.remember("corp", HANA, NOW)
    await administration.people.set_enabled("hana", "corp", enabled=False)
    (change,) = await recorded(at_work, HANA.subject_id)
    await administration.changes.undo(change.number, ALL)
    assert (await administration.people.by_subject(HANA.subject_id)).enabled
    assert await undone(at_work, Event.USER_CHANGED) == [f"change {change.number} undone: enabled"]
    with pytest.raises(Refused, match="it has been undone"):
        await administration.changes.undo(change.number, ALL)


def acting(
    at_work: Office, hashing: PasswordHashing, role: Role, account_id: str
) -> Administration:
    """The administration in the name of an administrator of the console."""
    actor = Actor("console:who", at_work.clock, subject_id=f"directory:{account_id}", role=role)
    return Administration(
        Settings(public_url="https://sso.example.com"),
        at_work.directory,
        opened(at_work.store),
        hashing,
        actor=actor,
        clock=at_work.clock,
    )


async def test_r162_nobody_undoes_what_they_could_not_do(
    at_work: Office, hashing: PasswordHashing
) -> None:
    administration = at_work.administration
    for name in ("olga", "otto", "anna"):
        await administration.users.add(name, password=PASSWORD)
    await administration.administrators.set_role("olga", Role.OWNER)
    await administration.administrators.set_role("otto", Role.OWNER)
    await administration.users.change("otto", name="Otto")
    await administration.users.change("anna", name="Anna")
    olga, otto, anna = [await administration.users.get(each) for each in ("olga", "otto", "anna")]

    async def may_undo(role: Role, account_id: str) -> dict[str, bool]:
        changes = await acting(at_work, hashing, role, account_id).changes.page(limit=10)
        return {f"{each.name} {each.change.kind}": each.can_undo for each in changes}

    assert await may_undo(Role.OWNER, olga.id) == {
        "anna person": True,
        "otto person": True,
        "otto role": False,
        "olga role": False,
    }
    assert await may_undo(Role.OWNER, otto.id) == {
        "anna person": True,
        "otto person": True,
        "otto role": False,
        "olga role": True,
    }
    assert await may_undo(Role.ADMIN, anna.id) == {
        "anna person": True,
        "otto person": False,
        "otto role": False,
        "olga role": False,
    }
    assert not any((await may_undo(Role.HELP_DESK, anna.id)).values())
    (of_otto,) = [
        each for each in await recorded(at_work, otto.person.subject_id) if each.version == 2
    ]
    with pytest.raises(Forbidden):
        await acting(at_work, hashing, Role.ADMIN, anna.id).changes.undo(of_otto.number, ALL)


async def test_r162_a_role_is_taken_back_but_not_from_the_last_owner(at_work: Office) -> None:
    administration = at_work.administration
    for name in ("olga", "otto"):
        await administration.users.add(name, password=PASSWORD)
    await administration.administrators.set_role("olga", Role.OWNER)
    await administration.administrators.set_role("otto", Role.AUDITOR)
    (last, first) = await administration.changes.page(kinds=[ChangeKind.ROLE], limit=5)
    with pytest.raises(Refused, match="last owner"):
        await administration.changes.undo(first.change.number, ALL)
    with pytest.raises(Refused, match="cannot be undone"):
        await administration.changes.undo(last.change.number, [ChangeKind.PERSON])
    await administration.changes.undo(last.change.number, [ChangeKind.ROLE])
    assert (await administration.users.get("otto")).role is None
    assert await undone(at_work, Event.USER_CHANGED) == [
        f"change {last.change.number} undone: has no role in the console"
    ]


async def test_r162_a_role_of_a_later_version_is_not_given_back(at_work: Office) -> None:
    administration = at_work.administration
    await administration.users.add("otto", password=PASSWORD)
    await administration.administrators.set_role("otto", Role.AUDITOR)
    (shown,) = await administration.changes.page(kinds=[ChangeKind.ROLE], limit=5)
    fields = json.dumps([["role", "astronaut", "auditor"]])
    query(at_work.file, "UPDATE changes SET fields = ?", fields)
    with pytest.raises(Refused, match="no such role"):
        await administration.changes.undo(shown.change.number, ALL)
    assert (await administration.users.get("otto")).role == Role.AUDITOR


async def test_r163_a_change_counts_for_the_version_that_was_seen(at_work: Office) -> None:
    clients = at_work.administration.clients
    await clients.add("Acme")
    seen = await clients.get("Acme")
    assert seen.version > 0
    saved = await clients.change("Acme", domain="a.example", expected_version=seen.version)
    assert saved.version == (await clients.get("Acme")).version > seen.version
    with pytest.raises(Outdated, match="Acme has been changed"):
        await clients.change("Acme", domain="b.example", expected_version=seen.version)
    with pytest.raises(Outdated):
        await clients.rotate_secret("Acme", overlap=0, expected_version=seen.version)
    since = await at_work.administration.changes.since(seen.client_id, seen.version)
    assert since.before == {"domain": None}
    assert since.last is not None
    assert (await at_work.administration.changes.since(seen.client_id, saved.version)).last is None


async def test_r165_changes_go_with_the_audit_records(at_work: Office) -> None:
    clients = at_work.administration.clients
    await clients.add("Acme")
    at_work.clock.now += 100.0
    await clients.add("Beta")
    removing = remove_expired(
        at_work.store, at_work.directory, at_work.clock() + 50.0, audit_retention=100.0
    )
    async for _ in removing:
        pass
    assert [each.name for each in await at_work.administration.changes.page(limit=9)] == ["Beta"]
    forever = remove_expired(
        at_work.store, at_work.directory, at_work.clock() + 9e9, audit_retention=0
    )
    async for _ in forever:
        pass
    assert len(await at_work.administration.changes.page(limit=9)) == 1


async def test_changes_come_a_page_at_a_time_of_what_is_asked_for(at_work: Office) -> None:
    administration = at_work.administration
    for number in range(3):
        await administration.clients.add(f"client {number}")
    await administration.users.add("anna", password=PASSWORD)
    await administration.users.change("anna", name="Anna")

    async def names(kinds: Sequence[ChangeKind] = (), before: int | None = None) -> list[str]:
        found = await administration.changes.page(kinds=kinds, before=before, limit=2)
        return [each.name for each in found]

    newest = await administration.changes.page(limit=2)
    assert [each.name for each in newest] == ["anna", "client 2"]
    assert await names(before=newest[-1].change.number) == ["client 1", "client 0"]
    assert await names([ChangeKind.PERSON]) == ["anna"]
    assert await names([ChangeKind.ROLE]) == []


async def test_a_change_and_its_audit_record_are_of_the_same_moment(at_work: Office) -> None:
    made = await at_work.administration.users.add("anna", password=PASSWORD)
    at_work.clock.now += 1.25
    await at_work.administration.users.change("anna", name="Anna")
    (change,) = await recorded(at_work, made.account.person.subject_id)
    records: list[AuditEvent] = await at_work.administration.audit_log.search(
        username="anna", event=Event.USER_CHANGED
    )
    assert change.at == records[-1].at


async def test_the_last_changes_are_those_among_the_newest_records(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_NEWEST", 2)
    await at_work.administration.users.add("anna", password=PASSWORD)
    other = AuditEvent(at=NOW, event=Event.LOGIN_FAILED)
    await at_work.directory.record([other])
    assert [each.username for each in await at_work.directory.changes(5)] == ["anna"]
    await at_work.directory.record([other])
    assert await at_work.directory.changes(5) == []


async def test_r235_one_s_own_actions_are_those_of_nobody_else(at_work: Office) -> None:
    await at_work.administration.users.add("anna", password=PASSWORD)
    await at_work.directory.record(
        [AuditEvent(at=NOW, event=Event.SYSTEM, actor="console:somebody else")]
    )
    await at_work.administration.users.add("ben", password=PASSWORD)
    own = await at_work.administration.audit_log.own_actions(5)
    assert [each.username for each in own] == ["ben", "anna"]
    assert len(await at_work.administration.audit_log.own_actions(1)) == 1
