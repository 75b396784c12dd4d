"""Writes audit records to the database, except those that a store commits (I-5).

A change and its record are committed together, or not at all: ``write_events`` is for the
transaction of the change. Records that belong to no change come in bulk, in one statement.
"""

import re
from functools import partial

from sqlalchemy import bindparam, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.audit_rows import COLUMNS, event_values


async def write_events(connection: AsyncConnection, *events: AuditEvent) -> None:
    """Insert audit records as part of the transaction."""
    if events:
        await connection.execute(insert(schema.audit), list(map(event_values, events)))


async def write_event(connection: AsyncConnection, event: AuditEvent) -> int:
    """Insert an audit record as part of the transaction; its ID."""
    added = await connection.execute(insert(schema.audit).values(event_values(event)))
    return int((added.inserted_primary_key or (0,))[0])


def insert_of_events(engine: AsyncEngine, count: int) -> str:
    """The driver's text for inserting ``count`` audit records, columns as in ``event_row``.

    SQLAlchemy generates it for one; for a thousand that would take as long as a start.
    """
    values: list[dict[str, object]] = [{name: bindparam(name) for name in COLUMNS}]
    one = str(insert(schema.audit).values(values).compile(dialect=engine.dialect))
    start, keyword, row = one.partition("VALUES ")
    rows = [_NUMBERED.sub(partial(_moved, by=len(COLUMNS) * at), row) for at in range(count)]
    return f"{start}{keyword}{', '.join(rows)}"


_NUMBERED = re.compile(r"\$(\d+)")
"""A parameter of PostgreSQL; SQLite's have no numbers."""


def _moved(parameter: re.Match[str], by: int) -> str:
    return f"${int(parameter[1]) + by}"
