"""What a supervisor and its workers say to each other, over a pipe.

When the supervisor is gone, however it ended, the worker hears the end of the pipe.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, auto
from multiprocessing.connection import Connection

from worksgate.settings import Settings


class Said(StrEnum):
    """What a worker says of itself."""

    READY = auto()
    LEAVING = auto()


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A worker has done what the order of this number said."""

    number: int


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
Message = Said | Reloaded


@dataclass(frozen=True, slots=True)
class Line:
    """A worker's end of the pipe."""

    _connection: Connection

    def fileno(self) -> int:
        return self._connection.fileno()

    def say(self, message: Message) -> None:
        """Tell the supervisor; one that is gone hears nothing."""
        with suppress(OSError):
            self._connection.send(message)

    def hear(self) -> Order:
        """The next order; a supervisor that is gone orders to drain."""
        try:
            order: Order = self._connection.recv()
        except (EOFError, OSError):
            return Drain()
        return order
