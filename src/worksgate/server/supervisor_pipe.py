"""What a supervisor and its workers tell each other, over a pipe.

When the supervisor is gone, however it ended, the worker sees the end of the pipe.
"""

import select
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, auto
from multiprocessing.connection import Connection

from worksgate.settings.options import Settings

HEARTBEAT = 1.0
"""Seconds between two signs of life of a worker."""


class WorkerState(StrEnum):
    """What a worker reports of itself."""

    READY = auto()
    LEAVING = auto()
    TURNING = auto()
    """Its event loop turns: said every ``HEARTBEAT`` seconds."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A worker has done what the order of this number said, or goes on with what it had."""

    number: int
    is_applied: bool


@dataclass(frozen=True, slots=True)
class Drain:
    """Accept no more, serve what has come, and end."""


@dataclass(frozen=True, slots=True)
class Reload:
    """Use these settings, if any, and read the certificate again, if it is a good one."""

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
        """Tell the supervisor; one that is gone learns nothing."""
        with suppress(OSError):
            self._connection.send(message)

    def beat(self) -> None:
        """Say that the event loop turns; never waits for a supervisor that does not listen."""
        poll = select.poll()
        with suppress(OSError, ValueError):
            poll.register(self._connection, select.POLLOUT)
            if poll.poll(0):
                self._connection.send(WorkerState.TURNING)

    def receive(self) -> Order:
        """The next order; a supervisor that is gone orders to drain."""
        try:
            order: Order = self._connection.recv()
        except (EOFError, OSError):
            return Drain()
        return order
