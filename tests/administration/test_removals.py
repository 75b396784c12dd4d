"""People who were removed: gone for everybody, brought back within 30 days, or gone for good."""

from dataclasses import replace

import pytest
from sqlalchemy import insert
from tests.administration.installation import PASSWORD, Office
from tests.databases import NOW

from worksgate.administration import Actor, Forbidden, NotFound, Outdated, Refused
from worksgate.administration.changes import ShownChange
from worksgate.administration.composition import Administration
from worksgate.administration.lost_keys import AffectedPerson
from worksgate.administration.purging import remove_expired
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.credentials.secrets import digest
from worksgate.database import Conflict, schema
from worksgate.directory import Account
from worksgate.directory.change_log import ChangeKind
from worksgate.directory.factors import TotpSecret
from worksgate.directory.people_list import PeopleFilter
from worksgate.directory.removed_accounts import KEPT_FOR
from worksgate.store import StoreUnavailable

ALL = list(ChangeKind)


async def _removed(at_work: Office, **changes: object) -> Account:
    """Somebody who signed in with a second factor, and was removed."""
    users = at_work.administration.users
    values = {"password": PASSWORD, "name": "Hanako", "external_key": "E1", **changes}
    account = (await users.add("Hanako", groups=["sales"], **values)).account  # type: ignore[arg-type]  # as they are
    subject = account.person.subject_id
    event = AuditEvent(event=Event.FACTOR_ADDED, at=NOW, subject_id=subject)
    await at_work.directory.factors.keep_totp(
        TotpSecret(subject_id=subject, secret=b"secret", last_step=1, created_at=NOW), event
    )
    await at_work.sign_in(account)
    await users.remove("hanako")
    return account


async def _purge(at_work: Office, now: float) -> None:
    async for _ in remove_expired(at_work.store, at_work.directory, now, audit_retention=0):
        pass


async def _last_record(at_work: Office) -> AuditEvent:
    *_, last = await at_work.administration.audit_log.search(event=Event.USER_CHANGED)
    return last


async def test_r230_tokens_and_invitations_of_an_owner_do_not_come_back_with_them(
    at_work: Office, hashing: PasswordHashing
) -> None:
    users, administrators = at_work.administration.users, at_work.administration.administrators
    account = (await users.add("anna", password=PASSWORD)).account
    await users.add("bert", password=PASSWORD)
    for each in ("anna", "bert"):
        await administrators.set_role(each, Role.OWNER)
    subject = account.person.subject_id
    owner = Actor("console:anna", at_work.clock, subject_id=subject, role=Role.OWNER)
    hers = Administration(users._settings, at_work.directory, users._store, hashing, actor=owner)
    made = await hers.deployers.make("CI")
    await hers.invitations.invite("Carla", Role.OWNER)
    await at_work.administration.invitations.invite("Dana", Role.OWNER)
    await at_work.administration.deployers.make("of a command")
    await users.remove("anna")
    await at_work.administration.removals.restore("anna")
    assert await at_work.directory.deployer_tokens.find(digest(made.secret)) is None
    assert [each.token.name for each in await hers.deployers.all()] == ["of a command"]
    assert [each.name for each in await hers.invitations.valid()] == ["Dana"]
    records = await at_work.administration.audit_log.search(event=Event.SYSTEM)
    assert [each.detail for each in records[-2:]] == [
        "the deployer token CI ended: its maker was removed",
        "the invitation for Carla ended: its maker was removed",
    ]


async def test_r127_what_an_owner_has_made_since_then_ends_with_everything_else(
    at_work: Office, hashing: PasswordHashing
) -> None:
    """A thief who was an owner for a while has left nothing by which they come in again."""
    users, clock = at_work.administration.users, at_work.clock
    account = (await users.add("anna", password=PASSWORD)).account
    await at_work.administration.administrators.set_role("anna", Role.OWNER)
    subject = account.person.subject_id
    owner = Actor("console:anna", clock, subject_id=subject, role=Role.OWNER)
    hers = Administration(users._settings, at_work.directory, users._store, hashing, actor=owner)
    await hers.deployers.make("her own")
    await hers.invitations.invite("Carla", Role.OWNER)
    clock.now += 60
    await hers.deployers.make("of a thief")
    await hers.invitations.invite("a thief", Role.OWNER)
    await at_work.administration.people.end_everything("anna", factors_since=clock.now)
    assert [each.token.name for each in await hers.deployers.all()] == ["her own"]
    assert [each.name for each in await hers.invitations.valid()] == ["Carla"]
    records = await at_work.administration.audit_log.search(event=Event.SYSTEM)
    assert [each.detail for each in records[-2:]] == [
        "the deployer token of a thief ended with everything made since then",
        "the invitation for a thief ended with everything made since then",
    ]


