"""Connections to the database: one engine that reads, two that write, one that migrates.

On SQLite a writer takes the lock when it begins (``BEGIN IMMEDIATE``) and waits for its turn; a
reader sees a snapshot, never waits, and cannot write at all: a transaction that reads first and
then writes would fail halfway whenever another one wrote in between (F-14). SQLite can use only one
writing connection, so writers queue in this process.

Between the steps of a transaction the event loop runs, and the lock is held meanwhile. A single
statement is a transaction by itself, and holds the lock only while it runs.

On PostgreSQL the engines share a few connections. Readers see a snapshot and cannot write there
either. Writers are SERIALIZABLE: what one has read still holds when it commits, or it fails with a
``SerializationFailure``. A migration is neither, since it must see what was committed while it
waited for its lock.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiosqlite
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from worksgate.database import Conflict, DatabaseUnavailable
from worksgate.database.identity import DatabaseReplaced
from worksgate.database.postgres_engines import (
    NO_TABLES,
    TAKEN,
    is_postgres_error,
    postgres_engines,
    postgres_refusal,
    postgres_url,
)
from worksgate.settings.addresses.postgres import PostgresAddress, is_postgres

BUSY_TIMEOUT = 5.0
"""Seconds that a statement waits for a lock or a connection."""
REPLY_TIMEOUT = 30.0
"""Seconds that PostgreSQL gets for a statement: searching a large audit log takes a while."""
READERS = 4
_ENDING = 1.0
"""Seconds for connections in use to be returned, and then for the threads of closed ones to end."""

_ONE_STATEMENT = "worksgate_one_statement"

_Threads = set[threading.Thread]
"""The connections of one database; the threads are aiosqlite's."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Engines to read, to write and to migrate; on PostgreSQL they share their connections.

    ``write_one`` is for writes of a single statement.
    """

    read: AsyncEngine
    write: AsyncEngine
    write_one: AsyncEngine
    migrate: AsyncEngine
    threads: "_Threads" = field(default_factory=set)

    async def close(self) -> None:
        """Close all connections, and wait until the last thread has ended.

        aiosqlite stops the thread of a connection without waiting for it. A thread that finds its
        event loop closed writes a traceback to standard error.
        """
        for engine in (self.read, self.write):
            # A connection returned to a disposed pool would stay open in it forever.
            event.listen(engine.sync_engine.pool, "checkin", _close_what_comes_back)
        await _wait_while(lambda: any(map(_is_in_use, (self.read, self.write))))
        await self.read.dispose()
        await self.write.dispose()
        # A connection that is being opened joins them meanwhile, so this checks all of them each
        # time.
        await _wait_while(lambda: any(each.is_alive() for each in tuple(self.threads)))


def _close_what_comes_back(_connection: object, record: ConnectionPoolEntry) -> None:
    record.close()


async def _wait_while(condition: Callable[[], bool]) -> None:
    """Return when a condition has become false, or after ``_ENDING``."""
    until = time.monotonic() + _ENDING
    while condition() and time.monotonic() < until:  # noqa: ASYNC110  # no event tells it
        await asyncio.sleep(0.002)


def _is_in_use(engine: AsyncEngine) -> bool:
    return isinstance(engine.pool, QueuePool) and engine.pool.checkedout() > 0


def open_engines(
    database_url: str, *, busy_timeout: float = BUSY_TIMEOUT, reply_timeout: float | None = None
) -> Engines:
    """Engines for a database; nothing is connected yet. The timeouts are in seconds.

    ``busy_timeout`` limits waiting for locks. ``reply_timeout`` limits a statement on PostgreSQL;
    there is no limit by default, since some statements take long.

    Raises ValueError if Worksgate cannot use the address.
    """
    if is_postgres(database_url):
        address = PostgresAddress.parse(database_url)
        read, write, migrate = postgres_engines(address, busy_timeout, reply_timeout)
        return Engines(read, write, write, migrate)
    url = driver_url(database_url)
    threads: _Threads = set()
    connect = partial(_connect_sqlite, url.database or "", busy_timeout, threads)
    read_only = partial(connect, "PRAGMA query_only = ON")
    reader = _sqlite_engine(url, READERS, "BEGIN", busy_timeout, read_only)
    writer = _sqlite_engine(url, 1, "BEGIN IMMEDIATE", busy_timeout, connect)
    write_one = writer.execution_options(**{_ONE_STATEMENT: True})
    return Engines(reader, writer, write_one, writer, threads)


def driver_url(database_url: str) -> URL:
    """The address with the asynchronous driver that is used for it.

    Raises ValueError; the text does not repeat the address, which may contain a password.
    """
    if is_postgres(database_url):
        return postgres_url(PostgresAddress.parse(database_url))
    kinds = "the database address must begin with sqlite:/// or postgresql://"
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise ValueError(kinds) from None
    if url.drivername != "sqlite":
        raise ValueError(kinds)
    if url.database in (None, "", ":memory:"):
        raise ValueError("the database address must name a file: sqlite:///worksgate.db")
    return url.set(drivername="sqlite+aiosqlite")


@contextmanager
def outages() -> Iterator[None]:
    """Turn the driver's errors into Conflict, SerializationFailure or DatabaseUnavailable."""
    try:
        yield
    except (DBAPIError, PoolTimeout, OSError) as error:
        if is_postgres_error(error):
            # Not chained: PostgreSQL's message may quote a row, and causes end up in logs.
            raise postgres_refusal(error) from None
        raise _refusal(error) from error


