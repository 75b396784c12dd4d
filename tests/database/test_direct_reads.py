"""Reads of a sign-in on the driver: the results of the engines, and every commit is visible."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import literal_column
from tests.databases import NOW, query, url_of

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable
from worksgate.database.direct_reads import JoinedQuery, Part, Query, SqliteReads, one_row
from worksgate.database.identity import (
    DatabaseGuard,
    DatabaseReplaced,
    SqliteGuard,
)
from worksgate.database.installation_id import identify
from worksgate.directory import Account, app_passwords, factors, people, queries
from worksgate.directory.app_passwords import AppPassword
from worksgate.directory.database import Directory
from worksgate.directory.factors import Enrolled, Passkey, TotpSecret
from worksgate.sources import Person
from worksgate.store.postgres.store import PostgresStore

HANAKO = Account(
    id="a1",
    username="Hanako",
    name="花子",
    external_key="E-1",
    administrator=True,
    password_hash="$argon2id$",
    password_changed_at=NOW,
    created_at=NOW,
    groups=("Sales", "営業"),
    must_change_password=True,
)
SUBJECT = "directory:a1"
PASSKEYS = tuple(
    Passkey(
        id=f"p{number}",
        subject_id=SUBJECT,
        public_key=b"\x00key",
        sign_count=number,
        backed_up=number == 1,
        aaguid="",
        transports=("usb", "nfc"),
        name="key",
        created_at=NOW + number,
    )
    for number in range(2)
)
TARO = Person(subject_id="corp:taro", username="taro", name="太郎", groups=("All",))
READS = (
    (queries.BY_USERNAME, {"key": "hanako"}),
    (queries.BY_USERNAME, {"key": "nobody"}),
    (queries.BY_ID, {"key": "a1"}),
    (factors.ENROLLED, {"subject_id": SUBJECT}),
    (factors.ENROLLED, {"subject_id": "nobody"}),
    (people.BY_SUBJECT, {"subject_id": "corp:taro"}),
    (app_passwords._BY_DIGEST, {"digest": "d"}),
)


class EngineAsked(Exception):
    """An engine ran a query."""


class NoEngines(Directory):
    """A directory that reads on the driver, or not at all."""

    async def _rows_by_engine(self, query: Query, values: Mapping[str, object]) -> Any:
        raise EngineAsked


@asynccontextmanager
async def reading_directly(database: Path) -> AsyncIterator[Directory]:
    """A directory as a server opens it beside its store."""
    directory = NoEngines.open(url_of(database))
    if database.suffix != ".postgres":
        yield directory
        await directory.close()
        return
    store = await PostgresStore.open(url_of(database))
    directory.read_through(store.direct_reads)
    yield directory
    await directory.close()
    await store.close()


@pytest.fixture
async def furnished(directory: Directory) -> Directory:
    event = AuditEvent(event=Event.USER_CHANGED, at=NOW, subject_id=SUBJECT)
    async with directory.changing() as transaction:
        await transaction.add_accounts([HANAKO])
    for passkey in reversed(PASSKEYS):
        await directory.factors.add_passkey(passkey, 5, event)
    totp = TotpSecret(subject_id=SUBJECT, secret=b"s", last_step=0, created_at=NOW)
    await directory.factors.keep_totp(totp, event)
    await directory.factors.replace_recovery_codes(SUBJECT, ["r1", "r2"], NOW, event)
    await directory.people.remember("corp", TARO, NOW)
    made = AppPassword(id="i", subject_id=SUBJECT, name="mail", created_at=NOW, digest="d")
    await directory.app_passwords.add(made, 5, event)
    return directory


@pytest.mark.parametrize(("read", "values"), READS)
async def test_a_driver_finds_what_an_engine_finds(
    furnished: Directory, database: Path, read: Query, values: Mapping[str, Any]
) -> None:
    async with reading_directly(database) as directory:
        found = await directory.rows(read, **values)
    expected = [dict(row) for row in await furnished._rows_by_engine(read, values)]
    assert [dict(row) for row in found] == expected
    types = [{name: type(value) for name, value in row.items()} for row in found]
    assert types == [{name: type(value) for name, value in row.items()} for row in expected]


async def test_people_are_read_without_an_engine(furnished: Directory, database: Path) -> None:
    async with reading_directly(database) as directory:
        assert await directory.account_by_id("a1") == HANAKO
        assert await directory.account_by_username("HANAKO") == HANAKO
        assert await directory.account_by_username("nobody") is None
        enrolled = Enrolled(totp=True, passkeys=PASSKEYS, recovery_codes_left=2)
        assert await directory.factors.enrolled(SUBJECT) == enrolled
        assert await directory.factors.enrolled("nobody") == Enrolled()
        remembered = await directory.people.find("corp:taro")
        assert remembered is not None
        assert remembered.person == TARO
        assert await directory.people.find("corp:nobody") is None
        kept = await directory.app_passwords.find("d")
        assert kept is not None
        assert kept.name == "mail"


async def test_every_read_sees_what_was_committed_before(
    furnished: Directory, database: Path
) -> None:
    async with reading_directly(database) as directory:
        for number in range(3):
            query(database, f"UPDATE accounts SET name = 'name {number}', enabled = FALSE")
            expected = replace(HANAKO, name=f"name {number}", enabled=False)
            assert await directory.account_by_id("a1") == expected


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_f14_a_read_on_the_event_loop_waits_for_no_writer(
    furnished: Directory, database: Path
) -> None:
    async with reading_directly(database) as directory:
        with closing(sqlite3.connect(database, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE accounts SET name = 'not committed'")
            assert await directory.account_by_id("a1") == HANAKO
            writer.execute("ROLLBACK")


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_what_is_locked_is_left_to_the_engines_which_wait(
    furnished: Directory, database: Path
) -> None:
    await furnished.close()
    reads = SqliteReads(database)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        assert await reads.find(queries.BY_ID, {"key": "a1"}) is None
    assert await reads.find(queries.BY_ID, {"key": "a1"})
    reads.close()
    assert await reads.find(queries.BY_ID, {"key": "a1"}) is None


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r273_nobody_is_read_from_an_older_copy(furnished: Directory, database: Path) -> None:
    await furnished.close()
    guard = SqliteGuard.open(database, await identify(url_of(database)))
    reads = SqliteReads(database, guard)
    assert await reads.find(queries.BY_ID, {"key": "a1"})

    def refusing(_: sqlite3.Connection) -> None:
        raise DatabaseReplaced("an older copy")

    with patch.object(guard, "inspect_lately", refusing):
        assert await reads.find(queries.BY_ID, {"key": "a1"}) is None
    reads.close()
    guard.close()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r138_nobody_is_read_from_a_file_that_was_replaced(
    furnished: Directory, database: Path
) -> None:
    identity = await identify(url_of(database))
    guard = SqliteGuard.open(database, identity)
    directory = Directory.open(url_of(database), guard)
    assert await directory.account_by_id("a1") == HANAKO
    shutil.copy(database, database.with_name("copy"))
    database.with_name("copy").rename(database)
    guard._next_look = 0.0  # as a tenth of a second later
    with pytest.raises(DatabaseUnavailable, match="was removed or replaced"):
        await directory.account_by_id("a1")
    await directory.close()
    guard.close()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_directory_that_is_closed_leaves_no_file_open(
    furnished: Directory, database: Path
) -> None:
    await furnished.close()
    async with reading_directly(database) as directory:
        assert await directory.account_by_id("a1") == HANAKO
        assert _open_files(database) == 1
    assert _open_files(database) == 0


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_reader_on_the_event_loop_cannot_write(
    furnished: Directory, database: Path
) -> None:
    reads = SqliteReads(database)
    connection = reads._connect()
    with closing(connection), pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM accounts")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_reader_on_the_event_loop_waits_for_no_lock(database: Path) -> None:
    with closing(SqliteReads(database)._connect()) as connection:
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (0,)


class ReplacedMeanwhile(DatabaseGuard):
    """Knows of a replaced file only when it looks, which was a moment ago."""

    def check_lately(self) -> None:
        pass

    def check(self) -> None:
        raise DatabaseReplaced


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r138_a_file_replaced_while_it_is_opened_is_not_read(
    furnished: Directory, database: Path
) -> None:
    identity = await identify(url_of(database))
    reads = SqliteReads(database, ReplacedMeanwhile(identity))
    with pytest.raises(DatabaseReplaced):
        reads._connect()
    assert await reads.find(queries.BY_ID, {"key": "a1"}) is None


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_file_is_opened_again_after_a_failure(furnished: Directory, database: Path) -> None:
    await furnished.close()
    reads = SqliteReads(database)
    assert await reads.find(queries.BY_ID, {"key": "a1"})
    query(database, "ALTER TABLE accounts RENAME TO elsewhere")
    assert await reads.find(queries.BY_ID, {"key": "a1"}) is None
    assert _open_files(database) == 0
    query(database, "ALTER TABLE elsewhere RENAME TO accounts")
    assert await reads.find(queries.BY_ID, {"key": "a1"})
    reads.close()


@pytest.mark.parametrize("kind", ["postgres"])
async def test_an_outage_of_postgresql_is_one_of_the_directory(
    furnished: Directory, database: Path
) -> None:
    store = await PostgresStore.open(url_of(database))
    furnished.read_through(store.direct_reads)
    await store.close()
    with pytest.raises(DatabaseUnavailable, match="closed"):
        await furnished.account_by_id("a1")


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        queries.BY_ID.sqlite.values({})


def test_of_a_part_of_one_row_the_first_is_found_if_its_first_column_has_a_value() -> None:
    one = Part.one(literal_column("a"), literal_column("b"))
    query = JoinedQuery(one_row(), one, Part.every(literal_column("c")))
    assert query.split([(1, None, 3), (2, None, 4)]) == [[(1, None)], [(3,), (4,)]]
    assert query.split([(None, 2, 3)]) == [(), [(3,)]]
    assert query.split([]) == [(), ()]


def _open_files(database: Path) -> int:
    found = (each for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
    return sum(str(each.readlink()) == str(database) for each in found)
