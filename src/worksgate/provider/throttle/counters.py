"""The counters of one purpose in the store, of which strangers may begin so many a day."""

import hmac
from collections.abc import Mapping, Sequence

from worksgate.limits.rate_limit import DailyBudget
from worksgate.provider.throttle.attempt import Attempt
from worksgate.store import Store

COUNTERS_PER_CHECK = 4
"""Rows that one check of a stranger leaves in the store at most: two or three for ``window`` (the
name from there and from everywhere, and the person from there), and that of the network. A gate
comes only after ``free`` failures from one place. docs/capacity.md reckons with it."""
COUNTERS_A_DAY = 200_000
"""Counters that unauthenticated callers may create in a day, all together, for each purpose."""
PORTION = 1_000
"""Counters that a process takes from the day's budget at a time."""
SHARED = 65_536
"""Counters of each kind that are shared beyond that. For all of them to be full takes millions of
wrong passwords in a day: then unknown places wait for the day to end, and known ones go on."""


class Counters:
    """The counters of one purpose; ``key`` decides who shares one with whom."""

    def __init__(self, store: Store, purpose: str, key: bytes) -> None:
        self.store = store
        self._prefix = f"{purpose} " if purpose else ""
        self._key = key
        self._begun = DailyBudget(
            self.named("counters"), COUNTERS_A_DAY, store.bump, portion=PORTION
        )

    def named(self, counter: str) -> str:
        """The name that a counter has in the store."""
        return self._prefix + counter

    async def bump(self, counter: str, window: float, now: float) -> int:
        return await self.store.bump(self.named(counter), window, now)

    async def count(self, counter: str, now: float) -> int:
        return await self.store.count(self.named(counter), now)

    async def seen(self, attempt: Attempt, now: float, *, network: bool) -> Mapping[str, int]:
        """All counts that decide whether an attempt is let through, read together."""
        names = self.deciding(attempt, network=network)
        counts = await self.store.count_all([self.named(each) for each in names], now)
        return {each: counts[self.named(each)] for each in names}

    def deciding(self, attempt: Attempt, *, network: bool) -> Sequence[str]:
        """The counters that decide.

        What may be shared is read by both names, so that the time does not tell which one counts.
        """
        names = list(attempt.counters)
        if attempt.device_id is None:
            own = attempt.strangers_counter
            names += (attempt.known_counter, own, self.shared(own))
        if network:
            names += (attempt.address_counter, self.shared(attempt.address_counter))
        return names

    def has_room(self, now: float) -> bool:
        """Whether strangers may begin one more counter today."""
        return self._begun.has_any(now)

    def has_counted(self, value: int, now: float) -> None:
        """Note the new value of a stranger's counter; the first increment has created it."""
        if value == 1:
            self._begun.take(now)

    def shared(self, counter: str) -> str:
        """The shared counter that replaces this one if there is no room for it.

        Sharing cannot be predicted, or a network could be blocked from another one.
        """
        kind = counter.partition(" ")[0]
        mac = hmac.digest(self._key, counter.encode(), "sha256")
        return f"shared {kind} {int.from_bytes(mac[:8]) % SHARED}"