def _refusal(error: Exception) -> Exception:
    if isinstance(error, IntegrityError) and "unique" in str(error.orig).lower():
        return Conflict(TAKEN)
    return DatabaseUnavailable(_explain(error))


def _sqlite_engine(
    url: URL,
    connections: int,
    begin: str,
    busy_timeout: float,
    connect: Callable[[], Awaitable[aiosqlite.Connection]],
) -> AsyncEngine:
    engine = create_async_engine(
        url,
        # A parameter may be a password hash: no error message quotes one.
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=busy_timeout,
        async_creator=connect,
    )

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        if not connection.get_execution_options().get(_ONE_STATEMENT):
            connection.exec_driver_sql(begin)

    return engine


async def _connect_sqlite(
    file: str, busy_timeout: float, threads: _Threads, *pragmas: str
) -> aiosqlite.Connection:
    """Open the file; if the caller is cancelled, no connection stays open (F-21)."""
    connect = partial(_prepared, file, busy_timeout, pragmas)
    opening = asyncio.ensure_future(_open_sqlite(file, connect, threads))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_drop)
        raise


async def _open_sqlite(
    file: str, connect: Callable[[], sqlite3.Connection], threads: _Threads
) -> aiosqlite.Connection:
    connection = aiosqlite.Connection(connect, iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy does: it must not keep the process alive
    threads -= {thread for thread in threads if thread.ident and not thread.is_alive()}
    threads.add(connection._thread)
    with _naming(file):
        return await connection


def _prepared(file: str, busy_timeout: float, pragmas: Sequence[str]) -> sqlite3.Connection:
    """A connection that is ready, for one step to its thread instead of one for each pragma."""
    connection = sqlite3.connect(
        _address_of(file),
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,  # the driver would begin deferred transactions
    )
    try:
        for pragma in (*_PRAGMAS, *pragmas):
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def _address_of(file: str) -> str:
    """The URI of an existing file for SQLite.

    A missing one is never created: an empty database would look like the one that was lost.
    """
    return f"{Path(file).absolute().as_uri()}?mode=rw"


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """An error of SQLite about opening a file, with the name of the file."""
    try:
        yield
    except sqlite3.Error as error:
        error.args = (f"{file}: {error}",)
        raise


def _drop(opening: asyncio.Future[aiosqlite.Connection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().stop()


_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # With NORMAL the last commits could be lost in a power failure: a used code would become valid
    # again (F-15).
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


def _explain(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, DatabaseReplaced):
        return str(cause)
    if "no such table" in str(cause):
        return NO_TABLES
    return f"the database does not respond: {cause}"
