"""Several processes on one socket, and the supervisor that keeps their number.

The supervisor serves nothing: it starts workers, starts those again that have died, and passes
on what it is told. A worker that leaves serves until another one is ready. One that dies at once
is started again after a pause that grows, for whatever kills it will likely do so again.
"""

import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog
from uvicorn.config import STARTUP_FAILURE

from worksgate.serving.line import Drain, Line, Message, Order, Reload, Reloaded, Said
from worksgate.serving.process import SIGNALS
from worksgate.settings import Settings

AT_ONCE = 5.0
"""Seconds within which a worker that ends has died at once."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
RELOADED_WITHIN = 15.0
"""Seconds that one worker gets to reload before it is the next one's turn."""
ENDED_WITHIN = 12.0
"""Seconds that all workers get to end; systemd waits for 15."""

_log = structlog.get_logger(__name__)

Start = Callable[[Line], SpawnProcess]
"""Makes the process of a worker, not started yet, that has this end of a pipe."""


@dataclass(slots=True, eq=False)
class Worker:
    """A process that serves, as its supervisor knows it."""

    process: SpawnProcess
    pipe: Connection
    started_at: float
    started_with: int
    """The number of the last order before it."""
    is_ready: bool = False
    is_leaving: bool = False
    is_told: bool = False
    """To drain."""

    @property
    def serves(self) -> bool:
        return self.is_ready and not self.is_told

    def order(self, order: Order) -> None:
        """Say it; a worker that is gone is found out otherwise."""
        if isinstance(order, Drain):
            self.is_told = True
        with suppress(OSError):
            self.pipe.send(order)


@dataclass(slots=True)
class _Pause:
    """How long to wait before the next start."""

    seconds: float = 0.0
    until: float = 0.0

    def grow(self, now: float) -> None:
        self.seconds = min(max(FIRST_PAUSE, 2 * self.seconds), LONGEST_PAUSE)
        self.until = now + self.seconds

    def end(self) -> None:
        self.seconds = self.until = 0.0


