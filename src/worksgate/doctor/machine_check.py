"""Whether the machine has what the database needs: permissions, space, and a correct clock."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from worksgate.doctor import Finding, fail, ok, warn
from worksgate.doctor.sentences import said
from worksgate.moments import utc

DISK, CLOCK = said("disk"), said("clock")

LEAST_SPACE = 100 * 1024**2
COMFORTABLE_SPACE = 1024**3
"""Bytes."""
MOST_SKEW = 5.0
"""Tolerated difference, in seconds, between the clocks of the file system and of the machine."""


def examine_machine(database: Path) -> Iterator[Finding]:
    """The folder of the database, existing or not. The database itself is not opened."""
    folder = database.parent
    yield from _examine_rights(database)
    yield _examine_space(folder)
    yield from _examine_clock(database)


def _examine_rights(database: Path) -> Iterator[Finding]:
    folder = database.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        yield fail(
            DISK,
            said(
                "this user may not write to %(folder)s, where the database creates files next to "
                "its own",
                folder=folder,
            ),
            said("run this as the user of the server, or give that user the folder"),
        )
    if database.exists() and database.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield warn(
            DISK,
            said(
                "other users of this machine can read or write %(file)s, which contains keys",
                file=database,
            ),
            said("chmod 600 %(file)s", file=database),
        )


def _examine_space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = said("%(free)s GiB are free in %(folder)s", free=f"{free / 1024**3:.1f}", folder=folder)
    if free < LEAST_SPACE:
        advice = said("free some space now: with a full disk nobody can sign in")
        return fail(DISK, text, advice)
    if free < COMFORTABLE_SPACE:
        advice = said("free some space, or keep audit records for a shorter time")
        return warn(DISK, text, advice)
    return ok(DISK, text)


def _examine_clock(database: Path) -> Iterator[Finding]:
    """Two clocks that need no network: the file system's, and the time of the last write."""
    skew = _skew_of_files(database.parent)
    ahead = database.stat().st_mtime - time.time() if database.exists() else 0.0
    if skew is not None and abs(skew) > MOST_SKEW:
        yield warn(
            CLOCK,
            said(
                "the clock of the disk and that of this machine are %(seconds)s seconds apart",
                seconds=f"{abs(skew):.0f}",
            ),
            said("synchronize both with NTP: codes and sessions expire by these clocks"),
        )
    elif ahead > MOST_SKEW:
        yield fail(
            CLOCK,
            said(
                "the database was written to %(seconds)s seconds in the future: the clock went "
                "back",
                seconds=f"{ahead:.0f}",
            ),
            said("synchronize the clock with NTP: codes and sessions expire by it"),
        )
    else:
        yield ok(CLOCK, said("it is %(time)s", time=utc(time.time())))


def _skew_of_files(folder: Path) -> float | None:
    """Seconds between the time of a new file and our own; None if no file can be created."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".worksgate-doctor-") as file:
            return os.fstat(file.fileno()).st_mtime - time.time()
    except OSError:
        return None
