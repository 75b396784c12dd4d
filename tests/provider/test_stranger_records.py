"""Audit records of unauthenticated callers are bounded, and the rest is counted."""

import asyncio
from itertools import count

import pytest

from worksgate.audit import AuditEvent, Event
from worksgate.limits.rate_limit import DAY, RETRY_INTERVAL, DailyBudget, OwnCounters, RateLimit
from worksgate.provider import stranger_records
from worksgate.provider.stranger_records import A_DAY, DEFAULT_PER_MINUTE, PORTION, StrangerRecords
from worksgate.store import StoreUnavailable
from worksgate.store.memory import MemoryStore

NOW = 1_800_000_000.0


class Audit:
    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    async def room(self) -> None: ...

    async def flush(self) -> None: ...


def refused(number: int, at: float = NOW) -> AuditEvent:
    """A refusal of one of very many networks."""
    address = f"2001:db8:{number // 65536:x}:{number % 65536:x}::1"
    return AuditEvent(event=Event.CLIENT_REFUSED, at=at, address=address, detail="unknown client")


@pytest.mark.slow
async def test_r136_any_number_of_networks_together_write_what_a_day_allows_in_full() -> None:
    store, audits = MemoryStore(), [Audit(), Audit()]
    processes = [StrangerRecords(audit, store.bump) for audit in audits]
    for number in range(20_000):
        for process in processes:
            process.record(refused(number, NOW + number * 4))
        if number % 50 == 0:
            await asyncio.sleep(0)
    for process in processes:
        await process.close()
    events = [event for audit in audits for event in audit.events]
    in_full = [event for event in events if event.address]
    a_day = A_DAY[Event.CLIENT_REFUSED]
    assert a_day <= len(in_full) <= a_day + len(processes) * PORTION
    summaries = [event for event in events if not event.address]
    assert len(summaries) <= len(processes) * DAY / 60
    counted = sum(int((event.detail or "").split()[5]) for event in summaries)
    assert len(in_full) + counted == 40_000, "each is there, in full or counted"


async def test_r136_one_network_does_not_use_up_what_is_there_for_all() -> None:
    audit = Audit()
    strangers = StrangerRecords(audit)
    for _ in range(10_000):
        strangers.record(refused(1))
    strangers.record(refused(2))
    assert len(audit.events) == DEFAULT_PER_MINUTE + 1
    await strangers.close()
    assert audit.events[-1].detail == "not recorded one by one: 9940 within a minute, networks: 1"


async def test_r136_a_flood_of_one_event_hides_no_other() -> None:
    audit = Audit()
    strangers = StrangerRecords(audit, MemoryStore().bump)
    for number in range(30_000):
        strangers.record(refused(number))
    other = AuditEvent(event=Event.LOGIN_FAILED, at=NOW, address="203.0.113.9", username="aoi")
    strangers.record(other)
    assert audit.events[-1] == other
    await strangers.close()


async def test_what_was_counted_is_written_each_minute() -> None:
    audit = Audit()
    strangers = StrangerRecords(audit)
    for minute, number in zip(range(3), count(), strict=False):
        for _ in range(5):
            strangers.count(Event.LOGIN_REQUESTED, f"network {number}", NOW + minute * 60)
    await strangers.close()
    assert [event.event for event in audit.events] == [Event.LOGIN_REQUESTED] * 3
    counted = "not recorded one by one: 5 within a minute, networks: 1"
    assert [event.detail for event in audit.events] == [counted] * 3
    assert [event.at for event in audit.events] == [NOW + 60, NOW + 120, NOW + 180]


async def test_what_was_counted_is_written_although_nothing_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stranger_records, "WINDOW", 0.02)
    audit = Audit()
    strangers = StrangerRecords(audit)
    for _ in range(2):
        strangers.count(Event.LOGIN_REQUESTED, "network", NOW)
        async with asyncio.timeout(60):
            while not audit.events:  # noqa: ASYNC110  # it is written by a timer
                await asyncio.sleep(0.01)
        (written,) = audit.events
        assert (written.event, written.at) == (Event.LOGIN_REQUESTED, NOW + 0.02)
        audit.events.clear()


