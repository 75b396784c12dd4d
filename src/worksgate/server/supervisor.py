"""Several processes on one socket, and the supervisor that keeps their number.

The supervisor serves nothing: it starts workers, restarts those that have died, and passes on
signals. A worker that leaves serves until another one is ready. One that dies is restarted at once;
if it never served, or soon ended by itself, after an increasing delay, since the same is likely to
happen again. One whose event loop is stuck for a long time is killed and replaced: it answers
nobody, and connections wait for it in vain.

New settings go to one worker after the other, and the first response decides. A rejection, or a
worker that dies of them, ends the round, and everything stays as it was (F-32). After a success
they apply to all: a worker that cannot apply them is replaced by one that starts with them.
"""

import signal
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Protocol

import structlog
from uvicorn.config import STARTUP_FAILURE

from worksgate.server.process import SIGNALS
from worksgate.server.supervisor_pipe import (
    Drain,
    Message,
    Order,
    Reload,
    Reloaded,
    SupervisorPipe,
    WorkerState,
)
from worksgate.settings.options import Settings

EARLY_EXIT = 5.0
"""Seconds; a worker that ends by itself within them is restarted after a delay."""
CRASHES = frozenset(
    (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS)
)
"""Signals that a process raises by its own fault."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
RELOADED_WITHIN = 15.0
"""Seconds that one worker gets to reload before it is the next one's turn."""
STARTED_WITHIN = 120.0
"""Seconds that a worker gets to start; it waits for the database and the store, and migrates
nothing."""
ENDED_WITHIN = 12.0
"""Seconds that all workers get to end; systemd waits 15."""

STOPPED = 5.0
"""Seconds without a turn after which the supervisor itself was stopped, and probably all workers:
the machine was suspended, or paused by a debugger or ``docker pause``."""

_log = structlog.get_logger(__name__)

_NO_RELOAD = Reload(None, certificate=False)


class Factory(Protocol):
    """How the supervisor creates workers, and what they are told on reload."""

    def start(self, pipe: SupervisorPipe) -> SpawnProcess:
        """Create a worker process, not started yet, with this end of a pipe."""
        ...

    def reload(self) -> Reload:
        """Reload; returns what all workers are told at SIGHUP."""
        ...

    def adopt(self, settings: Settings) -> None:
        """Start workers with these settings from now on."""
        ...

    def look(self) -> None:
        """Called periodically."""
        ...


@dataclass(slots=True, eq=False)
class Worker:
    """A serving process, from its supervisor's point of view."""

    process: SpawnProcess
    pipe: Connection
    started_at: float
    started_with: int
    """The number of the last round of reloading that had begun before it started."""
    last_message_at: float = 0.0
    is_ready: bool = False
    is_leaving: bool = False
    is_draining: bool = False
    """To drain."""

    @property
    def serves(self) -> bool:
        return self.is_ready and not self.is_draining

    def order(self, order: Order) -> None:
        """Send an order; a worker that is gone is detected elsewhere."""
        if isinstance(order, Drain):
            self.is_draining = True
        with suppress(OSError):
            self.pipe.send(order)


@dataclass(slots=True)
class _Pause:
    """Delay before the next start."""

    seconds: float = 0.0
    until: float = 0.0

    def grow(self, now: float) -> None:
        self.seconds = min(max(FIRST_PAUSE, 2 * self.seconds), LONGEST_PAUSE)
        self.until = now + self.seconds

    def end(self) -> None:
        self.seconds = self.until = 0.0


