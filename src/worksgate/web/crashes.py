"""Logging of failures that are not the caller's fault.

The message of an unexpected exception may quote user input or parameters of a statement, so only
its type and the locations in our code are logged (R-106). The messages of outages are our own, and
are logged.
"""

import traceback

import structlog

log = structlog.get_logger("worksgate.web")


def report(event: str, error: BaseException, **facts: object) -> None:
    """Log an exception under a name, with facts that are not secret."""
    log.error(event, **describe(error), **facts)


def describe(error: BaseException) -> dict[str, object]:
    """The type of an exception and where it came from, innermost frame last; no values."""
    places = traceback.extract_tb(error.__traceback__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    return {"kind": kind, "at": [f"{place.name}:{place.lineno}" for place in places][-12:]}
