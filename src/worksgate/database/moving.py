"""Moves an installation to another database: SQLite to PostgreSQL, or back, or to a new file.

The server is stopped meanwhile. Everything goes into one transaction of the target, is read back
there and compared by number and content, and only then committed: a move is never partial, and the
source is not changed.

**What is moved**: all persistent data, as stored: secrets stay encrypted under their master key,
which the target's servers need as well. Also the key that signs cookies and forms, sessions, access
tokens and counters, so that nobody is signed out and no throttle starts over.

**Single-use artifacts are not moved**: valid authorization codes and refresh tokens, and data kept
until a person's next request. The source remains, and starting its server again would duplicate
them: a code must never be valid in two places (I-4). A code lives for a minute, so a person signs
in again; with refresh tokens, LINE WORKS requests a new code when the access token, which is moved,
has expired. *Used* artifacts are moved, and so are spent login transactions: they only forbid, and
a code that is replayed after the move still revokes its tokens.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.database import Conflict, DatabaseInUse, sqlite_file
from worksgate.database.engines import driver_url, open_engines, outages
from worksgate.database.installation_id import renew
from worksgate.database.leases import check_stopped, server_on
from worksgate.database.migrations import HEAD, migrate, revision_of
from worksgate.database.migrations.tables import (
    ARTIFACTS,
    COUNTER_TABLE,
    INTERIMS,
    LASTING,
    NUMBERED,
    SINGLE_USE,
)
from worksgate.database.recording import write_events
from worksgate.database.schema import keys
from worksgate.database.secrets_at_rest import key_in_force, refuse_older_programs

PAGE = 1_000
"""Rows that are read and written at a time."""


class MoveRefused(Exception):
    """Nothing has been moved; the text is one sentence for the administrator."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A table, and which of its rows are moved."""

    table: FromClause
    condition: ColumnElement[bool] | None = None

    @property
    def name(self) -> str:
        return str(self.table.name)  # type: ignore[attr-defined]  # every table of ours has one

    def select(self, *columns: Any) -> Select[Any]:
        query = select(*(columns or self.table.c)).select_from(self.table)
        return query if self.condition is None else query.where(self.condition)


def _parts() -> tuple[_Part, ...]:
    """What is moved, in the order of foreign keys."""
    lasting = (_Part(table) for table in (keys, *LASTING))
    artifacts = (
        _Part(table, table.c.used == 1 if name in SINGLE_USE else None)
        for name, table in ARTIFACTS.items()
        if name != INTERIMS
    )
    return (*lasting, *artifacts, _Part(COUNTER_TABLE))


@dataclass(frozen=True, slots=True)
class _Content:
    """The number of rows, and a hash of their content regardless of their order."""

    rows: int = 0
    digest: int = 0

    def with_rows(self, rows: list[Any]) -> "_Content":
        digests = (blake2b(repr(tuple(row)).encode(), digest_size=32).digest() for row in rows)
        total = self.digest + sum(int.from_bytes(digest, "big") for digest in digests)
        return _Content(self.rows + len(rows), total % 2**256)


async def move(
    source_url: str,
    target_url: str,
    *,
    actor: str,
    now: float,
    progress: Callable[[int], None],
) -> Mapping[str, int]:
    """Copy an installation from one database to an empty one; return the rows per table.

    ``now`` is in seconds since the epoch; ``progress`` receives percentages. Raises MoveRefused,
    DatabaseInUse, DatabaseUnavailable, or ValueError for an unusable address; the target then has
    no rows.
    """
    if driver_url(source_url).render_as_string() == driver_url(target_url).render_as_string():
        raise MoveRefused("the two databases are one and the same")
    _check_is_alone(source_url)
    async with _source(source_url) as source:
        await _check_source(source)
        await migrate(target_url)
        async with _target(target_url) as target:
            await _check_target(target)
            total = sum([await _count(source, part) for part in _parts()])
            reporter = _ProgressReporter(total * 2, progress)
            moved: dict[str, int] = {}
            for part in _parts():
                content = await _copy(source, target, part, reporter)
                if content != await _content(target, part, reporter):
                    raise MoveRefused(f"{part.name} in the target differs from the source")
                moved[part.name] = content.rows
            await _keep_numbering(source, target)
            await renew(target)
            if await key_in_force(target) is not None:
                await refuse_older_programs(target)
            detail = f"moved from {source.dialect.name} to {target.dialect.name}"
            event = AuditEvent(event=Event.SYSTEM, at=now, actor=actor, detail=detail)
            await write_events(target, event)
            await _check_is_still_stopped(source_url)
    return moved


class _ProgressReporter:
    """Reports progress; ``total`` is in rows."""

    def __init__(self, total: int, progress: Callable[[int], None]) -> None:
        self._total, self._progress, self._done = max(total, 1), progress, 0

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done * 100 // self._total)