async def test_r229_whoever_was_removed_is_in_no_list(at_work: Office) -> None:
    account = await _removed(at_work, email="hanako@example.com")
    directory = at_work.directory
    assert [each async for each in directory.accounts()] == []
    assert await directory.account_by_username("Hanako") is None
    assert await directory.account_by_id(account.id) is None
    assert await directory.person(account.person.subject_id) is None
    assert await directory.accounts_by_email("hanako@example.com", 9) == []
    assert await directory.people_list.page(PeopleFilter(text="hanako")) == []
    assert (await directory.people_list.counts(PeopleFilter())).everybody == 0
    for typed, count in (("", 1), ("ＨＡＮＡ e1", 1), ("hanako@", 1), ("hana other", 0), ("%", 0)):
        assert len(await at_work.administration.removals.page(typed)) == count
    assert await at_work.holds_nothing(account)
    with pytest.raises(NotFound, match="hanako was removed: bring them back first"):
        await at_work.administration.users.enable("hanako")


async def test_r230_whoever_is_brought_back_is_as_they_were(at_work: Office) -> None:
    account = await _removed(at_work)
    administration, subject = at_work.administration, account.person.subject_id
    restored = await administration.removals.restore("HANAKO")
    assert restored == replace(account, version=account.version + 2)
    assert await administration.users.get("hanako") == restored
    assert (await at_work.directory.factors.enrolled(subject)).totp
    assert await at_work.directory.people_list.count(PeopleFilter(text="hanako")) == 1
    event = await _last_record(at_work)
    assert (event.detail, event.actor, event.subject_id) == ("restored", "tester", subject)
    back, gone = [each.change for each in await administration.changes.page(limit=9)]
    name = ("name", "Hanako", None)
    assert name in [(each.field, each.before, each.after) for each in gone.fields]
    assert [(each.field, each.after, each.before) for each in back.fields] == [
        (each.field, each.before, each.after) for each in gone.fields
    ]
    assert (gone.version, back.version) == (account.version + 1, account.version + 2)
    with pytest.raises(Conflict, match="belongs to Hanako"):
        await administration.users.add("jiro", external_key="E1", reuse_retired_keys=True)


async def test_r230_nothing_comes_back_that_an_outage_has_left(at_work: Office) -> None:
    account = await _removed(at_work)
    subject = account.person.subject_id
    await at_work.sign_in(account)
    left = {"id": "a1", "digest": "d1", "subject_id": subject, "name": "Mail", "created_at": NOW}
    async with at_work.directory.writing() as connection:
        await connection.execute(insert(schema.app_passwords).values(left))
    at_work.store.away = True
    with pytest.raises(StoreUnavailable):
        await at_work.administration.removals.restore("hanako")
    with pytest.raises(NotFound):
        await at_work.administration.users.get("hanako")
    at_work.store.away = False
    await at_work.administration.removals.restore("hanako")
    assert await at_work.holds_nothing(account)
    assert await at_work.directory.app_passwords.of(subject) == ()


async def test_r30_removing_somebody_again_ends_what_an_outage_has_left(at_work: Office) -> None:
    account = await _removed(at_work)
    await at_work.sign_in(account)
    await at_work.administration.users.remove("hanako")
    assert await at_work.holds_nothing(account)
    removals = [
        each.change.is_removal for each in await at_work.administration.changes.page(limit=9)
    ]
    assert removals == [True]


async def test_r230_a_removal_is_undone_once(at_work: Office) -> None:
    account = await _removed(at_work)
    changes = at_work.administration.changes
    (removal,) = await changes.page(limit=9)
    assert removal.can_undo
    await changes.undo(removal.change.number, ALL)
    assert (await at_work.administration.users.get("hanako")).name == account.name
    assert (await _last_record(at_work)).detail == "change 1 undone: restored"
    shown: list[ShownChange] = await changes.page(limit=9)
    assert [(each.change.undoes, each.can_undo) for each in shown] == [(1, False), (None, False)]
    for problem in (NotFound, Outdated):  # neither now, nor after another removal
        with pytest.raises(problem):
            await changes.undo(removal.change.number, ALL)
        await at_work.administration.users.remove("hanako")


async def test_r230_an_older_page_brings_nobody_back(at_work: Office) -> None:
    account = await _removed(at_work)
    removals = at_work.administration.removals
    with pytest.raises(Outdated):
        await removals.restore_by_subject(
            account.person.subject_id, expected_version=account.version
        )
    assert [each.account.username for each in await removals.page()] == ["Hanako"]


async def test_r155_r230_an_owner_is_brought_back_and_purged_by_owners(
    at_work: Office, hashing: PasswordHashing
) -> None:
    users = at_work.administration.users
    for name in ("anna", "bert"):
        await users.add(name, password=PASSWORD)
        await at_work.administration.administrators.set_role(name, Role.OWNER)
    subject = (await users.remove("anna")).person.subject_id
    admin = Actor("console:carl", at_work.clock, role=Role.ADMIN)
    (removal, *_) = await at_work.administration.changes.page(subject=subject, limit=9)
    theirs = Administration(users._settings, at_work.directory, users._store, hashing, actor=admin)
    assert not (await theirs.changes.page(subject=subject, limit=1))[0].can_undo
    for refused in (
        theirs.removals.restore_by_subject(subject),
        theirs.removals.purge_by_subject(subject),
        theirs.removals.remove_for_good("anna"),
        theirs.changes.undo(removal.change.number, ALL),
    ):
        with pytest.raises(Forbidden):
            await refused
    assert (await at_work.administration.removals.restore("anna")).role == "owner"


