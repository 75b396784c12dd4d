"""Load in which every request counts: nothing is retried."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
CALL = (
    b"POST /accessToken HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n"
)
PATIENCE = 15.0
"""Seconds that a request may take: the machine may be busy, no answer may be missing."""


@dataclass
class Tally:
    """What came of the requests."""

    answered: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    """When a request began, and why it failed."""
    slowest: float = 0.0


@dataclass
class Load:
    """Requests to one port, so many a second, half of them on connections that stay open."""

    port: int
    tls: ssl.SSLContext | None = None
    tally: Tally = field(default_factory=Tally)

    async def run(self, seconds: float, *, rate: int = 400, kept: int = 20) -> Tally:
        """Send ``rate`` requests a second; half on new connections, half on ``kept`` ones."""
        until = time.monotonic() + seconds
        each = kept / (rate / 2)
        await asyncio.gather(
            self._on_new_ones(until, 2 / rate),
            *(self._on_one(until, each, each * place / kept) for place in range(kept)),
        )
        await asyncio.sleep(0.1)  # all have closed
        return self.tally

    @contextmanager
    def in_background(self, seconds: float, *, rate: int = 400) -> Iterator["Future[Tally]"]:
        """Run beside what the block does; its end waits for the load's."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(lambda: asyncio.run(self.run(seconds, rate=rate)))

    async def _on_new_ones(self, until: float, pause: float) -> None:
        due = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        while time.monotonic() < until:
            due += pause
            task = asyncio.create_task(self._counted(self._alone))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*tasks)

    async def _on_one(self, until: float, pause: float, delay: float) -> None:
        connection = Kept(self)
        await asyncio.sleep(delay)
        while time.monotonic() < until:
            await self._counted(connection.request)
            await asyncio.sleep(pause)
        connection.close()

    async def _counted(self, request: Callable[[], Awaitable[None]]) -> None:
        began = time.monotonic()
        try:
            await asyncio.wait_for(request(), PATIENCE)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.tally.failures.append((began, f"{type(error).__name__}: {error}"))
        else:
            self.tally.answered += 1
            self.tally.slowest = max(self.tally.slowest, time.monotonic() - began)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)

    async def _alone(self) -> None:
        reader, writer = await self.connect()
        try:
            writer.write(ALIVE + b"Connection: close\r\n\r\n")
            await answer(reader, 200)
        finally:
            writer.transport.abort()


class Kept:
    """A connection for many requests, made anew once the server has said that it closes it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self) -> None:
        if self._open is not None and self._open[0].at_eof():
            self.close()
        if self._open is None:
            self._open = await self._load.connect()
        reader, writer = self._open
        try:
            writer.write(CALL + b"\r\nx=1")
            stays = await answer(reader, 400)
        except BaseException:
            self.close()
            raise
        if not stays:
            self.close()

    def close(self) -> None:
        if self._open is not None:
            self._open[1].transport.abort()
            self._open = None


async def answer(reader: asyncio.StreamReader, status: int) -> bool:
    """Read one answer; whether the connection stays. Raises ValueError for another status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    if not head.startswith(b"http/1.1 %d " % status):
        raise ValueError(head.split(b"\r\n")[0].decode())
    return b"connection: close" not in head
