"""Many requests, one durable commit: how SQLite's one writer serves a whole event loop.

A commit that survives a power failure waits for the disk. Meanwhile the next requests gather, and
the next commit takes them all, so the disk is awaited once per batch and not per request:

    event loop    BEGIN IMMEDIATE, run each request      wake their callers, take what has gathered
    thread                                          COMMIT

Statements run on the event loop. They touch pages in memory and take microseconds; in the thread
each of them would release the GIL and might wait 5 ms to get it back from a busy loop. Everything
that waits (for the disk, for another process, for a file to open) waits in the thread.

Only BEGIN may wait on the loop nevertheless: SQLite itself sleeps, for up to ten seconds, while
another process holds all locks of which a reader needs one. So it only runs there for a request
with a waiting caller; a batch that begins with background work takes its lock in the thread.

Between a request's statements and its COMMIT the loop runs nothing else. So a caller that is
cancelled while its request waits in the queue has left nothing behind, and one that is cancelled
later is too late: the request is committed.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple

from worksgate.audit import AuditEvent
from worksgate.database.identity import DatabaseGuard, DatabaseReplaced
from worksgate.database.newest_record import NewestRecord
from worksgate.observability.instruments import CommitFigures
from worksgate.store import Recorded, StoreUnavailable, ignore_records
from worksgate.store.sqlite.statements import record

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

QUEUE_TIMEOUT = 2.1
"""Maximum seconds that a request waits before its commit begins: LINE WORKS must get a response
within 2.5 (R-52), and a commit that has begun cannot be undone (F-06)."""

MAX_BATCH = 500
"""Requests per commit, so that the loop is not blocked for long."""

LOCK_INTERVAL = 0.002
"""Seconds between two attempts at the lock; a process that commits constantly frees it briefly."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_PASSING = _BUSY | {sqlite3.SQLITE_FULL}


def _nothing(_result: object) -> Sequence[AuditEvent]:
    """Nothing is recorded."""
    return ()


class _Request:
    """Work for a transaction, its records, and its result."""

    __slots__ = (
        "args",
        "due",
        "error",
        "events",
        "future",
        "in_background",
        "records",
        "result",
        "work",
    )

    def __init__(
        self,
        future: asyncio.Future[None],
        work: Callable[..., Any],
        args: tuple[Any, ...],
        records: Callable[[Any], Sequence[AuditEvent]],
        *,
        in_background: bool,
    ) -> None:
        self.future = future
        self.work = work
        self.args = args
        self.records = records
        self.in_background = in_background
        self.events: Sequence[AuditEvent] = ()
        self.due = time.monotonic() + QUEUE_TIMEOUT
        self.result: Any = None
        self.error: Exception | None = None


