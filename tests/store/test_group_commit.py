"""The writer of one event loop: batches, dropped requests, and rollback."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unhurried import AT_ONCE

from worksgate.database.identity import DatabaseGuard, DatabaseIdentity, DatabaseReplaced
from worksgate.store import StoreUnavailable
from worksgate.store.sqlite import group_commit
from worksgate.store.sqlite.group_commit import GroupCommit

NAMES = "SELECT name FROM names ORDER BY rowid"


class Watched(sqlite3.Connection):
    """Notes its statements; a commit waits while ``may_commit`` is not set, or fails."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.statements: list[str] = []
        self.commits = threading.Event()
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.failure: Exception | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self.statements.append(sql)
        if sql == "COMMIT":
            self.commits.set()
            assert self.may_commit.wait(60)
            if self.failure is not None:
                raise self.failure
        return super().execute(sql, *values)


class Database(DatabaseGuard):
    """A file with a table of names, its connections, and whether it is another file by now."""

    def __init__(self, path: Path) -> None:
        super().__init__(DatabaseIdentity("id"))
        self.path = path
        self.connections: list[Watched] = []
        self.is_replaced = False
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE names (name)")

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False, factory=Watched
        )
        self.connections.append(connection)
        return connection

    def check(self) -> None:
        if self.is_replaced:
            raise DatabaseReplaced("another file")

    @property
    def names(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as db:
            return [name for (name,) in db.execute(NAMES)]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process has the write lock."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "names.db")


@pytest.fixture
async def commit(database: Database) -> AsyncIterator[GroupCommit]:
    commit = GroupCommit(database.connect, waiting=10, guard=database)
    await commit.run(add, "first")
    yield commit
    await commit.close()


def add(db: sqlite3.Connection, name: str) -> str:
    db.execute("INSERT INTO names VALUES (?)", (name,))
    return name


def fail(db: sqlite3.Connection, error: Exception) -> None:
    add(db, "failed")
    raise error


@asynccontextmanager
async def held_commit(commit: GroupCommit, database: Database) -> AsyncIterator[Watched]:
    """A commit is under way for as long as the block lasts."""
    (connection,) = database.connections
    connection.commits.clear()
    connection.may_commit.clear()
    held = asyncio.create_task(commit.run(add, "held"))
    try:
        assert await asyncio.to_thread(connection.commits.wait, 60)
        yield connection
    finally:
        connection.may_commit.set()
        assert await held == "held"


async def test_what_comes_while_a_commit_is_under_way_is_the_next_batch(
    commit: GroupCommit, database: Database
) -> None:
    async with held_commit(commit, database) as connection:
        connection.statements.clear()
        calls = []
        for number in range(3):
            calls.append(asyncio.create_task(commit.run(add, f"{number}")))
            await asyncio.sleep(0.005)
        assert commit.waiting == 3
        assert connection.statements == [], "the thread has the connection"
    assert await asyncio.gather(*calls) == ["0", "1", "2"]
    assert connection.statements.count("COMMIT") == 1
    assert database.names == ["first", "held", "0", "1", "2"]


async def test_f06_who_has_waited_too_long_is_dropped_and_nothing_is_done(
    commit: GroupCommit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "QUEUE_TIMEOUT", 0.1)
    began = time.monotonic()
    with database.locked():
        late = await asyncio.gather(
            *(commit.run(add, f"{number}") for number in range(3)), return_exceptions=True
        )
    assert {str(each) for each in late} == {"the database was locked for too long"}
    assert 0.1 <= time.monotonic() - began < AT_ONCE
    assert commit.unavailable == 3
    assert commit.waiting == 0
    assert database.names == ["first"]
    assert await commit.run(add, "later") == "later"
    assert len(database.connections) == 1, "a lock breaks no connection"


async def test_f21_who_has_given_up_is_dropped_wherever_it_waits(
    commit: GroupCommit, database: Database
) -> None:
    with database.locked():
        calls = [asyncio.create_task(commit.run(add, f"{number}")) for number in range(4)]
        await asyncio.sleep(0.02)
        for number in (0, 2):
            calls[number].cancel()
        await asyncio.sleep(0.02)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, str)] == ["1", "3"]
    assert database.names == ["first", "1", "3"]


