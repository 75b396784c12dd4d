"""Failures on demand: which operation fails how, from which call on, and how often."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from socket import AF_INET, SOCK_STREAM, socket
from threading import Lock
from typing import Final

from worksgate.conformance.directory_api.operations import Operation

HOLD: Final = 30.0
"""Seconds for which an answer is withheld if the caller does not give up earlier."""


class Fault(StrEnum):
    """What goes wrong. The first three happen before anything is read or changed."""

    INTERNAL_ERROR = "internal_error"
    """500."""
    UNAVAILABLE = "unavailable"
    """503."""
    NO_ANSWER = "no_answer"
    """The call is received and never answered."""
    SLOW_BODY = "slow_body"
    """The body comes in pieces, over that many seconds."""
    CUT_BODY = "cut_body"
    """The connection closes half-way through the body; a response without one is withheld."""
    LOST_ANSWER = "lost_answer"
    """The change has taken place, and the answer never arrives."""
    WRONG_CONTENT_TYPE = "wrong_content_type"
    """The right body as `text/html`."""
    EXPIRES_IN_AS_TEXT = "expires_in_as_text"
    """`expires_in` as a string; for tokens."""

    @property
    def is_before(self) -> bool:
        return self in (Fault.INTERNAL_ERROR, Fault.UNAVAILABLE, Fault.NO_ANSWER)


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault for the next `times` calls of an operation after `after` good ones.

    `operation` None: any. `seconds` is for faults that take time.
    """

    fault: Fault
    operation: Operation | None
    times: int
    after: int
    seconds: float


class Faults:
    """What was planned and has not happened yet. Safe to use from another thread."""

    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self._lock = Lock()

    def plan(
        self,
        fault: Fault,
        operation: Operation | None = None,
        *,
        times: int = 1,
        after: int = 0,
        seconds: float = HOLD,
    ) -> None:
        """Make the operation fail, `times` times, once `after` calls of it have gone well."""
        with self._lock:
            self._planned.append(Planned(fault, operation, times, after, seconds))

    def clear(self) -> None:
        """Forget what has not happened yet."""
        with self._lock:
            self._planned.clear()

    def take(self, operation: Operation) -> Planned | None:
        """The fault for this call, which it uses up, or None."""
        with self._lock:
            for index, planned in enumerate(self._planned):
                if planned.operation not in (None, operation):
                    continue
                if planned.after > 0:
                    self._planned[index] = replace(planned, after=planned.after - 1)
                    continue
                self._use(index, planned)
                return planned
        return None

    def _use(self, index: int, planned: Planned) -> None:
        if planned.times > 1:
            self._planned[index] = replace(planned, times=planned.times - 1)
        else:
            del self._planned[index]


@contextmanager
def unconnectable() -> Iterator[str]:
    """An `http://…` URL on this machine at which connecting times out.

    Its accept queue is full, and nobody takes anything from it. Linux then drops what comes.
    """
    with ExitStack() as stack:
        listening = stack.enter_context(socket(AF_INET, SOCK_STREAM))
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket(AF_INET, SOCK_STREAM))
            filler.setblocking(False)
            filler.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
