"""The background queue: bounded, in order, and without secrets in its log."""

import asyncio
from contextvars import ContextVar
from functools import partial

import pytest

from worksgate.limits.background import BackgroundQueue

name: ContextVar[str] = ContextVar("name", default="")


async def test_so_many_at_once_and_all_in_their_turn() -> None:
    backlog = BackgroundQueue("test", at_once=2, waiting=10)
    running, most, done = 0, 0, []

    async def work(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(number)

    assert all(backlog.add(partial(work, number)) for number in range(10))
    await backlog.close()
    assert sorted(done) == list(range(10))
    assert most == 2


async def test_full_backlog_takes_nothing_and_says_so_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    backlog = BackgroundQueue("test", at_once=1, waiting=3)
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()

    assert [backlog.add(work) for _ in range(9)] == [True] * 3 + [False] * 6
    assert capfd.readouterr().out.count("backlog.full") == 1
    gate.set()
    await backlog.close()
    assert not backlog.add(work)


async def test_r136_places_are_kept_free_for_others() -> None:
    backlog = BackgroundQueue("test", at_once=1, waiting=4)

    async def work() -> None:
        pass

    assert [backlog.add(work, kept_free=1) for _ in range(5)] == [True] * 3 + [False] * 2
    assert [backlog.add(work) for _ in range(2)] == [True, False]
    await backlog.close()


async def test_r136_a_backlog_that_is_full_again_and_again_says_so_once_a_minute(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In a flood each place that gets free is taken by the next."""
    backlog = BackgroundQueue("test", at_once=1, waiting=2)

    async def work() -> None:
        pass

    for _ in range(5):
        assert [backlog.add(work) for _ in range(3)] == [True, True, False]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert capfd.readouterr().out.count("backlog.full") == 1
    await backlog.close()


async def test_r106_failure_is_reported_by_its_kind_and_stops_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    backlog = BackgroundQueue("test", at_once=1, waiting=3)
    done = []

    async def failing() -> None:
        raise RuntimeError("canary")

    async def work() -> None:
        done.append(True)

    backlog.add(failing)
    backlog.add(work)
    await backlog.close()
    logged = capfd.readouterr().out
    assert done == [True]
    assert "RuntimeError" in logged
    assert "canary" not in logged


async def test_end_does_not_wait_for_what_never_ends(capfd: pytest.CaptureFixture[str]) -> None:
    backlog = BackgroundQueue("test", at_once=1, waiting=3)
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    backlog.add(endless)
    backlog.add(endless)
    await asyncio.wait_for(backlog.close(0.05), 60)
    assert ended == [True]
    assert "backlog.dropped" in capfd.readouterr().out


async def test_work_does_not_see_what_belongs_to_the_request() -> None:
    backlog = BackgroundQueue("test", at_once=1, waiting=3)
    seen = []

    async def work() -> None:
        seen.append(name.get())

    token = name.set("request")
    backlog.add(work)
    name.reset(token)
    await backlog.close()
    assert seen == [""]


async def test_what_comes_at_the_moment_in_which_a_worker_ends_is_done() -> None:
    backlog = BackgroundQueue("test", at_once=1, waiting=10)
    first, second = asyncio.Event(), asyncio.Event()

    async def set_it(event: asyncio.Event) -> None:
        event.set()

    backlog.add(partial(set_it, first))
    await first.wait()  # wakes before the loop has forgotten the worker
    backlog.add(partial(set_it, second))
    async with asyncio.timeout(60):
        await second.wait()
    await backlog.close()
