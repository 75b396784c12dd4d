"""HTTP/1.1 by hand: the bytes of an entry are sent unchanged, and the response is not repaired."""

import json
import re
import select
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

TIMEOUT = 40.0
"""Seconds for one answer; an entry's own limit is checked afterwards."""
HANGS_UP = 10.0
"""Seconds in which a connection that is to be closed must be closed; an idle one stays longer."""

LATE = 0.4
"""Seconds after which an answer tells more of the machine than of the server."""

Headers = Sequence[tuple[str, str]]


class NoAnswerError(Exception):
    """The server hung up before a whole answer had come."""


@dataclass(frozen=True)
class Answer:
    """An answer byte for byte; ``seconds`` from the first byte sent to the last one received."""

    status: int
    headers: Headers
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def location(self) -> str | None:
        return self.header("location")

    def header(self, name: str) -> str | None:
        """The value of a header, which must not be there twice."""
        values = [value for key, value in self.headers if key.lower() == name]
        assert len(values) < 2, f"{name} twice: {values}"
        return values[0] if values else None

    @property
    def is_late(self) -> bool:
        """Whether the server had no time: it took long, or had met its own deadline."""
        return self.seconds > LATE or self.status == 503

    def json(self) -> Any:
        assert self.header("content-type") == "application/json; charset=utf-8", self.headers
        return json.loads(self.body)

    def cookies(self) -> dict[str, str]:
        """The cookies that this answer sets; a deleted one is empty."""
        pairs = [value.split(";")[0] for key, value in self.headers if key.lower() == "set-cookie"]
        return {
            name: value.strip('"') for name, _, value in (pair.partition("=") for pair in pairs)
        }


def request(
    method: str,
    target: bytes,
    headers: Mapping[str, str | list[str] | None],
    body: bytes = b"",
    *,
    host: str,
) -> bytes:
    """The bytes of a request: Host and Content-Length are added where the headers have none.

    A header that is None is left out, one with a list is sent once for each.
    """
    has_body = bool(body) or method not in ("GET", "HEAD", "TRACE", "OPTIONS")
    defaults: dict[str, str] = {"Host": host}
    if has_body and not any(name.lower() == "transfer-encoding" for name in headers):
        defaults["Content-Length"] = str(len(body))
    given = {name.lower() for name in headers}
    lines = [f"{name}: {value}" for name, value in defaults.items() if name.lower() not in given]
    for name, value in headers.items():
        values = [value] if isinstance(value, str) else value or []
        lines += [f"{name}: {each}" for each in values]
    head = "".join(f"{line}\r\n" for line in lines).encode()
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + head + b"\r\n" + body


class Connection:
    """One connection, kept alive as long as the server does. ``source`` is our own address."""

    late_answers: ClassVar[int] = 0
    """On all connections."""

    def __init__(self, port: int, *, source: str | None = None) -> None:
        address = (source, 0) if source else None
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT, address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def begin(self, part: bytes) -> None:
        """Send the beginning of a request."""
        self._socket.sendall(part)

    def exchange(self, message: bytes) -> Answer:
        """Send a request and receive its answer, both at once: a server may answer early.

        Raises NoAnswerError.
        """
        began = time.perf_counter()
        unsent, received, ended = memoryview(message), bytearray(), False
        has_body = not message.startswith(b"HEAD ")
        while True:
            answer = _parse(bytes(received), has_body=has_body, ended=ended, began=began)
            if answer is not None:
                Connection.late_answers += answer.is_late
                return answer
            if ended:
                raise NoAnswerError(f"after {len(received)} bytes: {bytes(received[:200])!r}")
            readable, writable, _ = select.select(
                [self._socket], [self._socket] if unsent else [], [], TIMEOUT
            )
            if not readable and not writable:
                raise TimeoutError("no answer")
            if writable:
                unsent = self._send(unsent)
            if readable:
                part = self._receive()
                received += part
                ended = not part

    def is_closed(self) -> bool:
        """Whether the server hangs up, now or in a moment."""
        readable, _, _ = select.select([self._socket], [], [], HANGS_UP)
        return bool(readable) and not self._receive()

    def _send(self, unsent: memoryview) -> memoryview:
        try:
            return unsent[self._socket.send(unsent[:65_536]) :]
        except (BrokenPipeError, ConnectionResetError):
            return unsent[:0]  # the answer may have come before the server hung up

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65_536)
        except ConnectionResetError:
            return b""


def _parse(data: bytes, *, has_body: bool, ended: bool, began: float) -> Answer | None:
    """The answer in what has come so far, or None while it is not whole."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    found = re.fullmatch(r"HTTP/1\.1 (\d{3}) ?.*", first)
    assert found, f"{first!r} is no status line"
    headers = [(name, value.strip()) for name, _, value in (each.partition(":") for each in lines)]
    size = _size(headers, has_body=has_body)
    if size is None:
        body = _chunks(rest, headers) if not ended else rest
        if body is None:
            return None
    else:
        body = rest
        assert len(body) <= size, f"{body[size:]!r} belongs to no answer"
        if len(body) < size:
            return None
    return Answer(int(found[1]), headers, body, time.perf_counter() - began)


def _size(headers: Headers, *, has_body: bool) -> int | None:
    if not has_body:
        return 0
    sizes = [value for name, value in headers if name.lower() == "content-length"]
    assert len(sizes) < 2, headers
    return int(sizes[0]) if sizes else None


def _chunks(data: bytes, headers: Headers) -> bytes | None:
    """A chunked body once it is whole; one that ends with the connection never is before."""
    if ("transfer-encoding", "chunked") not in [(name.lower(), value) for name, value in headers]:
        return None
    body = b""
    while True:
        line, separator, data = data.partition(b"\r\n")
        if not separator:
            return None
        size = int(line, 16)
        if len(data) < size + 2:
            return None
        body, data = body + data[:size], data[size + 2 :]
        if not size:
            return body
