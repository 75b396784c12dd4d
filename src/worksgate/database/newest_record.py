"""The newest audit record of a SQLite file, noted in a file next to it after each commit.

The processes of a server share it: one that was idle knows what the others have recorded, and
notices that a copy from before has taken the place of the file. So does the next start, if no
server ran meanwhile. The number says how new a file is. The time says whose record it is: a copy
on which something else went on has another record under the same number.

A second line is about the file without its log. An older file to which a newer log is applied has
the newest records, but pages of two times.
"""

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

NOTE = ".newest"
"""Suffix of the file."""

_LENGTH = 88
"""Bytes of a line."""

_MADE_AT = "SELECT at FROM audit WHERE id = ?"
_NEWEST = """
    SELECT seq, (SELECT at FROM audit WHERE id = seq) FROM sqlite_sequence WHERE name = 'audit'
"""
CONTENT = f"""
    SELECT id, (SELECT max(seq) FROM sqlite_sequence WHERE name = 'audit'), ({_MADE_AT})
    FROM installation
"""  # noqa: S608  # our own text
"""The ID of the installation, the number of the newest audit record, and when one was made."""


class NewestRecord(NamedTuple):
    """Its number, and when it was made, in seconds since the epoch, if that is known."""

    number: int = 0
    at: float | None = None


NOBODYS = NewestRecord()


class Content(NamedTuple):
    """What a database says of itself."""

    installation: str | None
    newest: int
    at: float | None
    """When the record was made that was asked for; None if it is not there, or not any more."""

    @classmethod
    def read(cls, connection: sqlite3.Connection, asked: int) -> "Content":
        """As of one moment. Raises sqlite3.Error."""
        # To the last row: an unfinished statement keeps the log from being emptied.
        rows = connection.execute(CONTENT, (asked,)).fetchall()
        installation, newest, at = rows[0] if rows else (None, 0, None)
        return cls(installation, newest or 0, at)

    def has(self, record: NewestRecord) -> bool:
        """Whether the record that was asked for is in it, or was, and no other has its number.

        Records that are old are removed, but numbers are never reused.
        """
        return self.newest >= record.number and (
            self.at is None or record.at is None or self.at == record.at
        )


def newest_in(connection: sqlite3.Connection) -> NewestRecord:
    """The newest record that a connection reads, or has written. Raises sqlite3.Error."""
    rows = connection.execute(_NEWEST).fetchall()
    return NewestRecord(*rows[0]) if rows else NOBODYS


def newest_of(connection: sqlite3.Connection, number: int) -> NewestRecord:
    """A record with its time. Raises sqlite3.Error."""
    rows = connection.execute(_MADE_AT, (number,)).fetchall()
    return NewestRecord(number, rows[0][0] if rows else None)


def newer(one: NewestRecord, other: NewestRecord) -> NewestRecord:
    """The one with the higher number, or the first."""
    return other if other.number > one.number else one


class NewestNote:
    """A note about a database, kept open: it is read before each transaction.

    It is about what its processes read, or about the file itself, without its log. Reading and
    writing never raise; without a note nothing is noticed by it.
    """

    def __init__(self, database: Path, installation: str, *, without_log: bool = False) -> None:
        self._path = f"{database}{NOTE}"
        self._start = _LENGTH * without_log
        self._installation = installation
        self._descriptor: int | None = None
        self._last = (b"", NOBODYS)
        # A descriptor that is closed meanwhile may be another file by the time it is written to.
        self._lock = threading.Lock()

    def read(self) -> NewestRecord:
        """The record that is noted for this installation; number 0 if there is none."""
        with self._lock:
            return self._read()

    def write(self, newest: NewestRecord) -> None:
        """Note a record, unless this or a newer one is noted."""
        with self._lock, suppress(OSError):
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            if newest.number > self._read().number:
                # Of one length, in one write: whoever reads half of it finds no note.
                line = _line_of(self._installation, newest)
                os.pwrite(self._descriptor, line, self._start)
                self._last = line, newest

    def reopen(self) -> None:
        """Look for another file under the name; the next to write makes one if there is none."""
        self.close()
        with self._lock, suppress(OSError):
            self._descriptor = os.open(self._path, os.O_RDWR)

    def close(self) -> None:
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _read(self) -> NewestRecord:
        if self._descriptor is None:
            return NOBODYS
        try:
            line = os.pread(self._descriptor, _LENGTH, self._start)
        except OSError:
            return NOBODYS
        if line != self._last[0]:
            self._last = line, _parsed(line).of(self._installation)
        return self._last[1]


def note_newest(
    database: Path, installation: str, newest: NewestRecord, *, without_log: bool = False
) -> None:
    """Note a record, unless this or a newer one of this installation is noted. Never raises."""
    note = NewestNote(database, installation, without_log=without_log)
    note.write(newest)
    note.close()


class Noted(NamedTuple):
    """A record, and of which installation it is."""

    installation: str = ""
    newest: NewestRecord = NOBODYS

    def of(self, installation: str) -> NewestRecord:
        """The record; number 0 if it is of another installation."""
        return self.newest if self.installation == installation else NOBODYS


def read_note(database: Path, *, without_log: bool = False) -> Noted:
    """What is noted, of whichever installation; number 0 if there is no note."""
    try:
        lines = Path(f"{database}{NOTE}").read_bytes()
    except OSError:
        return Noted()
    start = _LENGTH * without_log
    return _parsed(lines[start : start + _LENGTH])


def _line_of(installation: str, newest: NewestRecord) -> bytes:
    text = f"{installation:>32} {newest.number:020} {newest.at!r:>24}"
    return f"{text} {crc32(text.encode()):08x}\n".encode()


def _parsed(line: bytes) -> Noted:
    """Nobody's if this is no note."""
    try:
        text, _, check = line.decode().rstrip("\n").rpartition(" ")
        if int(check, 16) != crc32(text.encode()):
            return Noted()
        whose, number, at = text.split()
        return Noted(whose, NewestRecord(int(number), None if at == "None" else float(at)))
    except ValueError:
        return Noted()
