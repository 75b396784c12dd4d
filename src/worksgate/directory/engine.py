"""Connections to the database: one engine that reads, one that writes.

On SQLite the two differ. A writer says so when it begins (``BEGIN IMMEDIATE``) and waits for its
turn; a reader sees a snapshot, never waits, and cannot write at all: a transaction that reads
first and then wants to write would be refused half-way whenever another one wrote in between
(F-14). One writing connection is all that SQLite can use, so those who wait queue in this process.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiosqlite
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from worksgate.directory import Conflict, DirectoryUnavailable

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for the others."""
READERS = 4

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


@dataclass(frozen=True, slots=True)
class Engines:
    """Where to read and where to write; on PostgreSQL they are the same."""

    read: AsyncEngine
    write: AsyncEngine

    async def close(self) -> None:
        await self.read.dispose()
        await self.write.dispose()


def open_engines(database_url: str, *, busy_timeout: float = BUSY_TIMEOUT) -> Engines:
    """Engines for a database; nothing is connected yet. ``busy_timeout`` is in seconds.

    Raises ValueError where the address is not one that Worksgate can use.
    """
    url = driver_url(database_url)
    if url.get_backend_name() != "sqlite":
        engine = create_async_engine(url, hide_parameters=True, pool_timeout=busy_timeout)
        return Engines(engine, engine)
    return Engines(
        _sqlite_engine(url, READERS, "BEGIN", busy_timeout, "PRAGMA query_only = ON"),
        _sqlite_engine(url, 1, "BEGIN IMMEDIATE", busy_timeout),
    )


def driver_url(database_url: str) -> URL:
    """The address with the asynchronous driver that is used for it.

    Raises ValueError; the text does not repeat the address, which may hold a password.
    """
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise ValueError("the database address is not an address") from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise ValueError("the database address must begin with sqlite:/// or postgresql://")
    if driver == "sqlite+aiosqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("the database address must name a file: sqlite:///worksgate.db")
    return url.set(drivername=driver)


@contextmanager
def outages() -> Iterator[None]:
    """Turn what the driver raises into Conflict or DirectoryUnavailable."""
    try:
        yield
    except IntegrityError as error:
        if "unique" in str(error.orig).lower():
            raise Conflict("the name or one of the keys has just been taken") from error
        raise DirectoryUnavailable(_explain(error)) from error
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise DirectoryUnavailable(_explain(error)) from error


def _sqlite_engine(
    url: URL, connections: int, begin: str, busy_timeout: float, *pragmas: str
) -> AsyncEngine:
    engine = create_async_engine(
        url,
        # A parameter may be a password hash: no error message quotes one.
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=busy_timeout,
        async_creator=partial(_connect_sqlite, url.database or "", busy_timeout),
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin deferred transactions
        for pragma in (*_PRAGMAS, *pragmas):
            _execute(connection, pragma)

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


async def _connect_sqlite(file: str, busy_timeout: float) -> aiosqlite.Connection:
    """Open the file; a caller who hangs up meanwhile leaves no connection open behind (F-21)."""
    opening = asyncio.ensure_future(_open_sqlite(file, busy_timeout))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_drop)
        raise


async def _open_sqlite(file: str, busy_timeout: float) -> aiosqlite.Connection:
    connection = aiosqlite.connect(file, timeout=busy_timeout)
    connection._thread.daemon = True  # as SQLAlchemy does: it must not keep the process alive
    return await connection


def _drop(opening: asyncio.Future[aiosqlite.Connection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().stop()


_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # With NORMAL the last commits can be lost with the power: a used code would revive (F-15).
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


def _execute(connection: Any, pragma: str) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(pragma)
    finally:
        cursor.close()


def _explain(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    if "no such table" in str(cause) or "UndefinedTable" in type(cause).__name__:
        return "the database has no tables yet: run worksgate migrate"
    return f"the database does not answer: {cause}"
