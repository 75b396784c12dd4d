"""The few reads of every sign-in, directly on the driver.

SQLAlchemy's asynchronous layer takes ten times as long as such a read. So a ``Query`` is written in
Core like any other and compiled once for each dialect, and ``DirectReads`` run it: on SQLite on the
event loop, where in WAL mode it never waits; on PostgreSQL in one round trip, and several of them
in one as a ``JoinedQuery``. Nothing is cached: each read sees what is committed.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    FromClause,
    RowMapping,
    Select,
    func,
    literal_column,
    select,
)
from sqlalchemy.engine import Dialect

from worksgate.database.identity import DatabaseGuard, DatabaseReplaced
from worksgate.database.sqlite_file import connect

_PRAGMAS = (
    "PRAGMA query_only = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cache_size = -4000",
)

Row = Mapping[str, Any] | RowMapping
"""A row by the names of its columns, from a driver or from an engine."""
Rows = Sequence[Sequence[Any]]
"""Rows as a driver returns them."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL for one driver, and the names of its parameters, in order.

    ``constants`` are parameters with fixed values.
    """

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def values(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """Raises KeyError if a value is missing."""
        return tuple(given[each] if each in given else self.constants[each] for each in self.names)


class Query:
    """A SELECT whose parameters all have names. It is compiled when it is first run."""

    def __init__(self, select: Select[Any]) -> None:
        self.select = select
        columns = tuple(select.selected_columns)
        self._names = tuple(str(column.key) for column in columns)
        self._decoders = tuple(
            (name, decode)
            for name, column in zip(self._names, columns, strict=True)
            if (decode := _decoder_of(column.type)) is not None
        )

    @cached_property
    def sqlite(self) -> Statement:
        from sqlalchemy.dialects.sqlite.pysqlite import dialect

        return _compiled(self.select, dialect())

    @cached_property
    def postgres(self) -> Statement:
        return _for_postgres(self.select)

    def rows(self, found: Rows) -> list[Row]:
        """The driver's result, by name and with the types of the columns."""
        return [self._row(each) for each in found]

    def _row(self, found: Sequence[Any]) -> Row:
        row = dict(zip(self._names, found, strict=True))
        for name, decode in self._decoders:
            if row[name] is not None:
                row[name] = decode(row[name])
        return row


def one_row() -> FromClause:
    """A row without anything, to which others are joined."""
    return select(literal_column("1").label("one")).subquery()


@dataclass(frozen=True, slots=True)
class Part:
    """What one query would find, within a ``JoinedQuery``: columns of it, and its rows in them."""

    columns: Sequence[ColumnElement[Any]]
    rows: Callable[[Rows], Rows]

    @classmethod
    def one(cls, *columns: ColumnElement[Any]) -> Self:
        """One row, whose first column is not NULL, or none."""
        return cls(columns, lambda found: found[:1] if found[0][0] is not None else ())

    @classmethod
    def every(cls, *columns: ColumnElement[Any]) -> Self:
        """Every row of the statement; the other parts are the same in all of them."""
        return cls(columns, lambda found: found)

    @classmethod
    def listed(cls, select: Select[Any]) -> Self:
        """Any number of rows, beside those of the others: as JSON, which not all types allow."""
        row = func.json_build_array(*select.selected_columns)
        rows = select.with_only_columns(func.json_agg(row)).scalar_subquery()
        return cls((rows,), lambda found: json.loads(found[0][0] or "[]"))


class JoinedQuery:
    """What several queries would find, by one statement of PostgreSQL, as of one moment."""

    def __init__(self, joined: FromClause, *parts: Part) -> None:
        self._select = select(*chain.from_iterable(each.columns for each in parts))
        self._select = self._select.select_from(joined)
        self._parts = parts

    @cached_property
    def postgres(self) -> Statement:
        return _for_postgres(self._select)

    def split(self, found: Rows) -> Sequence[Rows]:
        """The rows of each part, from those of the statement: if it has found none, none."""
        rows, first = [], 0
        for part in self._parts:
            last = first + len(part.columns)
            rows.append(part.rows([row[first:last] for row in found]) if found else ())
            first = last
        return rows


def _for_postgres(select: Select[Any]) -> Statement:
    from sqlalchemy.dialects.postgresql.asyncpg import dialect

    return _compiled(select, dialect())  # type: ignore[no-untyped-call]  # as SQLAlchemy has it


def _compiled(select: Select[Any], dialect: Dialect) -> Statement:
    compiled: Any = select.compile(dialect=dialect)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return Statement(str(compiled), tuple(compiled.positiontup or ()), constants)


def _decoder_of(kind: object) -> Callable[[Any], Any] | None:
    """The conversion from the driver's values for this type of column."""
    if isinstance(kind, JSON):
        return json.loads
    return bool if isinstance(kind, Boolean) else None


class DirectReads(Protocol):
    """Runs queries on a driver."""

    async def find(self, query: Query, values: Mapping[str, Any]) -> Rows | None:
        """The rows from the driver; None if the engines must be used instead.

        Those wait for locks, and report errors. May raise DatabaseUnavailable.
        """
        ...

    def close(self) -> None:
        """Close what is open; nothing is found any more."""
        ...


@runtime_checkable
class JoinedReads(DirectReads, Protocol):
    """A driver for which each statement is a round trip.

    ``has_store`` is true if it also finds what the store keeps.
    """

    @property
    def has_store(self) -> bool: ...

    async def find_joined(self, query: JoinedQuery, values: Mapping[str, Any]) -> Sequence[Rows]:
        """The rows of each part. Raises DatabaseUnavailable, also once it is closed."""
        ...


@runtime_checkable
class GivesWay(Protocol):
    """A driver with connections to a server that may have too few."""

    def give_way(self) -> None:
        """Close a connection, even the last one, for the engines, which get none."""
        ...


@runtime_checkable
class ReadsDirectly(Protocol):
    """A store whose connections also lead to the tables of the directory."""

    @property
    def direct_reads(self) -> DirectReads: ...


class SqliteReads:
    """Reads a file on the event loop; ``guard`` knows which file it must be.

    The connection is opened at the first read, and again after each failure.
    """

    def __init__(self, file: Path, guard: DatabaseGuard | None = None) -> None:
        self._file = file
        self._guard = guard
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def find(self, query: Query, values: Mapping[str, Any]) -> Rows | None:
        """Like ``DirectReads``: None if something is in the way, since nothing may wait here."""
        if self._closed:
            return None
        statement = query.sqlite
        try:
            if self._guard is not None:
                self._guard.check_lately()
            if self._connection is None:
                self._connection = self._connect()
            if self._guard is not None:
                self._guard.inspect_lately(self._connection)
            # To the last row: an unfinished statement keeps the log from being emptied.
            return self._connection.execute(statement.sql, statement.values(values)).fetchall()
        except (sqlite3.Error, DatabaseReplaced):
            self._disconnect()
            return None

    def has_written(self) -> None:
        """Note what another connection of this process has committed, for other processes.

        Raises DatabaseReplaced if it was not committed to the database of the start.
        """
        if self._guard is not None and self._connection is not None:
            self._guard.check()
            with suppress(sqlite3.Error):  # it is noted a little later
                self._guard.inspect(self._connection)

    def close(self) -> None:
        self._closed = True
        self._disconnect()

    def _connect(self) -> sqlite3.Connection:
        """Raises sqlite3.Error or DatabaseReplaced."""
        connection = connect(self._file, "rw", 0.0)
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            if self._guard is not None:
                self._guard.check()  # it may have been replaced meanwhile
        except BaseException:
            connection.close()
            raise
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
