"""Stays below the rate limits of the API, which are counted for each operation.

https://developers.worksmobile.com/en/docs/rate-limits
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

PER_MINUTE: Final = 230
"""Calls of one operation in any 60 s. 240 are allowed; others may use the same app's domain."""
PER_MINUTE_OF_LONG_RUNS: Final = 115
"""The same for whoever calls for more than ``LONG_RUN``, since the limit is a peak value."""
LONG_RUN: Final = 1_800.0
"""Seconds."""
WINDOW: Final = 60.0
LONGEST_WAIT: Final = 120.0
"""Seconds that a header may make a call wait."""
IDLE: Final = WINDOW + LONGEST_WAIT
"""Seconds without a call after which a run has ended."""
_SHARE: Final = PER_MINUTE / 240
"""Of a limit that LINE WORKS announces."""

Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]


@dataclass(slots=True)
class _Lane:
    """The calls of one operation; times are of a monotonic clock."""

    began_at: float
    last_at: float
    calls: deque[float] = field(default_factory=deque)
    announced: int | None = None
    not_before: float = 0.0


class Pace:
    """Waits until an operation may be called, and heeds what LINE WORKS says of its limits."""

    def __init__(
        self,
        clock: Clock,
        sleep: Sleep,
        *,
        per_minute: int = PER_MINUTE,
        per_minute_of_long_runs: int = PER_MINUTE_OF_LONG_RUNS,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._per_minute = per_minute
        self._per_minute_of_long_runs = per_minute_of_long_runs
        self._lanes: dict[str, _Lane] = {}

    async def turn(self, operation: str, most: int | None = None) -> None:
        """Return when this operation may be called, and count the call.

        ``most`` is how often in a minute, for one with a limit of its own.
        """
        lane = self._lane(operation)
        if most is not None:
            lane.announced = most
        while (seconds := self._seconds_until_free(lane)) > 0:
            await self._sleep(seconds)
        lane.last_at = self._clock()
        lane.calls.append(lane.last_at)

    def heed(self, operation: str, headers: Mapping[str, str]) -> None:
        """Take over what an answer says: the limit, and whether it is used up."""
        lane = self._lane(operation)
        limit = _number(headers, "ratelimit-limit")
        if limit:
            lane.announced = max(1, int(limit * _SHARE))
        remaining = _remaining(headers, limit)
        if remaining is not None and remaining <= _reserve(limit):
            lane.not_before = self._clock() + seconds_until_fresh(headers)

    def _lane(self, operation: str) -> _Lane:
        now = self._clock()
        return self._lanes.setdefault(operation, _Lane(now, now))

    def _seconds_until_free(self, lane: _Lane) -> float:
        now = self._clock()
        while lane.calls and lane.calls[0] <= now - WINDOW:
            lane.calls.popleft()
        if now - lane.last_at > IDLE:
            lane.began_at = lane.last_at = now
        if lane.not_before > now:
            return lane.not_before - now
        most = self._most(lane, now)
        # When the allowance has just shrunk, more calls than it lie in the window.
        return 0.0 if len(lane.calls) < most else lane.calls[-most] + WINDOW - now

    def _most(self, lane: _Lane, now: float) -> int:
        is_long = now - lane.began_at > LONG_RUN
        most = self._per_minute_of_long_runs if is_long else self._per_minute
        if lane.announced is None:
            return most
        return min(most, max(1, lane.announced // 2) if is_long else lane.announced)


def seconds_until_fresh(headers: Mapping[str, str]) -> float:
    """How long to wait after an answer that the limit is used up."""
    reset = _number(headers, "ratelimit-reset")
    return WINDOW if reset is None else min(float(reset), LONGEST_WAIT)


def _remaining(headers: Mapping[str, str], limit: int | None) -> int | None:
    remaining = _number(headers, "ratelimit-remaining")
    if remaining is not None or limit is None:
        return remaining
    # LINE WORKS' own page misspells it.
    for name in ("ratelimit-used", "ratelimit-ssed"):
        if (used := _number(headers, name)) is not None:
            return max(0, limit - used)
    return None


def _reserve(limit: int | None) -> int:
    """Calls that are left to others of the same domain."""
    return 0 if limit is None else limit - int(limit * _SHARE)


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
