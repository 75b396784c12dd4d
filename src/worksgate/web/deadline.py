"""A deadline that costs nothing where nothing is waited for.

``asyncio.timeout`` sets and cancels a timer at every call, a tenth of what a user info call costs,
and that call hardly ever waits. So a coroutine is run first up to where it waits, and only if it
does is a timer set.
"""

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``. Raises TimeoutError where it waits for longer; it is cancelled."""
    try:
        waiting = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _resumed(work, waiting)


@coroutine
def _resumed(work: Coroutine[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that has begun and waits for ``waiting``."""
    while True:
        try:
            value = yield waiting
        except BaseException as error:
            resume = partial(work.throw, error)
        else:
            resume = partial(work.send, value)
        try:
            waiting = resume()
        except StopIteration as done:
            result: T = done.value
            return result
