"""Reports once when a database server becomes unreachable, and once when it is back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import structlog
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.database import DatabaseUnavailable
from worksgate.database.engines import BUSY_TIMEOUT, outages
from worksgate.database.postgres_engines import POSTGRES_CONNECTIONS
from worksgate.database.postgres_room import TOO_FEW, is_short, pause
from worksgate.database.slots import Slots

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Takes a connection from the pool, or opens one."""

_log = structlog.get_logger("worksgate.database")


class Reachability:
    """Observes how connections are opened; errors on open ones are reported by their callers."""

    def __init__(self) -> None:
        self._is_away = False
        self._slots = Slots(POSTGRES_CONNECTIONS)

    def check_connections(self) -> None:
        """Raise DatabaseUnavailable while the server has too few connections; all is served."""
        if self._slots.are_fewer:
            raise DatabaseUnavailable(TOO_FEW)

    @asynccontextmanager
    async def watching(self, begin: Begin) -> AsyncIterator[AsyncConnection]:
        """A connection, as soon as one is available.

        If the server has none left, the open ones are shared in turn, for as long as callers wait.
        Raises DatabaseUnavailable if there is none.
        """
        async with AsyncExitStack() as stack:
            connection = await self._opened(begin, stack)
            self._note_connection()
            yield connection

    async def _opened(self, begin: Begin, stack: AsyncExitStack) -> AsyncConnection:
        until = time.monotonic() + BUSY_TIMEOUT
        while True:
            async with AsyncExitStack() as trying:
                await trying.enter_async_context(self._slots)
                try:
                    with outages():
                        connection = await trying.enter_async_context(begin())
                except DatabaseUnavailable as error:
                    self._judge(error, until)
                else:
                    stack.push_async_exit(trying.pop_all())
                    return connection
            await asyncio.sleep(pause())

    def _judge(self, error: DatabaseUnavailable, until: float) -> None:
        """Return if a retry makes sense; else raise the error."""
        cause = error.__cause__
        if cause is not None and is_short(cause) and time.monotonic() < until:
            if not self._slots.are_fewer:
                _log.warning("database.connections_used_up", reason=str(error))
            self._slots.shrink()
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
