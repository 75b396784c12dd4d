"""The simulator's state: a bounded number of things, each for a limited time."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Clock = Callable[[], float]
V = TypeVar("V")


class Memory(Generic[V]):
    """A mapping that evicts the oldest entry when it is full, and each one after `seconds`.

    Storing again under a key replaces the value but not its age.
    """

    def __init__(self, clock: Clock, *, size: int = 200, seconds: float = 30 * 60) -> None:
        self._clock = clock
        self._size = size
        self._seconds = seconds
        self._entries: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        self._forget_old()
        return len(self._entries)

    def keep(self, key: str, value: V) -> None:
        """Store a value."""
        self._forget_old()
        since = self._entries[key][0] if key in self._entries else self._clock()
        self._entries[key] = (since, value)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def find(self, key: str) -> V | None:
        """Return the value, or None if it is gone."""
        self._forget_old()
        entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def take(self, key: str) -> V | None:
        """Return the value and remove it, or return None."""
        self._forget_old()
        entry = self._entries.pop(key, None)
        return None if entry is None else entry[1]

    def _forget_old(self) -> None:
        limit = self._clock() - self._seconds
        while self._entries and next(iter(self._entries.values()))[0] < limit:
            self._entries.popitem(last=False)
