"""Messages between a supervisor and its workers, over a pipe.

If the supervisor is gone, for whatever reason, the worker sees the end of the pipe.
"""

import select
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, auto
from multiprocessing.connection import Connection

from worksgate.settings.options import Settings

HEARTBEAT = 1.0
"""Seconds between two heartbeats of a worker."""


class WorkerState(StrEnum):
    """What a worker reports."""

    READY = auto()
    LEAVING = auto()
    TURNING = auto()
    """Its event loop is running: sent every ``HEARTBEAT`` seconds."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A worker has followed the order of this number, or keeps its current settings."""

    number: int
    is_applied: bool


@dataclass(frozen=True, slots=True)
class Drain:
    """Accept no more, serve what has arrived, and end."""


@dataclass(frozen=True, slots=True)
class Reload:
    """Apply these settings, if any, and reload the certificate, if it is valid."""

    settings: Settings | None
    certificate: bool
    number: int = 0


Order = Drain | Reload
Message = WorkerState | Reloaded


@dataclass(frozen=True, slots=True)
class SupervisorPipe:
    """A worker's end of the pipe."""

    _connection: Connection

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, message: Message) -> None:
        """Send to the supervisor; ignored if it is gone."""
        with suppress(OSError):
            self._connection.send(message)

    def beat(self) -> None:
        """Send a heartbeat; never waits for a supervisor that does not read."""
        poll = select.poll()
        with suppress(OSError, ValueError):
            poll.register(self._connection, select.POLLOUT)
            if poll.poll(0):
                self._connection.send(WorkerState.TURNING)

    def receive(self) -> Order:
        """The next order; a supervisor that is gone means drain."""
        try:
            order: Order = self._connection.recv()
        except (EOFError, OSError):
            return Drain()
        return order