@asynccontextmanager
async def _source(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection with a snapshot of the source."""
    engines = open_engines(url)
    try:
        with outages():
            async with engines.read.connect() as connection:
                if connection.dialect.name != "sqlite":  # there, every reader has its snapshot
                    connection = await connection.execution_options(
                        isolation_level="REPEATABLE READ"
                    )
                    await _without_limits(connection)
                yield connection
    finally:
        await engines.close()


@asynccontextmanager
async def _target(url: str) -> AsyncIterator[AsyncConnection]:
    """The one transaction of the target."""
    engines = open_engines(url)
    try:
        with outages():
            async with engines.write.begin() as connection:
                if connection.dialect.name != "sqlite":
                    await _without_limits(connection)
                yield connection
    except Conflict:
        raise MoveRefused("somebody else has written to the target meanwhile") from None
    finally:
        await engines.close()


async def _without_limits(connection: AsyncConnection) -> None:
    """Disable timeouts: statements may be slow, and one side idles while the other works."""
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
        await connection.execute(text(f"SET LOCAL {setting} = 0"))


def _check_is_alone(url: str) -> None:
    """Raise DatabaseInUse if a server has an SQLite file open; MoveRefused if there is none."""
    address = driver_url(url)
    if address.get_backend_name() != "sqlite":
        return
    file = Path(address.database or "")
    if not file.exists():
        raise MoveRefused(f"there is no database at {file}")
    with sqlite_file.alone(file):
        pass


async def _check_source(source: AsyncConnection) -> None:
    found = await source.run_sync(revision_of)
    if found != HEAD:
        raise MoveRefused(
            f"the source is at revision {found}, this program at {HEAD}: run worksgate migrate on "
            "it first"
        )
    await check_stopped(source)


async def _check_is_still_stopped(source_url: str) -> None:
    """Check again before the commit; the snapshot that we read from would not show it."""
    async with _source(source_url) as source:
        await _check_source(source)


async def _check_target(target: AsyncConnection) -> None:
    for table in (*LASTING, keys, *ARTIFACTS.values(), COUNTER_TABLE):
        if (await target.execute(select(table.c[0]).limit(1))).first() is not None:
            raise MoveRefused(f"the target is not empty: there are {table.name} in it")
    if holder := await server_on(target):
        raise DatabaseInUse(f"a server runs on the target ({holder}): stop it first")


async def _count(source: AsyncConnection, part: _Part) -> int:
    return await source.scalar(part.select(func.count())) or 0


async def _copy(
    source: AsyncConnection, target: AsyncConnection, part: _Part, reporter: _ProgressReporter
) -> _Content:
    content, names = _Content(), [column.name for column in part.table.c]
    async for rows in _pages(source, part):
        values = [dict(zip(names, row, strict=True)) for row in rows]
        with _naming_part(part):
            await target.execute(insert(part.table), values)  # type: ignore[arg-type]  # a table, as all parts are
        content = content.with_rows(rows)
        reporter.add(len(rows))
    return content


@contextmanager
def _naming_part(part: _Part) -> Iterator[None]:
    """Explain PostgreSQL's refusal of a text that SQLite could store."""
    try:
        yield
    except DBAPIError as error:
        if "0x00" not in str(error.orig):
            raise
        raise MoveRefused(
            f"{part.name}: PostgreSQL cannot store a text with a NUL character, and there is one"
        ) from None


async def _content(
    connection: AsyncConnection, part: _Part, reporter: _ProgressReporter
) -> _Content:
    content = _Content()
    async for rows in _pages(connection, part):
        content = content.with_rows(rows)
        reporter.add(len(rows))
    return content


async def _pages(connection: AsyncConnection, part: _Part) -> AsyncIterator[list[Any]]:
    async with connection.stream(part.select(), execution_options={"yield_per": PAGE}) as result:
        async for rows in result.partitions():
            yield list(rows)


async def _keep_numbering(source: AsyncConnection, target: AsyncConnection) -> None:
    """Number the next record as in the source: numbers are never reused."""
    for table, column in NUMBERED:
        if last := await _last_number(source, table, column):
            await _set_number(target, table, column, last)


async def _set_number(target: AsyncConnection, table: str, column: str, last: int) -> None:
    values: dict[str, Any] = {"table": table, "last": last}
    if target.dialect.name == "sqlite":
        await target.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), values)
        statement = "INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)"
    else:
        statement = "SELECT setval(pg_get_serial_sequence(:table, :column), :last)"
        values["column"] = column
    await target.execute(text(statement), values)


async def _last_number(connection: AsyncConnection, table: str, column: str) -> int:
    """The last number that was given: by the database, or by whoever filled it."""
    used = await connection.scalar(text(f"SELECT max({column}) FROM {table}")) or 0  # noqa: S608  # names of our own
    return max(used, await _last_given(connection, table, column))


async def _last_given(connection: AsyncConnection, table: str, column: str) -> int:
    if connection.dialect.name == "sqlite":
        question = "SELECT seq FROM sqlite_sequence WHERE name = :table"
        return await connection.scalar(text(question), {"table": table}) or 0
    name = text("SELECT pg_get_serial_sequence(:table, :column)")
    sequence = await connection.scalar(name, {"table": table, "column": column})
    question = f"SELECT last_value FROM {sequence} WHERE is_called"  # noqa: S608  # the database's own name for it
    return await connection.scalar(text(question)) or 0