@dataclass(eq=False)
class Supervisor:
    """Keeps ``number`` workers running until it is told to stop."""

    number: int
    factory: Factory
    hung_after: float = 0.0
    """Seconds without a heartbeat after which a worker is replaced; 0 is never."""
    workers: list[Worker] = field(default_factory=list)
    _pause: _Pause = field(default_factory=_Pause)
    _signals: deque[int] = field(default_factory=deque)
    _must_reload: bool = False
    _reloading: deque[Worker] = field(default_factory=deque)
    """Workers that the order has yet to reach; the first has received it, or is next."""
    _order: Reload = _NO_RELOAD
    _settings: Settings | None = None
    """The last settings that a worker has applied; None for those of the start."""
    _is_adopted: bool | None = True
    """Whether the settings of the order apply to all; None until a worker has tried them."""
    _ordered_at: float | None = None
    _has_served: bool = False
    _turned_at: float = 0.0
    _failed: bool = False

    def run(self, listening: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT; then ``listening`` is closed.

        Raises SystemExit if the first workers could not start.
        """
        with self._woken_by_signals() as waker:
            while not self._must_end():
                self._fill()
                self._wait(waker)
                self._read_messages()
                self._end_hung()
                self._reap()
                self._drain_replaced()
                self._reload_next()
                self.factory.look()
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
            self._must_reload = True
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
        process = self.factory.start(SupervisorPipe(theirs))
        # Signals sent to a process without handlers must wait for it, not kill it.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        _log.info("worker.started", pid=process.pid)
        return Worker(process, ours, now, self._order.number)

    def _wait(self, waker: socket.socket) -> None:
        """Wait until something happens, or a delay has passed; at most a second."""
        pause = self._pause.until - time.monotonic()
        ends = [worker.process.sentinel for worker in self.workers]
        pipes = [worker.pipe for worker in self.workers if not worker.pipe.closed]
        wait([waker, *ends, *pipes], timeout=min(max(pause, 0.05), 1.0) if pause > 0 else 1.0)
        with suppress(BlockingIOError):
            while waker.recv(4_096):
                pass

    def _read_messages(self) -> None:
        for worker in self.workers:
            self._read_messages_of(worker)

    def _read_messages_of(self, worker: Worker) -> None:
        try:
            while not worker.pipe.closed and worker.pipe.poll():
                self._take_message(worker, worker.pipe.recv())
        except (EOFError, OSError):  # it has ended, or will soon
            worker.pipe.close()

    def _take_message(self, worker: Worker, message: Message) -> None:
        worker.last_message_at = time.monotonic()
        if message is WorkerState.READY:
            worker.is_ready = True
            _log.info("worker.ready", pid=worker.process.pid)
            if not self._has_served:
                self._has_served = True
                _log.info("server.ready")
            if worker.started_with != self._order.number:  # it missed orders meanwhile
                worker.order(Reload(self._settings, certificate=True))
                if self._reloading:
                    self._reloading.append(worker)
        elif message is WorkerState.LEAVING:
            worker.is_leaving = True
        elif isinstance(message, Reloaded):
            self._take_answer(worker, message)

    def _end_hung(self) -> None:
        """Kill workers without a sign of life for too long; reaped ones are replaced.

        If the supervisor was stopped as well, that says nothing about a worker: all get their time
        again.
        """
        now = time.monotonic()
        was_stopped = now - self._turned_at > STOPPED
        self._turned_at = now
        for worker in self.workers:
            silent = now - max(worker.started_at, worker.last_message_at)
            if was_stopped:
                worker.last_message_at = now
            elif self.hung_after > 0 and silent > self._patience(worker):
                _log.error("worker.hung", pid=worker.process.pid, silent=round(silent))
                worker.process.kill()
                worker.last_message_at = now

    def _patience(self, worker: Worker) -> float:
        """Seconds of silence after which a worker hangs: only one that serves has a heartbeat."""
        if worker.serves:
            return self.hung_after
        return max(self.hung_after, ENDED_WITHIN if worker.is_draining else STARTED_WITHIN)

    def _reap(self) -> None:
        for worker in [each for each in self.workers if each.process.exitcode is not None]:
            self._read_messages_of(worker)  # what it said since the last look, before it ended
            self.workers.remove(worker)
            worker.pipe.close()
            code = worker.process.exitcode or 0
            now = time.monotonic()
            was_expected = worker.is_leaving or worker.is_draining
            if was_expected:
                _log.info("worker.ended", pid=worker.process.pid, by=_cause(code))
                continue
            if code == STARTUP_FAILURE and not self._has_served:
                self._failed = True
            if _will_do_so_again(worker, code, now):
                self._pause.grow(now)
            else:
                self._pause.end()
            _log.error(
                "worker.died", pid=worker.process.pid, by=_cause(code), pause=self._pause.seconds
            )
            if self._is_trying(worker):
                _log.error("settings.kept", detail="a worker has died while they were tried")
                self._keep_settings()

    def _drain_replaced(self) -> None:
        """Tell leaving workers to drain, as soon as enough others serve."""
        serving = [worker for worker in self.workers if worker.serves]
        leaving = [worker for worker in serving if worker.is_leaving]
        for worker in leaving[: max(len(serving) - self.number, 0)]:
            worker.order(Drain())

    # Reloading

    def _reload_next(self) -> None:
        """One after the other, so that the rest serves meanwhile."""
        now = time.monotonic()
        if self._must_reload and not self._reloading:
            serving = [worker for worker in self.workers if worker.serves]
            if serving or not self.workers:  # starting workers can soon be asked
                self._begin_round(serving)
        while self._reloading:
            worker = self._reloading[0]
            is_gone = worker not in self.workers or worker.is_draining
            if is_gone or (
                self._ordered_at is not None and now - self._ordered_at > RELOADED_WITHIN
            ):
                self._reloading.popleft()
                self._ordered_at = None
            elif self._ordered_at is None:
                self._ordered_at = now
                worker.order(self._order)
                return
            else:
                return

    def _begin_round(self, serving: list[Worker]) -> None:
        self._must_reload = False
        self._order = replace(self.factory.reload(), number=self._order.number + 1)
        self._is_adopted = None
        self._reloading = deque(serving)
        if self._order.settings is None or not serving:  # nothing, or nobody, to try
            self._adopt_settings()

    def _is_trying(self, worker: Worker) -> bool:
        """Whether it is the first to try them, and has not answered."""
        was_ordered = self._ordered_at is not None and worker is self._reloading[0]
        return self._is_adopted is None and was_ordered

    def _take_answer(self, worker: Worker, answer: Reloaded) -> None:
        if answer.number == self._order.number and worker in self._reloading:
            self._reloading.remove(worker)
            self._ordered_at = None
        if answer.number != self._order.number:  # of an earlier round, or an order it had missed
            worker.is_leaving |= not answer.is_applied
        elif self._is_adopted is not None:  # a worker that differs from the others is replaced
            worker.is_leaving |= answer.is_applied != self._is_adopted
        elif answer.is_applied:
            self._adopt_settings()
        else:
            self._keep_settings()

    def _adopt_settings(self) -> None:
        self._is_adopted = True
        if self._order.settings is not None:
            self._settings = self._order.settings
            self.factory.adopt(self._order.settings)

    def _keep_settings(self) -> None:
        """End the round; everything stays as it was before."""
        self._is_adopted = False
        self._reloading.clear()
        self._ordered_at = None

    # The end

    def _end(self, waker: socket.socket) -> None:
        _log.info("server.ending", workers=len(self.workers))
        until = time.monotonic() + ENDED_WITHIN
        for worker in self.workers:
            worker.order(Drain())
        while self.workers and time.monotonic() < until and signal.SIGINT not in self._signals:
            self._wait(waker)
            self._read_messages()
            self._reap()
        for worker in self.workers:  # they got the order, and had their time
            _log.error("worker.killed", pid=worker.process.pid)
            worker.process.kill()
            worker.process.join()


def _will_do_so_again(worker: Worker, code: int, now: float) -> bool:
    """Whether the next one is likely to end the same way: restarting constantly helps nobody.

    One that has served and was killed from outside is not at fault, however soon that was (F-01).
    One that crashed is.
    """
    if not worker.is_ready:
        return True
    was_killed = code < 0 and -code not in CRASHES
    return not was_killed and now - worker.started_at < EARLY_EXIT


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
