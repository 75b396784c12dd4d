"""One process that serves: it starts, listens to signals, and ends without losing a request.

SIGTERM and SIGINT drain it (F-26): it accepts what has come to its socket and then no more,
answers what comes on open connections with ``Connection: close``, and closes each one on which
nothing comes for a moment. A worker that is told so by somebody else than its supervisor goes on
until another has taken its place. SIGHUP makes it read settings and certificate again.
"""

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from types import FrameType
from typing import Any

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from worksgate.serving.accepting import Acceptor
from worksgate.serving.admission import Place
from worksgate.serving.configuration import ServerConfig
from worksgate.serving.line import Drain, Line, Reload, Reloaded, Said
from worksgate.serving.protocol import BoundedHttpProtocol
from worksgate.serving.reload import Reloading
from worksgate.serving.tls import Expiry
from worksgate.settings import Settings

DRAIN = 5.0
"""Seconds that open connections get at the end, however busy they are."""
REPLACED_WITHIN = 10.0
"""Seconds that a worker waits for another to take its place."""

ENDING = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*ENDING, signal.SIGHUP)

_log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Serves with what ``server_config`` made; ``settings`` say how much is taken on.

    ``line`` leads to the supervisor, for a worker. Without ``reloading`` SIGHUP is ignored.
    """

    config: ServerConfig

    def __init__(
        self,
        config: ServerConfig,
        settings: Settings,
        *,
        reloading: Reloading | None = None,
        expiry: Expiry | None = None,
        line: Line | None = None,
    ) -> None:
        super().__init__(config)
        self._admission = config.admission
        self._settings = settings
        self._reloading = reloading
        self._expiry = expiry
        self._line = line
        self._acceptors: list[Acceptor] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._must_reload = False
        self._is_leaving = False
        self._leaves_at: float | None = None

    # Start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(STARTUP_FAILURE)
        self._admission.follow(self._settings)
        for listening in sockets or []:
            acceptor = Acceptor(listening, self._admission, self._connect, self.config.ssl)
            await acceptor.start(self.config.backlog)
            self._acceptors.append(acceptor)
        self.servers = []
        if self._line is not None:
            asyncio.get_running_loop().add_reader(self._line.fileno(), self._hear)
            self._line.say(Said.READY)
        self.started = True

    def _connect(self, place: Place | None) -> BoundedHttpProtocol:
        protocol = BoundedHttpProtocol(self.config, self.server_state, self.lifespan.state)
        protocol.place = place
        protocol.needs_place = True
        return protocol

    # While it serves

    async def on_tick(self, counter: int) -> bool:
        self._admission.beat()
        if self._must_reload:
            self._must_reload = False
            if self._reloading is not None:
                self._spawn(self._read_again())
        if self._expiry is not None:
            self._expiry.look(time.time())
        self._go_when_replaced()
        return await super().on_tick(counter)

    def _go_when_replaced(self) -> None:
        if self._is_leaving and self._line is not None:
            if self._leaves_at is None:
                self._leaves_at = time.monotonic() + REPLACED_WITHIN
                self._line.say(Said.LEAVING)
            elif time.monotonic() > self._leaves_at:
                self.should_exit = True

    def _hear(self) -> None:
        """What the supervisor says; without one nobody serves on."""
        order = self._line.hear() if self._line is not None else Drain()
        if isinstance(order, Reload):
            self._spawn(self._obey(order))
        else:
            if self._line is not None:
                asyncio.get_running_loop().remove_reader(self._line.fileno())
            self.should_exit = True

    async def _obey(self, order: Reload) -> None:
        if self._reloading is not None:
            await self._reloading.take_on(order.settings, certificate=order.certificate)
        if self._line is not None:
            self._line.say(Reloaded(order.number))

    async def _read_again(self) -> None:
        if self._reloading is not None:
            await self._reloading.read_again()
        if self._expiry is not None:
            self._expiry.forget()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _log.info("server.draining", connections=len(self.server_state.connections))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN)
        self._admission.is_draining = True
        for acceptor in self._acceptors:
            acceptor.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedHttpProtocol):
                connection.drain()
        until = time.monotonic() + DRAIN
        while self._has_connections() and time.monotonic() < until and not self.force_exit:  # noqa: ASYNC110  # they have no common event
            await asyncio.sleep(0.05)
        await super().shutdown([])

    def _has_connections(self) -> bool:
        connecting = any(acceptor.connecting for acceptor in self._acceptors)
        return connecting or bool(self.server_state.connections)

    # Signals

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn has it, but that a process which has drained ends in peace."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in ENDING}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._handle_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._line is None or self._is_leaving or self.should_exit:
            super().handle_exit(sig, frame)
        else:
            self._is_leaving = True

    def _handle_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._must_reload = True
