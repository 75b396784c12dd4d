"""The embedded store: one SQLite file, shared by the processes of one machine.

Acknowledged writes are on the disk (WAL, ``synchronous=FULL``; F-15). Writes go through
``GroupCommit``, many to a commit. Reads by key go straight to a second connection on the event
loop: in WAL mode they never wait, and a thread would cost more than the read. Expired rows are
removed over a third, in a thread, in a transaction of their own.

When the disk is full even a deletion needs space. ``ReservedDiskSpace`` is a file that reserves
that space, and releases it for cleaning up (F-11).
"""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar, TypeVarTuple

from worksgate.audit import AuditEvent
from worksgate.database.identity import DatabaseGuard, DatabaseReplaced
from worksgate.oauth.model import Artifact
from worksgate.observability.instruments import CommitFigures
from worksgate.store import (
    NONE_BEGUN,
    A,
    ArtifactKey,
    NewExpiry,
    R,
    Recorded,
    Recount,
    Redemption,
    RedemptionRecord,
    StoreUnavailable,
    Successors,
    ignore_records,
)
from worksgate.store.sqlite import statements as sqlite_statements
from worksgate.store.sqlite.group_commit import (
    LOCK_INTERVAL,
    QUEUE_TIMEOUT,
    GroupCommit,
    begin,
    is_busy,
    is_full,
    patiently,
    refusal,
    roll_back,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SPARE_BYTES = 8 * 1024 * 1024
_LEAST_SPARE = 64 * 1024

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # With NORMAL the last commits could be lost in a power failure: a used code would become valid
    # again (F-15).
    "PRAGMA synchronous = FULL",
    # Pages, of 4 KiB: the log grows to the size of the spare file, then goes to the database.
    f"PRAGMA wal_autocheckpoint = {SPARE_BYTES // 4096}",
    f"PRAGMA journal_size_limit = {8 * SPARE_BYTES}",
    "PRAGMA cache_size = -16000",
    # A batch begins with a savepoint: the pages that it has to be able to restore would go to a
    # temporary file, at a quarter of the cost of a token call.
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
)


