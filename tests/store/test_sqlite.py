"""Specifics of the SQLite store: the queue, the file, other processes, a failing disk."""

import asyncio
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from tests.databases import give_spare_file
from tests.store.artifacts import NOW, access_token, buys, code, key_of, session, together
from tests.store.stores import database_in, open_sqlite
from tests.unhurried import AT_ONCE, tries

from worksgate.audit import AuditEvent, Event
from worksgate.database.artifact_tables import TABLES
from worksgate.database.sqlite_file import LEAST_FREE, make_room
from worksgate.oauth.model import ARTIFACT_KINDS, AccessToken, AuthorizationCode, Redeemable
from worksgate.store import Redemption, RedemptionOutcome, Store, StoreUnavailable
from worksgate.store.sqlite import statements as sqlite_statements
from worksgate.store.sqlite.group_commit import LOCK_INTERVAL, QUEUE_TIMEOUT
from worksgate.store.sqlite.store import (
    SPARE_BYTES,
    ReservedDiskSpace,
    SqliteStore,
    _empty_log,
    clean,
)


async def redeem(store: Store, name: str = "code", token: str = "token") -> Redemption:
    return await store.redeem(AuthorizationCode, key_of(name), "tenant", buys(token), NOW)


async def is_used(store: Store, name: str = "code") -> bool:
    """Whether a code is used; an unused one is good, and then it is used up by the question."""
    return (await redeem(store, name, "question")).outcome is not RedemptionOutcome.REDEEMED