async def test_r231_whoever_was_removed_is_purged_after_thirty_days(at_work: Office) -> None:
    account = await _removed(at_work)
    subject, removals = account.person.subject_id, at_work.administration.removals
    assert KEPT_FOR == 30 * 86_400
    await _purge(at_work, NOW + KEPT_FOR)
    assert len(await removals.page()) == 1
    await _purge(at_work, NOW + KEPT_FOR + 1)
    assert await removals.page() == []
    assert not (await at_work.directory.factors.enrolled(subject)).any
    event = await _last_record(at_work)
    assert (event.detail, event.subject_id, event.actor) == ("removed for good", subject, None)
    with pytest.raises(NotFound, match="there is no removed person 'hanako'"):
        await removals.restore("hanako")
    assert not any(each.can_undo for each in await at_work.administration.changes.page(limit=9))
    with pytest.raises(Conflict, match="belonged to another person before"):
        await at_work.administration.users.add("Hanako", external_key="E1")


@pytest.mark.parametrize("before", ["present", "removed"])
async def test_r231_who_must_be_gone_is_removed_for_good_at_once(
    at_work: Office, before: str
) -> None:
    account = await _removed(at_work)
    removals = at_work.administration.removals
    if before == "present":
        await removals.restore("hanako")
    await removals.remove_for_good("hanako")
    assert await removals.page() == []
    assert not (await at_work.directory.factors.enrolled(account.person.subject_id)).any
    assert (await _last_record(at_work)).detail == "removed for good"
    with pytest.raises(Conflict, match="belonged to another person before"):
        await at_work.administration.users.add("hanako", external_key="E1")


async def test_r232_the_name_of_somebody_removed_is_free_once_they_are_purged(
    at_work: Office,
) -> None:
    await _removed(at_work)
    administration = at_work.administration
    users = administration.users
    await users.add("jiro")
    refused = "Hanako was removed: restore them, or remove them for good"
    with pytest.raises(Conflict, match=refused):
        await users.add("HANAKO")
    with pytest.raises(Conflict, match=refused):
        await users.change("jiro", username="hanako")
    report = await administration.people_import.run([{"username": "hanako"}], dry_run=False)
    assert report.refused[0].reason is not None
    assert report.refused[0].reason.startswith(refused)
    await administration.removals.remove_for_good("hanako")
    await users.add("HANAKO")


async def test_r232_nobody_is_brought_back_beside_somebody_of_their_name_or_key(
    at_work: Office,
) -> None:
    account = await _removed(at_work)
    removals = at_work.administration.removals
    other = replace(account, id="other", external_key=None)
    async with at_work.directory.changing() as transaction:  # as by the previous release
        await transaction.add_accounts([other])
    with pytest.raises(Conflict, match="already a person called Hanako"):
        await removals.restore("hanako")
    await at_work.administration.users.change(
        "hanako", username="jiro", external_key="E1", reuse_retired_keys=True
    )
    with pytest.raises(Conflict, match="the external key E1 belongs to jiro"):
        await removals.restore("hanako")
    assert len(await removals.page()) == 1


async def test_whoever_loses_their_app_with_its_key_comes_back_disabled(at_work: Office) -> None:
    account = await _removed(at_work)
    losing = AffectedPerson(subject_id=account.person.subject_id, person=None, is_closed=True)
    await at_work.administration.lost_keys._take_app(losing)
    assert not (await at_work.administration.removals.restore("hanako")).enabled


async def test_those_who_were_removed_come_page_by_page_the_last_first(at_work: Office) -> None:
    users, removals = at_work.administration.users, at_work.administration.removals
    for seconds, name in ((0, "anna"), (0, "bert"), (1, "carl")):
        at_work.clock.now = NOW + seconds
        await users.add(name)
        await users.remove(name)
    found, after = [], None
    while page := await removals.page("", after, 1):
        found.append(page[0].account.username)
        after = page[0].removed_at, page[0].account.id
    assert found[0] == "carl"
    assert sorted(found[1:]) == ["anna", "bert"]
    removed = at_work.directory.removed_accounts
    assert [await removed.purge(NOW + 2, NOW + 9, 2) for _ in range(3)] == [2, 1, 0]


async def test_the_last_owner_is_not_removed_for_good(at_work: Office) -> None:
    await at_work.administration.users.add("anna", password=PASSWORD)
    await at_work.administration.administrators.set_role("anna", Role.OWNER)
    with pytest.raises(Refused, match="the last owner"):
        await at_work.administration.removals.remove_for_good("anna")
