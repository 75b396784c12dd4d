"""Why an administrator's call was not done, or not wholly: NotFound, Refused, Unfinished."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from worksgate.database import Conflict

T = TypeVar("T")


class NotFound(Exception):
    """There is no such client or person; one sentence."""


class Refused(ValueError):
    """Something about the request is wrong, and nothing was changed; one sentence."""


class Unfinished(Exception):
    """The change is kept, but what it should end may live on: make the call again."""


@contextmanager
def refusals() -> Iterator[None]:
    """What a rule refuses, with a ValueError, becomes Refused; a Conflict stays one."""
    try:
        yield
    except (Conflict, Refused):
        raise
    except ValueError as error:
        raise Refused(str(error)) from None


def found(value: T | None, what: str, name: str) -> T:
    """Return what was looked up. Raises NotFound where that is nothing."""
    if value is None:
        raise NotFound(f"there is no {what} {name!r}")
    return value
