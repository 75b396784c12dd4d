"""What a server does that starts on a copy of its SQLite file, or without the file.

In an older copy used codes are unused, and ended sessions live; so they are in one on which another
server went on. So everything short-lived becomes void, as by ``worksgate restore``; people sign in
again at their next visit. Without the file nothing is started: an empty database would look like
the one that was lost.
"""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import text

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable, sqlite_file
from worksgate.database.engines import open_engines, outages
from worksgate.database.identity import is_marked_away, is_marked_overwritten, newest_without_log
from worksgate.database.installation_id import renew
from worksgate.database.migrations.tables import VOIDED
from worksgate.database.newest_record import (
    NOTE,
    Content,
    NewestRecord,
    newest_of,
    note_newest,
    read_note,
)
from worksgate.database.recording import write_events

_log = structlog.get_logger("worksgate.database")


def check_not_lost(database: Path) -> None:
    """Raise DatabaseUnavailable if there is no database where a server had one."""
    records = read_note(database).newest.number
    if records and not (database.exists() and database.stat().st_size):
        raise DatabaseUnavailable(
            f"{database} is missing or empty, and had {records} audit records: put it back, or "
            f"install a backup with worksgate restore; to begin anew, remove {database}{NOTE}"
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """In what a file is not the one that was noted, for the administrator."""

    text: str
    missing: int = 0
    """How many audit records it lacks."""


_OVERWRITTEN = Difference("it was overwritten while a server ran")
_AWAY = Difference("it, or its log, was removed or replaced while a server ran")
_NOT_OF_ITS_LOG = Difference("its log belongs to another file")


def difference_of(database: Path) -> Difference | None:
    """None for the file that was noted, or what has become of it, and if it cannot be read.

    To be called before anything opens the file: the last to close it moves the log into it.
    """
    if not database.exists():
        return None
    if is_marked_overwritten(database):
        return _OVERWRITTEN
    if is_marked_away(database):
        return _AWAY
    # The note first: what is noted later may be newer than what is found.
    noted, noted_in_file = read_note(database), read_note(database, without_log=True)
    in_file = None
    with suppress(sqlite3.Error):  # whatever is wrong is said by those who open it next
        in_file = newest_without_log(database)
    with suppress(sqlite3.Error), closing(sqlite_file.connect(database, "rw")) as connection:
        installation = Content.read(connection, 0).installation or ""
        if difference := _difference(connection, noted.of(installation)):
            return difference
        if in_file is not None and (
            in_file.number < noted_in_file.of(installation).number
            or not Content.read(connection, in_file.number).has(in_file)
        ):
            return _NOT_OF_ITS_LOG
    return None


def _difference(connection: sqlite3.Connection, noted: NewestRecord) -> Difference | None:
    """Raises sqlite3.Error."""
    found = Content.read(connection, noted.number)
    if found.has(noted):
        return None
    if missing := max(0, noted.number - found.newest):
        return Difference(f"it lacks its {missing} newest audit records", missing)
    return Difference(f"its audit record {noted.number} is another one, of a server elsewhere")


def check_is_no_copy(database: Path) -> None:
    """Raise DatabaseUnavailable if servers that run refuse the file: what is written may be lost.

    A start voids what such a file holds for a while; then it is the file.
    """
    difference = difference_of(database)
    if difference is None:
        return
    raise DatabaseUnavailable(
        f"{database} is a copy: {difference.text}; put the original back, install a backup with "
        "worksgate restore, or start a server on it, which voids all codes, tokens and sessions"
    )


async def void_copy(database_url: str, difference: Difference, now: float) -> None:
    """Void what a copy holds for a while.

    ``now`` is in seconds since the epoch. Raises DatabaseUnavailable.
    """
    why = difference.text
    _log.warning("database.older", detail=why)
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
                        detail=f"the database is a copy: {why}; "
                        "all codes, tokens and sessions became void",
                    ),
                )
    finally:
        await engines.close()


def carry_on_note(database: Path) -> None:
    """Note what a command has recorded, so that idle servers know of it. Never raises.

    Only where a server has made a note, and the file is still the one of that note.
    """
    if not read_note(database).newest.number or difference_of(database):
        return
    with suppress(sqlite3.Error), closing(sqlite_file.connect(database, "rw")) as connection:
        found = Content.read(connection, 0)
        note_newest(database, found.installation or "", newest_of(connection, found.newest))


def check_undamaged(database: Path) -> None:
    """Raise DatabaseUnavailable if pages of different times are in one file."""
    try:
        # Whoever may only read moves no log into the file when closing it.
        with closing(sqlite_file.connect(database, "ro")) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise DatabaseUnavailable(
            f"{database} has been replaced or overwritten, and is damaged: install a backup with "
            f"worksgate restore ({found})"
        )
