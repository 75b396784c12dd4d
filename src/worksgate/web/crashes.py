"""What is logged when something fails that is not the caller's fault.

The words of an exception that nobody foresaw may quote what a person typed or what a statement
was given, so only its kind and the places in our code are told (R-106). An outage is told in its
own words, which are ours.
"""

import time
import traceback
from collections.abc import Callable

import structlog

log = structlog.get_logger("worksgate.web")


class Seldom:
    """Logs a warning that may be due at every request: at most once a second."""

    def __init__(self, event: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._monotonic = monotonic
        self._told_at = float("-inf")
        self._untold = 0

    def tell(self, path: str, detail: str) -> None:
        """Log it now, with the number of those that were not, or count it."""
        now = self._monotonic()
        if now - self._told_at < 1.0:
            self._untold += 1
            return
        log.warning(self._event, path=path, detail=detail, untold=self._untold)
        self._told_at, self._untold = now, 0


def report(event: str, error: BaseException, **facts: object) -> None:
    """Log an exception under a name, with facts that hold no secret."""
    log.error(event, **describe(error), **facts)


def describe(error: BaseException) -> dict[str, object]:
    """The kind of an exception and where it came from, innermost place last; no values."""
    places = traceback.extract_tb(error.__traceback__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    return {"kind": kind, "at": [f"{place.name}:{place.lineno}" for place in places][-12:]}
