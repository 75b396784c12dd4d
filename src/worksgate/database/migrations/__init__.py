"""The history of the database, as Alembic revisions: the directory's tables and the SQL store's.

``migrate`` brings a database to the newest revision. It may be called by several processes
concurrently, and costs one small query if there is nothing to do: Alembic is then not even
imported.

A revision only expands (new tables, columns, indexes) what the previous release still uses, so that
old and new processes can run side by side; unused parts are removed one release later. ``plan``
shows what is missing before it is done. There is no downgrade, and none is needed: the previous
program continues, and starts, on a database that permits it in ``compatibility``. An older one
refuses to start; going back to it takes a backup.

The revisions are in ``versions``, ``env`` is Alembic's entry point, and ``tables`` names the tables
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

HEAD = "0006"
"""The newest revision; a test compares it with the files in ``versions``."""

FOLDER = Path(__file__).parent

_PATIENCE = 30.0
_ADVISORY_LOCK = 0x776F726B7367
_LOCK_TIMEOUT = "500ms"
"""Less than a call waits for a table: calls queued behind us are served in time."""
_IN_THE_WAY = ("locked", "lock timeout", "deadlock")
"""The error of a database whose locks are held by others; it is retried."""


_log = structlog.get_logger("worksgate.database.migrations")


class SchemaTooNew(DatabaseUnavailable):
    """The database was migrated by a newer version of Worksgate."""


async def migrate(database_url: str) -> str:
    """Bring a database to the newest revision and return it.

    Raises SchemaTooNew, DatabaseUnavailable, or ValueError for an unusable address.
    """
    _create_private_file(database_url)
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
        try:
            return await _migrate(database_url)
        except DatabaseUnavailable as error:
            # A file without write-ahead logging cannot be waited for yet. On PostgreSQL we give
            # way: everything queued behind a waiting table lock has to wait too.
            if not any(each in str(error) for each in _IN_THE_WAY):
                raise
            await asyncio.sleep(pause)
    return await _migrate(database_url)


async def require_migrated(database_url: str) -> None:
    """Return if a server of this version can use a database as it is; nothing is changed.

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
    """Return if a program of this version can use a database as it is.

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
    """Run the missing revisions up to one, in the transaction that has already begun.

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
    """One migration at a time, and none that blocks others for long (F-27)."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    try:
        with connection.begin_nested():
            lock = text("SELECT pg_advisory_xact_lock(:number)")
            connection.execute(lock, {"number": _ADVISORY_LOCK})
    except DBAPIError as error:
        # Not every database that speaks PostgreSQL's protocol has this lock; without it, one of two
        # concurrent migrations fails on the tables of the other.
        _log.info("migrate.without_lock", detail=type(error.orig).__name__)
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))


def is_newer_and_serves(connection: Connection) -> bool:
    """Whether a newer program has migrated a database but permits this one to use it.

    Revisions are numbers of four digits. A migration writes into ``compatibility``, next to its own
    number, the oldest revision whose program can still use the database.
    """
    found = revision_of(connection)
    if found is None or found <= HEAD or not inspect(connection).has_table("compatibility"):
        return False
    question = text("SELECT oldest FROM compatibility WHERE revision = :found")
    oldest: Any = connection.scalar(question, {"found": found})
    return oldest is not None and str(oldest) <= HEAD


def unknown_revision(found: str | None) -> str:
    """The error for a database that is newer than this program."""
    return f"the database is at revision {found}, which this version of Worksgate does not know"


def revision_of(connection: Connection) -> str | None:
    """The revision of a database; None without tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: Any = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _create_private_file(database_url: str) -> None:
    """A new SQLite file contains hashes and keys: only its owner may read it, whatever the umask.

    An existing file is not opened: closing it would release the locks that SQLite has on it.
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
        raise DatabaseUnavailable(f"{url.database} cannot be created: {error.strerror}") from None
