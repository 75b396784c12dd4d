"""The number of the newest audit record of a SQLite file, noted in a file next to it.

A server finds out by it that an older copy has taken the place of its file while no server ran.
"""

import os
from contextlib import suppress
from pathlib import Path

NOTE = ".newest"
"""Suffix of the file."""


def note_newest(database: Path, installation: str, newest: int) -> None:
    """Note the number, unless a higher one of this installation is noted. Never raises."""
    if newest_noted(database, installation) >= newest:
        return
    with suppress(OSError):
        descriptor = os.open(f"{database}{NOTE}", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            # Of one length, in one write: whoever reads it meanwhile reads the one or the other.
            os.pwrite(descriptor, f"{installation} {newest:020}\n".encode(), 0)
        finally:
            os.close(descriptor)


def records_once(database: Path) -> int:
    """The number that is noted, of whichever installation; 0 if there is none."""
    return _noted(database)[1]


def newest_noted(database: Path, installation: str) -> int:
    """The number that is noted for this installation; 0 if there is none."""
    whose, newest = _noted(database)
    return newest if whose == installation else 0


def _noted(database: Path) -> tuple[str, int]:
    """Installation and number; nobody's 0 if there is no note, or another text."""
    try:
        whose, newest = Path(f"{database}{NOTE}").read_text("utf-8").split()
        return whose, int(newest)
    except (OSError, ValueError):
        return "", 0
