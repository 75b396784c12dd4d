"""Audit records in a transaction of the directory: whoever changes something writes them here.

A change and its record are committed together, or neither is (I-5). What the stores commit, they
record themselves, as ``worksgate.store`` says.
"""

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.audit_rows import event_values


async def write_events(connection: AsyncConnection, *events: AuditEvent) -> None:
    """Insert audit records, which last if and only if the transaction does."""
    if events:
        await connection.execute(insert(schema.audit), list(map(event_values, events)))
