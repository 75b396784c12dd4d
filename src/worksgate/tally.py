"""Counting what strangers do, so that a flood of it stays cheap."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Count:
    since: float
    value: int = 0


class PeerTally:
    """Counts what strangers do, per client and peer in each minute, in bounded memory.

    It bounds what a flood costs; it never stands in the way of a right secret, so nobody can lock
    a client out with it (R-48).
    """

    WINDOW = 60.0

    def __init__(self, limit: int, *, size: int = 4_096) -> None:
        self._limit = limit
        self._size = size
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def exceeded(self, client_id: str, peer: str, now: float) -> bool:
        """Count one more; whether that is beyond the limit."""
        place = (client_id[:64], peer)
        count = self._counts.pop(place, None)
        if count is None or not 0 <= now - count.since < self.WINDOW:
            count = _Count(now)
        count.value += 1
        self._counts[place] = count
        while len(self._counts) > self._size:
            self._counts.popitem(last=False)
        return count.value > self._limit
