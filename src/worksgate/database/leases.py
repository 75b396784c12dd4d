"""Leases: a row that a process holds for a while, to do work that only one should do.

A lease is taken, renewed and judged by one clock, that of the database: the clocks of two nodes may
be 90 seconds apart, and each would think that the other's lease has long expired (F-17). On SQLite
all processes are on one machine, with one clock. Taking a lease is one statement, in which exactly
one of many callers wins; no lock is held in between, so a holder that dies is replaced as soon as
its lease expires.

A lease prevents duplicate work; it cannot guard what must not happen twice. A holder that was
suspended for longer than its lease continues until its next renewal before it notices.
"""

import asyncio
import os
import secrets
import socket
import time
from contextlib import suppress
from typing import Final

from sqlalchemy import TextClause, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.database import DatabaseInUse, DatabaseUnavailable, schema
from worksgate.database.repository import Connections, Repository, run_to_completion

PURGING: Final = "purging"
"""The lease of the process that removes expired data."""

SEALING: Final = "sealing"
"""The lease of the process that seals the audit log."""

LEAVING: Final = "leaving"
"""The lease of the process that carries out departures."""

JOBS: Final = "jobs"
"""The lease of the process that carries out bulk changes."""
ALERTING: Final = "alerting"
"""The lease of the process that tells administrators what happens."""

SERVING: Final = "serving"
"""The lease of one of the processes that serve without removing anything (``purge_interval`` 0)."""

SECONDS: Final = 30.0
"""Seconds for which a lease is held; it is renewed after a third of that."""

_CLOCKS = {"sqlite": "(julianday('now') - 2440587.5) * 86400.0"}
_OTHER_CLOCK = "EXTRACT(EPOCH FROM clock_timestamp())"


class Leases(Repository[Connections]):
    """The leases; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def take(self, name: str, holder: str, seconds: float = SECONDS) -> bool:
        """Take a free or expired lease, or renew one's own; False if somebody else has it.

        Of several concurrent callers exactly one has it afterwards.
        """
        values = {"name": name, "holder": holder, "seconds": seconds}
        async with self._connections.writing() as connection:
            return (await connection.execute(_taking(connection), values)).rowcount == 1

    @run_to_completion
    async def release(self, name: str, holder: str) -> None:
        """Release one's own lease; does not affect another's."""
        table = schema.leases
        mine = (table.c.name == name, table.c.holder == holder)
        async with self._connections.writing() as connection:
            await connection.execute(delete(table).where(*mine))

    @run_to_completion
    async def holder(self, name: str) -> str | None:
        """The holder of an unexpired lease."""
        async with self._connections.reading() as connection:
            return await holder_of(connection, name)


class Turn:
    """This process's share in a lease. Its name identifies it to an administrator."""

    def __init__(self, leases: Leases, seconds: float, name: str) -> None:
        self._leases, self._name = leases, name
        self._holder = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._seconds = seconds
        self._taken = 0.0

    async def take(self) -> bool:
        """Take the lease, or renew it; False while another has it. Raises DatabaseUnavailable."""
        self._taken = time.monotonic()
        return await self._leases.take(self._name, self._holder, self._seconds)

    async def keep(self) -> bool:
        """Renew it if due; False if it was lost. Raises DatabaseUnavailable."""
        if time.monotonic() - self._taken < self._seconds / 3:
            return True
        return await self.take()

    async def release(self) -> None:
        """Release it for the next one; if that fails, it expires by itself."""
        with suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._leases.release(self._name, self._holder)


async def holder_of(connection: AsyncConnection, name: str) -> str | None:
    """The holder of an unexpired lease, on a connection of the caller."""
    question = text(
        f"SELECT holder FROM leases WHERE name = :name AND expires_at > {_clock(connection)}"  # noqa: S608  # the clock is one of our two texts
    )
    found: str | None = await connection.scalar(question, {"name": name})
    return found


async def check_stopped(connection: AsyncConnection) -> None:
    """Raise DatabaseInUse if a server uses the database."""
    if holder := await server_on(connection):
        raise DatabaseInUse(
            f"the server is running ({holder}): stop it first; a killed server is forgotten "
            f"after {SECONDS:.0f} seconds"
        )


async def server_on(connection: AsyncConnection) -> str | None:
    """A serving process on the database: one always holds one of the two leases."""
    return await holder_of(connection, PURGING) or await holder_of(connection, SERVING)


def _taking(connection: AsyncConnection) -> TextClause:
    now = _clock(connection)
    return text(
        f"INSERT INTO leases (name, holder, expires_at) VALUES (:name, :holder, {now} + :seconds)"  # noqa: S608  # the clock is one of our two texts
        " ON CONFLICT (name) DO UPDATE"
        " SET holder = excluded.holder, expires_at = excluded.expires_at"
        f" WHERE leases.holder = excluded.holder OR leases.expires_at <= {now}"
    )


def _clock(connection: AsyncConnection) -> str:
    """The database's time in seconds since the epoch, as an expression."""
    return _CLOCKS.get(connection.dialect.name, _OTHER_CLOCK)