class GroupCommit:
    """The writing connection of one event loop.

    ``connect`` opens it, in the thread, at the first request and again after a failure that a
    connection may not survive. At most ``waiting`` requests queue. ``recorded`` receives the audit
    records of each commit. ``guard`` is asked before each transaction, and at its beginning about
    its content; both may raise DatabaseReplaced.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        waiting: int,
        recorded: Recorded = ignore_records,
        guard: DatabaseGuard | None = None,
    ) -> None:
        self.figures = CommitFigures()
        self.unavailable = 0
        """How many requests were refused with StoreUnavailable."""
        self._connect = connect
        self._guard = guard
        self._waiting = waiting
        self._recorded = recorded
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Request] = deque()
        self._idle = True
        self._closed = False
        self._ended = asyncio.Event()
        # Used by the loop and by the thread in turns, never by both: a job hands it over.
        self._db: sqlite3.Connection | None = None
        self._broken = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="sqlite-commit", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many requests wait for a commit to begin."""
        return len(self._queue)

    async def run(
        self,
        work: Callable[[sqlite3.Connection, *Ts], T],
        *args: *Ts,
        records: Callable[[T], Sequence[AuditEvent]] = _nothing,
        in_background: bool = False,
    ) -> T:
        """Run some work in a transaction, and return its result once that is durable.

        ``records`` returns the audit records of a result, which are in the same transaction.
        ``in_background`` is for work without a waiting request: the event loop never waits for it.
        Raises StoreUnavailable, at once if too many wait already; then nothing was done, unless
        ``outcome_unknown`` says otherwise. Other exceptions of the work roll back only that work.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if len(self._queue) >= self._waiting:
            self.unavailable += 1
            raise StoreUnavailable("too many requests are waiting")
        request = _Request(
            self._loop.create_future(), work, args, records, in_background=in_background
        )
        self._queue.append(request)
        if self._idle:
            self._idle = False
            # After everything else in this turn of the loop: that joins the batch.
            self._loop.call_soon(self._start)
        await request.future
        if request.error is not None:
            self.unavailable += isinstance(request.error, StoreUnavailable)
            raise request.error
        result: T = request.result
        return result

    async def close(self) -> None:
        """Finish accepted work, close the connection and end the thread."""
        if not self._closed:
            self._closed = True
            if self._idle:
                self._jobs.put(None)
        await self._ended.wait()
        self._thread.join()

    # On the event loop

    def _start(self) -> None:
        """Begin the next batch if there is one."""
        self._drop_late()
        if not self._queue:
            self._idle = True
            if self._closed:
                self._jobs.put(None)
        elif not self._queue[0].in_background and self._begins():
            self._run_batch()
        else:
            self._jobs.put(partial(self._acquire, self._queue[0].due))

    def _drop_late(self) -> None:
        now = time.monotonic()
        queue = self._queue
        while queue and (queue[0].due <= now or queue[0].future.done()):
            late = queue.popleft()
            late.error = StoreUnavailable("the database was locked for too long")
            _wake([late])

    def _begins(self) -> bool:
        """Take the write lock if that needs no waiting."""
        if self._db is None or self._broken:
            return False
        try:
            self._check()
            self._db.execute("BEGIN IMMEDIATE")
        except (sqlite3.Error, DatabaseReplaced):
            return False  # the thread finds out why
        return True

    def _check(self) -> None:
        if self._guard is not None:
            self._guard.check()

    def _run_batch(self) -> None:
        """Run the gathered requests; the write lock is ours."""
        assert self._db is not None  # noqa: S101  # whoever calls has begun a transaction
        requests = self._take()
        try:
            if self._guard is not None:
                self._guard.inspect(self._db)
            _run_all(self._db, requests)
            newest = None if self._guard is None else self._guard.newest_in(self._db)
        except Exception as error:
            self._jobs.put(partial(self._give_up, requests, error))
        else:
            self._jobs.put(partial(self._commit, requests, newest))

    def _take(self) -> list[_Request]:
        queue = self._queue
        gathered = [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]
        return [request for request in gathered if not request.future.done()]

    def _committed(self, requests: list[_Request]) -> None:
        self._finish(requests)
        events = _events_of(requests)
        if events:
            self._recorded(events)

    def _finish(self, requests: list[_Request]) -> None:
        _wake(requests)
        # Before the woken callers run: the disk is awaited while they write their responses.
        self._start()

    def _refuse_all(self, error: Exception) -> None:
        requests = list(self._queue)
        self._queue.clear()
        self._finish(_refuse(requests, error))

    # In the thread

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._disconnect()
        self._call_in_loop(self._ended.set)

    def _acquire(self, until: float) -> None:
        """Wait for the write lock, for as long as the oldest request may."""
        try:
            if self._broken:
                self._disconnect()
            if self._db is None:
                self._db = patiently(self._connect, until)
            self._check()
            begin(self._db, until)
        except Exception as error:
            self._broken = self._broken or not is_passing(error)
            if is_busy(error):
                self._call_in_loop(self._start)
            else:
                self._call_in_loop(partial(self._refuse_all, error))
        else:
            self._call_in_loop(self._run_batch)

    def _commit(self, requests: list[_Request], newest: NewestRecord | None) -> None:
        """``newest`` is the newest audit record then, if a guard has to know it."""
        began = time.perf_counter()
        try:
            self._connection.execute("COMMIT")
        except Exception as error:
            # If the disk fails at a commit, its content is only known when it is read again.
            self._give_up(requests, error, outcome_unknown=not is_passing(error))
        else:
            if self._guard is not None and newest is not None:
                self._guard.has_recorded(newest)
            self.figures.seconds.observe(time.perf_counter() - began)
            self.figures.batch_sizes.observe(len(requests))
            self._call_in_loop(partial(self._committed, requests))

    def _give_up(
        self, requests: list[_Request], error: Exception, *, outcome_unknown: bool = False
    ) -> None:
        try:
            roll_back(self._connection)
            if is_full(error):  # the log may be what fills the disk
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception as another:
            self._broken = not is_passing(another)
        self._broken = self._broken or not is_passing(error)
        _refuse(requests, error, outcome_unknown=outcome_unknown)
        self._call_in_loop(partial(self._finish, requests))

    @property
    def _connection(self) -> sqlite3.Connection:
        assert self._db is not None  # noqa: S101  # a transaction is open on it
        return self._db

    def _disconnect(self) -> None:
        db, self._db, self._broken = self._db, None, False
        if db is not None:
            db.close()

    def _call_in_loop(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nobody to notify
            self._loop.call_soon_threadsafe(callback)


def begin(db: sqlite3.Connection, until: float) -> None:
    """Take the write lock, waiting for other processes until then (``time.monotonic``).

    Never a deferred BEGIN: a transaction that has read and then wants to write fails if another one
    wrote in between (F-14).
    """
    patiently(lambda: db.execute("BEGIN IMMEDIATE"), until)


def patiently(action: Callable[[], T], until: float) -> T:
    """Retry an action while another process is in the way; raises the last error."""
    while True:
        try:
            return action()
        except sqlite3.Error as error:
            if not is_busy(error) or time.monotonic() >= until:
                raise
        time.sleep(LOCK_INTERVAL)


def roll_back(db: sqlite3.Connection) -> None:
    """Roll back the open transaction, unless SQLite has done so itself."""
    if db.in_transaction:
        db.execute("ROLLBACK")


def is_busy(error: Exception) -> bool:
    """Whether somebody else holds a lock."""
    return _code(error) in _BUSY


def is_full(error: Exception) -> bool:
    """Whether the disk is full."""
    return _code(error) == sqlite3.SQLITE_FULL


def is_passing(error: Exception) -> bool:
    """Whether the connection is still good: the database was only locked or full."""
    return _code(error) in _PASSING


def refusal(error: Exception, *, outcome_unknown: bool = False) -> Exception:
    """The exception for an SQLite error; bugs of ours are not translated.

    SQLite's messages name tables and files, never a value.
    """
    if not _is_outage(error):
        return error
    if isinstance(error, DatabaseReplaced):
        return StoreUnavailable(str(error))
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreUnavailable(f"{name}: {error}", outcome_unknown=outcome_unknown)


# Compared by type: an invalid statement or value is a DatabaseError by inheritance.
_OUTAGES = (
    sqlite3.OperationalError,
    sqlite3.InternalError,
    sqlite3.DatabaseError,
    DatabaseReplaced,
    MemoryError,
)


def _is_outage(error: Exception) -> bool:
    """Whether the database is at fault, and not the statement."""
    return type(error) in _OUTAGES


def _code(error: Exception) -> int:
    """The primary result code; 0 if the error is not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _run_all(db: sqlite3.Connection, requests: list[_Request]) -> None:
    """Run them as if none could fail; if one does, run them again, each failing separately."""
    db.execute("SAVEPOINT batch")
    try:
        for request in requests:
            request.result = result = request.work(db, *request.args)
            request.events = request.records(result)
        record(db, _events_of(requests))
    except Exception:
        if not db.in_transaction:
            raise  # no space left: SQLite has rolled back everything
        db.execute("ROLLBACK TO batch")
        for request in requests:
            _run_alone(db, request)


def _run_alone(db: sqlite3.Connection, request: _Request) -> None:
    db.execute("SAVEPOINT request")
    try:
        request.result = result = request.work(db, *request.args)
        request.events = request.records(result)
        record(db, request.events)
    except Exception as error:
        if _is_outage(error):
            raise  # if one cannot do it now the others cannot either
        request.error = error
        request.events = ()
        db.execute("ROLLBACK TO request")
    db.execute("RELEASE request")


def _events_of(requests: list[_Request]) -> list[AuditEvent]:
    return [event for request in requests for event in request.events]


def _refuse(
    requests: list[_Request], error: Exception, *, outcome_unknown: bool = False
) -> list[_Request]:
    for request in requests:  # an exception of its own for each: raising one modifies it
        request.error = refusal(error, outcome_unknown=outcome_unknown)
    return requests


def _wake(requests: list[_Request]) -> None:
    for request in requests:
        if not request.future.done():
            request.future.set_result(None)
