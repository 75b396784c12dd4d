"""The store on PostgreSQL: any number of processes on any number of machines.

It needs a database whose tables ``worksgate migrate`` has created, and uses asyncpg without
SQLAlchemy. ``settings.addresses.postgres`` defines addresses, ``pool`` the timeouts, and
``statements`` explains why only one of many callers redeems.

Connections (F-07). Each process opens up to ``connections`` for the store, 10 by default, and up to
5 for the directory; idle ones are closed, except for one and two. During a reload it may have twice
as many, until the previous requests are answered; the workers of a machine reload one after the
other. The command line opens one or two more while it runs. So ``max_connections`` of the server
has to be at least ::

    (processes + 1 per machine) x (connections + 5) + 5 for the command line
        + what superusers have reserved

which for two machines with four workers each is 10 x 15 + 5 + 3 = 158. With fewer they share: each
process leaves three free (``postgres_room``), closes its own down to the last one if others have
none, and serves over the remaining ones; the directory keeps none open, and where it gets none, the
store's last one gives way to it. One for each process, and one more, are enough for that, if
slowly: a process that starts does not take the last one, but ends. If other programs use all
connections, requests that cannot be served in time are refused.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Self

from worksgate.audit import AuditEvent
from worksgate.database import DatabaseUnavailable, read_ahead
from worksgate.database.direct_reads import JoinedQuery, JoinedReads, Query, Rows, Statement
from worksgate.database.identity import DatabaseGuard
from worksgate.database.postgres_room import NONE_TO_SPARE, pause
from worksgate.oauth.model import Artifact
from worksgate.settings.addresses.postgres import PostgresAddress
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
from worksgate.store.postgres import counters as postgres_counters
from worksgate.store.postgres import statements as postgres_statements
from worksgate.store.postgres.connection import check_installation
from worksgate.store.postgres.pool import PostgresPool

ROOM_TIMEOUT = 5.0
"""Seconds to wait for the first connection while others use all of them."""


class PostgresStore:
    """A ``Store`` in a PostgreSQL database. It belongs to the event loop that opened it."""

    def __init__(
        self,
        pool: PostgresPool,
        recorded: Recorded = ignore_records,
        guard: DatabaseGuard | None = None,
    ) -> None:
        self._pool = pool
        self._recorded = recorded
        self._guard = guard

    @classmethod
    async def open(
        cls,
        address: str | PostgresAddress,
        *,
        connections: int = 10,
        waiting: int = 2_000,
        recorded: Recorded = ignore_records,
        guard: DatabaseGuard | None = None,
        leaves_one: bool = False,
    ) -> Self:
        """Open a database that has its tables.

        At most ``waiting`` requests queue for at most ``connections`` connections, more are refused
        at once. ``recorded`` receives the audit records of each commit; ``guard`` knows which
        database it must be; with ``leaves_one`` it does not take the server's last connection.
        Raises StoreUnavailable, or ValueError for an invalid address.
        """
        if isinstance(address, str):
            address = PostgresAddress.parse(address)
        until = time.monotonic() + ROOM_TIMEOUT
        while True:
            pool = PostgresPool(address, size=connections, waiting=waiting, guard=guard)
            store = cls(pool, recorded, guard)
            try:
                await store._reach(until)
                if not leaves_one or await pool.leaves_one():
                    return store
            except BaseException:
                await store.close()
                raise
            await store.close()
            if time.monotonic() >= until:
                raise StoreUnavailable(NONE_TO_SPARE)
            await asyncio.sleep(pause())

    @property
    def waiting(self) -> int:
        return self._pool.waiting

    @property
    def unavailable(self) -> int:
        return self._pool.unavailable

    async def save(self, *artifacts: Artifact, records: Sequence[AuditEvent] = ()) -> None:
        read_ahead.drop()
        await self._pool.run(postgres_statements.save, artifacts, records)
        self._announce(records)

    async def add(
        self,
        artifact: Artifact,
        *others: Artifact,
        removed: Sequence[ArtifactKey] = (),
        extended: Sequence[NewExpiry] = (),
        records: Sequence[AuditEvent] = (),
        recount: Recount | None = None,
    ) -> bool:
        read_ahead.drop()
        added = await self._pool.run(
            postgres_statements.add, artifact, others, removed, extended, records, recount
        )
        if added:
            self._announce(records)
        return added

    async def find(self, kind: type[A], key: str) -> A | None:
        found = read_ahead.take(read_ahead.artifact_read(kind, key))
        if found is not None:
            return postgres_statements.first(kind, found)
        return await self._pool.run(postgres_statements.find, kind, key, reads=True)

    async def held(self, kind: type[A], subject_id: str) -> tuple[A, ...]:
        return await self._pool.run(postgres_statements.held, kind, subject_id, reads=True)

    async def take(
        self, kind: type[A], key: str, *, records: Sequence[AuditEvent] = ()
    ) -> A | None:
        read_ahead.drop()
        found = await self._pool.run(postgres_statements.take, kind, key, records)
        if found is not None:
            self._announce(records)
        return found

    async def extend(self, kind: type[A], key: str, expires_at: float) -> bool:
        return await self._pool.run(postgres_statements.extend, kind, key, expires_at)

    async def redeem(
        self,
        kind: type[R],
        key: str,
        client_id: str,
        successors: Successors,
        now: float,
        record: RedemptionRecord | None = None,
    ) -> Redemption:
        redemption = await self._pool.run(
            postgres_statements.redeem, kind, key, client_id, successors, now, record
        )
        if record is not None:
            self._announce(record.of(redemption, now))
        return redemption

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        read_ahead.drop()
        removed = await self._pool.run(postgres_statements.forget, subject_id, records)
        self._announce(records)
        return removed

    async def record(self, events: Sequence[AuditEvent]) -> None:
        if events:
            await self._pool.run(postgres_statements.record, events)

    async def bump(self, counter: str, window: float, now: float) -> int:
        (count,) = await self.bump_all({counter: window}, now)
        return count

    async def count(self, counter: str, now: float) -> int:
        return (await self.count_all((counter,), now))[counter]

    async def bump_all(self, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
        return await self._pool.run(postgres_counters.bump_all, windows, now)

    async def count_all(self, counters: Collection[str], now: float) -> Mapping[str, int]:
        found = read_ahead.take(read_ahead.counters_read(counters))
        if found is not None:
            return postgres_counters.counts(counters, found)
        return await self._pool.run(postgres_counters.count_all, counters, now, reads=True)

    async def lower(self, *counters: str) -> None:
        await self._pool.run(postgres_counters.lower, counters)

    async def reset(self, *counters: str) -> None:
        await self._pool.run(postgres_counters.reset, counters)

    async def recount(
        self,
        *,
        reset: Collection[str],
        now: float,
        lowered: Collection[str] = (),
        begun: Mapping[str, float] = NONE_BEGUN,
    ) -> None:
        recount = Recount(reset=(*reset,), lowered=(*lowered,), begun=begun, now=now)
        await self._pool.run(postgres_counters.recount, recount)

    async def purge(self, now: float, limit: int = 500) -> int:
        """As in the contract; each table is a request of its own, between which others run."""
        if self._guard is not None:
            await self._pool.run(check_installation, self._guard, reads=True)
        removed = 0
        for statement, kept in postgres_statements.PURGES:
            if removed < limit:
                removed += await self._pool.run(
                    postgres_statements.purge, statement, now - kept, limit - removed
                )
        return removed

    async def _reach(self, until: float) -> None:
        """Wait for the first connection for a while, if the server has none left."""
        while True:
            try:
                return await self.ping()
            except StoreUnavailable:
                if not self._pool.is_short or time.monotonic() >= until:
                    raise
            await asyncio.sleep(pause())

    async def ping(self) -> None:
        await self._pool.run(postgres_statements.ping)
        if self._guard is not None:
            await self._pool.run(check_installation, self._guard, reads=True)

    async def check_connections(self) -> None:
        """Raise StoreUnavailable while the server has too few connections; everything is served."""
        self._pool.check_connections()

    async def check_disk(self) -> None:
        """Raise StoreUnavailable if a write was refused lately, since the disk is full."""
        self._pool.check_disk()

    @property
    def direct_reads(self) -> JoinedReads:
        """For what is in the same database, over the same connections."""
        return PostgresReads(self._pool, has_store=True)

    async def close(self) -> None:
        await self._pool.close()

    def _announce(self, records: Sequence[AuditEvent]) -> None:
        if records:
            self._recorded(records)


class PostgresReads:
    """As ``JoinedReads``, each in one round trip; it waits no longer than the store does."""

    def __init__(self, pool: PostgresPool, *, has_store: bool) -> None:
        self._pool = pool
        self.has_store = has_store
        self._closed = False

    async def find(self, query: Query, values: Mapping[str, object]) -> Rows | None:
        return None if self._closed else await self._select(query.postgres, values)

    async def find_joined(self, query: JoinedQuery, values: Mapping[str, object]) -> Sequence[Rows]:
        if self._closed:
            raise DatabaseUnavailable("the directory is closed")
        return query.split(await self._select(query.postgres, values))

    def give_way(self) -> None:
        """Close a connection for the directory, which has none and gets none."""
        self._pool.give_way()

    def close(self) -> None:
        self._closed = True

    async def _select(self, statement: Statement, values: Mapping[str, object]) -> Rows:
        try:
            return await self._pool.run(
                postgres_statements.select, statement.sql, statement.values(values), reads=True
            )
        except StoreUnavailable as error:
            raise DatabaseUnavailable(str(error)) from error
