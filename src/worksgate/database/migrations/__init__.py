"""The history of the database, told by Alembic: the directory's tables and the SQL store's.

``migrate`` brings a database to the newest revision. It may be called by several processes at
once, and costs one small query where there is nothing to do: Alembic is then not even imported.

A revision only expands (new tables, columns, indexes) what the release before it still uses, so
that old and new processes can run side by side; what is no longer used is removed one release
later. ``plan`` says what is missing before it is done. There is no way down, and none is needed:
the program before goes on, and starts, on a database that says so in ``compatibility``. An older
one refuses to start; for it, the way back is a backup.

The revisions are in ``versions``, ``env`` is what Alembic runs, and ``tables`` names the tables
that a move and a backup keep.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from worksgate.database import DatabaseUnavailable
from worksgate.database.engines import driver_url, open_engines, outages

HEAD = "0004"
"""The newest revision; a test compares it with the files in ``versions``."""

FOLDER = Path(__file__).parent

_PATIENCE = 30.0
_ADVISORY_LOCK = 0x776F726B7367
_LOCK_TIMEOUT = "500ms"
"""Less than a call waits for a table: whoever comes behind us in its queue is served in time."""
_IN_THE_WAY = ("locked", "lock timeout", "deadlock")
"""What a database says when others hold what is needed; it is tried again."""


_log = structlog.get_logger("worksgate.database.migrations")


class SchemaTooNew(DatabaseUnavailable):
    """The database was migrated by a newer Worksgate than this one."""


async def migrate(database_url: str) -> str:
    """Bring a database to the newest revision and return that.

    Raises SchemaTooNew, DatabaseUnavailable, or ValueError for an unusable address.
    """
    _create_private_file(database_url)
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
        try:
            return await _migrate(database_url)
        except DatabaseUnavailable as error:
            # A file that does not use write-ahead logging yet cannot be waited for. On PostgreSQL
            # we give way: whoever comes behind a table lock that waits has to wait with it.
            if not any(each in str(error) for each in _IN_THE_WAY):
                raise
            await asyncio.sleep(pause)
    return await _migrate(database_url)


async def require_migrated(database_url: str) -> None:
    """Return where a server of this version can use a database as it is; nothing is changed.

    Raises SchemaTooNew, DatabaseUnavailable, or ValueError for an unusable address.
    """
    engines = open_engines(database_url)
    try:
        with outages():
            async with engines.read.connect() as connection:
                await connection.run_sync(check_usable)
    finally:
        await engines.close()


def check_usable(connection: Connection) -> None:
    """Return where a program of this version can use a database as it is.

    Raises SchemaTooNew, or DatabaseUnavailable with what to do.
    """
    found = revision_of(connection)
    if found == HEAD or is_newer_and_serves(connection):
        return
    if found is not None and found > HEAD:
        raise SchemaTooNew(unknown_revision(found))
    state = "has no tables yet" if found is None else f"is at revision {found}"
    raise DatabaseUnavailable(f"the database {state}: run worksgate migrate")


async def _migrate(database_url: str) -> str:
    engines = open_engines(database_url, busy_timeout=_PATIENCE)
    try:
        with outages():
            async with engines.read.connect() as connection:
                found = await connection.run_sync(revision_of)
                if found == HEAD or await connection.run_sync(is_newer_and_serves):
                    return found or HEAD
            async with engines.migrate.begin() as connection:
                return await connection.run_sync(upgrade)
    finally:
        await engines.close()


def upgrade(connection: Connection, revision: str = "head") -> str:
    """Run what is missing up to a revision, in the transaction that has already begun.

    Returns the revision. Raises SchemaTooNew.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    if connection.dialect.name == "postgresql":
        _prepare_postgresql(connection)
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise SchemaTooNew(unknown_revision(revision_of(connection))) from error
    return revision_of(connection) or ""


def _prepare_postgresql(connection: Connection) -> None:
    """One migration at a time, and none that makes others wait for long (F-27)."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    try:
        with connection.begin_nested():
            lock = text("SELECT pg_advisory_xact_lock(:number)")
            connection.execute(lock, {"number": _ADVISORY_LOCK})
    except DBAPIError as error:
        # Not every database that speaks PostgreSQL has this lock; there, one of two that
        # migrate at once is refused by the tables of the other.
        _log.info("migrate.without_lock", detail=type(error.orig).__name__)
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))


def is_newer_and_serves(connection: Connection) -> bool:
    """Whether a newer program has migrated a database, and says that this one can go on with it.

    Revisions are numbers of four digits. A migration writes into ``compatibility``, beside its own,
    the oldest revision whose program can use what it leaves behind.
    """
    found = revision_of(connection)
    if found is None or found <= HEAD or not inspect(connection).has_table("compatibility"):
        return False
    question = text("SELECT oldest FROM compatibility WHERE revision = :found")
    oldest: Any = connection.scalar(question, {"found": found})
    return oldest is not None and str(oldest) <= HEAD


def unknown_revision(found: str | None) -> str:
    """What is said of a database that is newer than this program."""
    return f"the database is at revision {found}, which this version of Worksgate does not know"


def revision_of(connection: Connection) -> str | None:
    """The revision of a database; None where it has no tables yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: Any = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _create_private_file(database_url: str) -> None:
    """A new SQLite file holds hashes and keys: only its owner may read it, whatever the umask.

    A file that is there is not opened: closing it would give up the locks that SQLite has on it.
    """
    url = driver_url(database_url)
    if url.get_backend_name() != "sqlite" or url.database is None:
        return
    try:
        os.close(os.open(url.database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if not os.access(url.database, os.R_OK | os.W_OK):
            raise DatabaseUnavailable(f"{url.database} may not be read and written") from None
    except OSError as error:
        raise DatabaseUnavailable(f"{url.database} cannot be made: {error.strerror}") from None
