"""Starts pages a few at a time, so that the calls of LINE WORKS get their turn in between.

Each turn of the event loop runs everything that is ready. When hundreds of people come at one
moment (the office opens, a deep link goes round), every page would begin in the same turn, and a
call that came with them would wait for all of them, at each of its own steps. So a few begin in one
turn, the others in the following turns, in order of arrival; a call begins at once, and its steps
wait for a few pages only. Nobody holds a place while waiting for a database, a hash or another
host: a slow page delays no other.
"""

import asyncio
from collections import deque

PER_TURN = 4
"""Pages that begin in one turn of the loop: about 2 ms of work."""
WAITING = 1_000
"""Pages that may wait: at that rate, the last one begins within about a second."""


class TooManyPages(Exception):
    """More people have come at once than can be served in time; a retry may succeed."""


class PageAdmission:
    """Admits ``per_turn`` callers in each turn of the event loop; at most ``waiting`` wait."""

    def __init__(self, per_turn: int = PER_TURN, waiting: int = WAITING) -> None:
        self._per_turn = per_turn
        self._waiting = waiting
        self._begun = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    async def admit(self) -> None:
        """Return, now or in one of the next turns. Raises TooManyPages at once."""
        if self._begun < self._per_turn:  # then nobody waits either
            self._count(1)
            return
        if len(self._queue) >= self._waiting:
            raise TooManyPages
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        await place

    def _count(self, passed: int) -> None:
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._begun += passed

    def _next_turn(self) -> None:
        self._begun = 0
        passed = 0
        while self._queue and passed < self._per_turn:
            place = self._queue.popleft()
            if not place.done():  # otherwise the browser has disconnected
                place.set_result(None)
                passed += 1
        if passed:
            self._count(passed)
