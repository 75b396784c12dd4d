"""How many connections the directory may use at once: fewer while the server lacks them."""

import asyncio
from collections import deque
from typing import Self

from worksgate.database.postgres_room import GROW_PAUSE


class Slots:
    """A semaphore that shrinks if the server lacks connections, and grows again by itself.

    It belongs to one event loop. Waiters are served in order.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = most
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._short_until = 0.0

    @property
    def limit(self) -> int:
        """Their current number."""
        if self._limit < self._most and asyncio.get_running_loop().time() >= self._short_until:
            self._limit = self._most
        return self._limit

    @property
    def are_fewer(self) -> bool:
        """Whether there are fewer than the maximum."""
        return self.limit < self._most

    def shrink(self) -> None:
        """A slot got no connection: for a while, make do with fewer."""
        self._limit = max(1, min(self._limit, self._taken) - 1)
        self._short_until = asyncio.get_running_loop().time() + GROW_PAUSE

    async def __aenter__(self) -> Self:
        is_new = True
        while self._taken >= self.limit:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            # A waiter that finds its slot taken stays first in the queue.
            self._waiting.append(turn) if is_new else self._waiting.appendleft(turn)
            is_new = False
            try:
                await turn
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self._call()  # the turn was ours, and is another's now
                raise
        self._taken += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._taken -= 1
        self._call()

    def _call(self) -> None:
        while self._waiting and self._taken < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
