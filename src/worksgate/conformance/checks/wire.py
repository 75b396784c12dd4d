"""Requests byte by byte, with pauses, as no HTTP library sends them.

What LINE WORKS' HTTP client is, is not published. Common clients split a request in ways that hand-
made servers do not expect; here each way is written out.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from worksgate.conformance.checks.target import Target
from worksgate.conformance.exchange import (
    FORM,
    Answer,
    Exchange,
    Failure,
    Headers,
    Request,
    Timings,
    json_object,
)
from worksgate.conformance.http_answer import NoHttpError, RawAnswer, read_answer
from worksgate.conformance.line_works import ANSWER_SIZE_LIMIT

PAUSE: Final = 0.3
"""Seconds between two parts of a request: longer than a server collects bytes in one read."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for a while. With `until_bytes`, only until the server says something."""

    seconds: float = PAUSE
    until_bytes: bool = False


Part = bytes | Pause


@dataclass(frozen=True, slots=True)
class Conversation:
    """A raw exchange, what came after its answer, and whether the server closed the connection."""

    exchange: Exchange
    rest: bytes
    is_closed: bool

    def following(self) -> Exchange | None:
        """Return the answer that the rest begins with, or None without a whole one."""
        try:
            found = read_answer(self.rest, is_closed=self.is_closed)
        except NoHttpError:
            return None
        return (
            None
            if found is None
            else replace(self.exchange, answer=_answer_of(found), failure=None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How one form is put on the wire; `head` are headers beside Host and Content-Type.

    `accept` is the value of Accept, if there is one. `has_small_names` is whether the names of all
    headers are in lower case.
    """

    form: bytes
    content_type: str = FORM
    accept: str | None = "application/json"
    version: str = "HTTP/1.1"
    head: Headers = ()
    chunks: Sequence[Part] | None = None
    parts: Sequence[Part] | None = None
    has_small_names: bool = False

    def pieces(self, url: str) -> list[Part]:
        """Return the request in the order in which it is sent."""
        is_chunked = self.chunks is not None
        length = (
            ("Transfer-Encoding", "chunked")
            if is_chunked
            else ("Content-Length", str(len(self.form)))
        )
        headers = (
            ("Host", urlsplit(url).netloc),
            *(() if self.accept is None else (("Accept", self.accept),)),
            ("Content-Type", self.content_type),
            length,
            *self.head,
        )
        lines = [f"POST {urlsplit(url).path or '/'} {self.version}"]
        names = (name.lower() if self.has_small_names else name for name, _ in headers)
        lines += [f"{name}: {value}" for name, (_, value) in zip(names, headers, strict=True)]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return [head, *(self.chunks or self.parts or (self.form,))]


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; the empty one ends it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


async def converse(
    target: Target, url: str, framing: Framing, *, linger: float = 0
) -> Conversation:
    """Send a request part by part and record the answer; never raises because of the other side.

    `linger` is how many seconds to wait for anything after the answer.
    """
    pieces = framing.pieces(url)
    headers = (("Content-Type", framing.content_type), *framing.head)
    request = Request("POST", url, headers, framing.form)
    speaker = _Speaker(target, url)
    try:
        await speaker.connect()
        answer, failure = await speaker.run(pieces)
        if linger and answer is not None:
            await speaker.wait(linger)
    except (OSError, TimeoutError) as error:
        answer, failure = None, speaker.failure_of(error)
    finally:
        await speaker.close()
    if failure is None and answer is not None and json_object(answer.body) is None:
        failure = Failure.NOT_JSON
    secrets = (target.credentials.client_secret,)
    exchange = Exchange(request, answer, speaker.timings, target.limits, failure, secrets)
    return Conversation(exchange, speaker.rest, speaker.is_closed)


class _Speaker:
    """One connection: writes and reads at the same time, with a stopwatch."""

    def __init__(self, target: Target, url: str) -> None:
        self._target = target
        self._url = url
        self._received = bytearray()
        self._arrived = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.timings = Timings()
        self.rest = b""
        self._used = 0
        self.is_closed = False

    async def connect(self) -> None:
        host, port = self._target.address(self._url)
        parts = urlsplit(self._url)
        is_tls = parts.scheme == "https"
        context: ssl.SSLContext | None = self._target.tls() if is_tls else None
        started = time.perf_counter()
        # The limit is for TCP and for the handshake, as with httpx2.
        async with asyncio.timeout(2 * self._target.limits.connect):
            reader, self._writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=parts.hostname if is_tls else None
            )
        self.timings = Timings(connect=time.perf_counter() - started)
        self._reading = asyncio.create_task(self._read(reader))

    async def run(self, pieces: Sequence[Part]) -> tuple[Answer | None, Failure | None]:
        """Send everything; return the answer, or why there is none."""
        started = time.perf_counter()
        pauses = sum(piece.seconds for piece in pieces if isinstance(piece, Pause))
        try:
            async with asyncio.timeout(self._target.limits.answer + pauses):
                paused = await self._send(pieces)
                answer = await self._answer()
        except TimeoutError:
            self._note(started, pauses)
            return None, Failure.ANSWER_TIMEOUT
        self._note(started, paused)
        return answer, None if answer is not None else Failure.BROKEN_ANSWER

    async def _send(self, pieces: Sequence[Part]) -> float:
        """Send each part; return the seconds that were spent in pauses."""
        assert self._writer is not None  # noqa: S101  # connect() comes first
        paused = 0.0
        for piece in pieces:
            if isinstance(piece, Pause):
                before = time.perf_counter()
                await self._pause(piece)
                paused += time.perf_counter() - before
                continue
            with suppress(ConnectionError):  # it may have answered and hung up already
                self._writer.write(piece)
                await self._writer.drain()
        return paused

    async def _pause(self, pause: Pause) -> None:
        if not pause.until_bytes:
            await asyncio.sleep(pause.seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause.seconds):
                await self._arrived.wait()

    async def _answer(self) -> Answer | None:
        while True:
            self._arrived.clear()
            try:
                found = read_answer(bytes(self._received), is_closed=self.is_closed)
            except NoHttpError:
                return None
            if found is not None:
                self.rest = bytes(self._received[found.size :])
                self._used = found.size
                return _answer_of(found)
            if self.is_closed or len(self._received) > ANSWER_SIZE_LIMIT:
                return None
            await self._arrived.wait()

    async def wait(self, seconds: float) -> None:
        """Keep listening after the answer, until the server closes."""
        assert self._reading is not None  # noqa: S101  # connect() comes first
        await asyncio.wait([self._reading], timeout=seconds)
        self.rest = bytes(self._received[self._used :])

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if len(self._received) <= ANSWER_SIZE_LIMIT:  # a server may send without an end
                    self._received += data
                self._arrived.set()
        self.is_closed = True
        self._arrived.set()

    def _note(self, started: float, paused: float) -> None:
        """Keep the time of the answer without the pauses, which are ours."""
        seconds = time.perf_counter() - started - paused
        self.timings = Timings(connect=self.timings.connect, answer=max(seconds, 0.0))

    def failure_of(self, error: Exception) -> Failure:
        if self._writer is not None:
            return Failure.BROKEN_ANSWER
        if isinstance(error, TimeoutError):
            return Failure.CONNECT_TIMEOUT
        return Failure.TLS_FAILED if isinstance(error, ssl.SSLError) else Failure.CONNECT_FAILED

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        if self._writer is not None:
            self._writer.transport.abort()


def _answer_of(found: RawAnswer) -> Answer:
    pairs = found.head.headers
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
    return Answer(found.head.status, headers, found.body)
