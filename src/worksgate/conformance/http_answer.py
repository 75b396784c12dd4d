"""One answer of HTTP/1, read from bytes of which more may come.

The check and a replay speak byte by byte with servers of strangers, and an HTTP library shows
neither how an answer was framed nor what comes after it. Nothing here waits: what is not whole yet
is None, and what can never become an answer raises NoHttpError.
"""

import re
from dataclasses import dataclass, field
from typing import Final

_STATUS: Final = re.compile(rb"HTTP/(1\.[01]) (\d{3})(?: [^\r\n]*)?\r?\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,12}")
_CHUNK: Final = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,12})[ \t]*")
"""A size has no sign: with a negative one a server would be read in a circle."""
_LONGEST_SIZE_LINE: Final = 1_024
_SWITCHING: Final = 101
_WITHOUT_BODY: Final = frozenset({_SWITCHING, 204, 304})

Pairs = tuple[tuple[bytes, bytes], ...]


class NoHttpError(ValueError):
    """Whatever comes next, this is no answer."""


@dataclass(frozen=True, slots=True)
class Head:
    """A status line and its headers, names in lower case; `size` is how many bytes they take."""

    version: bytes
    status: int
    headers: Pairs = field(repr=False)
    size: int

    @property
    def is_interim(self) -> bool:
        """Whether the answer itself is still to come, as after 100 Continue."""
        return 100 <= self.status < 200 and self.status != _SWITCHING

    def header(self, name: bytes) -> bytes:
        """Return the last header of that name, or nothing."""
        return dict(self.headers).get(name, b"")


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A whole answer. `size` is how many bytes it takes, with those of interim ones before it.

    `is_delimited` is whether it says itself where it ends; otherwise the connection did.
    """

    head: Head
    body: bytes = field(repr=False)
    size: int
    is_delimited: bool


def read_head(received: bytes, start: int = 0) -> Head | None:
    """Return the next head, or None if it is not whole. Raises NoHttpError."""
    end = received.find(b"\r\n\r\n", start)
    if end < 0:
        return None
    status = _STATUS.match(received, start)
    if status is None:
        raise NoHttpError("no status line")
    lines = received[status.end() : end].split(b"\r\n") if status.end() < end else []
    parts = (line.partition(b":") for line in lines)
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in parts)
    return Head(status[1], int(status[2]), headers, end + 4 - start)


def read_answer(received: bytes, *, is_closed: bool, has_body: bool = True) -> RawAnswer | None:
    """Return the first final answer, or None if it is not whole. Raises NoHttpError.

    `has_body` is False for the answer to HEAD.
    """
    start = 0
    while (head := read_head(received, start)) is not None:
        start += head.size
        if head.is_interim:
            continue
        if not has_body or head.status in _WITHOUT_BODY:
            return RawAnswer(head, b"", start, is_delimited=True)
        return _with_body(head, received, start, is_closed=is_closed)
    return None


def _with_body(head: Head, received: bytes, start: int, *, is_closed: bool) -> RawAnswer | None:
    if b"chunked" in head.header(b"transfer-encoding").lower():
        found = _chunks(received, start)
        return None if found is None else RawAnswer(head, *found, is_delimited=True)
    length = head.header(b"content-length")
    if _LENGTH.fullmatch(length):
        end = start + int(length)
        is_whole = len(received) >= end
        return RawAnswer(head, received[start:end], end, is_delimited=True) if is_whole else None
    if not is_closed:
        return None
    return RawAnswer(head, received[start:], len(received), is_delimited=False)


def _chunks(received: bytes, at: int) -> tuple[bytes, int] | None:
    """Return the body and where it ends, with its trailers."""
    body = bytearray()
    while (line := received.find(b"\r\n", at)) >= 0:
        found = _CHUNK.fullmatch(received[at:line].partition(b";")[0])
        if found is None:
            raise NoHttpError("a chunk of no size")
        size, at = int(found[1], 16), line + 2
        if size == 0:
            end = _after_trailers(received, at)
            return None if end is None else (bytes(body), end)
        body += received[at : at + size]
        at += size + 2
    if len(received) - at > _LONGEST_SIZE_LINE:
        raise NoHttpError("a chunk of no size")
    return None


def _after_trailers(received: bytes, at: int) -> int | None:
    while (line := received.find(b"\r\n", at)) > at:
        at = line + 2
    return None if line < 0 else line + 2
