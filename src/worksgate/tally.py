"""Counting what strangers do, so that a flood of it stays cheap."""

from collections import OrderedDict
from dataclasses import dataclass

WINDOW = 60.0
"""Seconds."""


@dataclass(slots=True)
class _Count:
    since: float
    value: int = 0


class Tally:
    """Counts by name in each minute, in bounded memory: the names least in use are forgotten."""

    def __init__(self, limit: int, *, size: int = 4_096) -> None:
        self._limit = limit
        self._size = size
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def exceeded(self, name: str, now: float) -> bool:
        """Count one more; whether that is beyond the limit."""
        count = self._counts.pop(name, None)
        if count is None or not 0 <= now - count.since < WINDOW:
            count = _Count(now)
        count.value += 1
        self._counts[name] = count
        while len(self._counts) > self._size:
            self._counts.popitem(last=False)
        return count.value > self._limit
