"""Turns for the one thread that checks imported hashes, taken by every password check.

If only people with an imported hash queued there, a full queue would reveal who they are: guess at
one name ten times at once, and see whether the last guess is answered like the first. So the queue
that decides is virtual. Each check takes a turn in it, as long as the slowest hash, whether there
is work or not; the real queue is never longer. Those without a turn are told that passwords cannot
be checked now, whoever they are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

WITHIN = 1.0
"""Seconds within which the last of a queue is checked: two thirds of the time of a refusal."""
ASSUMED = 0.25
"""Assumed seconds per check: bcrypt of cost 12 on a common server."""
_REMEMBERED = 3_600.0
"""Seconds for which the duration of a slower check is assumed instead."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A place in the queue: when it was taken, and for how many seconds of work."""

    taken_at: float
    lasts: float


class Turns:
    """A queue of turns, one after the other. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._free_at = clock()
        self._lasts = ASSUMED
        self._remembered_until = self._free_at

    def take(self) -> Turn | None:
        """The next turn, or None if it would not end in time. An idle queue always has one."""
        now = self._clock()
        wait = max(0.0, self._free_at - now)
        if wait + self._lasts > WITHIN:
            return None
        self._free_at = now + wait + self._lasts
        return Turn(now, self._lasts)

    def release(self, turn: Turn) -> None:
        """End a turn early, such as that of a right password.

        Only the time that cannot have passed yet is returned, so the real queue stays shorter.
        """
        self._free_at -= max(0.0, turn.lasts - (self._clock() - turn.taken_at))

    def note(self, seconds: float) -> None:
        """Assume checks of this duration: for an hour, unless a slower one comes."""
        now = self._clock()
        if seconds >= self._lasts or now >= self._remembered_until:
            self._lasts = min(max(seconds, ASSUMED), WITHIN)
            self._remembered_until = now + _REMEMBERED