@dataclass(eq=False)
class Supervisor:
    """Keeps ``number`` workers at work until it is told to end.

    ``reload`` is asked at SIGHUP for what all workers are to be told. ``look`` is called now and
    then.
    """

    number: int
    start: Start
    reload: Callable[[], Reload]
    look: Callable[[], None]
    workers: list[Worker] = field(default_factory=list)
    _pause: _Pause = field(default_factory=_Pause)
    _signals: deque[int] = field(default_factory=deque)
    _reloading: deque[Worker] = field(default_factory=deque)
    _order: Reload = field(default_factory=lambda: Reload(None, certificate=False))
    _settings: Settings | None = None
    _asked_at: float | None = None
    _has_served: bool = False
    _failed: bool = False

    def run(self, listening: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT; ``listening`` is closed then.

        Raises SystemExit where the first workers could not start.
        """
        with self._woken_by_signals() as waker:
            while not self._must_end():
                self._fill()
                self._wait(waker)
                self._hear()
                self._bury()
                self._let_go()
                self._reload_next()
                self.look()
            listening.close()
            self._end(waker)
        if self._failed:
            raise SystemExit(STARTUP_FAILURE)

    # Signals

    @contextmanager
    def _woken_by_signals(self) -> Iterator[socket.socket]:
        woken, waker = socket.socketpair()
        woken.setblocking(False)
        waker.setblocking(False)
        before = {number: signal.signal(number, self._remember) for number in SIGNALS}
        wakeup = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            yield woken
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            woken.close()
            waker.close()

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _must_end(self) -> bool:
        while self._signals:
            if self._signals.popleft() != signal.SIGHUP:
                return True
            self._order = replace(self.reload(), number=self._order.number + 1)
            self._reloading = deque(worker for worker in self.workers if worker.serves)
            self._asked_at = None
            self._settings = self._order.settings or self._settings
        return self._failed

    # The workers

    def _fill(self) -> None:
        now = time.monotonic()
        staying = sum(not worker.is_leaving for worker in self.workers)
        if now >= self._pause.until:
            for _ in range(self.number - staying):
                self.workers.append(self._started(now))

    def _started(self, now: float) -> Worker:
        ours, theirs = Pipe()
        process = self.start(Line(theirs))
        # What is sent to a process that does not listen yet must wait for it, not kill it.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        _log.info("worker.started", pid=process.pid)
        return Worker(process, ours, now, self._order.number)

    def _wait(self, waker: socket.socket) -> None:
        """Until something happens, or a pause is over; at most a second."""
        pause = self._pause.until - time.monotonic()
        ends = [worker.process.sentinel for worker in self.workers]
        pipes = [worker.pipe for worker in self.workers if not worker.pipe.closed]
        wait([waker, *ends, *pipes], timeout=min(max(pause, 0.05), 1.0) if pause > 0 else 1.0)
        with suppress(BlockingIOError):
            while waker.recv(4_096):
                pass

    def _hear(self) -> None:
        for worker in self.workers:
            try:
                while not worker.pipe.closed and worker.pipe.poll():
                    self._heard(worker, worker.pipe.recv())
            except (EOFError, OSError):  # it has ended, or will soon
                worker.pipe.close()

    def _heard(self, worker: Worker, said: Message) -> None:
        if said is Said.READY:
            worker.is_ready = self._has_served = True
            _log.info("worker.ready", pid=worker.process.pid)
            if worker.started_with != self._order.number:  # it missed what was said meanwhile
                worker.order(Reload(self._settings, certificate=True))
        elif said is Said.LEAVING:
            worker.is_leaving = True
        elif said == Reloaded(self._order.number) and worker in self._reloading:
            self._reloading.remove(worker)
            self._asked_at = None

    def _bury(self) -> None:
        for worker in [each for each in self.workers if each.process.exitcode is not None]:
            self.workers.remove(worker)
            worker.pipe.close()
            code = worker.process.exitcode or 0
            now = time.monotonic()
            was_expected = worker.is_leaving or worker.is_told
            if was_expected:
                _log.info("worker.ended", pid=worker.process.pid, by=_cause(code))
                continue
            if code == STARTUP_FAILURE and not self._has_served:
                self._failed = True
            if not worker.is_ready or now - worker.started_at < AT_ONCE:
                self._pause.grow(now)
            else:
                self._pause.end()
            _log.error(
                "worker.died", pid=worker.process.pid, by=_cause(code), pause=self._pause.seconds
            )

    def _let_go(self) -> None:
        """Tell those who leave to drain, as soon as enough others serve."""
        serving = [worker for worker in self.workers if worker.serves]
        leaving = [worker for worker in serving if worker.is_leaving]
        for worker in leaving[: max(len(serving) - self.number, 0)]:
            worker.order(Drain())

    def _reload_next(self) -> None:
        """One after the other, so that the rest serve meanwhile."""
        now = time.monotonic()
        while self._reloading:
            worker = self._reloading[0]
            is_gone = worker not in self.workers or worker.is_told
            if is_gone or (self._asked_at is not None and now - self._asked_at > RELOADED_WITHIN):
                self._reloading.popleft()
                self._asked_at = None
            elif self._asked_at is None:
                self._asked_at = now
                worker.order(self._order)
                return
            else:
                return

    # The end

    def _end(self, waker: socket.socket) -> None:
        _log.info("server.ending", workers=len(self.workers))
        until = time.monotonic() + ENDED_WITHIN
        for worker in self.workers:
            worker.order(Drain())
        while self.workers and time.monotonic() < until and signal.SIGINT not in self._signals:
            self._wait(waker)
            self._hear()
            self._bury()
        for worker in self.workers:  # they were told, and had their time
            _log.error("worker.killed", pid=worker.process.pid)
            worker.process.kill()
            worker.process.join()


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
