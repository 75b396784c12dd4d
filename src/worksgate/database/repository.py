"""Base of what reads and writes rows: its methods run to completion, even if cancelled (F-21)."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial, wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.database import SerializationFailure
from worksgate.database.direct_reads import Query, Row
from worksgate.limits.outages import Unavailable

ATTEMPTS = 20
"""Attempts at a transaction that conflicts with others; each time at least one succeeds."""


class Connections(Protocol):
    """Provides connections, and awaits running methods when it is closed."""

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]: ...

    async def rows(self, query: Query, **values: object) -> Sequence[Row]: ...

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


class TracksTasks(Protocol):
    """An object with methods that ``run_to_completion``."""

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]: ...


C = TypeVar("C", bound=Connections)


class Repository(Generic[C]):
    """Rows of the database, read and written by methods that ``run_to_completion``.

    Every method may raise DatabaseUnavailable.
    """

    def __init__(self, connections: C) -> None:
        self._connections = connections

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]:
        """The methods that are running, for whoever closes the connections."""
        return self._connections.unfinished


S = TypeVar("S", bound=TracksTasks)
P = ParamSpec("P")
T = TypeVar("T")
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def run_to_completion(method: Method[S, P, T]) -> Method[S, P, T]:
    """Decorate a method that continues to its end when its caller is cancelled."""

    @wraps(method)
    async def begun(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.create_task(
            retried(partial(method, self, *args, **kwargs), SerializationFailure)
        )
        self.unfinished.add(task)
        task.add_done_callback(self.unfinished.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_ended_alone)
            raise

    return begun


def _ended_alone(task: asyncio.Task[Any]) -> None:
    """Log what nobody waits for, except an outage, of which each request would log a traceback."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, Unavailable):
        context = {"message": "a method failed after its caller", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)


async def retried(
    begin: Callable[[], Coroutine[Any, Any, T]], on: type[Exception], *, pause: float = 0.005
) -> T:
    """Run one transaction, and retry it when it raises ``on``: ``ATTEMPTS`` times at most.

    Between two attempts it waits at random, for at most ``pause`` seconds after the first, twice
    that after the second, and so on.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return await begin()
        except on:
            await asyncio.sleep(random.uniform(0.0, pause * attempt))  # noqa: S311  # only to come at different times
    return await begin()
