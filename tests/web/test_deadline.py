"""A deadline cancels what is awaited, which can react to it."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest

from worksgate.web.deadline import LOOK, Deadline, within

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
            for _ in range(5):
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


async def test_a_block_that_ends_in_time_goes_on() -> None:
    with Deadline(SHORT):
        await at_once()
    await asyncio.sleep(3 * SHORT)  # nothing is left that could cancel it


class CountedTimers:
    """The moments for which timers are set on a loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.moments = list[float]()
        self._call_at = loop.call_at
        monkeypatch.setattr(loop, "call_at", self._counted)

    def _counted(self, when: float, *args: Any) -> asyncio.TimerHandle:
        self.moments.append(when)
        return self._call_at(when, *args)


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> CountedTimers:
    return CountedTimers(monkeypatch)


async def test_the_next_look_is_when_the_first_deadline_is_due(timers: CountedTimers) -> None:
    """Whichever was set first, and not ``LOOK`` later."""
    with Deadline(LONG), pytest.raises(TimeoutError), Deadline(LOOK / 100) as short:
        await never()
    assert timers.moments[1] == short.due


async def test_what_lasts_is_looked_at_now_and_then(timers: CountedTimers) -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError), Deadline(1.5 * LOOK):
        await never()
    assert timers.moments[0] >= began + LOOK
    assert timers.moments == sorted(timers.moments)


async def test_deadlines_pass_in_the_order_in_which_they_are_due() -> None:
    ended = list[float]()

    async def wait(seconds: float) -> None:
        with pytest.raises(TimeoutError), Deadline(seconds):
            await never()
        ended.append(seconds)

    lengths = (2.5 * LOOK, LOOK / 10, 1.5 * LOOK)
    await asyncio.gather(*map(wait, lengths))
    assert ended == sorted(lengths)


async def test_of_two_deadlines_the_one_that_passes_raises() -> None:
    with pytest.raises(TimeoutError), Deadline(SHORT), Deadline(LONG):
        await never()
    with Deadline(LONG):
        with pytest.raises(TimeoutError), Deadline(SHORT):
            await never()
        await later()


async def test_who_is_cancelled_is_not_told_of_a_deadline() -> None:
    async def work() -> None:
        with Deadline(LONG):
            await never()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_as_the_deadline_passes_stays_cancelled() -> None:
    async def work() -> None:
        with Deadline(LONG) as each:
            deadlines.append(each)
            await never()

    deadlines: list[Deadline] = []
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    deadlines[0].passes()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_thousand_deadlines_take_one_timer(timers: CountedTimers) -> None:
    for _ in range(1_000):
        with Deadline(LONG):
            pass
    assert len(timers.moments) == 1


def test_a_loop_that_is_closed_is_let_go() -> None:
    used: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def use() -> None:
        used.append(weakref.ref(asyncio.get_running_loop()))
        with Deadline(LONG):
            await asyncio.sleep(0)

    asyncio.run(use())
    gc.collect()
    assert used[0]() is None


async def test_only_a_task_can_have_a_deadline() -> None:
    failed = asyncio.get_running_loop().create_future()

    def enter() -> None:
        try:
            with Deadline(LONG):
                pass
        except RuntimeError as error:
            failed.set_result(error)

    asyncio.get_running_loop().call_soon(enter)
    assert "task" in str(await failed)
