"""Sends a request byte by byte, as it was framed when it was recorded.

An HTTP library repairs what it sends; a replay must not. So this writes HTTP/1 itself, and reads
the answers with `http_answer`.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from worksgate.conformance.http_answer import NoHttpError, RawAnswer, read_answer, read_head

ANSWER_LIMIT: Final = 1024 * 1024
CONNECT_TIMEOUT: Final = 5.0
ANSWER_TIMEOUT: Final = 10.0
"""Seconds: longer than the 3 of LINE WORKS, so that a late answer can be told from none."""
_CONTINUE_TIMEOUT: Final = 1.0
_IDLE_CONNECTIONS: Final = 50
_READ_SIZE: Final = 65_536

Headers = Sequence[tuple[str, str]]


class NoAnswer(Exception):
    """The target did not answer a request; says why in a word or two."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request for the target; ``path`` has its query. ``framing`` is as in ``calls``."""

    method: str
    path: str = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    framing: str = "none"
    http: str = "1.1"

    @property
    def expects_continue(self) -> bool:
        return any(name.lower() == "expect" for name, _ in self.headers)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer; header names are lower case. ``seconds`` is from the first byte to the last."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes = field(repr=False)
    seconds: float

    def header(self, name: bytes) -> str | None:
        found = (value for known, value in self.headers if known == name)
        value = next(found, None)
        return None if value is None else value.decode("utf-8", "replace")


class Wire:
    """Connections to one origin, kept alive between requests."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the URL must be http://… or https://…")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._netloc = parts.netloc
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._context = None
        if parts.scheme == "https":
            self._context = context or ssl.create_default_context()
        self._idle: list[_Connection] = []

    async def send(self, request: Request) -> Reply:
        """Send a request and read its answer. Raises NoAnswer."""
        try:
            while self._idle:
                try:
                    return await self._exchange(self._idle.pop(), request)
                except _StaleError:
                    continue  # the server had closed it; nothing was processed
            return await self._exchange(await self._connect(), request)
        except TimeoutError:
            raise NoAnswer("timeout") from None
        except (OSError, asyncio.IncompleteReadError, _StaleError) as error:
            is_ours = isinstance(error, _StaleError | asyncio.IncompleteReadError)
            raise NoAnswer("hung up" if is_ours else type(error).__name__) from None
        except NoHttpError:
            raise NoAnswer("no HTTP") from None

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()

    async def _connect(self) -> "_Connection":
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, writer = await asyncio.open_connection(
                self._host, self._port, ssl=self._context
            )
        return _Connection(reader, writer)

    async def _exchange(self, connection: "_Connection", request: Request) -> Reply:
        is_kept = False
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                reply, is_kept = await connection.exchange(request, self._netloc)
            return reply
        finally:
            if is_kept and len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
            else:
                connection.close()


class _StaleError(Exception):
    """A connection was closed before the first byte of the answer."""


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._received = bytearray()
        self._is_closed = False

    def close(self) -> None:
        self._writer.close()

    async def exchange(self, request: Request, host: str) -> tuple[Reply, bool]:
        """The answer, and whether the connection can be used again."""
        began = time.perf_counter()
        head, body = _written(request, host)
        if request.expects_continue and body:
            self._writer.write(head)
            if await self._may_go_on():
                self._writer.write(body)
        else:
            self._writer.write(head + body)
        answer = await self._answer(has_body=request.method != "HEAD")
        found = answer.head
        is_kept = answer.is_delimited and found.version == b"1.1" and not self._received
        is_kept = is_kept and found.header(b"connection").lower() != b"close"
        is_kept = is_kept and request.http == "1.1" and not _says_close(request)
        seconds = time.perf_counter() - began
        return Reply(found.status, found.headers, answer.body, seconds), is_kept

    async def _may_go_on(self) -> bool:
        """Whether the body is wanted: the server says so, or says nothing for a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONTINUE_TIMEOUT):
                while (head := read_head(bytes(self._received))) is None:
                    await self._read()
                return head.is_interim
        return True

    async def _answer(self, *, has_body: bool) -> RawAnswer:
        while True:
            received = bytes(self._received)
            found = read_answer(received, is_closed=self._is_closed, has_body=has_body)
            if found is not None:
                del self._received[: found.size]
                return found
            await self._read()

    async def _read(self) -> None:
        """Wait for more. Raises _StaleError, IncompleteReadError or NoHttpError if none is due."""
        if self._is_closed:
            partial = bytes(self._received)
            raise asyncio.IncompleteReadError(partial, None) if partial else _StaleError
        if len(self._received) > ANSWER_LIMIT:
            raise NoHttpError("too long")
        try:
            data = await self._reader.read(_READ_SIZE)
        except ConnectionError:
            data = b""
        self._received += data
        self._is_closed = not data


def _says_close(request: Request) -> bool:
    return any(
        name.lower() == "connection" and value != "keep-alive" for name, value in request.headers
    )


def _written(request: Request, host: str) -> tuple[bytes, bytes]:
    """The head and the body, as they go over the wire."""
    lines = [f"{request.method} {request.path} HTTP/{request.http}", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    body = request.body
    if request.framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    elif request.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    else:
        body = b""
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"), body
