"""A SQLite database as a file: where it is, and whether somebody else has it open."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import structlog

from worksgate.database import DatabaseInUse
from worksgate.database.engines import driver_url

SPARE = ".spare"
"""What the name of the store's spare file ends with, which is beside the database."""
LEAST_FREE = 512 * 1024
"""Bytes without which SQLite cannot open a log, nor write what it is to delete."""

_log = structlog.get_logger("worksgate.database")

_BUSY_TIMEOUT = 5.0
_ALONE_TIMEOUT = 0.5
"""Seconds that others are waited for: a command ends soon, a server does not."""


def file_of(database_url: str) -> Path:
    """Where the database is. Raises ValueError for an unusable address."""
    return Path(driver_url(database_url).database or "").absolute()


def connect(database: Path, mode: str, timeout: float = _BUSY_TIMEOUT) -> sqlite3.Connection:
    """A connection to a file that is there, without SQLAlchemy.

    ``mode`` is ``ro`` or ``rw``; ``timeout`` is how many seconds others are waited for. Raises
    sqlite3.Error.
    """
    uri = f"{database.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=timeout)


def make_room(database: Path) -> None:
    """Give up the spare file of a database whose disk is full: not even a start works without room.

    The store makes another when it has cleaned (F-11).
    """
    spare = database.with_name(f"{database.name}{SPARE}")
    with suppress(OSError):
        free = shutil.disk_usage(database.parent).free
        if free < LEAST_FREE and spare.exists():
            spare.unlink()
            _log.warning("database.spare_given_up", free=free)


@contextmanager
def alone(database: Path) -> Iterator[None]:
    """Keep everybody else out of a database. Raises DatabaseInUse where somebody is in.

    A server has its connections open as long as it runs; SQLite gives exclusive access to nobody
    beside them. A file that is no database (any more) keeps nobody out, and nobody is in.
    """
    if not database.exists():
        yield
        return
    with closing(connect(database, "rw", _ALONE_TIMEOUT)) as db:
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            # Moves the log into the file, and refuses where somebody else has it open. Closing
            # then removes no log, which might be that of a new file under the same name.
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise DatabaseInUse(
                    f"{database} is in use: stop the server, and every command, first"
                ) from None
        except sqlite3.DatabaseError:
            pass
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")


def rewrite(database: Path) -> bool:
    """Rewrite a database, so that nothing that was deleted can be read from its file.

    False, and nothing is done, where somebody else has it open. Raises sqlite3.Error.
    """
    with closing(connect(database, "rw", _ALONE_TIMEOUT)) as db:
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                return False
            raise
        db.execute("VACUUM")
    return True