@pytest.mark.parametrize("in_background", [False, True])
async def test_f34_nothing_is_done_in_a_file_that_is_another(
    commit: GroupCommit, database: Database, *, in_background: bool
) -> None:
    database.is_replaced = True
    with pytest.raises(StoreUnavailable, match="another file") as refusal:
        await commit.run(add, "lost", in_background=in_background)
    assert not refusal.value.outcome_unknown
    database.is_replaced = False
    assert await commit.run(add, "kept", in_background=in_background) == "kept"
    assert database.names == ["first", "kept"]
    assert len(database.connections) == 2, "what is open may be the other file"


async def test_in_a_file_that_cannot_be_opened_nothing_is_done_for_sure() -> None:
    def connect() -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    commit = GroupCommit(connect, waiting=10)
    with pytest.raises(StoreUnavailable, match="unable to open") as refusal:
        await commit.run(add, "lost")
    assert not refusal.value.outcome_unknown
    await commit.close()


async def test_a_mistake_fails_alone_and_is_no_outage(
    commit: GroupCommit, database: Database
) -> None:
    good, bad, better = await asyncio.gather(
        commit.run(add, "good"),
        commit.run(fail, ArithmeticError("mine")),
        commit.run(add, "better"),
        return_exceptions=True,
    )
    assert (good, str(bad), better) == ("good", "mine", "better")
    assert database.names == ["first", "good", "better"]
    assert commit.unavailable == 0
    assert len(database.connections) == 1


async def test_an_outage_undoes_the_batch_and_all_are_told(
    commit: GroupCommit, database: Database
) -> None:
    outcomes = await asyncio.gather(
        commit.run(add, "good"),
        commit.run(fail, sqlite3.OperationalError("disk I/O error")),
        return_exceptions=True,
    )
    for outcome in outcomes:
        assert isinstance(outcome, StoreUnavailable)
        assert "disk I/O error" in str(outcome)
        assert not outcome.outcome_unknown
    assert commit.unavailable == 2
    for name in ("later", "last"):
        assert await commit.run(add, name) == name
    assert database.names == ["first", "later", "last"]
    assert len(database.connections) == 2, "the connection is not used again, the next one is"


async def test_a_commit_that_fails_is_reported_as_unknown_to_all(
    commit: GroupCommit, database: Database
) -> None:
    (connection,) = database.connections
    connection.failure = sqlite3.OperationalError("disk I/O error")
    outcomes = await asyncio.gather(
        commit.run(add, "a"), commit.run(add, "b"), return_exceptions=True
    )
    assert [getattr(each, "outcome_unknown", None) for each in outcomes] == [True, True]
    assert await commit.run(add, "later") == "later"
    assert len(database.connections) == 2, "the connection is not used again"


async def test_f11_a_full_disk_is_reported_its_log_emptied_and_the_connection_kept(
    commit: GroupCommit, database: Database
) -> None:
    (connection,) = database.connections
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="FULL") as refusal:
        await commit.run(add, "long" * 10_000)
    assert not refusal.value.outcome_unknown
    assert database.path.with_name("names.db-wal").stat().st_size == 0
    assert await commit.run(add, "short") == "short"
    assert len(database.connections) == 1


async def test_each_commit_is_measured_with_its_size(
    commit: GroupCommit, database: Database
) -> None:
    seconds, sizes = commit.figures.seconds, commit.figures.batch_sizes
    before = (sum(seconds.counts), seconds.total, sizes.total)
    async with held_commit(commit, database):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0)
    assert sum(seconds.counts) == before[0] + 1
    assert 0.05 <= seconds.total - before[1] < AT_ONCE
    assert sizes.total == before[2] + 1


async def test_no_more_wait_than_may_and_all_are_counted(
    commit: GroupCommit, database: Database
) -> None:
    with database.locked():
        waiting = [asyncio.create_task(commit.run(add, f"{number}")) for number in range(10)]
        await asyncio.sleep(0.02)
        with pytest.raises(StoreUnavailable, match="too many"):
            await commit.run(add, "too many")
    assert len(await asyncio.gather(*waiting)) == 10
    assert commit.unavailable == 1


async def test_a_closed_writer_finishes_what_it_has_and_takes_no_more(database: Database) -> None:
    others = set(threading.enumerate())
    commit = GroupCommit(database.connect, waiting=10)
    accepted = [asyncio.create_task(commit.run(add, f"{number}")) for number in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await asyncio.gather(commit.close(), commit.close())
    assert await asyncio.gather(*accepted) == ["0", "1", "2"]
    with pytest.raises(StoreUnavailable, match="closed"):
        await commit.run(add, "late")
    left = set(threading.enumerate()) - others
    assert "sqlite-commit" not in [thread.name for thread in left]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.connections[0].execute("SELECT 1")
