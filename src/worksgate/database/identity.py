"""Identifies the database, so that a replaced one is an outage and not silently used.

A database has an ID of its own, created by its migration and again by a restore. A SQLite file is
also identified by device and inode: an older copy that is moved to its name has the same ID, and
would make used codes valid again. The first start of a server notes both; everything opened later,
in any process, must match. A copy that is written into the file, by ``cp`` or by SQLite's own
``.restore``, keeps even those, but lacks the newest audit records, or has others in their place.

SQLite itself does not notice that its file was removed or replaced. Open connections continue with
the unlinked file, and new ones open, or create, another. The same applies to its log and to the
shared memory in which its processes keep what is in the log, and who may write: with another one,
two processes write at once, and each loses what the other has committed.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from worksgate.database.log_content import LogContent
from worksgate.database.newest_record import (
    NOBODYS,
    Content,
    NewestNote,
    NewestRecord,
    newer,
    newest_in,
    newest_of,
    read_note,
)

OVERWRITTEN = ".overwritten"
"""Suffix of an empty file next to a database that was overwritten while a server ran, for workers
that start later; the next start of a server removes it."""

AWAY = ".replaced"
"""Suffix of an empty file next to a database that was removed or replaced while a server ran. It is
removed once the database is back, or by the next start of a server."""

CHECKED_EVERY = 0.1
"""Seconds for which a check of the file is valid for readers."""

INSPECTED_EVERY = 0.005
"""The same for what they read: looking before each read would cost a twentieth of a user info."""

LOOKED_AT_EVERY = 1.0
"""Seconds between two looks at the content without a request."""

REPLACED = "this is not the database that the server was started on: stop all servers first"

_log = structlog.get_logger("worksgate.database")

_KEPT_OPEN: list[sqlite3.Connection] = []
"""Connections that end with their process."""

_Place = tuple[int, int]
"""Device and inode."""


class DatabaseReplaced(ConnectionError):
    """The server's database is missing or replaced; one sentence for the administrator."""


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """The ID of the installation, and its file, if any (device and inode)."""

    installation: str
    file: _Place | None = None


class DatabaseGuard:
    """Compares a database with that of the first start; reports a mismatch once."""

    def __init__(self, identity: DatabaseIdentity) -> None:
        self._identity = identity
        self._wrong: set[str] = set()

    @property
    def installation(self) -> str:
        """The ID of the installation."""
        return self._identity.installation

    def check(self) -> None:
        """Check what is visible without a query. Raises DatabaseReplaced."""

    def check_lately(self) -> None:
        """Like ``check``, at most once in ``CHECKED_EVERY``. Raises DatabaseReplaced."""

    def inspect(self, connection: sqlite3.Connection) -> None:
        """Check what a connection reads. Raises DatabaseReplaced, or sqlite3.Error."""

    def inspect_lately(self, connection: sqlite3.Connection) -> None:
        """Like ``inspect``, at most once in ``INSPECTED_EVERY``."""

    def newest_in(self, connection: sqlite3.Connection) -> NewestRecord | None:
        """The newest audit record before a commit, whoever has made it, if it is to be noted."""
        return None

    def has_recorded(self, newest: NewestRecord) -> None:
        """Note the newest audit record after a commit, before anybody is told of it."""

    def look(self) -> None:
        """Check everything, and note how new it is for other processes and the next start.

        May wait for other processes. Raises like ``inspect``.
        """

    def check_installation(self, found: str | None) -> None:
        """Compare the ID that a database returns. Raises DatabaseReplaced."""
        self._judge("id", None if found == self._identity.installation else REPLACED)

    def close(self) -> None:
        """Close what is open."""

    def _judge(self, part: str, problem: str | None) -> None:
        if problem is None:
            if part in self._wrong:
                self._wrong.discard(part)
                _log.info("database.back")
            return
        if part not in self._wrong:
            self._wrong.add(part)
            _log.error("database.replaced", detail=problem)
        raise DatabaseReplaced(problem)


