"""How many connections the directory uses at once: in turn, and fewer while they are short."""

import asyncio

import pytest

from worksgate.database import slots
from worksgate.database.slots import Slots


@pytest.fixture(autouse=True)
def stays_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "GROW_PAUSE", 3_600.0)


class Holder:
    """Somebody who takes a slot, and gives it back when told."""

    def __init__(self, turns: Slots) -> None:
        self._turns = turns
        self._may_go = asyncio.Event()
        self.has_it = False
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._turns:
            self.has_it = True
            await self._may_go.wait()
            self.has_it = False

    async def go(self) -> None:
        self._may_go.set()
        await self.task


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def holders(turns: Slots, number: int) -> list[Holder]:
    found = [Holder(turns) for _ in range(number)]
    await settled()
    return found


def who_has_one(all_: list[Holder]) -> list[int]:
    return [number for number, each in enumerate(all_) if each.has_it]


async def end(all_: list[Holder]) -> None:
    for each in all_:
        if not each.task.done():
            await each.go()


async def test_who_waits_is_served_in_order() -> None:
    all_ = await holders(Slots(2), 4)
    assert who_has_one(all_) == [0, 1]
    await all_[1].go()
    await settled()
    assert who_has_one(all_) == [0, 2]
    await end(all_)


async def test_f07_one_that_gets_no_connection_leaves_fewer_slots_and_never_none() -> None:
    turns = Slots(4)
    all_ = await holders(turns, 3)
    turns.shrink()
    assert (turns.limit, turns.are_fewer) == (2, True)
    all_ += await holders(turns, 1)
    await all_[0].go()
    await settled()
    assert who_has_one(all_) == [1, 2], "two are taken, and two there are"
    for _ in range(4):
        turns.shrink()
    assert turns.limit == 1
    await end(all_)


async def test_f07_after_a_while_there_are_as_many_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slots, "GROW_PAUSE", 0.0)
    turns = Slots(4)
    turns.shrink()
    assert (turns.limit, turns.are_fewer) == (4, False)


async def test_f21_who_hangs_up_as_the_turn_comes_passes_it_on() -> None:
    turns = Slots(1)
    async with turns:
        all_ = await holders(turns, 2)
    all_[0].task.cancel()  # it has been called, and has not run yet
    await settled()
    assert who_has_one(all_) == [1]
    with pytest.raises(asyncio.CancelledError):
        await all_[0].task
    await all_[1].go()
