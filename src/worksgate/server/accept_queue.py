"""Connections that are accepted and wait for their turn: no more than can be served in time.

When more connections come than a process can serve, somebody has to wait. In the queue of the
system they wait in order, so that soon everybody is served when they have given up, and what does
not fit into it is tried again only after a second. So everything is accepted at once, a few are
served in each turn of the event loop, and whoever would wait for too long is refused instead
(F-23).
"""

import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from worksgate.server.admission import Place

Guest = tuple[socket.socket, Place]

MOST_WAIT = 0.3
"""Seconds that a connection may wait; LINE WORKS waits 3 for its answer."""
FEWEST, MOST = 2, 32
"""Connections that are served in one turn of the event loop."""
ENOUGH = 64
"""Connections and requests under way that keep a process busy, and share a commit."""

_MEMORY = 0.3
"""Seconds over which it is reckoned what a connection costs."""
_GUESS = 0.0005
"""Seconds that a connection costs, until that is known."""
_LONGEST_TURN = 0.1
"""Seconds; what a machine was asleep for says nothing about the next turn."""


class AcceptQueue:
    """Who waits, in the order in which they came, and whether there is room for one more.

    ``under_way`` says how many connections are being made and requests answered. While that is
    enough to keep the process busy, more would only make each of them slower.
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
        # Of late: both fade in the same measure, and their quotient is the seconds for each.
        self._seconds = MOST * _GUESS
        self._served = float(MOST)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether the next one would wait for more than ``MOST_WAIT``, as fast as it goes now."""
        return len(self._waiting) * self._seconds > MOST_WAIT * self._served

    def enter(self, guest: Guest) -> None:
        self._waiting.append(guest)

    def next(self) -> Sequence[Guest]:
        """Those whose turn it is; called once in each turn of the event loop while some wait."""
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
