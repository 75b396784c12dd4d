"""The database of a backup on SQLite: copied while the server runs, checked before it returns."""

# ruff: noqa: S608  # only names of our own tables are written into statements, never a value

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from worksgate.backup import BackupError, Progress
from worksgate.directory.engine import driver_url
from worksgate.directory.migrations.tables import LASTING, SHORT_LIVED

_PAGES = 1_000
"""Pages, of 4 KiB, that are copied before the bar moves."""

_PATIENCE = 5.0
_PATIENCE_ALONE = 0.5
"""Seconds that others are waited for: a command ends soon, a server does not."""

_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file, by the end of its name."""


def copy(source: Path, to: Path, progress: Progress) -> None:
    """Copy a database that may be in use, as it was at one moment. Raises BackupError.

    ``to`` holds a copy of everything until ``strip`` has been called.
    """
    try:
        with closing(_open(source, "ro")) as live, closing(_create(to)) as made:
            # Within a reading transaction all steps see one snapshot. Without it, each commit of
            # the server between two steps would make the copy begin anew: it might never end.
            live.execute("BEGIN")
            live.execute("SELECT count(*) FROM sqlite_master").fetchone()

            def tell(_status: int, remaining: int, total: int) -> None:
                progress((total - remaining) * 100 // max(total, 1))

            live.backup(made, pages=_PAGES, progress=tell)
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied: {error}") from None


def strip(copied: Path) -> None:
    """Remove from a copy, without a trace, what a backup does not hold. Raises BackupError."""
    try:
        with closing(_open(copied, "rw")) as db:
            db.execute("PRAGMA journal_mode = MEMORY")
            present = _tables(db)
            for table in (*SHORT_LIVED, "keys"):
                if table in present:
                    db.execute(f"DELETE FROM {table}")
            db.execute("VACUUM")  # deleted rows still stand in free pages
    except sqlite3.Error as error:
        raise BackupError(f"the copy of the database cannot be used: {error}") from None


def revision(database: Path) -> str:
    """The revision of a database. Raises BackupError where it has none."""
    with _reading(database) as db:
        if "alembic_version" in _tables(db):
            for (found,) in db.execute("SELECT version_num FROM alembic_version"):
                return str(found)
    raise BackupError(f"{database} is no database of Worksgate")


def rows(database: Path) -> Mapping[str, int]:
    """How many rows each lasting table has that is there. Raises BackupError."""
    with _reading(database) as db:
        present = _tables(db)
        return {
            each.name: db.execute(f"SELECT count(*) FROM {each.name}").fetchone()[0]
            for each in LASTING
            if each.name in present
        }


def check(database: Path) -> None:
    """Raise BackupError where a database is damaged, or would do what a database of ours does not.

    A trigger in it would run with the server's next statement.
    """
    with _reading(database) as db:
        found = db.execute("PRAGMA integrity_check(1)").fetchone()
        if found != ("ok",) or db.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise BackupError("the database in the backup is damaged")
        foreign = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
        if db.execute(foreign).fetchone() is not None:
            raise BackupError("the backup holds triggers or views, which no database of ours has")


def file_of(database_url: str) -> Path:
    """Where the database is. Raises ValueError for an unusable address."""
    return Path(driver_url(database_url).database or "").absolute()


def check_is_there(database: Path) -> None:
    """Raise BackupError where there is no such file."""
    if not database.exists():
        raise BackupError(f"there is no database at {database}")


def has_rows(database: Path) -> bool:
    """Whether there is anything to lose in a database. Raises BackupError where it is none."""
    if not database.exists() or database.stat().st_size == 0:
        return False
    return any(rows(database).values())


@contextmanager
def alone(database: Path) -> Iterator[None]:
    """Keep everybody else out of a database. Raises BackupError where somebody is in.

    A server has its connections open as long as it runs; SQLite gives exclusive access to nobody
    beside them. A file that is no database (any more) keeps nobody out, and nobody is in.
    """
    if not database.exists():
        yield
        return
    with closing(_open(database, "rw", _PATIENCE_ALONE)) as db:
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            # Moves the log into the file, and refuses where somebody else has it open. Closing
            # then removes no log, which might be that of a new file under the same name.
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise BackupError(
                    f"{database} is in use: stop the server, and every command, first"
                ) from None
        except sqlite3.DatabaseError:
            pass
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")


def replace(beside: Path, database: Path) -> None:
    """Put a whole database in the place of another, whose owner and group it takes over.

    To be called while ``alone``. Raises OSError.
    """
    _finish(beside)
    model = database if database.exists() else database.absolute().parent
    owner = model.stat()
    with suppress(PermissionError):  # only root gives files away; who is not owns both
        os.chown(beside, owner.st_uid, owner.st_gid)
    # A log of the old database that stayed would be read into the new one.
    remove_beside(database)
    beside.replace(database)


def remove_beside(database: Path) -> None:
    """Remove what SQLite keeps beside a file. Raises OSError."""
    for end in _BESIDE:
        database.with_name(f"{database.name}{end}").unlink(missing_ok=True)


def _finish(database: Path) -> None:
    """Move everything into the one file, and make it durable."""
    with closing(_open(database, "rw")) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    remove_beside(database)
    descriptor = os.open(database, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(_open(database, "ro")) as db:
            yield db
    except sqlite3.Error as error:
        raise BackupError(f"{database} cannot be read: {error}") from None


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _open(database: Path, mode: str, patience: float = _PATIENCE) -> sqlite3.Connection:
    uri = f"{database.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=patience)


def _create(database: Path) -> sqlite3.Connection:
    os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    db = _open(database, "rw")
    db.execute("PRAGMA synchronous = OFF")  # what is kept is written anew, and synced then
    return db
