"""The reference store: what it refuses without a record keeper, and its limits."""

from collections.abc import Sequence

import pytest
from tests.store.artifacts import NOW, buys, code, key_of, session

from worksgate.audit import AuditEvent, Event
from worksgate.oauth.model import AuthorizationCode, Session
from worksgate.store import REPLAY_MEMORY, RedemptionOutcome, StoreUnavailable
from worksgate.store.memory import MemoryStore

RECORDS = (AuditEvent(event=Event.LOGOUT, at=NOW),)


class Keeper:
    """Keeps records, unless it is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.is_away = is_away
        self.events: list[AuditEvent] = []

    async def keep(self, events: Sequence[AuditEvent]) -> None:
        self.events += events


async def test_r135_what_cannot_be_recorded_is_not_done() -> None:
    store = MemoryStore(keeper := Keeper())
    await store.save(session("a"))
    keeper.is_away = True
    for verb in (
        store.save(session("b"), records=RECORDS),
        store.take(Session, key_of("a"), records=RECORDS),
        store.forget(session("a").subject_id, records=RECORDS),
    ):
        with pytest.raises(StoreUnavailable):
            await verb
    assert await store.find(Session, key_of("a")) is not None
    assert await store.find(Session, key_of("b")) is None
    await store.save(session("b"))  # of which nothing is recorded
    assert await store.take(Session, key_of("b")) is not None
    assert keeper.events == []


async def test_without_a_keeper_records_are_kept_in_the_store() -> None:
    store = MemoryStore()
    await store.save(session("a"), records=RECORDS)
    assert store.records == [*RECORDS]


async def test_a_store_waits_for_nobody_and_refuses_nobody() -> None:
    store = MemoryStore()
    assert (store.waiting, store.unavailable) == (0, 0)
    assert await store.extend(Session, key_of("a"), NOW) is False


async def test_r110_what_expires_now_has_expired() -> None:
    store = MemoryStore()
    await store.save(session("a", expires_at=NOW), session("b", expires_at=NOW + 0.1))
    await store.bump("x", 10.0, NOW - 10.0)
    assert await store.purge(NOW) == 2
    assert await store.find(Session, key_of("b")) is not None


async def test_a_purge_goes_no_further_than_five_hundred() -> None:
    store = MemoryStore()
    await store.save(*(session(f"s{number}", expires_at=NOW) for number in range(501)))
    assert await store.purge(NOW) == 500
    assert await store.purge(NOW) == 1


async def test_r37_a_used_code_is_remembered_until_it_is_removed_and_no_longer() -> None:
    store = MemoryStore()
    made = code("a", expires_at=NOW + 60)
    await store.save(made)
    for outcome in (RedemptionOutcome.REDEEMED, RedemptionOutcome.REPLAYED):
        done = await store.redeem(AuthorizationCode, made.key, made.client_id, buys("t", None), NOW)
        assert done.outcome is outcome
    assert await store.purge(NOW + 60 + REPLAY_MEMORY - 0.1) <= 1  # the token, if it was there
    assert await store.find(AuthorizationCode, made.key) is not None
    await store.forget(made.subject_id)
    await store.save(made)
    fresh = await store.redeem(AuthorizationCode, made.key, made.client_id, buys("t", None), NOW)
    assert fresh.outcome is RedemptionOutcome.REDEEMED
