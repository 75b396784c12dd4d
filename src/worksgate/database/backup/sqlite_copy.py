"""The database of a backup on SQLite: copied while the server runs, checked before it is restored.

**A copy has no name.** It is unencrypted on the disk while it is being encrypted, so its file is
unlinked as soon as it is open: no interruption leaves it behind, not even ``kill -9``. It is next
to the original database, which is equally secret, and not where the backup goes.
"""

# ruff: noqa: S608  # only names of our own tables are written into statements, never a value

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from worksgate.credentials.master_key import key_ids
from worksgate.database.backup import BackupError, Progress
from worksgate.database.backup.archive import check_free_space
from worksgate.database.identity import forget_overwriting
from worksgate.database.migrations.tables import LASTING, VOIDED
from worksgate.database.sqlite_file import connect
from worksgate.database.temporary_files import remove_abandoned, written_beside

_PAGES = 1_000
"""Pages, of 4 KiB, that are copied before progress is reported."""

_LEFT_FREE = 100 * 1024**2
"""Bytes of the disk that a copy leaves for the running server."""

_BESIDE = ("-wal", "-shm", "-journal")
"""Suffixes of the files that SQLite keeps next to a database."""


def copy(source: Path, progress: Progress) -> tuple[BinaryIO, Mapping[str, int], tuple[str, ...]]:
    """Copy the persistent data of a database that may be in use, as of one moment.

    Returns the copy, a file to read; the number of rows of each persistent table; and the IDs of
    the master keys that decrypt its secrets. Raises BackupError, or OSError.
    """
    check_free_space(source.parent, source.stat().st_size + _LEFT_FREE)
    with ExitStack() as stack:
        try:
            path, file, made = _open_without_name(source, stack)
            with closing(connect(source, "ro")) as live:
                # In a read transaction all steps see one snapshot. Otherwise each commit of the
                # server between two steps would restart the copy, maybe forever.
                live.execute("BEGIN")
                live.execute("SELECT count(*) FROM sqlite_master").fetchone()

                def report(_status: int, remaining: int, total: int) -> None:
                    progress((total - remaining) * 100 // max(total, 1))

                live.backup(made, pages=_PAGES, progress=report)
            _use_no_log(path, made)
            strip(made)
            check(made)
            found, needed = rows(made), master_keys(made)
        except sqlite3.Error as error:
            raise BackupError(f"{source} cannot be copied: {error}") from None
        stack.pop_all()
    made.close()
    return file, found, needed


def strip(db: sqlite3.Connection) -> None:
    """Erase from a copy what a backup must not contain. Raises sqlite3.Error."""
    present = _tables(db)
    for table in VOIDED:
        if table in present:
            db.execute(f"DELETE FROM {table}")
    db.execute("VACUUM")  # deleted rows remain in free pages


def revision(db: sqlite3.Connection) -> str | None:
    """The revision of a database, None without one. Raises sqlite3.Error."""
    if "alembic_version" not in _tables(db):
        return None
    found = db.execute("SELECT version_num FROM alembic_version").fetchone()
    return found and str(found[0])


def rows(db: sqlite3.Connection) -> Mapping[str, int]:
    """The number of rows of each persistent table that exists. Raises sqlite3.Error."""
    present = _tables(db)
    return {
        each.name: db.execute(f"SELECT count(*) FROM {each.name}").fetchone()[0]
        for each in LASTING
        if each.name in present
    }


def master_keys(db: sqlite3.Connection) -> tuple[str, ...]:
    """The IDs of the master keys that decrypt the secrets of a database. Raises sqlite3.Error."""
    if "totp_secrets" not in _tables(db):
        return ()
    return key_ids(secret for (secret,) in db.execute("SELECT secret FROM totp_secrets"))


def check(db: sqlite3.Connection) -> None:
    """Raise BackupError if a database is damaged, or contains more than a database of ours.

    A trigger in it would run with the server's next statement. Raises sqlite3.Error too.
    """
    found = db.execute("PRAGMA integrity_check(1)").fetchone()
    if found != ("ok",) or db.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise BackupError("the database in the backup is damaged")
    foreign = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
    if db.execute(foreign).fetchone() is not None:
        raise BackupError(
            "the backup contains triggers or views, which no database of Worksgate has"
        )


def check_is_there(database: Path) -> None:
    """Raise BackupError if there is no such file."""
    if not database.exists():
        raise BackupError(f"there is no database at {database}")


def has_rows(database: Path) -> bool:
    """Whether a database contains data. Raises BackupError if it is not a database."""
    if not database.exists() or database.stat().st_size == 0:
        return False
    with opened(database) as db:
        return any(rows(db).values())


def replace(beside: Path, database: Path) -> None:
    """Replace a database with a complete one, which gets its owner and group.

    To be called within ``alone``. Raises OSError.
    """
    _finish(beside)
    model = database if database.exists() else database.absolute().parent
    owner = model.stat()
    with suppress(PermissionError):  # only root can change owners; other users own both
        os.chown(beside, owner.st_uid, owner.st_gid, follow_symlinks=False)
    # A log left over from the old database would be applied to the new one.
    remove_beside(database)
    beside.replace(database)
    forget_overwriting(database)


def remove_beside(database: Path) -> None:
    """Remove the files that SQLite keeps next to a database. Raises OSError."""
    for end in _BESIDE:
        database.with_name(f"{database.name}{end}").unlink(missing_ok=True)


def _finish(database: Path) -> None:
    """Move everything into the one file, and make it durable."""
    with closing(connect(database, "rw")) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    remove_beside(database)
    descriptor = os.open(database, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def opened(database: Path, mode: str = "ro") -> Iterator[sqlite3.Connection]:
    """A connection to an existing file; its errors become BackupError."""
    try:
        with closing(connect(database, mode)) as db:
            yield db
    except sqlite3.Error as error:
        raise BackupError(f"{database} cannot be read: {error}") from None


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _open_without_name(source: Path, stack: ExitStack) -> tuple[Path, BinaryIO, sqlite3.Connection]:
    """A new file, to read from and as a database, already unlinked; closed with the stack.

    Its former name, next to ``source``, comes first.
    """
    remove_abandoned(source.parent, source.name)
    with written_beside(source) as path:
        file = stack.enter_context(path.open("rb"))
        db = stack.enter_context(closing(connect(path, "rw")))
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # shared memory would have a file of its own
        db.execute("PRAGMA journal_mode = MEMORY")
        db.execute("PRAGMA synchronous = OFF")  # the content is rewritten, and synced then
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens the file
    return path, file, db


def _use_no_log(path: Path, made: sqlite3.Connection) -> None:
    """Convert a copy of a database with a write-ahead log to one without.

    When SQLite opens it for the last time it checks the permissions of a file of this name.
    """
    path.touch(0o600, exist_ok=False)
    try:
        made.execute("PRAGMA journal_mode = MEMORY")
    finally:
        path.unlink()
        remove_beside(path)
