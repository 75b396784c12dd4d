"""What is awaited ends with its deadline, and is itself told of it."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest

from worksgate.web.deadline import within

LONG, SHORT = 30.0, 0.01


class OnlyIterable:
    """What a server that is not written in Python hands out: no generator, but an iterator."""

    def __init__(self, work: Awaitable[str]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, str]:
        return _Steps(self._work.__await__())  # type: ignore[return-value]  # that is the point


class _Steps:
    def __init__(self, steps: Generator[Any, Any, str]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._steps)


async def at_once() -> str:
    return "done"


async def later() -> str:
    for _ in range(3):
        await asyncio.sleep(0.001)
    return "done"


async def broken() -> str:
    await asyncio.sleep(0)
    raise LookupError


async def never() -> str:
    await asyncio.Event().wait()
    return "done"


def as_it_is(work: Awaitable[str]) -> Awaitable[str]:
    return work


kinds = pytest.mark.parametrize("kind", [as_it_is, OnlyIterable])


@kinds
@pytest.mark.parametrize("work", [at_once, later])
async def test_the_result_is_handed_on(
    work: Callable[[], Awaitable[str]], kind: Callable[[Awaitable[str]], Awaitable[str]]
) -> None:
    assert await within(LONG, kind(work())) == "done"


@kinds
async def test_a_fault_is_handed_on(kind: Callable[[Awaitable[str]], Awaitable[str]]) -> None:
    with pytest.raises(LookupError):
        await within(LONG, kind(broken()))


@kinds
async def test_what_takes_too_long_is_ended(
    kind: Callable[[Awaitable[str]], Awaitable[str]],
) -> None:
    async with asyncio.timeout(LONG):
        with pytest.raises(TimeoutError):
            await within(SHORT, kind(never()))


async def test_what_is_ended_is_told_and_may_clean_up() -> None:
    steps: list[str] = []

    async def work() -> str:
        try:
            return await never()
        finally:
            steps.append("told")
            await asyncio.sleep(0)
            steps.append("cleaned up")

    with pytest.raises(TimeoutError):
        await within(SHORT, work())
    assert steps == ["told", "cleaned up"]


async def test_what_a_caller_waits_for_reaches_it() -> None:
    """Results and faults of what the work waits for reach the work, and not its caller."""

    async def work() -> str:
        with pytest.raises(LookupError):
            await broken_task
        return await task

    broken_task, task = asyncio.create_task(broken()), asyncio.create_task(later())
    assert await within(LONG, work()) == "done"
