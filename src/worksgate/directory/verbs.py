"""A verb of the database comes to its end, whoever waits for it or no longer does (F-21)."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.credential_changes import Change
from worksgate.directory import DirectoryUnavailable

ATTEMPTS = 20
"""How often a verb is begun that others outpace; each time at least one of them has ended."""


class Outpaced(DirectoryUnavailable):
    """Others changed the same meanwhile, and what was to be done was undone (PostgreSQL)."""


class Connections(Protocol):
    """Where connections come from, and who waits for verbs at the close: the directory."""

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]: ...

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]: ...

    def publish(self, change: Change, event: AuditEvent) -> None:
        """Announce what a commit has changed of somebody's credentials."""
        ...


class HasVerbs(Protocol):
    """Whose verbs can be ``finished``."""

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]: ...


S = TypeVar("S", bound=HasVerbs)
P = ParamSpec("P")
T = TypeVar("T")
Verb = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def finished(verb: Verb[S, P, T]) -> Verb[S, P, T]:
    """A verb that comes to its end even if its caller does not wait for it."""

    @wraps(verb)
    async def begun(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.create_task(retried(partial(verb, self, *args, **kwargs), Outpaced))
        self.unfinished.add(task)
        task.add_done_callback(self.unfinished.discard)
        return await asyncio.shield(task)

    return begun


async def retried(
    begin: Callable[[], Coroutine[Any, Any, T]], on: type[Exception], *, pause: float = 0.005
) -> T:
    """Run one transaction, again whenever it raises ``on``: ``ATTEMPTS`` times at most.

    Between two attempts it waits at random, for at most ``pause`` seconds after the first, twice
    that after the second, and so on.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return await begin()
        except on:
            await asyncio.sleep(random.uniform(0.0, pause * attempt))  # noqa: S311  # only to come at different times
    return await begin()
