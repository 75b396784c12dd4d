"""The file of a recording: a line of JSON each for its beginning, every call, and its end.

It is written by one process, which stops at its bounds, and at a full disk: what is in the file by
then stays whole. It is read without trust: every line is checked, and so is how much there is.
"""

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from worksgate.conformance.recording.calls import BadLine, Call

FORMAT: Final = 1
LINE_LIMIT: Final = 64 * 1024
"""Bytes of a line; a call has some hundred."""
FILE_LIMIT: Final = 1024**3
"""Bytes of a file that is read."""
FREE_SPACE: Final = 256 * 1024**2
"""Bytes that a recording leaves free on its disk, on which the database may be too."""
_END_LIMIT: Final = 512
"""Bytes that are kept for the last line."""


class BadRecording(ValueError):
    """A file that cannot be replayed; a sentence for the administrator."""


class Ending(StrEnum):
    """Why a recording ended."""

    TIME = "time"
    CALLS = "calls"
    SIZE = "size"
    STOPPED = "stopped"
    DISK = "disk"


class Full(Exception):
    """Nothing more is written, for this reason."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(str(ending))
        self.ending = ending


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a recording: seconds, calls, and bytes of the file."""

    seconds: float
    calls: int
    size: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a recording ended: how many calls are in it, and how many there was no room for."""

    ending: Ending
    at: float
    calls: int
    dropped: int


class RecordingWriter:
    """Writes a recording to a new file that only its owner can read."""

    def __init__(self, descriptor: int, path: Path, limits: Limits, began: float) -> None:
        self._descriptor = descriptor
        self._path = path
        self._limits = limits
        self._size = 0
        self.calls = 0
        self.began = began
        self.is_full = False
        self.ended: Ended | None = None
        self.is_closed = False

    @classmethod
    def create(cls, path: Path, limits: Limits, began: float) -> Self:
        """Begin a recording. Raises OSError: also if the file exists, or is a symbolic link."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        writer = cls(descriptor, path, limits, began)
        try:
            os.fchmod(descriptor, 0o600)  # whatever the umask leaves of it
            writer._check_space()
            writer._write({"worksgate_recording": FORMAT, "began": round(began, 3)})
        except BaseException:
            writer.discard()
            raise
        return writer

    def add(self, line: bytes) -> None:
        """Write the line of a call. Raises Full: then the recording has to be ended."""
        full = None
        if self.calls >= self._limits.calls:
            full = Ending.CALLS
        elif self._size + len(line) + _END_LIMIT > self._limits.size:
            full = Ending.SIZE
        else:
            try:
                self._write_all(line)
            except OSError:
                full = Ending.DISK
        if full is not None:
            self.is_full = True
            raise Full(full)
        self.calls += 1

    def check_space(self) -> None:
        """Raises Full if the disk is nearly full."""
        try:
            self._check_space()
        except OSError:
            raise Full(Ending.DISK) from None

    def end(self, ending: Ending, at: float, dropped: int) -> Ended:
        """Write the last line, if there is room for it, and close the file."""
        self.ended = ended = Ended(ending, at, self.calls, dropped)
        try:
            self._write(
                {
                    "ended": round(at, 3),
                    "why": str(ending),
                    "calls": self.calls,
                    "dropped": dropped,
                }
            )
            os.fsync(self._descriptor)
        except OSError:
            pass  # a file without it is read as one that was cut off
        finally:
            self._close()
        return ended

    def discard(self) -> None:
        """Close and remove the file."""
        self._close()
        self._path.unlink(missing_ok=True)

    def _check_space(self) -> None:
        if shutil.disk_usage(self._path.parent).free < FREE_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def _write(self, document: Mapping[str, Any]) -> None:
        self._write_all(json.dumps(document, separators=(",", ":")).encode() + b"\n")

    def _write_all(self, line: bytes) -> None:
        """Write a whole line, or leave nothing of it behind."""
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += len(line)

    def _close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Recording:
    """The calls of a file in the order in which they came.

    ``ended`` is None if the file has no last line: its writer was killed, or found no room.
    """

    began: float
    calls: tuple[Call, ...]
    ended: Ended | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises BadRecording, or OSError."""
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
        if len(data) > FILE_LIMIT:
            raise BadRecording(f"{path}: it has more than {FILE_LIMIT} bytes")
        lines = data.split(b"\n")
        try:
            return cls._of(lines)
        except BadLine as bad:
            raise BadRecording(f"{path}: {bad}") from None

    @classmethod
    def merged(cls, recordings: Sequence["Recording"]) -> "Recording":
        """The recordings of several machines as one, by their clocks."""
        if len(recordings) == 1:
            return recordings[0]
        began = min(each.began for each in recordings)
        calls = [
            replace(call, at=call.at + each.began - began, file=number)
            for number, each in enumerate(recordings, 1)
            for call in each.calls
        ]
        ends = [each.ended for each in recordings if each.ended is not None]
        ended = None
        if len(ends) == len(recordings):
            last = max(ends, key=lambda each: each.at)
            ended = replace(last, calls=len(calls), dropped=sum(each.dropped for each in ends))
        return cls(began, tuple(sorted(calls, key=lambda call: call.at)), ended)

    @classmethod
    def _of(cls, lines: list[bytes]) -> Self:
        began = _beginning(lines[0])
        calls: list[Call] = []
        ended = None
        # What follows the last line break is nothing, or a line that was cut off.
        for number, line in enumerate(lines[1:-1], 2):
            if ended is not None:
                raise BadLine(f"line {number} follows the end of the recording")
            document = _document(line, number)
            if "ended" in document:
                ended = _ending(document, number)
                continue
            try:
                calls.append(Call.of(document, number))
            except BadLine as bad:
                raise BadLine(f"line {number}: {bad}") from None
        calls.sort(key=lambda call: call.at)
        return cls(began, tuple(calls), ended)


def _beginning(line: bytes) -> float:
    document = _document(line, 1)
    found, began = document.get("worksgate_recording"), document.get("began")
    if found is None:
        raise BadLine("it is no recording")
    if found != FORMAT:
        raise BadLine("it was written by another version, in a format that is not known here")
    if not isinstance(began, int | float):
        raise BadLine("line 1: began is no time")
    return float(began)


def _ending(document: Mapping[str, Any], number: int) -> Ended:
    try:
        return Ended(
            Ending(document["why"]),
            float(document["ended"]),
            int(document["calls"]),
            int(document["dropped"]),
        )
    except (KeyError, TypeError, ValueError):
        raise BadLine(f"line {number} is no end of a recording") from None


def _document(line: bytes, number: int) -> Mapping[str, Any]:
    if len(line) > LINE_LIMIT:
        raise BadLine(f"line {number} is too long")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BadLine("it is no recording" if number == 1 else f"line {number} is no JSON object")
    return document
