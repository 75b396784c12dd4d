"""The undo file of a run: what each member had before, written before the first call.

JSON lines: a header, a line for each member with their ID, ``before`` and ``after``, and a last
line with the number of members, so that a file that was cut is not taken for a whole one. It has
external keys and accounts in it, no secrets, and is readable by its owner only.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from worksgate.administration.errors import Refused
from worksgate.administration.external_keys.plan import KeyChange
from worksgate.database.temporary_files import remove_abandoned, written_beside
from worksgate.oauth.user_info import MAX_EXTERNAL_KEY

KIND: Final = "worksgate external keys"
VERSION: Final = 1
MOST_ROWS: Final = 500_000
_LONGEST_LINE: Final = 4_096
"""Characters."""


@dataclass(frozen=True, slots=True)
class UndoFile:
    """What is in one; ``at`` is in seconds since the epoch, ``is_of_undo`` if an undo wrote it."""

    client_id: str
    at: float
    changes: Sequence[KeyChange]
    is_of_undo: bool = False


def write_undo(file: Path, undo: UndoFile) -> None:
    """Write the whole file or nothing, durably, for its owner only.

    Raises Refused if there is such a file, or OSError.
    """
    if file.exists():
        raise Refused(f"{file} exists, and undo files are never replaced")
    header = {
        "kind": KIND,
        "version": VERSION,
        "client_id": undo.client_id,
        "at": undo.at,
        "is_of_undo": undo.is_of_undo,
    }
    write_whole(file, _lines(header, undo.changes))


def read_undo(file: Path) -> UndoFile:
    """Read one. Raises Refused for whatever is no whole undo file of one's own, or OSError."""
    with open_own(file) as stream:
        try:
            return _read(file, _documents(stream))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            problem = str(error) if isinstance(error, Refused) else "it is not one, or is damaged"
            raise Refused(f"{file} cannot be used as an undo file: {problem}") from None


def open_own(file: Path) -> TextIO:
    """Open a file that says what to write at LINE WORKS: nobody else may have written it.

    A planted one would give the account of anybody there to whoever planted it. Raises Refused for
    a file of another user, one that others can write, or what is no file; or OSError.
    """
    # Without O_NONBLOCK a named pipe would keep the command waiting.
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_own(file, os.fstat(descriptor))
        return os.fdopen(descriptor, encoding="utf-8", errors="strict")
    except BaseException:
        os.close(descriptor)
        raise


def _check_own(file: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"{file} is no file")
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
        raise Refused(
            f"{file} is of another user, or can be written by others, who could have planted it: "
            "it is not used"
        )


def write_whole(file: Path, lines: Iterable[str]) -> None:
    """Write a file beside the place and rename it, so that it is there whole or not at all."""
    remove_abandoned(file.parent)
    with written_beside(file) as beside:
        with beside.open("w", encoding="utf-8") as out:
            out.writelines(lines)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(header: Mapping[str, object], changes: Sequence[KeyChange]) -> Iterator[str]:
    yield f"{json.dumps(header)}\n"
    for each in changes:
        row = {
            "id": each.id,
            "account": each.account,
            "before": each.before,
            "after": each.after,
        }
        yield f"{json.dumps(row, ensure_ascii=False)}\n"
    yield f"{json.dumps({'members': len(changes)})}\n"


def _documents(stream: Any) -> Iterator[dict[str, Any]]:
    for number in range(MOST_ROWS + 2):
        line = stream.readline(_LONGEST_LINE)
        if not line:
            return
        if not line.endswith("\n"):
            raise Refused(f"line {number + 1} is cut")
        document = json.loads(line)
        if not isinstance(document, dict):
            raise Refused(f"line {number + 1} is not an object")
        yield document
    raise Refused(f"it has more than {MOST_ROWS} members")


def _read(file: Path, documents: Iterator[dict[str, Any]]) -> UndoFile:
    header = next(documents, {})
    if (header.get("kind"), header.get("version")) != (KIND, VERSION):
        raise Refused("it is not one, or is of another version")
    changes: dict[str, KeyChange] = {}
    for document in documents:
        if document.keys() == {"members"}:
            if document["members"] != len(changes) or next(documents, None) is not None:
                raise Refused("it is not whole")
            return UndoFile(
                str(header["client_id"]),
                float(header["at"]),
                [*changes.values()],
                is_of_undo=header.get("is_of_undo") is True,
            )
        change = _change(document)
        if change.id in changes:
            raise Refused(f"{change.account} is in it twice")
        changes[change.id] = change
    raise Refused("its end is missing")


def _change(document: Mapping[str, Any]) -> KeyChange:
    id_, account = document["id"], document["account"]
    keys = (document["before"], document["after"])
    if not (isinstance(id_, str) and id_ and isinstance(account, str)):
        raise Refused("a line names no member")
    for key in keys:
        if key is not None and not (isinstance(key, str) and 0 < len(key) <= MAX_EXTERNAL_KEY):
            raise Refused("a key in it is no external key")
    return KeyChange(id_, account, *keys)
