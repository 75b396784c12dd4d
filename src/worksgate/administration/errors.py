"""Refusals and incomplete operations: NotFound, Refused, Forbidden, Unfinished."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from worksgate.catalogues import sentence_of
from worksgate.database import Conflict

T = TypeVar("T")


class NotFound(Exception):
    """There is no such client or person; one sentence."""


class Refused(ValueError):
    """The request is invalid, and nothing was changed; one sentence."""


class Forbidden(Exception):
    """The acting administrator may not do this; one sentence."""


class Outdated(Exception):
    """Somebody else changed the same thing after the caller had read it; nothing was changed."""


class Unfinished(Exception):
    """The change was made, but its revocations may be incomplete: repeat the call."""


@contextmanager
def refusals() -> Iterator[None]:
    """A ValueError of a rule becomes Refused; a Conflict is passed through."""
    try:
        yield
    except (Conflict, Refused):
        raise
    except ValueError as error:
        raise Refused(sentence_of(error)) from None


def found(value: T | None, what: str, name: str) -> T:
    """Return what was looked up. Raises NotFound if that is None."""
    if value is None:
        raise NotFound(f"there is no {what} {name!r}")
    return value
