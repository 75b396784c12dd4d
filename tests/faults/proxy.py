"""A TCP proxy that injects faults of networks and servers.

It runs on the event loop that starts it. What it does now is in ``fault``, and may change at any
time, for the connections that are open too.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to bytes on their way. Times are seconds.

    ``delay`` holds back each piece, in both directions unless ``only_answers``. ``hang`` lets
    nothing through, and says nothing. ``reset`` cuts at once and refuses who comes. ``after``
    cuts a connection when a piece with these bytes has gone to the server, before its answer,
    each ``every``-th time.
    ``bytes_per_second`` slows down.
    """

    delay: float = 0.0
    only_answers: bool = False
    hang: bool = False
    reset: bool = False
    after: bytes = b""
    every: int = 1
    bytes_per_second: int = 0


NONE = Fault()


@dataclass
class FaultProxy:
    """Between a client and ``host:port``; listens on ``port``."""

    upstream_host: str
    upstream_port: int
    port: int = 0
    fault: Fault = NONE
    cuts: int = 0
    """Connections that were cut on purpose."""
    matches: int = 0
    """Pieces that held the bytes of ``Fault.after``."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, fault: Fault) -> None:
        """From now on this."""
        self.fault = fault
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if fault.reset:
            self.cut_all()

    def cut_all(self) -> None:
        """Reset all connections that are open."""
        for writer in tuple(self._open):
            self._cut(writer)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection from now on, on a task that ``close`` ends."""
        self._open.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Reset all connections, those too that have just come."""
        self.cut_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self, writer: asyncio.StreamWriter) -> None:
        self.cuts += 1
        connection = writer.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):  # a reset and not an end
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            if self.fault.reset:
                self._cut(writer)
                return
            await self._while_hanging()
            try:
                up_reader, up_writer = await asyncio.open_connection(
                    self.upstream_host, self.upstream_port
                )
            except OSError:
                self._cut(writer)
                return
            ends.add(up_writer)
            self._open.add(up_writer)
            await asyncio.gather(
                self._pump(reader, up_writer, writer, is_answer=False),
                self._pump(up_reader, writer, up_writer, is_answer=True),
            )
        finally:
            self._open -= ends
            for each in ends:
                each.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
        *,
        is_answer: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._while_hanging()
                fault = self.fault
                if fault.delay and (is_answer or not fault.only_answers):
                    await asyncio.sleep(fault.delay)
                if fault.bytes_per_second:
                    await asyncio.sleep(len(data) / fault.bytes_per_second)
                await self._while_hanging()
                writer.write(data)
                await writer.drain()
                if fault.after and not is_answer and fault.after in data and self._is_due():
                    # The server has it and acts on it; its answer goes nowhere.
                    await asyncio.sleep(0.02)
                    self._cut(other)
                    self._cut(writer)
                    return
        for each in (writer, other):
            with contextlib.suppress(OSError):
                each.close()

    def _is_due(self) -> bool:
        self.matches += 1
        return self.matches % self.fault.every == 0

    async def _while_hanging(self) -> None:
        while self.fault.hang:
            await self._changed.wait()


@asynccontextmanager
async def fault_proxy(host: str, port: int) -> AsyncIterator[FaultProxy]:
    """A proxy to ``host:port`` on a free port of 127.0.0.1."""
    proxy = FaultProxy(host, port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
