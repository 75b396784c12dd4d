"""Deadlines that cost next to nothing, for what nearly always ends in time.

``asyncio.timeout`` sets and cancels a timer at every call, which costs more than a look-up. Here
one timer of the event loop looks after all deadlines together, at most ``LOOK`` seconds apart, and
``within`` sets a deadline only for what waits at all.
"""

import asyncio
import math
from collections.abc import Awaitable, Generator, Iterator
from functools import partial
from types import TracebackType, coroutine
from typing import Any, Self, TypeVar, cast
from weakref import WeakKeyDictionary

LOOK = 0.1
"""Seconds between two looks at the deadlines, where none is due before."""

T = TypeVar("T")


class Deadline:
    """``with Deadline(seconds):`` raises TimeoutError where the block takes longer.

    As ``asyncio.timeout`` it cancels what the block waits for.
    """

    __slots__ = ("_cancelling", "_has_passed", "_seconds", "_task", "_watch", "due")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._has_passed = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task that it can cancel")
        self._task = task
        self._cancelling = task.cancelling()
        loop = task.get_loop()
        self.due = loop.time() + self._seconds
        self._watch = _watch_of(loop)
        self._watch.begin(self, loop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watch.end(self)
        if not self._has_passed:
            return
        is_ours = self._task.uncancel() <= self._cancelling  # else others cancel the task as well
        if is_ours and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def passes(self) -> None:
        """Cancel what the block waits for."""
        self._has_passed = True
        self._task.cancel()


class _Watch:
    """The deadlines of one event loop, which it does not hold: the loop's timer holds the watch."""

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._next_look = math.inf

    def begin(self, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        self._open.add(deadline)
        if deadline.due < self._next_look:
            self._look_at(min(deadline.due, loop.time() + LOOK), loop)

    def end(self, deadline: Deadline) -> None:
        self._open.discard(deadline)

    def _look_at(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        if when < self._next_look:
            self._next_look = when
            loop.call_at(when, self._look, when, loop)

    def _look(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        if when != self._next_look:
            return  # an earlier look has taken its place
        self._next_look = math.inf
        now = loop.time()
        late = [each for each in self._open if each.due <= now]
        self._open.difference_update(late)
        for each in late:
            each.passes()
        if self._open:
            self._look_at(min(now + LOOK, *(each.due for each in self._open)), loop)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


def _watch_of(loop: asyncio.AbstractEventLoop) -> _Watch:
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = _Watch()
    return watch


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of ``work``. Raises TimeoutError and cancels it if it waits for longer."""
    steps = work.__await__()
    if not hasattr(steps, "send"):  # awaitables of servers that are not written in Python
        with Deadline(seconds):
            return await _begun(cast("Iterator[Any]", steps))
    try:
        waiting = steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    with Deadline(seconds):
        return await _resumed(steps, waiting)


@coroutine
def _begun(steps: Iterator[Any]) -> Generator[Any, Any, T]:
    """Wait for something that can only be iterated."""
    result: T = yield from cast("Generator[Any, Any, T]", steps)
    return result


@coroutine
def _resumed(steps: Generator[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """Continue work that has begun and waits for ``waiting``."""
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
