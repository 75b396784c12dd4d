"""An SQLite database as a file: where it is, and whether another process has it open."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import structlog

from worksgate.database import DatabaseInUse
from worksgate.database.engines import driver_url

SPARE = ".spare"
"""Suffix of the store's spare file, which is next to the database."""
LEAST_FREE = 512 * 1024
"""Free bytes that SQLite needs to open a log, or to log a deletion."""

_log = structlog.get_logger("worksgate.database")

_BUSY_TIMEOUT = 5.0
_ALONE_TIMEOUT = 0.5
"""Seconds to wait for others: a command ends soon, a server does not."""


def file_of(database_url: str) -> Path:
    """Path of the database. Raises ValueError for an unusable address."""
    return Path(driver_url(database_url).database or "").absolute()


def connect(database: Path, mode: str, timeout: float = _BUSY_TIMEOUT) -> sqlite3.Connection:
    """A connection to an existing file, without SQLAlchemy.

    ``mode`` is ``ro`` or ``rw``; ``timeout`` is how many seconds to wait for locks. Raises
    sqlite3.Error.
    """
    uri = f"{database.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=timeout)


def make_room(database: Path) -> None:
    """Delete the spare file of a database whose disk is full: even a start needs space.

    The store creates another after it has cleaned up (F-11).
    """
    spare = database.with_name(f"{database.name}{SPARE}")
    with suppress(OSError):
        free = shutil.disk_usage(database.parent).free
        if free < LEAST_FREE and spare.exists():
            spare.unlink()
            _log.warning("database.spare_given_up", free=free)


@contextmanager
def alone(database: Path) -> Iterator[None]:
    """Lock everybody else out of a database. Raises DatabaseInUse if somebody has it open.

    A server keeps its connections open as long as it runs, and SQLite grants exclusive access only
    without other connections. A file that is not a database needs no lock.
    """
    if not database.exists():
        yield
        return
    with closing(connect(database, "rw", _ALONE_TIMEOUT)) as db:
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            # Moves the log into the file, and fails if another process has it open. Closing then
            # removes no log, which might belong to a new file of the same name.
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
    """Rewrite a database, so that deleted data cannot be read from its file.

    Returns False, without doing anything, if another process has it open. Raises sqlite3.Error.
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
