"""How many calls of each operation a minute allows.

https://developers.worksmobile.com/en/docs/rate-limits
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worksgate.conformance.directory_api.operations import Operation
from worksgate.conformance.directory_api.rules import RateHeaders, Rules

MINUTE: Final = 60
LOG_DOWNLOADS: Final = 10
"""Downloads of the audit log in a minute, in every plan."""

_USED: Final = {RateHeaders.MISSPELT: "rateLimit-ssed", RateHeaders.SPELT: "rateLimit-used"}


@dataclass(frozen=True, slots=True)
class Window:
    """A minute of an operation: its calls, of how many, and in how many seconds it ends."""

    used: int
    limit: int
    reset: int

    @property
    def is_over(self) -> bool:
        return self.used > self.limit

    def headers(self, spelling: RateHeaders) -> dict[str, str]:
        """The four headers, or none."""
        used = _USED.get(spelling)
        if used is None:
            return {}
        return {
            "rateLimit-limit": str(self.limit),
            "rateLimit-remaining": str(max(0, self.limit - self.used)),
            "rateLimit-reset": str(self.reset),
            used: str(min(self.used, self.limit)),
        }


class RateLimits:
    """The calls of each app and operation in the present minute, which begins with the first."""

    def __init__(self, rules: Callable[[], Rules], clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._windows: dict[tuple[str, Operation], tuple[float, int]] = {}

    def count(self, client_id: str, operation: Operation) -> Window:
        """Count a call and return its minute."""
        now, key = self._clock(), (client_id, operation)
        began, used = self._windows.get(key, (now, 0))
        if now >= began + MINUTE:
            began, used = now, 0
        limit = self._limit(operation)
        used = min(used + 1, limit + 1)
        self._windows[key] = (began, used)
        return Window(used, limit, max(1, math.ceil(began + MINUTE - now)))

    def _limit(self, operation: Operation) -> int:
        usual = self._rules().calls_a_minute
        return min(usual, LOG_DOWNLOADS) if operation is Operation.AUDIT_LOG else usual