@contextmanager
def other_process(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection that shares nothing with the store but the file."""
    with closing(sqlite3.connect(database_in(folder), isolation_level=None)) as connection:
        yield connection


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Somebody else holds the write lock."""
    with other_process(folder) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def failing_disk() -> Iterator[None]:
    """Every write to a file fails in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# The file


def test_r41_every_kind_has_a_table_with_its_fields_as_columns() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        sqlite_statements.create(connection)
        sqlite_statements.create(connection)
        for name, kind in ARTIFACT_KINDS.items():
            rows = connection.execute(f"PRAGMA table_info({TABLES[name]})")
            expected = list(kind.__struct_fields__)
            if issubclass(kind, Redeemable):
                expected.append("used")
            assert [row[1] for row in rows] == expected


async def test_f15_a_commit_is_on_the_disk_before_it_is_acknowledged(sqlite: SqliteStore) -> None:
    def durability(db: sqlite3.Connection) -> tuple[str, int]:
        (mode,) = db.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = db.execute("PRAGMA synchronous").fetchone()
        return mode, synchronous

    # There is no public way to ask the writing connection; that of anybody else says nothing.
    assert await sqlite._commit.run(durability) == ("wal", 2)


async def test_a_large_batch_opens_no_temporary_file(sqlite: SqliteStore) -> None:
    many = [access_token(f"token {number}" + "x" * 2_000) for number in range(100)]
    await sqlite.save(*many)

    def opened(db: sqlite3.Connection) -> list[str]:
        for each in many:  # more pages than SQLite would keep in memory by itself
            sqlite_statements.extend(db, AccessToken, each.key, NOW + 700)
        open_files = map(os.path.realpath, Path("/proc/self/fd").iterdir())
        return [each for each in open_files if "etilqs" in each]  # SQLite's name for them

    assert await sqlite._commit.run(opened) == []


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    first = await open_sqlite(tmp_path)
    await first.save(code("used"), code("unused"), session())
    await redeem(first, "used")
    await first.bump("c", 60, NOW)
    await first.close()

    second = await SqliteStore.open(database_in(tmp_path), spare=0)
    try:
        assert await second.find(AccessToken, key_of("token")) is not None
        assert await second.count("c", NOW) == 1
        assert (await redeem(second, "unused")).outcome is RedemptionOutcome.REDEEMED
        assert (await redeem(second, "used")).outcome is RedemptionOutcome.REPLAYED
    finally:
        await second.close()


async def test_a_store_sees_what_another_one_on_the_file_has_written(tmp_path: Path) -> None:
    first, second = await open_sqlite(tmp_path), await open_sqlite(tmp_path)
    try:
        await first.save(code())
        assert await second.find(AuthorizationCode, key_of("code")) == code()
        await redeem(second)
        assert await first.find(AccessToken, key_of("token")) is not None
    finally:
        await first.close()
        await second.close()


async def test_a_missing_file_is_reported_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="CANTOPEN"):
        await SqliteStore.open(tmp_path / "missing.db")

    assert _names_in(tmp_path) == []


async def test_a_file_without_tables_is_reported(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()

    with pytest.raises(StoreUnavailable, match="no such table"):
        await SqliteStore.open(tmp_path / "empty.db")


async def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("This is no database. " * 1_000)

    with pytest.raises(StoreUnavailable, match="NOTADB"):
        await SqliteStore.open(tmp_path / "notes.txt")


async def test_odd_names_of_files_are_allowed(tmp_path: Path) -> None:
    odd = tmp_path / "50% of #1? ストア.db"
    store = await SqliteStore.open(odd, create=True, spare=0)
    await store.close()

    assert odd.exists()


def _names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


# The queue


async def test_requests_that_come_together_share_a_commit(sqlite: SqliteStore) -> None:
    commits = await sqlite._commit.run(_count_commits_from_now_on)

    await together(sqlite.save(code(f"{number}")) for number in range(100))

    assert len(commits) <= 3, "the one that counts, and at most two for the hundred"


def _count_commits_from_now_on(db: sqlite3.Connection) -> list[str]:
    commits: list[str] = []
    db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    return commits


async def test_a_full_queue_refuses_at_once(tmp_path: Path) -> None:
    store = await SqliteStore.open(database_in(tmp_path), create=True, waiting=3, spare=0)
    await store.save(*(code(f"{number}") for number in range(5)))

    with locked(tmp_path):
        accepted = [asyncio.create_task(redeem(store, f"{number}")) for number in range(3)]
        await asyncio.sleep(0.02)
        assert store.waiting == 3
        began = time.monotonic()
        for number in (3, 4):
            with pytest.raises(StoreUnavailable, match="too many"):
                await redeem(store, f"{number}")
        assert time.monotonic() - began < AT_ONCE

    assert {(await task).outcome for task in accepted} == {RedemptionOutcome.REDEEMED}
    assert not await is_used(store, "3")
    await store.close()


async def test_one_failing_request_does_not_spoil_the_others(sqlite: SqliteStore) -> None:
    await sqlite.save(code("one"), code("two"))

    one, bad, two = await asyncio.gather(
        redeem(sqlite, "one", "token of one"),
        sqlite.save(code("half"), code("bad", grant="no text: \udc80")),
        redeem(sqlite, "two", "token of two"),
        return_exceptions=True,
    )

    assert isinstance(bad, UnicodeEncodeError)
    assert await sqlite.find(AuthorizationCode, key_of("half")) is None, "all or none"
    for redemption, token in ((one, "token of one"), (two, "token of two")):
        assert isinstance(redemption, Redemption)
        assert redemption.outcome is RedemptionOutcome.REDEEMED
        assert await sqlite.find(AccessToken, key_of(token)) is not None


async def test_closing_finishes_what_was_accepted(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path)
    await store.save(*(code(f"{number}") for number in range(50)))
    accepted = [asyncio.create_task(redeem(store, f"{number}")) for number in range(50)]
    await asyncio.sleep(0)

    await together([store.close(), store.close()])

    assert {(await task).outcome for task in accepted} == {RedemptionOutcome.REDEEMED}


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path)
    await store.close()
    await store.close()

    for call in (store.ping(), store.find(AccessToken, "k"), store.purge(NOW)):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call


async def test_closing_leaves_no_thread_and_no_log_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = await open_sqlite(tmp_path)
    await store.save(code())
    await store.find(AuthorizationCode, key_of("code"))
    assert any(thread.name == "sqlite-commit" for thread in set(threading.enumerate()) - before)
    await store.close()

    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name == "sqlite-commit"]
    assert _names_in(tmp_path) == ["store.db"]


# Cancelled callers


async def test_f21_a_call_that_is_given_up_before_its_commit_leaves_nothing(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    await sqlite.save(code("given up"), code("patient"))

    with locked(tmp_path):
        given_up = asyncio.create_task(redeem(sqlite, "given up", "nobody's"))
        patient = asyncio.create_task(redeem(sqlite, "patient"))
        await asyncio.sleep(0.05)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up

    assert (await patient).outcome is RedemptionOutcome.REDEEMED
    assert await sqlite.find(AccessToken, key_of("nobody's")) is None
    assert not await is_used(sqlite, "given up")


async def test_f06_a_timeout_while_the_database_is_locked_uses_no_code(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    await sqlite.save(code())

    with locked(tmp_path):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(redeem(sqlite), 0.1)
        await asyncio.sleep(0.1)

    await sqlite.ping()
    assert not await is_used(sqlite)


async def test_f21_a_storm_of_cancellations_mixes_nothing_up(sqlite: SqliteStore) -> None:
    chance = random.Random(21)
    numbers = range(600)
    await sqlite.save(*(code(f"{number}", subject=f"person {number}") for number in numbers))

    async def call(number: int) -> Redemption | None:
        try:
            return await asyncio.wait_for(
                redeem(sqlite, f"{number}", f"token {number}"), chance.random() * 0.02
            )
        except TimeoutError:
            return None

    answers: list[Redemption | None] = []
    for start in range(0, len(numbers), 100):
        answers += await together(call(number) for number in numbers[start : start + 100])

    assert None in answers
    for number, answer in zip(numbers, answers, strict=True):
        token = await sqlite.find(AccessToken, key_of(f"token {number}"))
        if answer is not None:
            assert answer.outcome is RedemptionOutcome.REDEEMED
            assert answer.artifact == code(f"{number}", subject=f"person {number}")
            assert token is not None
        if token is not None:
            assert token.subject_id == f"person {number}"
        # Whatever its caller was told: used and bought, or neither (I-3).
        assert await is_used(sqlite, f"{number}") == (token is not None)


# Other processes


async def test_f14_a_short_lock_is_waited_for(sqlite: SqliteStore, tmp_path: Path) -> None:
    await sqlite.save(code())

    with locked(tmp_path):
        waiting = asyncio.create_task(redeem(sqlite))
        await asyncio.sleep(0.4)
        assert not waiting.done()

    assert (await waiting).outcome is RedemptionOutcome.REDEEMED


@pytest.mark.slow
@pytest.mark.deadlines
async def test_f14_a_long_lock_is_reported_in_time_and_nothing_is_done(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    for turn, each in enumerate(tries()):
        names = [f"{turn}/{number}" for number in range(3)]
        await sqlite.save(*map(code, names))
        with each, locked(tmp_path):
            began = time.monotonic()
            tasks = [asyncio.create_task(redeem(sqlite, name)) for name in names]
            await asyncio.sleep(0.1)
            assert await sqlite.find(AuthorizationCode, key_of(names[0])) is not None, "reads go on"
            results = await asyncio.gather(*tasks, return_exceptions=True)
            waited = time.monotonic() - began
            assert [type(result) for result in results] == [StoreUnavailable] * 3
            assert QUEUE_TIMEOUT <= waited < 2.5
        for name in names:
            assert not await is_used(sqlite, name)


_KEEP_READERS_OUT = """
import fcntl, sys
file, first, length = open(sys.argv[1], "r+b"), 123, 5
fcntl.lockf(file, fcntl.LOCK_EX, length, first)
print("held", flush=True)
sys.stdin.readline()
"""
"""Holds all locks of which a reader needs one (https://sqlite.org/walformat.html#locks)."""


@contextmanager
def readers_kept_out(folder: Path) -> Iterator[None]:
    """Another process keeps everybody from reading: SQLite itself sleeps and tries again."""
    command = [sys.executable, "-c", _KEEP_READERS_OUT, f"{database_in(folder)}-shm"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.communicate(b"\n")


@pytest.mark.programs
@pytest.mark.deadlines
@pytest.mark.parametrize("work", ["record", "ping"])
async def test_r52_what_nobody_waits_for_keeps_no_event_loop_waiting(
    sqlite: SqliteStore, tmp_path: Path, work: str
) -> None:
    event = AuditEvent(event=Event.USER_INFO_RETURNED, at=NOW)
    for each in tries():
        with readers_kept_out(tmp_path), each:
            call = sqlite.record([event]) if work == "record" else sqlite.ping()
            writing = asyncio.create_task(call)
            began = time.monotonic()
            for _ in range(10):
                await asyncio.sleep(0.05)
            assert time.monotonic() - began < 1.5
            assert not writing.done(), "nobody was kept out"
        await asyncio.wait([writing])
    await writing


async def test_a_ping_writes_something_else_than_was_there(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    """Or SQLite, which compares them, would write nothing."""
    values = []
    for _ in range(3):
        await sqlite.ping()
        with closing(sqlite3.connect(database_in(tmp_path))) as db:
            values += db.execute("SELECT value FROM counters").fetchall()
    assert values[0] != values[1] != values[2]


async def test_f14_eight_writers_at_once_all_get_their_turn(tmp_path: Path) -> None:
    stores = [await open_sqlite(tmp_path) for _ in range(8)]

    async def write(number: int, store: SqliteStore) -> None:
        for turn in range(20):
            await store.save(code(f"{number}/{turn}"))

    await together(write(number, store) for number, store in enumerate(stores))

    for number in range(8):
        for turn in range(20):
            found = await stores[0].find(AuthorizationCode, key_of(f"{number}/{turn}"))
            assert found is not None
    for store in stores:
        await store.close()


async def test_f14_reads_wait_for_somebody_who_keeps_the_whole_database(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    await sqlite.save(access_token())
    await sqlite.close()

    with other_process(tmp_path) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN IMMEDIATE")
        opening = asyncio.create_task(SqliteStore.open(database_in(tmp_path), spare=0))
        await asyncio.sleep(0.2)
        assert not opening.done()
        connection.execute("COMMIT")

    store = await opening
    assert await store.find(AccessToken, access_token().key) == access_token()
    await store.close()


# A disk that fails


async def test_f11_a_full_database_refuses_reads_on_and_heals(sqlite: SqliteStore) -> None:
    await sqlite.save(code(), code("later"))
    await sqlite._commit.run(_allow_no_more_pages)

    with pytest.raises(StoreUnavailable, match="FULL") as refusal:
        await sqlite.save(*(access_token(f"{number}") for number in range(1_000)))

    assert not refusal.value.outcome_unknown
    assert await sqlite.find(AccessToken, key_of("0")) is None, "all or none"
    assert await sqlite.find(AuthorizationCode, key_of("code")) == code()
    assert (await redeem(sqlite)).outcome is RedemptionOutcome.REDEEMED, (
        "there is room for a little"
    )
    await sqlite._commit.run(_allow_more_pages)
    await sqlite.save(*(access_token(f"{number}") for number in range(1_000)))
    assert not await is_used(sqlite, "later")


def _allow_no_more_pages(db: sqlite3.Connection) -> None:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")


def _allow_more_pages(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA max_page_count = 1000000")


async def test_f11_a_failed_commit_is_reported_and_heals(sqlite: SqliteStore) -> None:
    await sqlite.save(code(), code("later"))

    with failing_disk():
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await redeem(sqlite)
        assert await sqlite.find(AuthorizationCode, key_of("code")) == code()

    assert await sqlite.find(AccessToken, key_of("token")) is None
    assert (await redeem(sqlite)).outcome is RedemptionOutcome.REDEEMED
    assert (await redeem(sqlite, "later")).outcome is RedemptionOutcome.REDEEMED


async def test_i8_a_database_that_was_broken_for_a_while_is_used_again(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    await sqlite.save(code(), access_token())
    with other_process(tmp_path) as connection:
        connection.execute("ALTER TABLE access_tokens RENAME TO lost")

    with pytest.raises(StoreUnavailable, match="no such table"):
        await redeem(sqlite)
    with pytest.raises(StoreUnavailable, match="no such table"):
        await sqlite.find(AccessToken, access_token().key)

    with other_process(tmp_path) as connection:
        connection.execute("ALTER TABLE lost RENAME TO access_tokens")
    assert await sqlite.find(AccessToken, access_token().key) == access_token()
    assert (await redeem(sqlite)).outcome is RedemptionOutcome.REDEEMED


# The spare file


async def test_f11_a_spare_file_is_kept_beside_the_database(tmp_path: Path) -> None:
    store = await SqliteStore.open(database_in(tmp_path), create=True, spare=65_536)
    await store.close()

    assert (tmp_path / "store.db.spare").stat().st_size == 65_536


@pytest.mark.parametrize(
    ("free", "made"), [(4_000_000, 100_000), (4 * 65_536, 65_536), (4 * 65_536 - 1, None)]
)
def test_a_spare_file_takes_a_quarter_of_what_is_free_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, made: int | None
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    spare = tmp_path / "spare"
    ReservedDiskSpace(spare, 100_000).make()
    assert (spare.stat().st_size if spare.exists() else None) == made


@pytest.mark.parametrize("there", [0, 70_000])
def test_f11_a_spare_file_that_was_made_small_grows_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: int
) -> None:
    spare = tmp_path / "spare"
    spare.write_bytes(b"x" * there)
    for free, size in ((210_000, there), (4_000_000, 100_000), (9_000_000, 100_000)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        ReservedDiskSpace(spare, 100_000).make()
        assert spare.stat().st_size == size
    assert spare.read_bytes().startswith(b"x" * there)


def test_a_spare_file_of_tests_is_there_and_nothing_writes_it(tmp_path: Path) -> None:
    give_spare_file(database_in(tmp_path))
    spare = Path(f"{database_in(tmp_path)}.spare")
    ReservedDiskSpace(spare, SPARE_BYTES).make()
    assert (spare.stat().st_size, spare.stat().st_blocks) == (SPARE_BYTES, 0)


@pytest.mark.parametrize(("free", "stays"), [(LEAST_FREE, True), (LEAST_FREE - 1, False)])
def test_f11_a_start_gives_the_spare_file_up_where_nothing_else_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, *, stays: bool
) -> None:
    spare = tmp_path / "store.db.spare"
    spare.touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    make_room(database_in(tmp_path))
    assert spare.exists() is stays


def test_the_log_is_emptied_once_nobody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    database = Mock()
    database.execute().fetchone.side_effect = [(1, 9, 9), (1, 9, 9), (0, 0, 0)]
    monkeypatch.setattr(time, "sleep", pauses.append)
    _empty_log(database, time.monotonic() + 60)
    assert pauses == [LOCK_INTERVAL] * 2
    assert database.execute().fetchone.call_count == 3


class SmallDisk:
    """A database on a disk that is full for as long as the spare file is there."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(
            database_in(folder), isolation_level=None, check_same_thread=False
        )

    def connect(self) -> sqlite3.Connection:
        _allow_no_more_pages(self._db)
        return self._db

    def sizes_at_begin(self, log: Path) -> list[int]:
        """How large the log is whenever a transaction begins, from now on."""
        sizes: list[int] = []

        def look(sql: str) -> None:
            if sql == "BEGIN IMMEDIATE":
                sizes.append(log.stat().st_size)

        self._db.set_trace_callback(look)
        return sizes

    def spare(self, path: Path) -> ReservedDiskSpace:
        disk = self._db

        class Room(ReservedDiskSpace):
            def release(self) -> None:
                assert path.exists()
                super().release()
                _allow_more_pages(disk)

        return Room(path, 65_536)


async def test_f11_cleaning_a_full_disk_costs_the_spare_file(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    await sqlite.save(*(access_token(f"{number}") for number in range(10)))
    _make_removing_need_room(tmp_path)
    disk = SmallDisk(tmp_path)
    spare = disk.spare(tmp_path / "spare")
    spare.make()
    first = (tmp_path / "spare").read_bytes()

    assert clean(disk.connect, spare, NOW + 601, limit=500) == 10
    assert (tmp_path / "spare").read_bytes() != first, "made again"
    assert await sqlite.find(AccessToken, key_of("0")) is None


async def test_f11_cleaning_a_full_disk_gives_back_the_room_of_the_log(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    await sqlite.save(access_token())
    _make_removing_need_room(tmp_path)
    disk, log = SmallDisk(tmp_path), tmp_path / "store.db-wal"
    spare = disk.spare(tmp_path / "spare")
    spare.make()
    sizes = disk.sizes_at_begin(log)

    assert clean(disk.connect, spare, NOW + 601, limit=500) == 1
    first, second = sizes
    assert first > second == log.stat().st_size == 0


async def test_f11_without_a_spare_file_cleaning_a_full_disk_is_refused(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    await sqlite.save(access_token())
    _make_removing_need_room(tmp_path)

    with pytest.raises(StoreUnavailable, match="FULL") as refusal:
        clean(
            SmallDisk(tmp_path).connect,
            ReservedDiskSpace(tmp_path / "spare", 0),
            NOW + 601,
            limit=500,
        )
    assert not refusal.value.outcome_unknown
    assert await sqlite.find(AccessToken, access_token().key) == access_token()


async def test_cleaning_that_fails_otherwise_costs_no_spare_file(
    sqlite: SqliteStore, tmp_path: Path
) -> None:
    with other_process(tmp_path) as connection:
        connection.execute("ALTER TABLE access_tokens RENAME TO lost")
    spare = ReservedDiskSpace(tmp_path / "spare", 65_536)
    spare.make()
    kept = (tmp_path / "spare").read_bytes()

    with pytest.raises(StoreUnavailable, match="no such table"):
        clean(SmallDisk(tmp_path).connect, spare, NOW, limit=500)
    assert (tmp_path / "spare").read_bytes() == kept


def _make_removing_need_room(folder: Path) -> None:
    """As the log does on a full disk: a deletion has to write somewhere."""
    with other_process(folder) as connection:
        connection.execute("CREATE TABLE room (data)")
        connection.execute(
            "CREATE TRIGGER needs_room BEFORE DELETE ON access_tokens "
            "BEGIN INSERT INTO room VALUES (zeroblob(50000)); END"
        )


async def test_r110_purge_waits_for_its_turn(sqlite: SqliteStore, tmp_path: Path) -> None:
    await sqlite.save(access_token())

    with locked(tmp_path):
        cleaning = asyncio.create_task(sqlite.purge(NOW + 601))
        await asyncio.sleep(0.2)
        assert not cleaning.done()

    assert await cleaning == 1
