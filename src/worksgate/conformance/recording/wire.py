"""Sends a request byte by byte, as it was framed when it was recorded.

An HTTP library repairs what it sends; a replay must not. So this writes HTTP/1 itself, and reads
the answers of servers: their length, chunks, or the end of the connection.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

ANSWER_LIMIT: Final = 1024 * 1024
CONNECT_TIMEOUT: Final = 5.0
ANSWER_TIMEOUT: Final = 10.0
"""Seconds: longer than the 3 of LINE WORKS, so that a late answer can be told from none."""
_CONTINUE_TIMEOUT: Final = 1.0
_IDLE_CONNECTIONS: Final = 50

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
        except (ValueError, asyncio.LimitOverrunError):
            raise NoAnswer("no HTTP") from None

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()

    async def _connect(self) -> "_Connection":
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, writer = await asyncio.open_connection(
                self._host, self._port, ssl=self._context, limit=ANSWER_LIMIT
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

    def close(self) -> None:
        self._writer.close()

    async def exchange(self, request: Request, host: str) -> tuple[Reply, bool]:
        """The answer, and whether the connection can be used again."""
        began = time.perf_counter()
        head, body = _written(request, host)
        line = None
        if request.expects_continue and body:
            self._writer.write(head)
            line = await self._first_answer()
            if line is None or line[1] == 100:
                self._writer.write(body)
                line = None
        else:
            self._writer.write(head + body)
        if line is None:
            line = await self._status_line()
        version, status, headers = line
        by_name = dict(headers)
        content, is_delimited = await self._body(request.method, status, by_name)
        said = by_name.get(b"connection", b"").lower()
        is_kept = is_delimited and version == b"HTTP/1.1" and said != b"close"
        is_kept = is_kept and request.http == "1.1" and not _says_close(request)
        return Reply(status, headers, content, time.perf_counter() - began), is_kept

    async def _first_answer(self) -> "_Line | None":
        """What is answered to a head alone; None if nothing is, for a moment."""
        try:
            async with asyncio.timeout(_CONTINUE_TIMEOUT):
                return await self._line()
        except TimeoutError:
            return None

    async def _status_line(self) -> "_Line":
        """The head of the final answer."""
        while (line := await self._line())[1] < 200:
            pass
        return line

    async def _line(self) -> "_Line":
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            partial = getattr(error, "partial", b"")
            if partial:
                raise
            raise _StaleError from None
        first, *rest = head[:-4].split(b"\r\n")
        version, _, status = first.partition(b" ")
        pairs = (line.partition(b":") for line in rest)
        headers = [(name.lower(), value.strip()) for name, _, value in pairs]
        return version, int(status[:3]), headers

    async def _body(
        self, method: str, status: int, headers: dict[bytes, bytes]
    ) -> tuple[bytes, bool]:
        if method == "HEAD" or status in (204, 304):
            return b"", True
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            return await self._chunks(), True
        if b"content-length" in headers:
            length = int(headers[b"content-length"])
            if not 0 <= length <= ANSWER_LIMIT:
                raise ValueError("too long")
            return await self._reader.readexactly(length), True
        return await self._reader.read(ANSWER_LIMIT), False

    async def _chunks(self) -> bytes:
        content = bytearray()
        while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            if size < 0 or len(content) + size > ANSWER_LIMIT:
                raise ValueError("too long")
            content += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return bytes(content)


_Line = tuple[bytes, int, list[tuple[bytes, bytes]]]
"""The HTTP version, the status, and the headers of an answer."""


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
