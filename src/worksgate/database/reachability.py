"""Reports once when a database server becomes unreachable, and once when it is back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.database import DatabaseUnavailable
from worksgate.database.engines import BUSY_TIMEOUT, Engines, outages
from worksgate.database.idle_connections import IdleConnections
from worksgate.database.postgres_disk import DISK_FULL, FullDisk
from worksgate.database.postgres_engines import POSTGRES_CONNECTIONS
from worksgate.database.postgres_room import TOO_FEW, is_short, pause
from worksgate.database.slots import Slots
from worksgate.settings.addresses.postgres import PostgresAddress, is_postgres

MAKES_ROOM_AFTER = 0.3
"""Seconds without a connection after which another one of this process is closed for it."""

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Takes a connection from the pool, or opens one."""

_log = structlog.get_logger("worksgate.database")


class Reachability:
    """Observes how connections are opened; errors on open ones are reported by their callers.

    ``idle`` are those that are open between two uses.
    """

    def __init__(self, idle: IdleConnections) -> None:
        self._is_away = False
        self._slots = Slots(POSTGRES_CONNECTIONS)
        self._idle = idle
        self._disk = FullDisk()
        self.make_room: Callable[[], None] | None = None
        """Closes a connection that this process has beside these, to be used for them."""

    @property
    def is_short(self) -> bool:
        """Whether the server has too few connections."""
        return self._slots.are_fewer or self._idle.are_closed

    def check_connections(self) -> None:
        """Raise DatabaseUnavailable while the server has too few connections; all is served."""
        if self.is_short:
            raise DatabaseUnavailable(TOO_FEW)

    def check_disk(self) -> None:
        """Raise DatabaseUnavailable if a write was refused lately, since the disk is full."""
        if self._disk.is_full:
            raise DatabaseUnavailable(DISK_FULL)

    @asynccontextmanager
    async def watching(self, begin: Begin) -> AsyncIterator[AsyncConnection]:
        """A connection, as soon as one is available.

        If the server has none left, the open ones are shared in turn, for as long as callers wait.
        Raises DatabaseUnavailable if there is none.
        """
        try:
            async with AsyncExitStack() as stack:
                connection = await self._opened(begin, stack)
                self._note_connection()
                yield connection
        except DBAPIError as error:
            if error.orig is not None:
                self._disk.note(error.orig)
            raise
        finally:
            self._idle.watch()

    async def close(self) -> None:
        """To be called before the connections are closed."""
        await self._idle.stop()

    async def _opened(self, begin: Begin, stack: AsyncExitStack) -> AsyncConnection:
        began = time.monotonic()
        while True:
            async with AsyncExitStack() as trying:
                await trying.enter_async_context(self._slots)
                try:
                    with outages():
                        await self._look()
                        connection = await trying.enter_async_context(begin())
                except DatabaseUnavailable as error:
                    await self._judge(error, time.monotonic() - began)
                else:
                    stack.push_async_exit(trying.pop_all())
                    return connection
            await asyncio.sleep(pause())

    async def _look(self) -> None:
        """Keep no idle connection if others may lack it."""
        was_short = self.is_short
        if await self._idle.look() and not was_short:
            _log.warning("database.connections_used_up", reason=TOO_FEW)

    async def _judge(self, error: DatabaseUnavailable, waited: float) -> None:
        """Return if a retry makes sense; else raise the error."""
        cause = error.__cause__
        if cause is not None and is_short(cause):
            if not self.is_short:
                _log.warning("database.connections_used_up", reason=str(error))
            self._slots.shrink()
            await self._idle.close()
            if self.make_room is not None and waited >= MAKES_ROOM_AFTER:
                self.make_room()
            if waited < BUSY_TIMEOUT:
                return
        if not isinstance(cause, PoolTimeout):  # all are in use: the server is up
            self._note_outage(str(error))
        raise error

    def _note_outage(self, reason: str) -> None:
        if not self._is_away:
            _log.warning("database.unreachable", reason=reason)
        self._is_away = True

    def _note_connection(self) -> None:
        if self._is_away:
            _log.info("database.connected")
        self._is_away = False


def reachability_of(database_url: str, engines: Engines) -> Reachability | None:
    """What observes the connections of these engines; None on SQLite, which is a file."""
    if not is_postgres(database_url):
        return None
    pooled = PostgresAddress.parse(database_url).pooled
    return Reachability(IdleConnections(engines.read, counts=not pooled))
