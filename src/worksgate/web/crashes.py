"""What is logged when something fails that is not the caller's fault.

The words of an exception that nobody foresaw may quote what a person typed or what a statement
was given, so only its kind and the places in our code are told (R-106). An outage is told in its
own words, which are ours.
"""

import traceback

import structlog

log = structlog.get_logger("worksgate.web")


def report(event: str, error: BaseException, **facts: object) -> None:
    """Log an exception under a name, with facts that hold no secret."""
    log.error(event, **describe(error), **facts)


def describe(error: BaseException) -> dict[str, object]:
    """The kind of an exception and where it came from, innermost place last; no values."""
    places = traceback.extract_tb(error.__traceback__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    return {"kind": kind, "at": [f"{place.name}:{place.lineno}" for place in places][-12:]}
