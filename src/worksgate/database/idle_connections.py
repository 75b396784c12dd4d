"""What the directory keeps open between two uses: nothing, while the server has few connections."""

import asyncio
from contextlib import suppress
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from worksgate.database.postgres_room import CONNECTIONS_LEFT, GROW_PAUSE, KEPT_FREE

COUNT_INTERVAL = 2.0
"""Seconds between two looks at how many connections the server has left."""

_GENERATION = "worksgate_generation"


class IdleConnections:
    """The idle connections of an engine, closed as soon as others may lack them (F-07).

    ``counts`` is False behind a transaction pooler, whose clients are not the server's.
    """

    def __init__(self, engine: AsyncEngine, *, counts: bool = True) -> None:
        self._engine = engine
        self._count_at = 0.0 if counts else float("inf")
        self._short_until = 0.0
        self._generation = 0
        self._watching: asyncio.Task[None] | None = None
        event.listen(engine.sync_engine.pool, "connect", self._opened)
        event.listen(engine.sync_engine.pool, "checkin", self._returned)

    @property
    def are_closed(self) -> bool:
        """Whether none is kept at the moment."""
        return asyncio.get_running_loop().time() < self._short_until

    async def look(self) -> bool:
        """Close them if the server has few left; whether it has. It is asked only now and then.

        Raises what a statement raises.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._count_at:
            self._count_at = now + COUNT_INTERVAL
            async with self._engine.connect() as connection:
                left = await connection.scalar(text(CONNECTIONS_LEFT))
            if left is not None and left < KEPT_FREE:
                await self.close()
        return self.are_closed

    async def close(self) -> None:
        """Close them, and for a while each of the others when it has been used."""
        self._short_until = asyncio.get_running_loop().time() + GROW_PAUSE
        if self._number():
            self._generation += 1
            await self._engine.dispose()

    async def stop(self) -> None:
        """Watch them no longer."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def watch(self) -> None:
        """Look again and again, until there are none."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while self._number():
            await asyncio.sleep(COUNT_INTERVAL)
            with suppress(DBAPIError, PoolTimeout, OSError):
                await self.look()

    def _number(self) -> int:
        pool = self._engine.sync_engine.pool
        return pool.checkedin() if isinstance(pool, QueuePool) else 0

    def _opened(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_GENERATION] = self._generation

    def _returned(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        # One of a disposed pool would stay open in it forever.
        if self.are_closed or record.info.get(_GENERATION) != self._generation:
            record.close()
