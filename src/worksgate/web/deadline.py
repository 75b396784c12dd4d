"""A deadline that costs nothing where nothing is waited for.

``asyncio.timeout`` sets and cancels a timer at every call, a tenth of what a user info call costs,
and that call hardly ever waits. So what is awaited is run first up to where it waits, and only if
it does is a timer set.
"""

import asyncio
from collections.abc import Awaitable, Generator, Iterator
from functools import partial
from types import coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of ``work``. Raises TimeoutError where it waits for longer; it is cancelled."""
    steps = work.__await__()
    if not hasattr(steps, "send"):  # the awaitables of a server that is not written in Python
        async with asyncio.timeout(seconds):
            return await _begun(cast("Iterator[Any]", steps))
    try:
        waiting = steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _resumed(steps, waiting)


@coroutine
def _begun(steps: Iterator[Any]) -> Generator[Any, Any, T]:
    """Wait for what can only be iterated."""
    result: T = yield from cast("Generator[Any, Any, T]", steps)
    return result


@coroutine
def _resumed(steps: Generator[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """Go on with what has begun and waits for ``waiting``."""
    while True:
        try:
            value = yield waiting
        except BaseException as error:
            resume = partial(steps.throw, error)
        else:
            resume = partial(steps.send, value)
        try:
            waiting = resume()
        except StopIteration as done:
            result: T = done.value
            return result