class SqliteGuard(DatabaseGuard):
    """The guard of a file. It keeps one connection open, so that the log is never removed.

    SQLite removes the log with the last connection; while one is open, another log under its name
    was not created by SQLite.
    """

    def __init__(
        self, path: Path, identity: DatabaseIdentity, connection: sqlite3.Connection
    ) -> None:
        super().__init__(identity)
        self._path = os.fspath(path)
        # SQLite follows a link, and puts these next to the file itself.
        beside = [f"{path.resolve()}{suffix}" for suffix in ("-wal", "-shm")]
        self._beside = {each: _place_of(each) for each in beside}
        self._content_note = NewestNote(path, identity.installation, without_log=True)
        self._content = _FileContent(path, identity.installation, self._content_note.write)
        self._log = LogContent(*beside)
        self._connection = connection
        self._next_look = self._next_inspection = 0.0
        self._note = NewestNote(path, identity.installation)
        self._note.reopen()
        self._newest = self._note.read()
        self._of_before = NOBODYS
        self._is_overwritten = self._is_marked = False
        self._is_away = is_marked_away(path)
        self._looking = threading.Lock()

    @classmethod
    def open(cls, path: Path, identity: DatabaseIdentity) -> Self:
        """Begin to watch the file. Raises DatabaseReplaced, or sqlite3.Error."""
        path = path.absolute()
        _check_place(path, identity)
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=rw", uri=True, check_same_thread=False, isolation_level=None
        )
        try:
            with closing(connection.execute("SELECT count(*) FROM sqlite_master")) as opening:
                opening.fetchone()  # SQLite opens the log with the first statement
            guard = cls(path, identity, connection)
        except BaseException:
            connection.close()
            raise
        try:
            guard.check()
            guard.inspect(connection)
        except BaseException:
            guard._release()
            raise
        return guard

    def check(self) -> None:
        self._next_look = time.monotonic() + CHECKED_EVERY
        problem = self._problem()
        is_away = problem is not None and not self._is_overwritten
        if is_away is not self._is_away:
            self._is_away = is_away
            (_mark if is_away else _unmark)(f"{self._path}{AWAY}")
        self._judge("file", problem)

    def check_lately(self) -> None:
        if self._wrong or time.monotonic() >= self._next_look:
            self.check()

    def inspect(self, connection: sqlite3.Connection) -> None:
        if self._log.is_overwritten():
            self._refuse()
        # Of before: others may commit while this is read.
        known = newer(self._newest, self._note.read())
        found = Content.read(connection, known.number)
        is_this = found.installation == self.installation and found.has(known)
        if not (is_this and self._is_of_before(connection)):
            self._refuse()
        if found.newest > known.number:
            known = newest_of(connection, found.newest)
            self._note.write(known)
        self._newest = newer(self._newest, known)

    def _refuse(self) -> None:
        self._is_overwritten = True
        self._judge("file", self._problem())

    def _is_of_before(self, connection: sqlite3.Connection) -> bool:
        """Whether what is in the file, without its log, was once what is read with it."""
        in_file = self._content.newest
        if in_file is not self._of_before:
            if not Content.read(connection, in_file.number).has(in_file):
                return False
            self._of_before = in_file
        return True

    def inspect_lately(self, connection: sqlite3.Connection) -> None:
        now = time.monotonic()
        if now >= self._next_inspection:
            self._next_inspection = now + INSPECTED_EVERY
            self.inspect(connection)

    def newest_in(self, connection: sqlite3.Connection) -> NewestRecord | None:
        return newest_in(connection)

    def has_recorded(self, newest: NewestRecord) -> None:
        if newest.number > self._newest.number:
            self._newest = newest
            self._note.write(newest)

    def look(self) -> None:
        with self._looking:
            self._note.reopen()
            self._content_note.reopen()
            self.check()
            self.inspect(self._connection)
            self._note.write(self._newest)

    def close(self) -> None:
        with suppress(DatabaseReplaced, sqlite3.Error):
            self.look()
        self._release()

    def _release(self) -> None:
        with self._looking:
            self._log.close()
            self._note.close()
            self._content_note.close()
            if self._is_overwritten:
                # The last connection would move a log into a file that does not belong to it.
                _KEPT_OPEN.append(self._connection)
            else:
                self._connection.close()

    def _problem(self) -> str | None:
        file = _status_of(self._path)
        if _place_in(file) != self._identity.file:
            return f"{self._path} was removed or replaced: {REPLACED}"
        for each, place in self._beside.items():
            if _place_of(each) != place:
                return f"{each} was removed or replaced: {REPLACED}"
        if file and (self._is_overwritten or self._content.is_another(file)):
            self._is_overwritten = True
            if not self._is_marked:
                self._is_marked = True
                mark_overwritten(self._path)
            return _overwritten(self._path)
        return None


