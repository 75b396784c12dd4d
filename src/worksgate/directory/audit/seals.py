"""Seals of the audit log: a record that is changed, removed or added afterwards is found (R-149).

Every minute one of the servers seals the records that have come since: a seal is a row with a
digest of up to ``MOST_RECORDS`` records and of the seal before (``seal_form``). Writing a record
costs nothing more; nothing waits for a seal.

**Which records are sealed.** On PostgreSQL a record gets its ID before its transaction commits, so
a lower ID may appear after a higher one. ``settled`` waits until every transaction that was writing
to the audit log at that moment has ended, as the locks of the table show. On SQLite a writer has
the file to itself, and IDs appear in their order.

**What a seal cannot show**: a change before the record is sealed; and a removal of the newest
records together with their seals. The log stream has the number and digest of each seal
(``audit.sealed``), from which ``verify`` finds the latter as well.

**Removal of records that are past their time** is by whole seals, from the beginning; no seal has
records of two different hours. The digest of the last one stays, as the anchor of the next.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import takewhile
from typing import Any, Final, Protocol

from sqlalchemy import Select, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.master_key import Keyring
from worksgate.database import Conflict, schema
from worksgate.database.recording import write_event
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory.audit.seal_form import Seal, content_digest, record_digest
from worksgate.directory.audit.seal_verification import Finding, Verification, Verified

MOST_RECORDS: Final = 500
"""Records per seal: what can be named if one of them was changed."""
SETTLING: Final = 30.0
"""Seconds to wait for transactions; the server ends each of ours that idles for ten seconds."""

_PAGE = 1_000
_AT_ONCE = 100
"""Records whose digests are computed before the event loop gets its turn."""
_PAUSE = 0.1
_HOUR = 3_600.0

_AUDIT, _SEALS = schema.audit, schema.audit_seals
_ALL_SEALS = select(
    *(_SEALS.c.number, _SEALS.c.at, _SEALS.c.first_id, _SEALS.c.last_id, _SEALS.c.records),
    *(_SEALS.c.digest, _SEALS.c.purged, _SEALS.c.mac),
)
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted"
    " AND relation = CAST('audit' AS regclass) AND mode = 'RowExclusiveLock'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Transactions that write to the audit log: each has this lock before it gets an ID."""


