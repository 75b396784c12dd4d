"""Files that are written next to their target, and the removal of leftovers of a kill.

Such a file has the same secrets as the finished one: password hashes, or first passwords. An
orderly end removes it; ``kill -9`` cannot. So each is locked by its writer (``flock``, which ends
with the process), and ``remove_abandoned`` removes unlocked ones. Their names are unmistakable,
``.NAME.worksgate-XXXXXXXX``: nothing else is ever removed.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

_OURS = re.compile(r"\..+\.worksgate-[0-9a-f]{8}")
_OF_A_DATABASE = ("-wal", "-shm", "-journal")
"""Suffixes of the files that SQLite keeps next to a database."""


@contextmanager
def written_beside(file: Path) -> Iterator[Path]:
    """An empty file next to another, readable by its owner only, until the end of the block.

    If it is renamed meanwhile it is kept. Raises OSError, which names the folder.
    """
    path = file.with_name(f".{file.name}.worksgate-{token_hex(4)}")
    descriptor = _created(path)
    try:
        yield path
    finally:
        _remove(path)
        os.close(descriptor)


def remove_abandoned(folder: Path, *former: str) -> int:
    """Remove leftovers of killed programs in a folder; return how many.

    ``former`` are names of files next to which earlier releases wrote ``.NAME.XXXXXXXX``. Files
    that cannot be removed are left.
    """
    earlier = [re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}") for name in former]
    removed = 0
    with suppress(OSError), _alone_in(folder):
        for path in list(folder.iterdir()):
            if any(each.fullmatch(path.name) for each in (_OURS, *earlier)):
                removed += _remove_if_abandoned(path)
    return removed


def _created(path: Path) -> int:
    """Create a file and lock it, before anybody could take it for an abandoned one."""
    try:
        with _alone_in(path.parent):
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        error.filename = str(path.parent)  # the random name means nothing to anybody
        raise
    except BaseException:  # a signal that ends the program
        path.unlink(missing_ok=True)
        raise
    return descriptor


def _remove_if_abandoned(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    except OSError:  # somebody is writing it
        return 0
    finally:
        os.close(descriptor)
    return 1


def _remove(path: Path) -> None:
    for end in ("", *_OF_A_DATABASE):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one program at a time create or remove such files in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
