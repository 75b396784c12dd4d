"""Records of a store: in the same commit as the change, or not at all."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs
from tests.postgres_server import shared_postgres, url_for
from tests.store.artifacts import (
    NOW,
    REDEEMED,
    buys,
    code,
    issued,
    key_of,
    named,
    session,
    spent_transaction,
    together,
)
from tests.store.stores import STORES, database_in, open_sqlite
from tests.valkey_server import address_for

from worksgate.audit import AuditEvent, Event
from worksgate.oauth.model import AccessToken, AuthorizationCode, RefreshToken, Session
from worksgate.store import (
    RecordKeeper,
    RedemptionOutcome,
    RedemptionRecord,
    Store,
    StoreUnavailable,
)
from worksgate.store.memory import MemoryStore, RecordList
from worksgate.store.sqlite.store import SqliteStore
from worksgate.store.valkey.store import ValkeyStore

LOGOUT = AuditEvent(event=Event.LOGOUT, at=NOW, subject_id="anna")
Look = Callable[[], list[str]]
"""The names of the records that there are, in order."""


@pytest.fixture
def recorded(store: Store, tmp_path: Path) -> Look:
    """What has been recorded, wherever the records of this store are."""
    if isinstance(store, MemoryStore):
        return lambda: [event.event.value for event in store.records]
    if isinstance(store, ValkeyStore):
        keeper = store._keeper
        assert isinstance(keeper, RecordList)
        return lambda: [event.event.value for event in keeper.events]
    sql = "SELECT event FROM audit ORDER BY id"
    if isinstance(store, SqliteStore):
        return lambda: [event for (event,) in rows(tmp_path, sql)]
    name = url_for(tmp_path).rpartition("/")[2]
    return lambda: [event for (event,) in shared_postgres().query(sql, name)]


def rows(folder: Path, sql: str) -> list[tuple[str]]:
    with closing(sqlite3.connect(database_in(folder))) as db:
        return db.execute(sql).fetchall()


async def test_r134_what_is_saved_is_recorded_with_it(store: Store, recorded: Look) -> None:
    await store.save(code(), session("one"), records=[issued("code"), LOGOUT])
    await store.save(code("a"), code("b"), records=[issued("a"), issued("b")])
    await store.save(code("silent"))
    assert recorded() == ["code.issued", "logout", "code.issued", "code.issued"]


async def test_r134_a_redemption_is_recorded_with_its_event_and_its_caller(
    store: Store, recorded: Look
) -> None:
    await store.save(code())
    record = RedemptionRecord(Event.TOKEN_REFRESHED, "203.0.113.1")
    successors = buys("token", "refresh")
    first = await store.redeem(AuthorizationCode, code().key, "tenant", successors, NOW, REDEEMED)
    second = await store.redeem(
        RefreshToken, key_of("refresh"), "tenant", buys("next"), NOW, record
    )
    assert first.outcome is second.outcome is RedemptionOutcome.REDEEMED
    assert recorded() == ["code.redeemed", "token.refreshed"]


async def test_r134_a_replay_is_recorded_with_the_revocation(store: Store, recorded: Look) -> None:
    await store.save(code())
    for token in ("first", "second"):
        await store.redeem(AuthorizationCode, code().key, "tenant", buys(token), NOW, REDEEMED)
    assert await store.find(AccessToken, key_of("first")) is None
    assert recorded() == ["code.redeemed", "code.replayed"]


@pytest.mark.parametrize(
    ("key", "client", "now"),
    [("nobody's", "tenant", NOW), ("code", "other", NOW), ("code", "tenant", NOW + 61)],
    ids=["unknown", "foreign", "expired"],
)
async def test_a_refusal_that_changes_nothing_is_not_the_stores_to_record(
    store: Store, recorded: Look, key: str, client: str, now: float
) -> None:
    await store.save(code())
    await store.redeem(AuthorizationCode, key_of(key), client, buys("token"), now, REDEEMED)
    assert recorded() == []


async def test_r134_what_is_taken_is_recorded_if_it_was_there(store: Store, recorded: Look) -> None:
    await store.save(session("one"))
    for _ in range(2):
        await store.take(Session, key_of("one"), records=[LOGOUT])
        assert recorded() == ["logout"]


async def test_r134_what_is_added_is_recorded_by_the_one_who_adds_it(
    store: Store, recorded: Look
) -> None:
    for name in ("first", "second"):
        await store.add(spent_transaction(), code(name), records=[issued(name), LOGOUT])
        assert recorded() == ["code.issued", "logout"]
    assert await store.find(AuthorizationCode, key_of("second")) is None


async def test_r134_of_many_redemptions_each_has_one_record(store: Store, recorded: Look) -> None:
    names = [f"{number}" for number in range(20)]
    await together(store.save(code(name)) for name in names)
    await together(
        store.redeem(AuthorizationCode, key_of(name), "tenant", buys(f"{name}/{n}"), NOW, REDEEMED)
        for name in names
        for n in range(2)
    )
    assert sorted(recorded()) == ["code.redeemed"] * 20 + ["code.replayed"] * 20


async def test_what_a_person_loses_is_recorded_with_it(store: Store, recorded: Look) -> None:
    await store.save(code(), session("one"))
    await store.forget("anna", records=[LOGOUT])
    assert await store.held(AuthorizationCode, "anna") == ()
    assert recorded() == ["logout"]


async def test_records_of_no_change_are_kept_in_order(store: Store, recorded: Look) -> None:
    await store.record([issued("a"), LOGOUT, issued("b")])
    await store.record([])
    assert recorded() == ["code.issued", "logout", "code.issued"]


# SQLite: one commit


async def test_what_is_added_with_more_is_one_request_of_one_commit(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path)
    await store.save(session("old"))
    before = sum(store.commits.batch_sizes.counts)
    added = await store.add(
        spent_transaction(),
        code(),
        session("new"),
        removed=[named(session("old"))],
        records=[issued("code")],
    )
    assert added
    assert sum(store.commits.batch_sizes.counts) - before == 1
    await store.close()


async def test_r134_a_record_costs_no_commit_of_its_own(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path)
    before = sum(store.commits.batch_sizes.counts)
    await store.save(code(), records=[issued("code")])
    assert sum(store.commits.batch_sizes.counts) - before == 1
    assert rows(tmp_path, "SELECT event FROM audit") == [("code.issued",)]
    await store.close()


async def test_r134_who_fails_alone_leaves_no_record(tmp_path: Path) -> None:
    store = await open_sqlite(tmp_path)
    broken = buys("token")
    await store.save(code("good"), code("bad"))
    outcomes = await asyncio.gather(
        store.redeem(AuthorizationCode, key_of("good"), "tenant", buys("x"), NOW, REDEEMED),
        store._commit.run(_fails, records=lambda _: [LOGOUT]),
        store.redeem(AuthorizationCode, key_of("bad"), "tenant", broken, NOW, REDEEMED),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], ArithmeticError)
    assert rows(tmp_path, "SELECT event FROM audit") == [("code.redeemed",)] * 2
    await store.close()


def _fails(_db: sqlite3.Connection) -> None:
    raise ArithmeticError


async def test_r134_nothing_is_changed_and_the_log_not_told_where_a_record_cannot_be_written(
    tmp_path: Path,
) -> None:
    await (await open_sqlite(tmp_path)).close()
    told: list[AuditEvent] = []
    store = await SqliteStore.open(database_in(tmp_path), spare=0, recorded=told.extend)
    unwritable = structs.replace(issued("bad"), detail=object())  # as by a fault of ours
    outcomes = await asyncio.gather(
        store.save(code("good"), records=[issued("good")]),
        store.save(code("bad"), records=[unwritable]),
        return_exceptions=True,
    )
    assert outcomes[0] is None
    assert isinstance(outcomes[1], Exception)
    assert await store.find(AuthorizationCode, key_of("bad")) is None
    await asyncio.sleep(0)
    await store.close()
    assert told == [issued("good")]


async def test_the_log_is_told_of_a_record_once_it_is_durable(tmp_path: Path) -> None:
    await (await open_sqlite(tmp_path)).close()
    told: list[tuple[Sequence[AuditEvent], list[tuple[str]]]] = []

    def tell(events: Sequence[AuditEvent]) -> None:
        told.append((events, rows(tmp_path, "SELECT event FROM audit")))

    store = await SqliteStore.open(database_in(tmp_path), spare=0, recorded=tell)
    with closing(sqlite3.connect(database_in(tmp_path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        saving = asyncio.create_task(store.save(code(), records=[issued("code")]))
        await asyncio.sleep(0.05)
        assert told == []
        other.execute("ROLLBACK")
    await saving
    await asyncio.sleep(0)
    await store.close()
    assert told == [([issued("code")], [("code.issued",)])]


@pytest.mark.parametrize(
    ("name", "count", "at_once"), [("sqlite", 5_000, 500), ("postgres", 2_000, 20)]
)
async def test_r134_thousands_of_exchanges_leave_a_record_each(
    name: str, count: int, at_once: int, tmp_path: Path
) -> None:
    store = await STORES[name](tmp_path)
    for first in range(0, count, 500):
        await store.save(*(code(f"{number}") for number in range(first, first + 500)))
    for first in range(0, count, at_once):
        await asyncio.gather(*(_exchange(store, f"{n}") for n in range(first, first + at_once)))
    await store.close()
    sql = (
        "SELECT count(*), count(DISTINCT login_id) FROM audit WHERE event = 'code.redeemed' "
        "AND login_id IN (SELECT login_id FROM access_tokens)"
    )
    database = url_for(tmp_path).rpartition("/")[2] if name == "postgres" else ""
    found = rows(tmp_path, sql) if name == "sqlite" else shared_postgres().query(sql, database)
    assert [tuple(map(int, row)) for row in found] == [(count, count)]


async def _exchange(store: Store, name: str) -> None:
    await store.redeem(AuthorizationCode, key_of(name), "tenant", buys(name), NOW, REDEEMED)


# A store elsewhere


class Away(RecordList):
    """The database is away: what is to be kept there is not."""

    def __init__(self, *, known: bool) -> None:
        super().__init__()
        self.is_away = known

    async def keep(self, events: Sequence[AuditEvent]) -> None:
        raise StoreUnavailable("away", outcome_unknown=True)


VERBS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "save": lambda store: store.save(code("new"), records=[LOGOUT]),
    "add": lambda store: store.add(code("new"), removed=[named(session("one"))], records=[LOGOUT]),
    "take": lambda store: store.take(Session, key_of("one"), records=[LOGOUT]),
    "forget": lambda store: store.forget("anna", records=[LOGOUT]),
    "redeem": lambda store: store.redeem(
        AuthorizationCode, code().key, "tenant", buys("token"), NOW, REDEEMED
    ),
}


async def elsewhere(name: str, folder: Path, keeper: RecordKeeper | None) -> Store:
    """A store whose records are kept by somebody else."""
    if name == "memory":
        return MemoryStore(keeper)
    return await ValkeyStore.open(address_for(folder), keeper=keeper)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("name", "keeper"),
    [("memory", Away(known=True)), ("valkey", Away(known=True)), ("valkey", None)],
    ids=["memory", "valkey", "valkey without a keeper"],
)
async def test_r135_while_records_cannot_be_written_nothing_is_changed_elsewhere(
    tmp_path: Path, name: str, keeper: RecordKeeper | None, verb: str
) -> None:
    store = await elsewhere(name, tmp_path, keeper)
    await store.save(code(), session("one"))
    with pytest.raises(StoreUnavailable):
        await VERBS[verb](store)
    assert await store.find(AuthorizationCode, key_of("new")) is None
    assert await store.find(Session, key_of("one")) is not None
    assert await store.find(AccessToken, key_of("token")) is None
    await store.close()


async def test_r134_nobody_is_given_what_could_not_be_recorded() -> None:
    store = MemoryStore(Away(known=False))
    await store.save(code())
    with pytest.raises(StoreUnavailable) as refusal:
        await VERBS["redeem"](store)
    assert refusal.value.outcome_unknown
