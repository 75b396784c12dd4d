"""Calls that are one transaction each, with retries for concurrent changes."""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from worksgate.database import ConcurrentChange
from worksgate.database.repository import retried

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")
Call = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def retried_on_conflict(call: Call[S, P, T]) -> Call[S, P, T]:
    """A call that is one transaction, retried if it conflicts with others (PostgreSQL).

    Raises ConcurrentChange if every attempt does.
    """

    @wraps(call)
    async def insist(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await retried(partial(call, self, *args, **kwargs), ConcurrentChange, pause=0.01)

    return insist
