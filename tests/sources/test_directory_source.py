"""The built-in directory as an identity source."""

import asyncio
import sqlite3
import time
from base64 import b64encode
from contextlib import closing
from dataclasses import replace
from hashlib import sha1
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from tests.databases import NOW, Clock, query, url_of

from worksgate.audit import Event
from worksgate.credentials.imported_hashes.turns import Turns
from worksgate.credentials.password_hashing import BusyRefusal, HashingBusy, PasswordHashing
from worksgate.credentials.password_policy import Weakness, WeakPassword
from worksgate.database.engines import open_engines
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter
from worksgate.directory.source import REFUSAL_TIME, TEMPORARY_LIFETIME, DirectorySource
from worksgate.sources import (
    Person,
    PersonDisabled,
    SourceUnavailable,
    TemporaryPasswordExpired,
)

PASSWORD = "correct horse battery"
CHOSEN = "wandering turtle sings at dawn"
_SALT = b"salt"
_IMPORTED = "{SSHA}" + b64encode(sha1(PASSWORD.encode() + _SALT).digest() + _SALT).decode()
STRANGER = Person(subject_id="directory:a9", username="x", name="x")


class CountingHashing(PasswordHashing):
    """Counts the checks that were really made, and lets something happen during each."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.checks = 0
        self.meanwhile: str | None = None
        self.file: Path | None = None

    async def verify(
        self, password: str, encoded: str | None, *, checks_imported: bool = True
    ) -> bool:
        self.checks += 1
        right = await super().verify(password, encoded, checks_imported=checks_imported)
        if self.meanwhile is not None and self.file is not None:
            query(self.file, self.meanwhile)
        return right


async def _add(directory: Directory, hashing: PasswordHashing, **changes: object) -> Account:
    account = Account(
        id="a1",
        username="Hanako",
        name="Hanako",
        external_key="E1",
        password_hash=await hashing.hash(PASSWORD),
        created_at=NOW,
    )
    account = replace(account, **changes)  # type: ignore[arg-type]  # fields of an account
    async with directory.changing() as transaction:
        await transaction.add_accounts([account])
    return account


def _source(directory: Directory, hashing: PasswordHashing) -> DirectorySource:
    return DirectorySource(directory, hashing, clock=Clock())


async def test_the_right_password_says_who_somebody_is(
    directory: Directory, hashing: PasswordHashing
) -> None:
    account = await _add(directory, hashing)
    source = _source(directory, hashing)
    person = await source.authenticate(" HANAKO ", PASSWORD)
    assert person == account.person
    assert person is not None
    assert person.subject_id == "directory:a1"
    assert source.name == "directory"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("Hanako", "wrong horse battery"),
        ("Hanako", PASSWORD.upper()),
        ("Hanako", PASSWORD[:-1]),
        ("Hanako", ""),
        ("Hanako", "x" * 5_000),
        ("Hanako", "\ud800"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("\0", PASSWORD),
        ("\ud800", PASSWORD),
        ("E1", PASSWORD),
        ("a1", PASSWORD),
    ],
)
async def test_r73_r76_anything_else_says_nothing(
    directory: Directory, hashing: PasswordHashing, username: str, password: str
) -> None:
    await _add(directory, hashing)
    assert await _source(directory, hashing).authenticate(username, password) is None


async def test_r31_whose_password_has_changed_since_is_not_found(
    directory: Directory, hashing: PasswordHashing
) -> None:
    account = await _add(directory, hashing)
    source = _source(directory, hashing)
    person = account.person
    assert await source.find(person.subject_id, person) == person
    assert await source.find(person.subject_id, replace(person, revision="another")) is None
    assert await source.find(person.subject_id, replace(person, revision=None)) == person


async def test_r73_a_password_is_the_same_in_every_normal_form(
    directory: Directory, hashing: PasswordHashing
) -> None:
    composed, decomposed = "caf\u00e9 au lait please", "cafe\u0301 au lait please"
    await _add(directory, hashing, password_hash=await hashing.hash(composed))
    assert await _source(directory, hashing).authenticate("hanako", decomposed) is not None


async def test_somebody_without_a_password_cannot_sign_in(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing, password_hash=None)
    for password in ("", "None", PASSWORD):
        assert await _source(directory, hashing).authenticate("hanako", password) is None


async def test_a_disabled_person_is_told_so_only_with_the_right_password(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing, enabled=False)
    source = _source(directory, hashing)
    assert await source.authenticate("hanako", "wrong horse battery") is None
    with pytest.raises(PersonDisabled):
        await source.authenticate("hanako", PASSWORD)
    account = await directory.account_by_id("a1")
    assert account is not None
    assert account.last_login_at is None


@pytest.mark.parametrize(
    ("username", "password"),
    [("hanako", PASSWORD), ("hanako", "wrong"), ("nobody", "wrong"), ("jiro", "wrong")],
)
async def test_r77_every_login_costs_exactly_one_check(
    directory: Directory, username: str, password: str
) -> None:
    hashing = CountingHashing()
    await _add(directory, hashing)
    await _add(directory, hashing, id="a2", username="jiro", external_key=None, password_hash=None)
    await _source(directory, hashing).authenticate(username, password)
    assert hashing.checks == 1
    hashing.close()


@pytest.mark.hashing
async def test_r77_an_unknown_name_takes_as_long_as_a_wrong_password(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing)
    source = _source(directory, hashing)
    times: dict[str, list[float]] = {"hanako": [], "nobody": []}
    for number in range(90):
        for username, taken in times.items():
            began = time.perf_counter()
            assert await source.authenticate(username, "wrong horse battery") is None
            taken.append(time.perf_counter() - began)
        known, unknown = (min(taken) for taken in times.values())
        # The fastest is delayed least by a busy machine, which may take some more tries.
        if number >= 15 and known / 2 < unknown < known * 2:
            break
    # Without the work for nothing the one would be a small part of the other.
    assert known / 2 < unknown < known * 2


@pytest.mark.hashing
async def test_r75_a_hash_with_older_parameters_is_replaced_at_the_next_login(
    directory: Directory, hashing: PasswordHashing
) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=1_024, parallelism=1).hash(PASSWORD)
    await _add(directory, hashing, password_hash=old, password_changed_at=NOW - 9)
    source = _source(directory, hashing)
    assert await source.authenticate("hanako", "wrong horse battery") is None
    before = await directory.account_by_id("a1")
    assert before is not None
    assert before.password_hash == old
    assert await source.authenticate("hanako", PASSWORD) is not None
    account = await directory.account_by_id("a1")
    assert account is not None
    assert account.password_hash is not None
    assert account.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert account.password_changed_at == NOW - 9
    assert await source.authenticate("hanako", PASSWORD) is not None


@pytest.mark.hashing
async def test_r75_an_imported_hash_is_checked_once_and_then_replaced(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing, password_hash=_IMPORTED, password_changed_at=NOW - 9)
    source = _source(directory, hashing)
    assert await source.authenticate("hanako", "wrong horse battery") is None
    account = await directory.account_by_id("a1")
    assert account is not None
    assert account.password_hash == _IMPORTED
    person = await source.authenticate("hanako", PASSWORD)
    assert person == account.person, "nothing that they hold ends by it"
    after = await directory.account_by_id("a1")
    assert after is not None
    assert after.password_hash is not None
    assert after.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert after.person.revision == account.person.revision
    assert await source.authenticate("hanako", PASSWORD) == person
    assert await source.authenticate("hanako", "wrong horse battery") is None


async def test_who_signs_in_twice_at_once_with_an_imported_hash_gets_in_twice(
    directory: Directory, database: Path
) -> None:
    """The first login keeps a new hash of the password while the second one is checked."""
    hashing = CountingHashing()
    hashing.file = database
    await _add(directory, hashing, password_hash=_IMPORTED)
    kept = await hashing.hash(PASSWORD)
    hashing.meanwhile = f"UPDATE accounts SET password_hash = '{kept}'"
    assert await _source(directory, hashing).authenticate("hanako", PASSWORD) is not None
    hashing.close()


async def test_a_right_password_alone_is_no_sign_in(
    directory: Directory, hashing: PasswordHashing
) -> None:
    account = await _add(directory, hashing)
    await _source(directory, hashing).authenticate("hanako", PASSWORD)
    assert await directory.account_by_id("a1") == account


async def test_r30_who_is_disabled_while_the_password_is_checked_is_not_let_in(
    directory: Directory, database: Path
) -> None:
    hashing = CountingHashing()
    hashing.file = database
    await _add(directory, hashing)
    source = _source(directory, hashing)
    hashing.meanwhile = "UPDATE accounts SET enabled = 0"
    with pytest.raises(PersonDisabled):
        await source.authenticate("hanako", PASSWORD)
    hashing.meanwhile = "UPDATE accounts SET enabled = 1, password_hash = 'another'"
    assert await source.authenticate("hanako", PASSWORD) is None
    hashing.close()


async def test_r30_who_is_removed_while_the_password_is_checked_is_not_let_in(
    directory: Directory, database: Path
) -> None:
    hashing = CountingHashing()
    hashing.file = database
    await _add(directory, hashing)
    hashing.meanwhile = "DELETE FROM accounts"
    assert await _source(directory, hashing).authenticate("hanako", PASSWORD) is None
    hashing.close()


async def test_a_login_succeeds_while_the_database_cannot_be_written(
    database: Path, hashing: PasswordHashing
) -> None:
    directory = Directory(open_engines(url_of(database), busy_timeout=0.2))
    await _add(directory, hashing)
    source = _source(directory, hashing)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await source.authenticate("hanako", PASSWORD) is not None
        other.execute("ROLLBACK")
    await directory.close()


async def test_an_outage_is_not_a_wrong_password(tmp_path: Path, hashing: PasswordHashing) -> None:
    directory = Directory.open(url_of(tmp_path / "empty.db"))
    source = _source(directory, hashing)
    with pytest.raises(SourceUnavailable):
        await source.authenticate("hanako", PASSWORD)
    with pytest.raises(SourceUnavailable):
        await source.find("directory:a1", STRANGER)
    await directory.close()


@pytest.mark.hashing
async def test_too_many_logins_at_once_are_told_apart_from_wrong_ones(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing)
    small = PasswordHashing(threads=1, waiting=1)
    source = _source(directory, small)
    outcomes = await asyncio.gather(
        *(source.authenticate("hanako", "wrong") for _ in range(12)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {type(None), HashingBusy}
    small.close()


async def test_a_person_is_found_as_they_are_now(
    directory: Directory, hashing: PasswordHashing, database: Path
) -> None:
    account = await _add(directory, hashing)
    source = _source(directory, hashing)
    last_seen = replace(account.person, username="before", external_key=None)
    assert await source.find("directory:a1", last_seen) == account.person
    assert await source.find("directory:a9", STRANGER) is None
    assert await source.find("ldap:a1", last_seen) is None
    query(database, "UPDATE accounts SET enabled = 0")
    assert await source.find("directory:a1", last_seen) is None


# passwords that are lent, and those that a person chooses


async def test_r85_who_has_a_temporary_password_is_said_to_need_another(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing, must_change_password=True, password_changed_at=NOW)
    person = await _source(directory, hashing).authenticate("hanako", PASSWORD)
    assert person is not None
    assert person.must_change_password


@pytest.mark.parametrize(("age", "lifetime"), [(7 * 86_400.0, TEMPORARY_LIFETIME), (61.0, 60.0)])
async def test_r84_a_temporary_password_is_wrong_after_its_time(
    directory: Directory, hashing: PasswordHashing, age: float, lifetime: float
) -> None:
    given = {"must_change_password": True, "password_changed_at": NOW - age}
    await _add(directory, hashing, **given)
    clock = Clock()
    source = DirectorySource(directory, hashing, temporary_lifetime=lifetime, clock=clock)
    with pytest.raises(TemporaryPasswordExpired):  # the page says that it is wrong
        await source.authenticate("hanako", PASSWORD)
    assert await source.authenticate("hanako", "another password") is None
    assert (await directory.account_by_id("a1")).last_login_at is None  # type: ignore[union-attr]  # it is there
    clock.now = NOW - 2
    assert await source.authenticate("hanako", PASSWORD) is not None


async def test_r84_a_password_of_their_own_has_no_end(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing, password_changed_at=NOW - 10 * 365 * 86_400)
    assert await _source(directory, hashing).authenticate("hanako", PASSWORD) is not None


async def test_r85_a_person_chooses_a_password_of_their_own(
    directory: Directory, hashing: PasswordHashing
) -> None:
    lent = {"must_change_password": True, "password_changed_at": NOW - 9}
    account = await _add(directory, hashing, **lent)
    source = _source(directory, hashing)
    person = await source.set_password(
        "directory:a1", CHOSEN, actor="self", revision=account.person.revision
    )
    assert person is not None
    assert not person.must_change_password
    assert person.revision != account.person.revision, "what else they hold ends"
    assert await source.authenticate("hanako", CHOSEN) == person
    assert await source.authenticate("hanako", PASSWORD) is None
    (event,) = await directory.audit(AuditFilter(event=Event.USER_CHANGED))
    assert (event.subject_id, event.username, event.actor, event.at, event.detail) == (
        "directory:a1",
        "Hanako",
        "self",
        NOW,
        "changed their password",
    )


async def test_who_has_no_password_yet_can_choose_one(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing, password_hash=None)
    source = _source(directory, hashing)
    assert await source.set_password("directory:a1", CHOSEN, actor="self") is not None
    assert await source.authenticate("hanako", CHOSEN) is not None


@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        ("short", Weakness.TOO_SHORT),
        ("", Weakness.TOO_SHORT),
        ("123456789012345", Weakness.COMMON),
        ("Hanako Hanako 1987", Weakness.COMMON),
        ("hanako-acme-2027!", Weakness.NAMES),
        (PASSWORD, Weakness.SAME),
    ],
)
async def test_r72_r85_a_password_that_will_not_do_is_not_kept(
    directory: Directory, hashing: PasswordHashing, password: str, weakness: Weakness
) -> None:
    account = await _add(directory, hashing, must_change_password=True)
    source = DirectorySource(directory, hashing, company="Acme", clock=Clock())
    with pytest.raises(WeakPassword) as refusal:
        await source.set_password("directory:a1", password, actor="self")
    assert refusal.value.weakness is weakness
    assert await directory.account_by_id("a1") == account
    assert await directory.audit(AuditFilter()) == []


async def test_nobody_chooses_a_password_for_who_is_gone_disabled_or_of_another_source(
    directory: Directory, hashing: PasswordHashing
) -> None:
    account = await _add(directory, hashing, enabled=False)
    source = _source(directory, hashing)
    for subject_id in ("directory:a1", "directory:a9", "ldap:a1", "a1"):
        assert await source.set_password(subject_id, CHOSEN, actor="self") is None
    assert await directory.account_by_id("a1") == account


async def test_r31_a_password_that_was_set_since_is_not_overwritten(
    directory: Directory, database: Path
) -> None:
    hashing = CountingHashing()
    account = await _add(directory, hashing, password_changed_at=NOW - 9)
    source = _source(directory, hashing)
    before = await source.set_password("directory:a1", CHOSEN, actor="self", revision="another")
    assert before is None
    hashing.file, hashing.meanwhile = database, "UPDATE accounts SET password_hash = 'another'"
    meanwhile = await source.set_password(
        "directory:a1", CHOSEN, actor="self", revision=account.person.revision
    )
    assert meanwhile is None
    assert (await directory.account_by_id("a1")).password_hash == "another"  # type: ignore[union-attr]  # it is there
    assert await directory.audit(AuditFilter()) == []
    hashing.close()


async def test_a_password_is_not_kept_without_its_record(
    directory: Directory, hashing: PasswordHashing, database: Path
) -> None:
    account = await _add(directory, hashing)
    query(database, "DROP TABLE audit")
    with pytest.raises(SourceUnavailable):
        await _source(directory, hashing).set_password("directory:a1", CHOSEN, actor="self")
    assert await directory.account_by_id("a1") == account


async def test_r121_refusals_wait_as_long_as_a_hash_is_an_imported_one(
    directory: Directory, hashing: PasswordHashing
) -> None:
    assert await _source(directory, hashing).refusal_time() == 0.0
    await _add(directory, hashing, password_hash=_IMPORTED)
    source = _source(directory, hashing)
    assert await source.refusal_time() == REFUSAL_TIME
    assert await source.authenticate("hanako", PASSWORD) is not None
    assert await _source(directory, hashing).refusal_time() == 0.0


# imported hashes without a turn: no refusal says more than "busy"

KINDS = ("nobody", "hanako", "jiro")
"""Nobody, somebody with a hash of ours, and somebody with one that was imported."""


async def _three_kinds(directory: Directory) -> DirectorySource:
    """A source of them whose clock of turns stands still."""
    hashing = PasswordHashing(threads=1, turns=Turns(lambda: NOW))
    await _add(directory, hashing)
    row = {"id": "a2", "username": "jiro", "external_key": None, "password_hash": _IMPORTED}
    await _add(directory, hashing, **row)
    return _source(directory, hashing)


async def _outcome(source: DirectorySource, username: str, password: str) -> str:
    try:
        person = await source.authenticate(username, password)
    except BusyRefusal:
        return "busy"
    return "wrong" if person is None else "right"


@pytest.mark.parametrize("username", KINDS)
async def test_r145_guesses_at_once_are_answered_alike_whatever_the_hash(
    directory: Directory, username: str
) -> None:
    """Of those with an imported hash alone the last ones would find the queue full."""
    source = await _three_kinds(directory)
    guesses = [_outcome(source, username, "wrong horse battery") for _ in range(10)]
    assert sorted(await asyncio.gather(*guesses)) == ["busy"] * 6 + ["wrong"] * 4


@pytest.mark.parametrize("filled_by", KINDS)
@pytest.mark.parametrize(
    ("username", "password", "with_turns", "without"),
    [
        ("nobody", "wrong horse battery", "wrong", "busy"),
        ("hanako", "wrong horse battery", "wrong", "busy"),
        ("jiro", "wrong horse battery", "wrong", "busy"),
        ("jiro", PASSWORD, "right", "busy"),
        ("hanako", PASSWORD, "right", "right"),
    ],
)
async def test_r145_without_turns_only_a_right_password_of_ours_has_another_answer(
    directory: Directory,
    filled_by: str,
    username: str,
    password: str,
    with_turns: str,
    without: str,
) -> None:
    source = await _three_kinds(directory)
    for _ in range(4):
        await _outcome(source, filled_by, "wrong horse battery")
    assert await _outcome(source, username, password) == without
    assert await _outcome(await _again(source), username, password) == with_turns


async def _again(source: DirectorySource) -> DirectorySource:
    """The same people, and all turns free."""
    return _source(source._directory, PasswordHashing(threads=1, turns=Turns(lambda: NOW)))


async def test_r145_a_temporary_password_that_has_expired_is_refused_like_a_wrong_one(
    directory: Directory,
) -> None:
    source = await _three_kinds(directory)
    expired = {"must_change_password": True, "password_changed_at": NOW - TEMPORARY_LIFETIME}
    await _add(directory, source._hashing, id="a3", username="saburo", external_key=None, **expired)
    for _ in range(4):
        await _outcome(source, "nobody", PASSWORD)
    assert await _outcome(source, "saburo", PASSWORD) == "busy"


async def test_who_may_not_be_checked_is_refused_although_the_password_is_right(
    directory: Directory,
) -> None:
    source = await _three_kinds(directory)
    identified = await source.identify("hanako")
    assert await source.verify(identified, PASSWORD, admitted=False) is None


async def test_r145_right_passwords_take_no_turns_from_others(directory: Directory) -> None:
    source = await _three_kinds(directory)
    assert [await _outcome(source, "hanako", PASSWORD) for _ in range(9)] == ["right"] * 9
    assert await _outcome(source, "jiro", PASSWORD) == "right"


async def test_r145_a_look_without_a_sign_in_has_a_turn_as_well(directory: Directory) -> None:
    source = await _three_kinds(directory)
    for username in ("nobody", "hanako", "jiro", "jiro"):
        assert not await source.is_password(username, "wrong horse battery")
    for username in KINDS:
        with pytest.raises(BusyRefusal):
            await source.is_password(username, "wrong horse battery")
    with pytest.raises(BusyRefusal):
        await source.is_password("jiro", PASSWORD)
    assert await source.is_password("hanako", PASSWORD)


async def test_where_nobody_has_an_imported_hash_there_are_no_turns(directory: Directory) -> None:
    hashing = PasswordHashing(threads=1, turns=Turns(lambda: NOW))
    await _add(directory, hashing)
    source = _source(directory, hashing)
    outcomes = [await _outcome(source, "hanako", "wrong horse battery") for _ in range(9)]
    assert outcomes == ["wrong"] * 9
    hashing.close()