async def test_networks_are_told_apart_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stranger_records, "_NETWORKS", 2)
    audit = Audit()
    strangers = StrangerRecords(audit)
    await strangers.close()
    assert audit.events == []
    for number in range(3):
        strangers.count(Event.LOGIN_REQUESTED, f"network {number}", NOW)
    await strangers.close()
    detail = "not recorded one by one: 3 within a minute, networks: 2+"
    assert [event.detail for event in audit.events] == [detail]


# the budget


async def test_r136_processes_together_use_a_day_and_a_portion_each() -> None:
    counters = OwnCounters()
    budgets = [DailyBudget("x", 100, counters.bump, portion=10) for _ in range(3)]
    taken = 0
    for _ in range(200):
        for budget in budgets:
            taken += budget.take(NOW)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert 100 <= taken <= 100 + 3 * 10
    later = NOW + DAY
    assert not budgets[0].take(later)
    await budgets[0].settle()
    assert budgets[0].take(later), "the next day there is more"


async def test_while_nobody_grants_any_the_portion_is_all_there_is() -> None:
    async def away(counter: str, window: float, now: float) -> int:
        raise StoreUnavailable("away")

    budget = DailyBudget("x", 100, away, portion=10)
    taken = 0
    for _ in range(50):
        taken += budget.take(NOW)
        await asyncio.sleep(0)
    assert taken == 10


async def test_what_is_used_up_is_not_asked_for_at_each_request() -> None:
    asked = 0

    async def nothing_left(counter: str, window: float, now: float) -> int:
        nonlocal asked
        asked += 1
        return 1_000

    budget = DailyBudget("x", 100, nothing_left, portion=10)
    for number in range(1_000):
        budget.take(NOW + number / 10)
        await asyncio.sleep(0)
    assert asked <= 100 / RETRY_INTERVAL + 2


@pytest.mark.parametrize("size", [10])
def test_names_are_counted_in_bounded_memory(size: int) -> None:
    limit = RateLimit(1, size=size)
    for number in range(1_000):
        assert not limit.exceeded(f"{number}", NOW)
    assert len(limit._counts) == size
    assert limit.exceeded("999", NOW)
    assert not limit.exceeded("999", NOW + 60)


async def test_r136_a_budget_asks_for_more_when_half_of_its_portion_is_used() -> None:
    asked: list[float] = []

    async def grant(counter: str, window: float, now: float) -> int:
        asked.append(now)
        return len(asked)

    budget = DailyBudget("x", 100, grant, portion=10)
    for taken in range(1, 7):
        assert budget.take(NOW)
        await budget.settle()
        assert len(asked) == (taken == 6)


async def test_r136_a_budget_gives_its_day_and_one_portion_to_the_last() -> None:
    budget = DailyBudget("x", 20, OwnCounters().bump, portion=10)
    taken = 0
    for _ in range(100):
        taken += budget.take(NOW)
        await budget.settle()
    assert taken == 30


async def test_a_counter_that_fails_in_an_odd_way_harms_no_one() -> None:
    async def broken(counter: str, window: float, now: float) -> int:
        raise RuntimeError("odd")

    budget = DailyBudget("x", 100, broken, portion=1)
    assert budget.take(NOW)
    assert not budget.take(NOW)
    await budget.settle()


@pytest.mark.parametrize("counters", [OwnCounters, MemoryStore])
async def test_r274_a_budget_begins_again_once_the_clock_is_right(
    counters: type[OwnCounters | MemoryStore],
) -> None:
    budget = DailyBudget("x", 20, counters().bump, portion=10)
    ahead = NOW + 30 * DAY
    for _ in range(60):
        budget.take(ahead)
        await budget.settle()
    assert not budget.take(ahead)
    budget.take(NOW)
    await budget.settle()
    assert budget.take(NOW)
