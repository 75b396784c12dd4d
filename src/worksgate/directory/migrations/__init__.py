"""The history of the database, told by Alembic: the directory's tables and the SQL store's.

``migrate`` brings a database to the newest revision. It may be called by several processes at
once, and costs one small query where there is nothing to do: Alembic is then not even imported.

A revision only expands (new tables, columns, indexes) what the release before it still uses, so
that old and new processes can run side by side; what is no longer used is removed one release
later. There is no way down: the way back is a backup, for an older program refuses to start on a
schema that it does not know.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from worksgate.directory import DirectoryUnavailable
from worksgate.directory.engine import driver_url, open_engines, outages

HEAD = "0002"
"""The newest revision; a test compares it with the files in ``versions``."""

FOLDER = Path(__file__).parent

_PATIENCE = 30.0
_ADVISORY_LOCK = 0x776F726B7367


class SchemaTooNew(DirectoryUnavailable):
    """The database was migrated by a newer Worksgate than this one."""


async def migrate(database_url: str) -> str:
    """Bring a database to the newest revision and return that.

    Raises SchemaTooNew, DirectoryUnavailable, or ValueError for an unusable address.
    """
    _create_private_file(database_url)
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8):
        try:
            return await _migrate(database_url)
        except DirectoryUnavailable as error:
            # A file that does not use write-ahead logging yet cannot be waited for.
            if "locked" not in str(error):
                raise
            await asyncio.sleep(pause)
    return await _migrate(database_url)


async def _migrate(database_url: str) -> str:
    engines = open_engines(database_url, busy_timeout=_PATIENCE)
    try:
        with outages():
            async with engines.read.connect() as connection:
                if await connection.run_sync(_revision) == HEAD:
                    return HEAD
            async with engines.write.begin() as connection:
                return await connection.run_sync(_upgrade)
    finally:
        await engines.close()


def _upgrade(connection: Connection) -> str:
    """Run what is missing, in the transaction that has already begun."""
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:number)")
        connection.execute(lock, {"number": _ADVISORY_LOCK})
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        found = _revision(connection)
        raise SchemaTooNew(
            f"the database is at revision {found}, which this version of Worksgate does not know"
        ) from error
    return _revision(connection) or ""


def _revision(connection: Connection) -> str | None:
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
            raise DirectoryUnavailable(f"{url.database} may not be read and written") from None
    except OSError as error:
        raise DirectoryUnavailable(f"{url.database} cannot be made: {error.strerror}") from None
