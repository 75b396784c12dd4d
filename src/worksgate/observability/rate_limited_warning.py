"""A warning that may be due at every request, logged at most once a second."""

import time
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)


class RateLimitedWarning:
    """Logs one event; those within a second of the last are counted instead."""

    def __init__(self, event: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._monotonic = monotonic
        self._logged_at = float("-inf")
        self._suppressed = 0

    def log(self, path: str, detail: str) -> None:
        """Log it now, with the number of suppressed ones, or count it."""
        now = self._monotonic()
        if now - self._logged_at < 1.0:
            self._suppressed += 1
            return
        _log.warning(self._event, path=path, detail=detail, suppressed=self._suppressed)
        self._logged_at, self._suppressed = now, 0