def newest_without_log(path: Path) -> NewestRecord:
    """The newest audit record in a file itself. Raises sqlite3.Error."""
    with closing(_connect_without_log(path)) as connection:
        return newest_of(connection, Content.read(connection, 0).newest)


def _connect_without_log(path: Path) -> sqlite3.Connection:
    """What is in a file itself. Raises sqlite3.Error.

    SQLite reads such a file without its log and without locks. It may not be opened in any other
    way: closing it would release the locks of all connections of this process.
    """
    return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, timeout=0)


class _FileContent:
    """What is in the file itself, without the log, by its newest audit record.

    SQLite only writes to the file what was in its log, so records are only added. Once one is
    gone or another, file and log do not belong together any more, whatever follows. The log is
    never read: a reader may have to wait for other processes, and this runs on the event loop.
    """

    def __init__(self, path: Path, installation: str, note: Callable[[NewestRecord], None]) -> None:
        self._path = path
        self._note = note
        self._installation = installation
        self._changed_at = 0
        self.newest = read_note(path, without_log=True).of(installation)
        self._is_another = False

    def is_another(self, file: os.stat_result) -> bool:
        """Whether it has been overwritten; looks again if the file was changed meanwhile.

        What cannot be read just now is looked at again, unless it is no database at all.
        """
        if file.st_ctime_ns != self._changed_at and not self._is_another:
            try:
                self._look(file)
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0)
                self._is_another = code == sqlite3.SQLITE_NOTADB
        return self._is_another

    def _look(self, file: os.stat_result) -> None:
        """Raises sqlite3.Error."""
        looks = None if file.st_size == 0 else (self._read(), self._read())
        if looks is None:
            self._is_another = True
        elif looks[0] == looks[1]:  # otherwise it was read while it was written
            (found, newest), _ = looks
            self._changed_at = file.st_ctime_ns
            if not (found.installation == self._installation and found.has(self.newest)):
                self._is_another = True
            elif newest.number > self.newest.number:
                self.newest = newest
                self._note(newest)

    def _read(self) -> tuple[Content, NewestRecord]:
        """What it has, and its newest record. Raises sqlite3.Error."""
        with closing(_connect_without_log(self._path)) as connection:
            found = Content.read(connection, self.newest.number)
            return found, newest_of(connection, found.newest)


def place_of(path: Path) -> _Place | None:
    """Device and inode of a file; None if there is none."""
    return _place_of(os.fspath(path))


def _place_of(path: str) -> _Place | None:
    return _place_in(_status_of(path))


def _place_in(found: os.stat_result | None) -> _Place | None:
    return None if found is None else (found.st_dev, found.st_ino)


def _status_of(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  # many times a second
    except OSError:
        return None


def is_marked_overwritten(path: Path) -> bool:
    """Whether a running server has found that its file was overwritten."""
    return place_of(Path(f"{path}{OVERWRITTEN}")) is not None


def is_marked_away(path: Path) -> bool:
    """Whether a running server has found that another file has the name."""
    return place_of(Path(f"{path}{AWAY}")) is not None


def mark_overwritten(path: Path | str) -> None:
    """Let no worker start on the file before a server has accepted what is in it."""
    _mark(f"{path}{OVERWRITTEN}")


def forget_overwriting(path: Path) -> None:
    """Accept what is in the file, as the first start of a server does."""
    for suffix in (OVERWRITTEN, AWAY):
        _unmark(f"{path}{suffix}")


def _mark(path: str) -> None:
    with suppress(OSError):
        Path(path).touch()


def _unmark(path: str) -> None:
    with suppress(OSError):
        Path(path).unlink()


def _check_place(path: Path, identity: DatabaseIdentity) -> None:
    if place_of(path) != identity.file:
        raise DatabaseReplaced(f"{path} was removed or replaced: {REPLACED}")
    if is_marked_overwritten(path):
        raise DatabaseReplaced(_overwritten(path))


def _overwritten(path: Path | str) -> str:
    return f"{path} was overwritten with a copy or another database: {REPLACED}"
