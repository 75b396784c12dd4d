"""A queue of accepted connections, no longer than can be served in time.

When more connections arrive than a process can serve, some have to wait. In the kernel's queue they
wait in order, so that soon everybody is served after having given up, and connections that do not
fit are retried only after a second. So everything is accepted at once, a few are served in each
turn of the event loop, and those that would wait too long are refused instead (F-23).
"""

import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from worksgate.server.admission import Place

Guest = tuple[socket.socket, Place]

MOST_WAIT = 0.3
"""Seconds that a connection may wait; LINE WORKS waits 3 for its response."""
FEWEST, MOST = 2, 32
"""Connections that are served in one turn of the event loop."""
ENOUGH = 64
"""Connections and requests in flight that keep a process busy, and share a commit."""

_MEMORY = 0.3
"""Seconds over which the cost of a connection is averaged."""
_GUESS = 0.0005
"""Seconds that a connection is assumed to cost at first."""
_LONGEST_TURN = 0.1
"""Seconds; while a machine was asleep says nothing about the next turn."""


class AcceptQueue:
    """The waiting connections, in order of arrival, and whether there is room for one more.

    ``under_way`` returns the number of connections being set up and requests in flight. If that is
    enough to keep the process busy, more would only slow each of them down.
    """

    def __init__(
        self, under_way: Callable[[], int], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._under_way = under_way
        self._monotonic = monotonic
        self._waiting: deque[Guest] = deque()
        self._is_busy = False
        self._turned_at = 0.0
        self._served_before = 0
        # Moving totals: both decay at the same rate, and their quotient is the seconds per
        # connection.
        self._seconds = MOST * _GUESS
        self._served = float(MOST)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether the next one would wait longer than ``MOST_WAIT`` at the current rate."""
        return len(self._waiting) * self._seconds > MOST_WAIT * self._served

    def enter(self, guest: Guest) -> None:
        self._waiting.append(guest)

    def next(self) -> Sequence[Guest]:
        """Those whose turn it is; called once per turn of the event loop while some wait."""
        now = self._monotonic()
        if self._is_busy:
            self._reckon(min(now - self._turned_at, _LONGEST_TURN))
        places = max(FEWEST, min(ENOUGH - self._under_way(), MOST))
        guests = [self._waiting.popleft() for _ in range(min(places, len(self._waiting)))]
        self._turned_at, self._served_before = now, len(guests)
        self._is_busy = len(self._waiting) > 0
        return guests

    def _reckon(self, seconds: float) -> None:
        kept = 1 - seconds / _MEMORY
        self._seconds = self._seconds * kept + seconds
        self._served = self._served * kept + self._served_before
