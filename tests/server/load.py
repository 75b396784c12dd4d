"""Load in which every request counts: nothing is retried."""

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.served import wait_until

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
CALL = (
    b"POST /accessToken HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n"
)
PATIENCE = 60.0
"""Seconds that a request may take: the machine may be busy, no answer may be missing."""
AT_ONCE = 10
"""New connections that wait for an answer: on a slow machine fewer requests are sent, not more."""
PAUSE = 0.1
"""Seconds between two requests on a connection that stays open."""
MOST_PAUSE = 0.7
"""Seconds after which it is not used again: a server that ends waits for a second."""


@dataclass
class Load:
    """Requests to one port, half of them on connections that stay open, and what came of them."""

    port: int
    tls: ssl.SSLContext | None = None
    rate: int = 400
    """Requests a second, at most."""
    answered: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    """When a request began, and why it failed."""
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def kept(self) -> int:
        """How many connections stay open."""
        return max(round(self.rate / 2 * PAUSE), 1)

    @contextmanager
    def beside(self) -> Iterator["Load"]:
        """Send requests beside what the block does, until it ends."""
        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(lambda: asyncio.run(self._run(over)))
            try:
                wait_until(lambda: self._loop is not None)
                yield self
            finally:
                over.set()
            running.result()

    def more(self, number: int) -> None:
        """Wait until so many more are answered."""
        wanted = self.answered + number
        wait_until(lambda: self.answered >= wanted)

    def catch_up(self) -> None:
        """Wait until every connection that was closed before is known to be."""

        async def turns() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(turns(), self._loop).result(PATIENCE)

    async def _run(self, over: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        await asyncio.gather(
            self._on_new_ones(over, 2 / self.rate),
            *(self._on_one(over, PAUSE * place / self.kept) for place in range(self.kept)),
        )
        await asyncio.sleep(0.1)  # all have closed

    async def _on_new_ones(self, over: threading.Event, pause: float) -> None:
        due = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        while not over.is_set():
            due = max(due, time.monotonic() - 1.0) + pause
            if len(tasks) >= AT_ONCE:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._counted(self._alone))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*tasks)

    async def _on_one(self, over: threading.Event, delay: float) -> None:
        connection = Kept(self)
        await asyncio.sleep(delay)
        while not over.is_set():
            await self._counted(connection.request)
            await asyncio.sleep(PAUSE)
        connection.close()

    async def _counted(self, request: Callable[[], Awaitable[None]]) -> None:
        began = time.monotonic()
        try:
            await asyncio.wait_for(request(), PATIENCE)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.failures.append((began, f"{type(error).__name__}: {error}"))
        else:
            self.answered += 1

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
        self._used_at = 0.0

    async def request(self) -> None:
        if self._is_over():
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
        self._used_at = time.monotonic()
        if not stays:
            self.close()

    def _is_over(self) -> bool:
        """Whether the connection was closed, or may be at any moment."""
        if self._open is None:
            return False
        reader, _ = self._open
        is_closed = reader.at_eof() or reader.exception() is not None
        return is_closed or time.monotonic() - self._used_at > MOST_PAUSE

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
