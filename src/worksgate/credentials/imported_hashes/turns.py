"""Turns at the one thread that checks imported hashes, which every check of a password takes.

If only those with an imported hash queued there, a full queue would tell who they are: guess at one
name ten times at once, and see whether the last guess is answered like the first. So the queue that
decides is one of numbers. Each check takes a turn in it, as long as the slowest hash, whether there
is work for it or not; the real queue is never longer. Who gets no turn is told that passwords
cannot be checked now, whoever they are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

WITHIN = 1.0
"""Seconds in which the last of a queue is checked: two thirds of the time that a refusal takes."""
ASSUMED = 0.25
"""Seconds that a check is taken to last: bcrypt of cost 12 on a common server."""
_REMEMBERED = 3_600.0
"""Seconds for which a slower check than that is reckoned with."""


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
        """The next turn, or None where it would not be over in time. An idle queue has one."""
        now = self._clock()
        wait = max(0.0, self._free_at - now)
        if wait + self._lasts > WITHIN:
            return None
        self._free_at = now + wait + self._lasts
        return Turn(now, self._lasts)

    def give_back(self, turn: Turn) -> None:
        """End a turn whose check is over, as that of a right password may be, before its time.

        Only what cannot have passed yet is given back, so the real queue stays the shorter one.
        """
        self._free_at -= max(0.0, turn.lasts - (self._clock() - turn.taken_at))

    def note(self, seconds: float) -> None:
        """Reckon with a check that has lasted so long: for an hour, if none was slower."""
        now = self._clock()
        if seconds >= self._lasts or now >= self._remembered_until:
            self._lasts = min(max(seconds, ASSUMED), WITHIN)
            self._remembered_until = now + _REMEMBERED
