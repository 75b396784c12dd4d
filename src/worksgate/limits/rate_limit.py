"""Rate limits for unauthenticated callers, in fixed memory.

``RateLimit`` counts per minute and name, usually that of a network: one caller cannot use up the
capacity of all. A caller with many networks (a new /64 per request costs nothing) is stopped by
``DailyBudget``: a number per day for all callers together, across all processes and machines of an
installation.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from worksgate.limits.outages import Unavailable

WINDOW = 60.0
DAY = 86_400.0
"""Seconds."""
RETRY_INTERVAL = 60.0
"""Seconds before a process asks again for a budget that was used up."""

Grant = Callable[[str, float, float], Awaitable[int]]
"""Increments a counter that all processes share: ``Store.bump``."""


@dataclass(slots=True)
class _Count:
    since: float
    value: int = 0


class RateLimit:
    """Counts by name per window, in bounded memory: the least recently used names are forgotten.

    ``window`` is in seconds; the default is a minute.
    """

    def __init__(self, limit: int, *, size: int = 4_096, window: float = WINDOW) -> None:
        self._limit = limit
        self._size = size
        self._window = window
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def exceeded(self, name: str, now: float) -> bool:
        """Count one more; return whether it exceeds the limit."""
        count = self._counts.pop(name, None)
        if count is None or not 0 <= now - count.since < self._window:
            count = _Count(now)
        count.value += 1
        self._counts[name] = count
        while len(self._counts) > self._size:
            self._counts.popitem(last=False)
        return count.value > self._limit


class OwnCounters:
    """Counters of this process only."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    async def bump(self, counter: str, window: float, now: float) -> int:
        """Like ``Store.bump``."""
        count = self._counts.get(counter)
        if count is None or not 0 <= now - count.since < window:
            count = self._counts[counter] = _Count(now)
        count.value += 1
        return count.value


class DailyBudget:
    """A number per day for all unauthenticated callers together.

    A process takes ``portion`` units at a time from a counter that all processes share, and one
    portion without asking. All together therefore use at most ``a_day`` plus a portion per process.
    While the counter is unavailable, nothing is left once the portion is used up.
    """

    def __init__(self, name: str, a_day: int, grant: Grant, *, portion: int) -> None:
        self._counter = f"budget {name}"
        self._a_day = a_day
        self._grant = grant
        self._portion = portion
        self._left = portion
        self._retried_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    def take(self, now: float) -> bool:
        """Use one; False if none is left. More are requested in the background."""
        if not self.has_any(now):
            return False
        self._left -= 1
        return True

    def has_any(self, now: float) -> bool:
        """Whether one is left, without using it; like ``take``, it requests more."""
        if self._left <= self._portion // 2:
            self._ask(now)
        return self._left > 0

    async def settle(self) -> None:
        """Return when no request is pending."""
        if self._asking is not None:
            await asyncio.gather(self._asking, return_exceptions=True)

    def _ask(self, now: float) -> None:
        if 0 <= now - self._retried_at < RETRY_INTERVAL or not self._is_idle():
            return
        with suppress(RuntimeError):  # no event loop: nothing is being served
            loop = asyncio.get_running_loop()
            self._asking = loop.create_task(self._take_portion(now))

    def _is_idle(self) -> bool:
        return self._asking is None or self._asking.done()

    async def _take_portion(self, now: float) -> None:
        try:
            portions = await self._grant(self._counter, DAY, now)
        except Unavailable:
            self._retried_at = now
            return
        if portions * self._portion <= self._a_day:
            self._left += self._portion
        else:
            self._retried_at = now
