"""One serving process: it starts, handles signals, and ends without losing a request.

SIGTERM and SIGINT drain it (F-26): it accepts what waits at its socket and then no more, answers
requests on open connections with ``Connection: close``, and closes each connection that stays
silent for a moment. A worker that gets the signal from anyone but its supervisor continues until
another one has replaced it. SIGHUP reloads settings and certificate.
"""

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from worksgate.server.acceptor import Acceptor
from worksgate.server.admission import Place
from worksgate.server.connection import BoundedHttpProtocol, ServerConfig
from worksgate.server.settings_reload import Reloading
from worksgate.server.supervisor_pipe import (
    HEARTBEAT,
    Drain,
    Reload,
    Reloaded,
    SupervisorPipe,
    WorkerState,
)
from worksgate.server.tls import Expiry

DRAIN = 5.0
"""Seconds that open connections get at the end, however busy they are."""
REPLACED_WITHIN = 10.0
"""Seconds that a worker waits for its replacement."""

COLLECTED_AT = 10_000
"""New objects before the collector looks for cycles; Python's default of 700 is a few requests."""

ENDING = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*ENDING, signal.SIGHUP)

_log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Serves the result of ``server_config``.

    ``supervisor`` is a worker's pipe to it. Without ``reloading`` SIGHUP is ignored.
    """

    config: ServerConfig

    def __init__(
        self,
        config: ServerConfig,
        *,
        reloading: Reloading | None = None,
        expiry: Expiry | None = None,
        supervisor: SupervisorPipe | None = None,
    ) -> None:
        super().__init__(config)
        self._admission = config.admission
        self._reloading = reloading
        self._expiry = expiry
        self._supervisor = supervisor
        self._acceptors: list[Acceptor] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._must_reload = False
        self._is_leaving = False
        self._leaves_at: float | None = None
        self._next_beat = 0.0

    # Start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(STARTUP_FAILURE)
        for listening in sockets or []:
            acceptor = Acceptor(
                listening, self._admission, self._connect, self._answering, self._tls()
            )
            acceptor.start(self.config.backlog)
            self._acceptors.append(acceptor)
        self.servers = []
        if threading.current_thread() is threading.main_thread():  # the process is ours
            _spare_the_collector()
        if self._supervisor is not None:
            asyncio.get_running_loop().add_reader(self._supervisor.fileno(), self._follow_order)
            self._supervisor.send(WorkerState.READY)  # which is logged
        else:
            self.log_event("server.ready")
        self.started = True

    def _tls(self) -> Callable[[], ssl.SSLContext] | None:
        certificate = self.config.certificate
        return None if certificate is None else lambda: certificate.context

    def _connect(self, place: Place) -> BoundedHttpProtocol:
        protocol = BoundedHttpProtocol(self.config, self.server_state, self.lifespan.state)
        protocol.place = place
        return protocol

    def _answering(self) -> int:
        return len(self.server_state.tasks) - len(self._admission.reading)

    def log_event(self, event: str, **values: object) -> None:
        """Log the stages of this server from start to end."""
        _log.info(event, **values)

    # While it serves

    async def on_tick(self, counter: int) -> bool:
        self._admission.tick()
        self._beat()
        if self._must_reload:
            self._must_reload = False
            if self._reloading is not None:
                self._spawn(self._read_again())
        if self._expiry is not None:
            self._expiry.look(time.time())
        self._go_when_replaced()
        return await super().on_tick(counter)

    def _beat(self) -> None:
        now = time.monotonic()
        if self._supervisor is not None and now >= self._next_beat:
            self._next_beat = now + HEARTBEAT
            self._supervisor.beat()

    def _go_when_replaced(self) -> None:
        if self._is_leaving and self._supervisor is not None:
            if self._leaves_at is None:
                self._leaves_at = time.monotonic() + REPLACED_WITHIN
                self._supervisor.send(WorkerState.LEAVING)
            elif time.monotonic() > self._leaves_at:
                self.should_exit = True

    def _follow_order(self) -> None:
        """Follow the supervisor's orders; without a supervisor there is no reason to serve on."""
        order = self._supervisor.receive() if self._supervisor is not None else Drain()
        if isinstance(order, Reload):
            self._spawn(self._reload(order))
        else:
            if self._supervisor is not None:
                asyncio.get_running_loop().remove_reader(self._supervisor.fileno())
            self.should_exit = True

    async def _reload(self, order: Reload) -> None:
        if self._reloading is None or self._supervisor is None:
            return
        is_applied = await self._reloading.take_on(order.settings, certificate=order.certificate)
        self._supervisor.send(Reloaded(order.number, is_applied))

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
        self.log_event("server.draining", connections=len(self.server_state.connections))
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
        """Like uvicorn's, except that a process that has drained exits normally."""
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
        if self._supervisor is None or self._is_leaving or self.should_exit:
            super().handle_exit(sig, frame)
        else:
            self._is_leaving = True

    def _handle_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._must_reload = True


def collect_seldom() -> None:
    """Look for cycles now and then only; it is a sixth of a start, whose objects stay."""
    gc.set_threshold(COLLECTED_AT)


def _spare_the_collector() -> None:
    """Keep the cycle collector from traversing permanent objects again and again.

    Nearly all objects are permanent after the start, and traversing them takes 50 ms, during which
    nothing is answered. Memory freed by the start is returned to the system, on glibc.
    """
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()
    collect_seldom()
