"""Methods of the database run to their end, and a conflict with others is tried again."""

import asyncio
import gc
from itertools import count
from typing import Any

import pytest

from worksgate.database import DatabaseUnavailable, SerializationFailure
from worksgate.database.repository import ATTEMPTS, retried, run_to_completion


class Repository:
    """Has one method, which waits for its turn and fails as often as it is told to."""

    def __init__(self, *, failures: int = 0) -> None:
        self.unfinished = set[asyncio.Task[Any]]()
        self.has_begun = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.ended = 0
        self._failures = failures

    @run_to_completion
    async def change(self, number: int, *, more: int) -> int:
        self.has_begun.set()
        await self.may_go_on.wait()
        self.ended += 1
        if self.ended <= self._failures:
            raise SerializationFailure("somebody else was first")
        return number + more


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The bounds between which each pause is drawn, none of which passes."""
    found: list[tuple[float, float]] = []
    drawn, slept = count(1.0), count(1.0)

    def uniform(least: float, most: float) -> float:
        found.append((least, most))
        return next(drawn)

    async def sleep(seconds: float) -> None:
        assert seconds == next(slept), "another pause than was drawn"

    monkeypatch.setattr("worksgate.database.repository.random.uniform", uniform)
    monkeypatch.setattr("worksgate.database.repository.asyncio.sleep", sleep)
    return found


async def test_f21_a_method_ends_without_its_caller_and_is_waited_for_until_then() -> None:
    rows = Repository()
    caller = asyncio.create_task(rows.change(1, more=2))
    await rows.has_begun.wait()
    (method,) = rows.unfinished
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert rows.unfinished == {method}

    rows.may_go_on.set()
    assert await method == 3
    assert rows.unfinished == set()


async def test_f14_a_method_that_came_in_between_is_tried_again(
    pauses: list[tuple[float, float]],
) -> None:
    rows = Repository(failures=2)
    rows.may_go_on.set()
    assert await rows.change(1, more=2) == 3
    assert rows.ended == 3
    assert pauses == [(0.0, 0.005), (0.0, 0.01)]


@pytest.mark.parametrize(("failures", "tries"), [(0, 1), (ATTEMPTS - 1, ATTEMPTS)])
async def test_the_last_of_all_attempts_may_succeed(
    failures: int, tries: int, pauses: list[tuple[float, float]]
) -> None:
    rows = Repository(failures=failures)
    rows.may_go_on.set()
    assert await rows.change(1, more=0) == 1
    assert rows.ended == tries
    assert len(pauses) == failures


async def test_who_never_succeeds_is_told_so(pauses: list[tuple[float, float]]) -> None:
    rows = Repository(failures=ATTEMPTS)
    rows.may_go_on.set()
    with pytest.raises(SerializationFailure):
        await rows.change(1, more=0)
    assert rows.ended == ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1


async def test_only_what_is_named_is_tried_again(pauses: list[tuple[float, float]]) -> None:
    async def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await retried(fail, SerializationFailure)
    assert pauses == []


@pytest.mark.parametrize(("error", "told"), [(DatabaseUnavailable("away"), 0), (KeyError("x"), 1)])
async def test_r270_of_an_outage_nothing_is_logged_for_callers_who_have_left(
    error: Exception, told: int
) -> None:
    logged: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))

    class Failing(Repository):
        @run_to_completion
        async def fail(self) -> None:
            self.has_begun.set()
            await self.may_go_on.wait()
            raise error

    rows = Failing()
    caller = asyncio.create_task(rows.fail())
    await rows.has_begun.wait()
    (method,) = rows.unfinished
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    rows.may_go_on.set()
    await asyncio.wait([method])
    del method
    await asyncio.sleep(0)  # the callbacks of the task come
    gc.collect()
    assert [each["exception"] for each in logged] == [error] * told
