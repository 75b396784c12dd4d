"""The built-in directory as an identity source."""

import asyncio
import sqlite3
import statistics
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from tests.databases import NOW, Clock, query, url_of

from worksgate.credentials import HashingBusy, PasswordHashing
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.engine import open_engines
from worksgate.sources import Person, PersonDisabled, SourceUnavailable
from worksgate.sources.directory import DirectorySource

PASSWORD = "correct horse battery"
STRANGER = Person(subject_id="directory:a9", username="x", name="x")


class CountingHashing(PasswordHashing):
    """Counts the checks that were really made, and lets something happen during each."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.checks = 0
        self.meanwhile: str | None = None
        self.file: Path | None = None

    async def verify(self, password: str, encoded: str | None) -> bool:
        self.checks += 1
        right = await super().verify(password, encoded)
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
    assert (await directory.account_by_id("a1")).last_login_at is None  # type: ignore[union-attr]


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


async def test_r77_an_unknown_name_takes_as_long_as_a_wrong_password(
    directory: Directory, hashing: PasswordHashing
) -> None:
    await _add(directory, hashing)
    source = _source(directory, hashing)
    times: dict[str, list[float]] = {"hanako": [], "nobody": []}
    for _ in range(15):
        for username, taken in times.items():
            began = time.perf_counter()
            assert await source.authenticate(username, "wrong horse battery") is None
            taken.append(time.perf_counter() - began)
    known, unknown = (statistics.median(taken) for taken in times.values())
    # Without the work for nothing the one would be a small part of the other.
    assert unknown > known / 2
    assert known > unknown / 2


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


async def test_the_last_sign_in_is_noted(directory: Directory, hashing: PasswordHashing) -> None:
    account = await _add(directory, hashing)
    await _source(directory, hashing).authenticate("hanako", PASSWORD)
    assert await directory.account_by_id("a1") == replace(account, last_login_at=NOW)


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