class SqliteStore:
    """A ``Store`` in one file. It belongs to the event loop that opened it.

    Several may be open on the same file, in one process or in many.
    """

    def __init__(
        self,
        path: Path,
        waiting: int,
        spare: int,
        *,
        create: bool,
        recorded: Recorded = ignore_records,
        guard: DatabaseGuard | None = None,
    ) -> None:
        path = path.absolute()
        self._guard = guard
        self._connect = partial(_connect, path, create=create, guard=guard)
        self._commit = GroupCommit(self._connect, waiting=waiting, recorded=recorded, guard=guard)
        self._spare = ReservedDiskSpace(path.with_name(f"{path.name}.spare"), spare)
        self._reader: sqlite3.Connection | None = None
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        waiting: int = 2_000,
        create: bool = False,
        spare: int = SPARE_BYTES,
        recorded: Recorded = ignore_records,
        guard: DatabaseGuard | None = None,
    ) -> Self:
        """Open a database that has its tables, or with ``create`` create file and tables.

        At most ``waiting`` writes queue, more are refused at once. ``spare`` is how many bytes to
        reserve for cleaning up a full disk; 0 reserves none. ``recorded`` receives the audit
        records of each commit; ``guard`` knows which file it must be. Raises StoreUnavailable.
        """
        store = cls(Path(path), waiting, spare, create=create, recorded=recorded, guard=guard)
        try:
            await store._commit.run(sqlite_statements.create if create else sqlite_statements.ping)
            await asyncio.to_thread(store._spare.make)
            with suppress(sqlite3.Error, OSError):  # it is tried again at every read
                store._reader = store._connect()
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def commits(self) -> CommitFigures:
        return self._commit.figures

    @property
    def waiting(self) -> int:
        return self._commit.waiting

    @property
    def unavailable(self) -> int:
        return self._commit.unavailable

    async def save(self, *artifacts: Artifact, records: Sequence[AuditEvent] = ()) -> None:
        await self._commit.run(sqlite_statements.save, artifacts, records=lambda _: records)

    async def add(
        self,
        artifact: Artifact,
        *others: Artifact,
        removed: Sequence[ArtifactKey] = (),
        extended: Sequence[NewExpiry] = (),
        records: Sequence[AuditEvent] = (),
        recount: Recount | None = None,
    ) -> bool:
        return await self._commit.run(
            sqlite_statements.add,
            artifact,
            others,
            removed,
            extended,
            recount,
            records=lambda added: records if added else (),
        )

    def find(self, kind: type[A], key: str) -> Coroutine[Any, Any, A | None]:
        return self._read(sqlite_statements.find, kind, key)

    async def held(self, kind: type[A], subject_id: str) -> tuple[A, ...]:
        return await self._read(sqlite_statements.held, kind, subject_id)

    async def take(
        self, kind: type[A], key: str, *, records: Sequence[AuditEvent] = ()
    ) -> A | None:
        return await self._commit.run(
            sqlite_statements.take,
            kind,
            key,
            records=lambda found: () if found is None else records,
        )

    async def extend(self, kind: type[A], key: str, expires_at: float) -> bool:
        return await self._commit.run(sqlite_statements.extend, kind, key, expires_at)

    async def redeem(
        self,
        kind: type[R],
        key: str,
        client_id: str,
        successors: Successors,
        now: float,
        record: RedemptionRecord | None = None,
    ) -> Redemption:
        return await self._commit.run(
            sqlite_statements.redeem,
            kind,
            key,
            client_id,
            successors,
            now,
            records=lambda redemption: () if record is None else record.of(redemption, now),
        )

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        return await self._commit.run(
            sqlite_statements.forget, subject_id, records=lambda _: records
        )

    async def record(self, events: Sequence[AuditEvent]) -> None:
        await self._commit.run(sqlite_statements.record, events, in_background=True)

    async def bump(self, counter: str, window: float, now: float) -> int:
        return await self._commit.run(sqlite_statements.bump, counter, window, now)

    async def count(self, counter: str, now: float) -> int:
        return await self._read(sqlite_statements.count, counter, now)

    async def bump_all(self, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
        return await self._commit.run(sqlite_statements.bump_all, windows, now)

    async def count_all(self, counters: Collection[str], now: float) -> Mapping[str, int]:
        return await self._read(sqlite_statements.count_all, counters, now)

    async def lower(self, *counters: str) -> None:
        await self._commit.run(sqlite_statements.lower, counters)

    async def reset(self, *counters: str) -> None:
        await self._commit.run(sqlite_statements.reset, counters)

    async def recount(
        self,
        *,
        reset: Collection[str],
        now: float,
        lowered: Collection[str] = (),
        begun: Mapping[str, float] = NONE_BEGUN,
    ) -> None:
        await self._commit.run(sqlite_statements.recount, reset, lowered, begun, now)

    async def purge(self, now: float, limit: int = 500) -> int:
        """As in the contract, in a thread; it continues there if the caller is cancelled."""
        self._check_open()
        return await asyncio.to_thread(clean, self._connect, self._spare, now, limit)

    async def ping(self) -> None:
        await self._commit.run(sqlite_statements.ping, in_background=True)

    async def close(self) -> None:
        self._closed = True
        self._drop_reader()
        await self._commit.close()

    async def _read(self, read: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts) -> T:
        """Read at once; if something is in the way, with the writer's patience."""
        self._check_open()
        try:
            if self._guard is not None:
                self._guard.check_lately()
            if self._reader is None:
                self._reader = self._connect()
            if self._guard is not None:
                self._guard.inspect_lately(self._reader)
            return read(self._reader, *args)
        except (sqlite3.Error, DatabaseReplaced) as error:
            if not is_busy(error):
                self._drop_reader()
        return await self._commit.run(read, *args)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _drop_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class ReservedDiskSpace:
    """A file whose only purpose is to reserve disk space, released when there is no other."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def make(self) -> None:
        """Create it, smaller if little space is free, or enlarge it as soon as there is more.

        Never raises.
        """
        if not self._size:
            return
        with suppress(OSError):
            is_there = self._path.exists()
            has = self._path.stat().st_size if is_there else 0
            if has >= self._size:
                return
            size = min(self._size, (has + shutil.disk_usage(self._path.parent).free) // 4)
            if size >= _LEAST_SPARE and size > has:
                # Others may be doing the same: nobody writes beyond the size.
                with self._path.open("r+b" if is_there else "xb") as file:
                    file.seek(has)
                    file.write(os.urandom(size - has))  # which no disk compresses

    def release(self) -> None:
        """Remove it, if it is there."""
        with suppress(OSError):
            self._path.unlink()


def _connect(path: Path, *, create: bool, guard: DatabaseGuard | None) -> sqlite3.Connection:
    """A connection that never waits: callers do the waiting.

    Raises sqlite3.Error, or DatabaseReplaced.
    """
    if guard is not None:
        guard.check()
    db = sqlite3.connect(
        f"{path.as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for pragma in _PRAGMAS:
            db.execute(pragma)
        if guard is not None:
            guard.check()  # it may have been replaced meanwhile
    except BaseException:
        db.close()
        raise
    return db


def clean(
    connect: Callable[[], sqlite3.Connection], spare: ReservedDiskSpace, now: float, limit: int
) -> int:
    """Remove expired data, on a full disk at the cost of the spare file."""
    until = time.monotonic() + QUEUE_TIMEOUT
    try:
        with closing(patiently(connect, until)) as db:
            try:
                removed = _purge(db, until, now, limit)
            except sqlite3.Error as error:
                if not is_full(error):
                    raise
                spare.release()
                _empty_log(db, until)
                removed = _purge(db, until, now, limit)
                _empty_log(db, until)
    except (sqlite3.Error, DatabaseReplaced) as error:
        raise refusal(error) from error
    spare.make()
    return removed


def _purge(db: sqlite3.Connection, until: float, now: float, limit: int) -> int:
    begin(db, until)
    try:
        removed = sqlite_statements.purge(db, now, limit)
        db.execute("COMMIT")
    except BaseException:
        roll_back(db)
        raise
    return removed


def _empty_log(db: sqlite3.Connection, until: float) -> None:
    """Move the log into the database, whose free pages take it, and release its space."""
    with suppress(sqlite3.Error):
        while time.monotonic() < until:
            (in_the_way, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not in_the_way:
                return
            time.sleep(LOCK_INTERVAL)
