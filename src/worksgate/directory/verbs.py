"""A verb of the database comes to its end, whoever waits for it or no longer does (F-21)."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection


class Connections(Protocol):
    """Where connections come from, and who waits for verbs at the close: the directory."""

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]: ...

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


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
        task = asyncio.create_task(verb(self, *args, **kwargs))
        self.unfinished.add(task)
        task.add_done_callback(self.unfinished.discard)
        return await asyncio.shield(task)

    return begun
