"""What a server does that starts on an older copy of its SQLite file, or without the file.

In the copy used codes are unused, and ended sessions live. So everything short-lived becomes void,
as by ``worksgate restore``; people sign in again at their next visit. Without the file nothing is
started: an empty database would look like the one that was lost.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog
from sqlalchemy import text

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable, sqlite_file
from worksgate.database.engines import open_engines, outages
from worksgate.database.identity import CONTENT
from worksgate.database.installation_id import renew
from worksgate.database.migrations.tables import VOIDED
from worksgate.database.newest_record import NOTE, newest_noted, records_once
from worksgate.database.recording import write_events

_log = structlog.get_logger("worksgate.database")


def check_not_lost(database: Path) -> None:
    """Raise DatabaseUnavailable if there is no database where a server had one."""
    records = records_once(database)
    if records and not (database.exists() and database.stat().st_size):
        raise DatabaseUnavailable(
            f"{database} is missing or empty, and had {records} audit records: put it back, or "
            f"install a backup with worksgate restore; to begin anew, remove {database}{NOTE}"
        )


async def void_older_copy(database_url: str, now: float) -> None:
    """If the file lacks audit records that it once had, void what it holds for a while.

    ``now`` is in seconds since the epoch. Raises DatabaseUnavailable.
    """
    missing = missing_records(sqlite_file.file_of(database_url))
    if not missing:
        return
    detail = f"the database is an older copy: it lacks its {missing} newest audit records"
    _log.warning("database.older", missing=missing)
    engines = open_engines(database_url)
    try:
        with outages():
            async with engines.write.begin() as connection:
                for table in VOIDED:
                    await connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608  # our own
                await renew(connection)
                await write_events(
                    connection,
                    AuditEvent(
                        event=Event.SYSTEM,
                        at=now,
                        detail=f"{detail}; all codes, tokens and sessions became void",
                    ),
                )
    finally:
        await engines.close()


def missing_records(database: Path) -> int:
    """How many audit records the file once had that it lacks; 0 if it cannot be read."""
    try:
        with closing(sqlite_file.connect(database, "rw")) as connection:
            installation, newest = connection.execute(CONTENT).fetchall()[0]
    except (sqlite3.Error, LookupError):  # whatever is wrong is said by those who open it next
        return 0
    return max(0, newest_noted(database, installation) - (newest or 0))