class WritesOne(Connections, Protocol):
    """Connections that can also write a single statement, which holds SQLite's lock only then."""

    def writing_one(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


class Seals(Repository[WritesOne]):
    """The seals; every method may raise DatabaseUnavailable."""

    def __init__(self, connections: WritesOne, keyring: Keyring) -> None:
        super().__init__(connections)
        self._keyring = keyring

    # Making seals

    @run_to_completion
    async def last(self) -> Seal | None:
        """The newest seal."""
        async with self._connections.reading() as connection:
            return await newest_seal(connection)

    @run_to_completion
    async def keeps(self, seal: Seal) -> bool:
        """Whether a seal is there as it was made, or its records are past their time."""
        columns = _SEALS.c
        same = and_(columns.number == seal.number, columns.digest == seal.digest)
        later = and_(columns.number > seal.number, columns.purged != 0)
        async with self._connections.reading() as connection:
            found = select(columns.number).where(or_(same, later)).limit(1)
            return await connection.scalar(found) is not None

    async def settled(self, within: float = SETTLING) -> int:
        """The newest ID below which no other record can appear; 0 if a transaction takes longer."""
        newest = await self._newest_id()
        until = asyncio.get_running_loop().time() + within
        before = await self._writers()
        while before:
            if asyncio.get_running_loop().time() >= until:
                return 0
            await asyncio.sleep(_PAUSE)
            before &= await self._writers()
        return newest

    @run_to_completion
    async def seal_next(self, until: int, now: float) -> Seal | None:
        """Seal the next records with IDs up to ``until``, which has settled; None without any.

        A seal of no records is made if the newest one lacks the code of the master key, as after a
        rotation: its code covers all before it. ``now`` is in seconds since the epoch. Also None if
        another process has just made this seal.
        """
        last, key = None, self._keyring.current
        async with self._connections.reading() as connection:
            last = await newest_seal(connection)
            first_id = 1 if last is None else last.last_id + 1
            query = _records(first_id, until).limit(MOST_RECORDS)
            rows = _of_one_hour((await connection.execute(query)).all())
        if not rows and (last is None or key is None or last.key_id == key.id):
            return None
        content = content_digest(await _digests(rows))
        seal = Seal(
            number=1 if last is None else last.number + 1,
            at=min([now, max(map(_time, rows), default=now)]),
            first_id=first_id,
            last_id=rows[-1].id if rows else first_id - 1,
            records=len(rows),
        ).sealed("" if last is None else last.digest, content, key)
        return seal if await self._keep(seal) else None

    async def _keep(self, seal: Seal) -> bool:
        """Store a seal; False if there is one with this number."""
        values = {column.name: getattr(seal, column.name) for column in _SEALS.c}
        try:
            async with self._connections.writing_one() as connection:
                await connection.execute(insert(_SEALS).values(values))
        except Conflict:
            return False
        return True

    @run_to_completion
    async def _newest_id(self) -> int:
        async with self._connections.reading() as connection:
            return await connection.scalar(select(func.max(_AUDIT.c.id))) or 0

    @run_to_completion
    async def _writers(self) -> set[str]:
        async with self._connections.reading() as connection:
            if connection.dialect.name == "sqlite":
                return set()
            return set(await connection.scalars(_WRITERS))

    # Removing what is past its time

    @run_to_completion
    async def expire(self, before: float, now: float, *, actor: str | None = None) -> int:
        """Give up the seals whose records are all from before a time; return the number of records.

        The audit record of that is in the same transaction; ``remove_expired`` removes the records.
        """
        async with self._connections.reading() as connection:
            if (last := await _last_expired(connection, before, now)) is None:
                return 0
        columns = _SEALS.c
        async with self._connections.writing() as connection:
            kept = select(columns.number).where(columns.number == last.number, columns.purged == 0)
            if await connection.scalar(kept) is None:
                return 0  # another process was faster
            expired = (columns.number <= last.number, columns.purged == 0)
            count = await connection.scalar(select(func.sum(columns.records)).where(*expired)) or 0
            detail = f"{_removal_of(last)}{count} audit records were past their time"
            event = AuditEvent(event=Event.SYSTEM, at=now, actor=actor, detail=detail)
            record = await write_event(connection, event)
            anchor = last.given_up(record, self._keyring.current)
            await connection.execute(
                update(_SEALS)
                .where(columns.number == last.number)
                .values(purged=anchor.purged, mac=anchor.mac)
            )
            await connection.execute(delete(_SEALS).where(columns.number < last.number))
        return int(count)

    @run_to_completion
    async def remove_expired(self, limit: int) -> int:
        """Remove at most ``limit`` records of seals that were given up; return the number."""
        given_up = select(func.max(_SEALS.c.last_id)).where(_SEALS.c.purged != 0)
        async with self._connections.reading() as connection:
            last_id = await connection.scalar(given_up)
        if last_id is None:
            return 0
        old = select(_AUDIT.c.id).where(_AUDIT.c.id <= last_id).order_by(_AUDIT.c.id).limit(limit)
        async with self._connections.writing() as connection:
            return (await connection.execute(delete(_AUDIT).where(_AUDIT.c.id.in_(old)))).rowcount

    # Comparing

    async def verify(
        self,
        expected: Mapping[int, str],
        found: Callable[[Finding], None],
        progress: Callable[[int], None],
    ) -> Verified:
        """Compare all records with their seals, as of now, while the server continues.

        ``expected`` are digests by number of the seal, as the log stream has them. Each finding is
        passed to ``found``; ``progress`` gets the number of records done so far.
        """
        verification = Verification(self._keyring, expected)
        async with self._connections.reading() as connection:
            async for finding in _verified(connection, verification, progress):
                found(finding)
        return verification.result


async def newest_seal(connection: AsyncConnection) -> Seal | None:
    """The newest seal, on a connection of the caller."""
    query = _ALL_SEALS.order_by(_SEALS.c.number.desc()).limit(1)
    row = (await connection.execute(query)).first()
    return None if row is None else Seal.of_row(row)


async def unsealed(connection: AsyncConnection, after: int) -> tuple[int, float | None]:
    """How many records come after an ID, and the time of the first of them."""
    later = _AUDIT.c.id > after
    count = await connection.scalar(select(func.count()).select_from(_AUDIT).where(later)) or 0
    first = select(_AUDIT.c.at).where(later).order_by(_AUDIT.c.id).limit(1)
    return count, await connection.scalar(first)


async def _verified(
    connection: AsyncConnection, verification: Verification, progress: Callable[[int], None]
) -> AsyncIterator[Finding]:
    """All findings, in one snapshot of the database."""
    result = verification.result
    records = _Records(connection)
    async for seal in _seals(connection):
        is_first = result.first is None and not seal.purged
        if is_first and (older := await records.count_until(seal.first_id - 1)) is not None:
            for finding in verification.before_all(*older):
                yield finding
        is_recorded = not seal.purged or await _says_removed(connection, seal)
        for finding in verification.begin(seal, is_purge_recorded=is_recorded):
            yield finding
        async for row in records.until(seal.last_id):
            if row.id >= seal.first_id or seal.purged:
                verification.add(row.id, record_digest(row))
        for finding in verification.end(seal):
            yield finding
        progress(result.records)
    after = 0 if result.last is None else result.last.last_id
    result.unsealed, result.unsealed_since = await unsealed(connection, after)
    for finding in verification.finish():
        yield finding


class _Records:
    """Reads the records in the order of their IDs, a page at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._page: list[Any] = []
        self._last: int | None = None
        self._is_at_end = False

    async def until(self, last_id: int) -> AsyncIterator[Any]:
        """The next records with IDs up to ``last_id``."""
        while True:
            while self._page and self._page[-1].id <= last_id:
                row = self._page.pop()
                self._last = row.id
                yield row
            if self._page or self._is_at_end:
                return
            await self._read()

    async def count_until(self, last_id: int) -> tuple[int, int, int] | None:
        """Skip the next records up to ``last_id``: their first and last ID, and their number."""
        first, count = None, 0
        async for row in self.until(last_id):
            first, count = row.id if first is None else first, count + 1
        return None if first is None else (first, self._last or 0, count)

    async def _read(self) -> None:
        query = select(_AUDIT).order_by(_AUDIT.c.id).limit(_PAGE)
        if self._last is not None:
            query = query.where(_AUDIT.c.id > self._last)
        rows = (await self._connection.execute(query)).all()
        self._page = list(reversed(rows))
        self._is_at_end = len(rows) < _PAGE


async def _seals(connection: AsyncConnection) -> AsyncIterator[Seal]:
    """All seals by number, a page at a time."""
    query = _ALL_SEALS.order_by(_SEALS.c.number).limit(_PAGE)
    page = (await connection.execute(query)).all()
    while page:
        for row in page:
            yield Seal.of_row(row)
        after = query.where(_SEALS.c.number > page[-1].number)
        page = (await connection.execute(after)).all()


async def _last_expired(connection: AsyncConnection, before: float, now: float) -> Seal | None:
    """The last seal up to which all records are from before a time; None if nothing has to go."""
    last = None
    kept = _ALL_SEALS.where(_SEALS.c.purged == 0).order_by(_SEALS.c.number).limit(_AT_ONCE + 1)
    while True:
        after = -1 if last is None else last.number
        rows = (await connection.execute(kept.where(_SEALS.c.number > after))).all()
        seals = [Seal.of_row(row) for row in rows]
        for seal, following in zip(seals[:_AT_ONCE], [*seals[1:], None], strict=False):
            # A time that is yet to come is wrong: the next seal was not made before.
            if (following.at if seal.at > now and following else seal.at) >= before:
                return last
            last = seal
        if len(seals) <= _AT_ONCE:
            return last


async def _says_removed(connection: AsyncConnection, seal: Seal) -> bool:
    """Whether the record that a seal names is that of the removal of its records."""
    query = select(_AUDIT.c.detail).where(_AUDIT.c.id == seal.purged, _AUDIT.c.event == "system")
    return str(await connection.scalar(query)).startswith(_removal_of(seal))


def _removal_of(seal: Seal) -> str:
    return f"up to record {seal.last_id}: "


def _of_one_hour(rows: Sequence[Any]) -> Sequence[Any]:
    """The first rows that are of the same hour: records are removed by whole hours."""
    if not rows:
        return rows
    begin = _time(rows[0]) // _HOUR * _HOUR
    return list(takewhile(lambda row: begin <= _time(row) < begin + _HOUR, rows))


def _time(row: Any) -> float:
    """When a record was made; somebody may have stored anything in an SQLite column."""
    return row.at if isinstance(row.at, float) else 0.0


def _records(first_id: int, last_id: int) -> Select[Any]:
    return select(_AUDIT).where(_AUDIT.c.id.between(first_id, last_id)).order_by(_AUDIT.c.id)


async def _digests(rows: Sequence[Any]) -> list[bytes]:
    digests: list[bytes] = []
    for start in range(0, len(rows), _AT_ONCE):
        await asyncio.sleep(0)
        digests += map(record_digest, rows[start : start + _AT_ONCE])
    return digests
