"""One connection as the store's methods see it: statements, and their deadline."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

from worksgate.database.identity import DatabaseGuard, DatabaseReplaced
from worksgate.store import StoreUnavailable

CLOCK_INTERVAL = 10.0
"""Seconds after which the clocks are compared again, before the next request is sent.

A connection that was idle for so long may have been dropped silently, by a firewall for instance.
This detects it while nothing is at stake."""

FIRST_LOOK = 1.0
"""Seconds within which a new connection must identify its database."""

_INSTALLATION = "SELECT max(id) FROM installation"
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"
_SYNCHRONOUS_COMMIT = "SELECT current_setting('synchronous_commit', true)"


class PostgresConnection:
    """A connection, and the offset between the server's clock and the event loop's.

    ``due`` is when the last statement of the current request may begin, in the loop's time.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        self._offset = 0.0
        self._compared_at = 0.0
        self.due = 0.0
        self.begun = 0
        """Number of statements started for the current request."""

    @classmethod
    async def over(cls, driver: Any, guard: DatabaseGuard | None = None) -> Self:
        """Begin to use asyncpg's connection.

        Raises StoreUnavailable if commits are not durable, or if ``guard`` knows of another
        database.
        """
        connection = cls(driver)
        try:
            await connection.compare_clocks()
            _check_commits(await driver.fetchval(_SYNCHRONOUS_COMMIT))
            if guard is not None:
                connection.due = connection._loop.time() + FIRST_LOOK
                await check_installation(connection, guard)
        except BaseException:
            connection.terminate()
            raise
        return connection

    @property
    def is_closed(self) -> bool:
        return bool(self._driver.is_closed())

    def terminate(self) -> None:
        """Abort the connection, whatever runs on it."""
        self._driver.terminate()

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109  # asyncpg's own word
        await self._driver.close(timeout=timeout)

    # Clocks

    @property
    def due_there(self) -> float:
        """``due`` by the server's clock, in seconds since the epoch."""
        return self.due + self._offset

    async def refresh(self) -> None:
        """Compare the clocks if that was long ago."""
        if self._loop.time() - self._compared_at >= CLOCK_INTERVAL:
            await self.compare_clocks()

    async def compare_clocks(self) -> None:
        """Query the server's time.

        The result is older than it looks by its way back, so deadlines derived from it are rather
        too early than too late.
        """
        there = float(await self._driver.fetchval(_CLOCK))
        self._compared_at = self._loop.time()
        self._offset = there - self._compared_at

    # Statements: each is one round trip, and a transaction of its own outside of ``transaction``

    async def row(self, sql: str, *values: object) -> Sequence[Any] | None:
        """The first row, or None."""
        self._check_time()
        row: Sequence[Any] | None = await self._driver.fetchrow(sql, *values)
        return row

    async def rows(self, sql: str, *values: object) -> list[Sequence[Any]]:
        self._check_time()
        rows: list[Sequence[Any]] = await self._driver.fetch(sql, *values)
        return rows

    async def number(self, sql: str, *values: object) -> int:
        """The number in the one row that there is."""
        self._check_time()
        return int(await self._driver.fetchval(sql, *values))

    async def change(self, sql: str, *values: object) -> int:
        """The number of rows that were written or removed."""
        self._check_time()
        status: str = await self._driver.execute(sql, *values)
        return int(status.rpartition(" ")[2])

    async def change_each(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement for each row of values."""
        self._check_time()
        await self._driver.executemany(sql, rows)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Everything in the block is committed at its end, or nothing is."""
        self._check_time()
        transaction: AbstractAsyncContextManager[None] = self._driver.transaction()
        return transaction

    def begin_request(self, due: float) -> None:
        """The next statements belong to another request, and may begin until then."""
        self.due = due
        self.begun = 0

    def _check_time(self) -> None:
        self.begun += 1
        if self._loop.time() >= self.due:
            raise StoreUnavailable("the database was too slow")


async def check_installation(connection: PostgresConnection, guard: DatabaseGuard) -> None:
    """Raise StoreUnavailable if this is not the database of the start."""
    found = await connection.row(_INSTALLATION)
    try:
        guard.check_installation(None if found is None else found[0])
    except DatabaseReplaced as error:
        raise StoreUnavailable(str(error)) from None


def _check_commits(synchronous_commit: str | None) -> None:
    """Refuse a server that could lose confirmed commits, and revive used codes (F-15)."""
    if synchronous_commit == "off":
        raise StoreUnavailable(
            "PostgreSQL confirms what is not on its disk: set synchronous_commit = on, "
            "or for Worksgate alone ALTER ROLE ... SET synchronous_commit = on"
        )
