"""Specifics of the PostgreSQL store: an unavailable, slow or full server, and the queue."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
import pytest
from hypothesis import settings
from structlog.testing import capture_logs
from tests.postgres_server import PostgresServer, giving_back, running_postgres, shared_postgres
from tests.postgres_server import url_for as database_for
from tests.store.artifacts import (
    NOW,
    REDEEMED,
    access_token,
    buys,
    code,
    issued,
    key_of,
    refresh_token,
    session,
    together,
)
from tests.store.stores import open_postgres
from tests.store.test_model import Comparison
from tests.store.waiting import is_waited_for
from tests.unhurried import AT_ONCE, PATIENT, tries

from worksgate.audit import AuditEvent, Event
from worksgate.database.identity import DatabaseGuard, DatabaseIdentity
from worksgate.oauth.model import (
    ARTIFACT_KINDS,
    AccessToken,
    AuthorizationCode,
    RefreshToken,
    Session,
)
from worksgate.store import (
    Recount,
    Redemption,
    RedemptionOutcome,
    Store,
    StoreUnavailable,
    Successors,
)
from worksgate.store.postgres import pool as postgres_pool
from worksgate.store.postgres.pool import REPLY_TIMEOUT
from worksgate.store.postgres.store import ROOM_TIMEOUT, PostgresStore

pytestmark = pytest.mark.programs

HEALED = 5.0
"""Seconds after which everything is as before."""

LOGOUT = AuditEvent(event=Event.LOGOUT, at=NOW, subject_id="anna")
TOKEN = access_token()


async def redeem(store: Store, name: str = "code", token: str = "token") -> Redemption:
    return await store.redeem(AuthorizationCode, key_of(name), "tenant", buys(token), NOW)


async def is_used(store: Store, name: str = "code") -> bool:
    """Whether a code is used; an unused one is good, and then it is used up by the question."""
    return (await redeem(store, name, "question")).outcome is not RedemptionOutcome.REDEEMED


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database_for(tmp_path)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[PostgresStore]:
    store = await open_postgres(tmp_path)
    yield store
    await store.close()


@pytest.fixture(scope="module")
def mortal_server() -> Iterator[PostgresServer]:
    with running_postgres(max_connections="12") as server:
        yield server


@pytest.fixture
def own_server(mortal_server: PostgresServer) -> PostgresServer:
    """A server that a test may kill; one that failed has not started it again."""
    if not mortal_server.is_running():
        mortal_server.start()
    return mortal_server


@asynccontextmanager
async def somebody(url: str) -> AsyncIterator[Any]:
    """Another connection to the database."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Somebody else works on all codes."""
    async with somebody(url) as connection, connection.transaction():
        await connection.execute("SELECT key FROM codes FOR UPDATE")
        yield


async def gone(store: Store) -> None:
    """Wait until the last process of a killed server has noticed that it is an orphan."""
    with suppress(StoreUnavailable):
        async with asyncio.timeout(PATIENT):
            while True:
                await store.ping()
                await asyncio.sleep(0.01)


async def healed(store: Store) -> float:
    """Wait until the store answers; how many seconds that took."""
    began = time.monotonic()
    while True:
        with suppress(StoreUnavailable):
            await store.ping()
            return time.monotonic() - began
        assert time.monotonic() - began < HEALED, "it has not healed itself"
        await asyncio.sleep(0.05)


# The contract


class PostgresComparison(Comparison):
    """Every step is taken in the reference and on PostgreSQL."""

    def __init__(self) -> None:
        super().__init__()
        self.runner.run(self.sqlite.close())
        self.sqlite: Store = self.runner.run(open_postgres(Path(self.folder.name)))

    def both(self, verb: str, *arguments: Any, **more: Any) -> None:
        for argument in arguments:
            if isinstance(argument, Successors) and argument.refresh_token_key == arguments[1]:
                return  # a token that replaces itself: nobody draws 256 bits twice
        super().both(verb, *arguments, **more)

    def teardown(self) -> None:
        with giving_back(Path(self.folder.name)):
            super().teardown()


TestPostgresComparison = PostgresComparison.TestCase
TestPostgresComparison.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)


async def test_r41_every_kind_has_its_table_and_nothing_is_in_any(store: PostgresStore) -> None:
    for kind in ARTIFACT_KINDS.values():
        assert await store.held(kind, "anna") == ()


async def test_what_the_database_cannot_keep_is_reported_without_quoting_it(
    store: PostgresStore,
) -> None:
    for hidden in ("hidden \0", "hidden \udc80"):
        with pytest.raises(ValueError, match="cannot store") as refusal:
            await store.save(code(grant=hidden))
        assert "hidden" not in str(refusal.value)
    await store.ping()


async def test_an_outage_quotes_no_value(store: PostgresStore, url: str) -> None:
    async with somebody(url) as connection:
        await connection.execute(
            "ALTER TABLE codes ADD CONSTRAINT unlike_any CHECK (grant_id <> 'hidden') NOT VALID"
        )
        with pytest.raises(ValueError, match="cannot store") as refusal:
            await store.save(code(grant="hidden"))
        await connection.execute("ALTER TABLE codes DROP CONSTRAINT unlike_any")
    assert "hidden" not in str(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


# One statement


async def test_r39_a_redemption_is_one_round_trip(url: str) -> None:
    store = await PostgresStore.open(url, connections=1)
    await store.save(code("first"), code("second"))
    await redeem(store, "first", "first token")

    with counted(store) as sent:
        assert (await redeem(store, "second", "second token")).outcome is RedemptionOutcome.REDEEMED
        assert await store.find(AccessToken, key_of("second token")) is not None
    await store.close()

    assert sent == ["fetchrow", "fetchrow"]


@pytest.mark.parametrize(
    ("subject", "recorded"),
    [("a\\b", "a\\\\b"), ("a\x01\x1f\x7fb", "a???b"), (300 * "x", 255 * "x")],
)
async def test_a_record_of_a_redemption_is_one_line_of_some_length(
    store: PostgresStore, url: str, subject: str, recorded: str
) -> None:
    await store.save(code(subject=subject))
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("token"), NOW, REDEEMED)
    async with somebody(url) as connection:
        assert await connection.fetchval("SELECT subject_id FROM audit") == recorded


async def test_what_a_login_leaves_is_saved_in_one_round_trip(url: str) -> None:
    store = await PostgresStore.open(url, connections=1)
    with counted(store) as sent:
        await store.save(code(), session())
        await store.save(code("recorded"), session(), records=[issued("recorded")])
        assert sent == ["execute", "execute"]
        sent.clear()
        await store.save(code("one"), code("two"), session(), records=[issued("one")])
        assert sent == ["transaction", "executemany", "executemany", "execute"]
    await store.close()


async def test_a_replay_is_three_round_trips_since_its_code_creates_nothing_more(url: str) -> None:
    store = await PostgresStore.open(url, connections=1)
    await store.save(code())
    await redeem(store)
    with counted(store) as sent:
        assert (await redeem(store)).outcome is RedemptionOutcome.REPLAYED
    await store.close()

    assert sent == ["fetchrow"] * 3, "not used, asked why not, and revoked"


class _Counting:
    """A connection that notes what it is asked to do."""

    def __init__(self, connection: Any, sent: list[str]) -> None:
        self._connection = connection
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        if name in ("fetchrow", "fetch", "fetchval", "execute", "executemany", "transaction"):
            self._sent.append(name)
        return getattr(self._connection, name)


@contextmanager
def counted(store: PostgresStore) -> Iterator[list[str]]:
    """What is sent over the one connection of a store."""
    # There is no public way to listen at the connection.
    (connection,) = store._pool._connections
    driver, sent = connection._driver, list[str]()
    connection._driver = _Counting(driver, sent)
    yield sent
    connection._driver = driver


async def test_r36_a_replay_waits_for_a_renewal_of_its_grant_and_revokes_that_too(
    store: PostgresStore, url: str
) -> None:
    await store.save(code(grant="g"))
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("first", "first refresh"), NOW)
    async with somebody(url) as connection:
        renewal = connection.transaction()
        await renewal.start()
        await _renew(connection)
        replay = asyncio.create_task(redeem(store))
        assert await is_waited_for(connection, connection, replay)
        await renewal.commit()

    assert (await replay).outcome is RedemptionOutcome.REPLAYED
    assert await store.find(AccessToken, key_of("late")) is None
    again = await store.redeem(RefreshToken, key_of("late refresh"), "tenant", buys("x"), NOW)
    assert again.outcome is RedemptionOutcome.UNKNOWN


async def _renew(connection: Any) -> None:
    """Use the refresh token of the grant ``g``, as a redemption does that is under way."""
    await connection.execute("UPDATE refresh_tokens SET used = 1")
    for name, table in (("late", "access_tokens"), ("late refresh", "refresh_tokens")):
        more = ", 60, 60" if table == "refresh_tokens" else ""
        columns = "key, grant_id, subject_id, client_id, expires_at, user_id, login_id, "
        columns += "login_kind" + (", lifetime, expires_in" if more else "")
        await connection.execute(
            f"INSERT INTO {table} ({columns}) "
            f"VALUES ($1, 'g', 'anna', 'tenant', $2, 'u', 'l', 'web'{more})",
            *(key_of(name), TOKEN.expires_at),
        )


async def test_r30_who_is_forgotten_loses_what_is_bought_meanwhile_and_it_is_counted(
    store: PostgresStore, url: str
) -> None:
    await store.save(refresh_token(grant="g"))
    async with somebody(url) as connection:
        async with connection.transaction():
            await _renew(connection)
            forgetting = asyncio.create_task(store.forget("anna"))
            assert await is_waited_for(connection, connection, forgetting)
        assert await forgetting == 3
        assert await store.held(AccessToken, "anna") == ()
        assert await store.held(RefreshToken, "anna") == ()


async def test_a_stricter_isolation_of_the_server_changes_nothing(tmp_path: Path, url: str) -> None:
    async with somebody(url) as connection:
        await connection.execute(
            "ALTER ROLE worksgate SET default_transaction_isolation = 'serializable'"
        )
    try:
        store = await PostgresStore.open(url, connections=5)
        for number in range(20):
            await store.save(code(f"{number}"))
            outcomes = [
                each.outcome
                for each in await together(
                    redeem(store, f"{number}", f"{number}/{caller}") for caller in range(8)
                )
            ]
            assert sorted(outcomes) == [
                *[RedemptionOutcome.REDEEMED],
                *[RedemptionOutcome.REPLAYED] * 7,
            ]
        await store.close()
    finally:
        async with somebody(url) as connection:
            await connection.execute("ALTER ROLE worksgate RESET ALL")


async def test_purge_leaves_what_somebody_works_on_and_does_not_wait(
    store: PostgresStore, url: str
) -> None:
    await store.save(code("one"), code("two"))
    async with somebody(url) as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM codes WHERE key = $1 FOR UPDATE", key_of("one"))
        assert await store.purge(NOW + 1_000) == 1
    assert await store.purge(NOW + 1_000) == 1


# Slow


@pytest.mark.deadlines
async def test_f06_a_long_lock_is_reported_in_time_and_no_code_is_used(
    store: PostgresStore, url: str
) -> None:
    for turn, each in enumerate(tries()):
        names = [f"{turn}/{number}" for number in range(8)]
        await store.save(*map(code, names))

        async with locked(url):
            began = time.monotonic()
            with each:
                tasks = [asyncio.create_task(redeem(store, name)) for name in names]
                await asyncio.sleep(0.1)
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert time.monotonic() - began < 2.5
                assert [type(result) for result in results] == [StoreUnavailable] * 8
                assert not any(result.outcome_unknown for result in results)  # type: ignore[union-attr]  # as just asserted
            await asyncio.sleep(max(0.0, began + 3 - time.monotonic()))

        await healed(store)
        for name in names:
            assert not await is_used(store, name)


async def test_f06_a_statement_that_comes_late_does_nothing(url: str) -> None:
    """As where the network has held it up: by the server's clock its time is over."""
    store = await PostgresStore.open(url, connections=1)
    await store.save(code())
    (connection,) = store._pool._connections
    compare, connection.compare_clocks = connection.compare_clocks, _nothing  # type: ignore[method-assign]  # the delay is played
    connection._offset -= postgres_pool.QUEUE_TIMEOUT + 0.1

    with counted(store) as sent, pytest.raises(StoreUnavailable, match="too slow") as refusal:
        await redeem(store)

    assert not refusal.value.outcome_unknown
    assert sent == ["fetchrow"] * 4, "used, asked why not, and both again"
    connection.compare_clocks = compare  # type: ignore[method-assign]  # see above
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
    await store.close()


async def _nothing() -> None:
    return None


async def test_f17_a_server_whose_clock_is_set_is_noticed_and_the_code_redeemed(url: str) -> None:
    store = await PostgresStore.open(url, connections=1)
    await store.save(code())
    (connection,) = store._pool._connections
    connection._offset -= 3_600  # since then its clock has been set an hour forward

    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
    await store.close()


@pytest.mark.deadlines
async def test_f06_a_server_that_says_nothing_is_given_up_in_time(
    tmp_path: Path, own_server: PostgresServer
) -> None:
    """Its reply may still come, so the outcome is unknown; nothing is sent again (F-03)."""
    for each in tries():
        name = own_server.lend()
        with each:
            async with silent(own_server.port) as port:
                place = own_server.url_of(name).replace(str(own_server.port), str(port.number))
                store = await PostgresStore.open(place, connections=2)
                try:
                    await _redeem_at(store, port)
                finally:
                    await store.close()
        own_server.take_back(name)


async def _redeem_at(store: PostgresStore, port: "_Port") -> None:
    await store.save(code("before"), access_token())
    await store.save(code())
    await redeem(store, "before")  # the statement is prepared now
    port.is_silent = True
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as refusal:
        await redeem(store)
    assert REPLY_TIMEOUT - 0.1 <= time.monotonic() - began < 2.5
    assert refusal.value.outcome_unknown
    port.is_silent = False
    await healed(store)
    # It was done, though nobody heard: the retry is a replay (F-02).
    assert (await redeem(store)).outcome is RedemptionOutcome.REPLAYED


class _Port:
    """A way to the server over which the answers can be held back."""

    number = 0
    is_silent = False


@asynccontextmanager
async def silent(server: int) -> AsyncIterator[_Port]:
    port = _Port()
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if not (back and port.is_silent):
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", server)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(
                pass_on(reader, back, back=False), pass_on(there, writer, back=True)
            )

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port.number = listener.sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# Away


async def test_f04_a_server_that_is_killed_is_reported_at_once_and_heals(
    own_server: PostgresServer,
) -> None:
    name = own_server.lend()
    store = await PostgresStore.open(own_server.url_of(name), connections=5)
    await store.save(*(code(f"{number}") for number in range(20)), access_token())
    is_over = asyncio.Event()
    load = asyncio.create_task(_load(store, is_over))
    await asyncio.sleep(0.2)

    await asyncio.to_thread(own_server.kill)
    is_over.set()
    await load
    with capture_logs() as lines:
        await gone(store)
        for _ in range(3):
            began = time.monotonic()
            refused = await asyncio.gather(
                *(redeem(store, f"{number}") for number in range(20)),
                *(store.find(AccessToken, key_of(f"{number}")) for number in range(180)),
                return_exceptions=True,
            )
            assert time.monotonic() - began < AT_ONCE
            assert {type(each) for each in refused} == {StoreUnavailable}
            assert not any(each.outcome_unknown for each in refused)  # type: ignore[union-attr]  # as just asserted
            await asyncio.sleep(0.2)
        await asyncio.to_thread(own_server.start)
        assert await healed(store) < HEALED

    told = [line["event"] for line in lines]
    assert told == ["store.unreachable", "store.connected"] or told == ["store.connected"]
    assert await store.find(AccessToken, access_token().key) == access_token()
    for number in range(20):
        assert not await is_used(store, f"{number}")
    await store.close()
    own_server.take_back(name)


async def _load(store: PostgresStore, is_over: asyncio.Event) -> None:
    # Cancelling it would not be heard for sure: ``gather`` drops that where a call has just failed.
    while not is_over.is_set():
        with suppress(StoreUnavailable):
            await together(store.find(AccessToken, key_of(f"{number}")) for number in range(20))
        await asyncio.sleep(0)


async def test_f04_a_server_that_was_away_for_a_while_is_there_for_the_first_who_asks(
    own_server: PostgresServer,
) -> None:
    name = own_server.lend()
    store = await PostgresStore.open(own_server.url_of(name), connections=5)
    await asyncio.to_thread(own_server.kill)
    await gone(store)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(own_server.start)
    # Nobody asks for anything meanwhile. Whether it is connected before somebody does, depends on
    # how it has noticed that the server was away: no line of the log can be waited for.
    async with asyncio.timeout(PATIENT):
        while store._pool._outage is not None:  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.05)

    await store.ping()
    await store.close()
    own_server.take_back(name)


async def test_a_store_on_a_server_that_is_not_there_does_not_open() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as refusal:
        await PostgresStore.open("postgresql://worksgate:s3cret@127.0.0.1:1/db")
    assert "s3cret" not in str(refusal.value)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "nobody tries on"


async def test_a_database_without_tables_says_what_to_do(bare_database_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="worksgate migrate"):
        await PostgresStore.open(bare_database_url)


async def test_f15_a_server_that_confirms_what_is_not_on_its_disk_is_refused(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="synchronous_commit"):
        await PostgresStore.open(f"{url}?synchronous_commit=off")


async def test_f05_connections_that_were_cut_are_replaced_before_anything_is_sent(
    store: PostgresStore, url: str
) -> None:
    await store.save(*(code(f"{number}") for number in range(40)))
    await together(store.ping() for _ in range(10))

    async with somebody(url) as connection:
        cut = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert cut > 1
    await until_connected(url, 0)
    await asyncio.sleep(0.1)  # in which the loop sees the ends of the connections

    redeemed = await together(redeem(store, f"{number}", f"{number}") for number in range(40))
    assert {each.outcome for each in redeemed} == {RedemptionOutcome.REDEEMED}


async def test_f05_a_connection_that_is_cut_in_the_middle_is_reported_as_unknown_and_once(
    store: PostgresStore, url: str
) -> None:
    await store.save(code())

    async with locked(url), somebody(url) as connection:
        task = asyncio.create_task(redeem(store))
        assert await cut_who_waits(connection) == 1
        with pytest.raises(StoreUnavailable) as refusal:
            await task
        assert refusal.value.outcome_unknown
        assert store.unavailable == 1

    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED


async def cut_who_waits(connection: Any) -> int:
    """Cut all connections that wait for a lock, as soon as there is one; how many they were."""
    async with asyncio.timeout(PATIENT):
        while True:
            cut: int = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cut:
                return cut
            await asyncio.sleep(0.01)


READS: dict[str, tuple[str, Callable[[PostgresStore], Coroutine[Any, Any, object]], object]] = {
    "find": ("access_tokens", lambda store: store.find(AccessToken, TOKEN.key), TOKEN),
    "held": ("access_tokens", lambda store: store.held(AccessToken, "anna"), (TOKEN,)),
    "count": ("counters", lambda store: store.count("counter", NOW), 1),
    "ping": ("installation", lambda store: store.ping(), None),
    "purge": ("installation", lambda store: store.purge(NOW), 0),
}
"""What each reads, by itself or before it changes something, and what it gives."""


@pytest.mark.parametrize("verb", READS)
async def test_f05_a_read_that_is_cut_is_read_again(url: str, verb: str) -> None:
    table, read, expected = READS[verb]
    async with guarded(url) as store:
        await store.save(TOKEN)
        await store.bump("counter", 60, NOW)
        async with (
            somebody(url) as another,
            somebody(url) as connection,
            connection.transaction(),
        ):
            await connection.execute(f"LOCK TABLE {table}")
            reading = asyncio.create_task(read(store))
            assert await cut_who_waits(another) == 1
            await asyncio.sleep(0.1)
            assert not reading.done()
        assert await reading == expected
        assert store.unavailable == 0


# Another database


@asynccontextmanager
async def guarded(url: str) -> AsyncIterator[PostgresStore]:
    """A store of one connection that knows which database it is on."""
    async with somebody(url) as connection:
        installation = await connection.fetchval("SELECT id FROM installation")
    guard = DatabaseGuard(DatabaseIdentity(installation))
    store = await PostgresStore.open(url, connections=1, guard=guard)
    try:
        yield store
    finally:
        await store.close()


async def test_f34_a_database_that_is_another_answers_no_ping_and_loses_nothing(url: str) -> None:
    async with guarded(url) as store, somebody(url) as connection:
        await store.save(TOKEN)
        await connection.execute("UPDATE installation SET id = 'another ' || id")
        for call in (store.ping(), store.purge(NOW + 10_000)):
            with pytest.raises(StoreUnavailable, match="not the database"):
                await call
        await connection.execute("UPDATE installation SET id = substr(id, 9)")
        assert await store.purge(NOW + 10_000) == 1


# The log


async def test_r134_the_log_is_told_what_was_recorded_with_a_change(url: str) -> None:
    told: list[list[Event]] = []
    store = await PostgresStore.open(
        url, recorded=lambda events: told.append([each.event for each in events])
    )
    await store.save(code(), session(), records=[issued("code")])
    await store.save(code("silent"))
    for _ in range(2):
        await store.take(Session, session().key, records=[LOGOUT])
        assert told == [[Event.CODE_ISSUED], [Event.LOGOUT]]
    await store.redeem(AuthorizationCode, code().key, "tenant", buys("token"), NOW, REDEEMED)
    await redeem(store, "silent")
    await store.forget("anna", records=[LOGOUT])
    await store.forget("anna")
    await store.close()
    assert told == [[Event.CODE_ISSUED], [Event.LOGOUT], [Event.CODE_REDEEMED], [Event.LOGOUT]]


async def test_no_statement_makes_the_driver_ask_what_its_types_are(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its query takes over a second behind a pooler, where nothing can be set for it."""

    def ask(_connection: object, types: object, _timeout: object) -> None:
        pytest.fail(f"it asks for {types}")

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", ask)
    store = await PostgresStore.open(url, connections=1)
    records = [LOGOUT, AuditEvent(event=Event.CODE_ISSUED, at=NOW, elapsed_ms=0.1)]
    counts = Recount(reset=("a",), lowered=("b",), begun={"c": 60.0}, now=NOW)
    try:
        assert await store.bump_all({"a": 60.0, "b": 60.0}, NOW) == (1, 1)
        await store.recount(reset=["a"], lowered=["b"], begun={"c": 60.0}, now=NOW)
        assert await store.add(code("x"), records=records, recount=counts)
        await store.save(code("y"), records=records)
        assert await store.take(AuthorizationCode, key_of("y"), records=records)
        await store.record(records)
        await store.forget("anna", records=records)
        assert await store.count_all(["a", "b", "c"], NOW) == {"a": 0, "b": 0, "c": 1}
    finally:
        await store.close()


async def test_f07_when_all_connections_are_taken_it_is_reported_in_time(
    own_server: PostgresServer,
) -> None:
    name = own_server.lend()
    url = own_server.url_of(name)
    store = await PostgresStore.open(url, connections=3)
    await store.save(code())
    taken = [await asyncpg.connect(url) for _ in range(12 - 3 - 1)]

    # Who is connected serves on, if not as fast.
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
    assert len(await together(store.count("c", NOW) for _ in range(50))) == 50
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"too many|remaining connection slots"):
        await PostgresStore.open(url)
    took = time.monotonic() - began
    assert ROOM_TIMEOUT <= took < ROOM_TIMEOUT + AT_ONCE, "others may give one back meanwhile"
    assert own_server.query("SELECT 1") == [("1",)], "administrators get in"

    for connection in taken:
        await connection.close()
    await healed(store)
    await store.close()
    own_server.take_back(name)


# The queue


async def test_a_full_queue_refuses_at_once(url: str) -> None:
    store = await PostgresStore.open(url, connections=1, waiting=3)
    await store.save(code("busy"))
    await store.save(*(code(f"{number}") for number in range(4)))

    async with locked(url):
        busy = asyncio.create_task(redeem(store, "busy"))
        await asyncio.sleep(0.1)
        accepted = [asyncio.create_task(store.count("c", NOW)) for _ in range(3)]
        await asyncio.sleep(0.02)
        assert store.waiting == 3
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="too many"):
            await redeem(store, "3")
        assert time.monotonic() - began < AT_ONCE
        assert store.unavailable == 1

    assert (await busy).outcome is RedemptionOutcome.REDEEMED
    assert [await task for task in accepted] == [0, 0, 0]
    assert not await is_used(store, "3")
    await store.close()


@pytest.mark.deadlines
async def test_who_waits_too_long_is_refused_and_nothing_is_done(url: str) -> None:
    store = await PostgresStore.open(url, connections=1)
    for turn, each in enumerate(tries()):
        names = [f"{turn}/{number}" for number in range(6)]
        await store.save(*map(code, names))
        async with locked(url):
            with each:
                began = time.monotonic()
                results = await asyncio.gather(
                    *(redeem(store, name) for name in names), return_exceptions=True
                )
                assert time.monotonic() - began < 2.5
                assert [type(result) for result in results] == [StoreUnavailable] * 6
        await healed(store)
        for name in names:
            assert not await is_used(store, name)
    await store.close()


async def test_closing_finishes_what_was_accepted_and_leaves_no_connection(
    tmp_path: Path, url: str
) -> None:
    store = await open_postgres(tmp_path)
    await store.save(*(code(f"{number}") for number in range(50)))
    accepted = [asyncio.create_task(redeem(store, f"{number}")) for number in range(50)]
    await asyncio.sleep(0)

    await together([store.close(), store.close()])

    assert {(await task).outcome for task in accepted} == {RedemptionOutcome.REDEEMED}
    for call in (store.ping(), store.find(AccessToken, "k"), store.purge(NOW)):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call
    await until_connected(url, 0)


async def test_a_store_opens_ten_connections_unless_told_otherwise(url: str) -> None:
    store = await PostgresStore.open(url)
    await together(store.bump(f"{number}", 60, NOW) for number in range(200))
    await until_connected(url, 10)
    await together(store.bump(f"{number}", 60, NOW) for number in range(200))
    await until_connected(url, 10)
    await store.close()


async def until_connected(url: str, number: int) -> None:
    """Wait until so many are connected: the server may still make or end the others."""
    async with somebody(url) as connection, asyncio.timeout(PATIENT):
        others = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        while await connection.fetchval(others) != number:  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.01)


# Cancelled callers


async def test_f21_a_call_that_is_given_up_while_it_waits_leaves_nothing(url: str) -> None:
    store = await PostgresStore.open(url, connections=1)
    await store.save(code("busy"))
    await store.save(code("given up"))

    async with locked(url):
        busy = asyncio.create_task(redeem(store, "busy"))
        await asyncio.sleep(0.1)
        given_up = asyncio.create_task(redeem(store, "given up", "nobody's"))
        await asyncio.sleep(0.05)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up

    assert (await busy).outcome is RedemptionOutcome.REDEEMED
    assert await store.find(AccessToken, key_of("nobody's")) is None
    assert not await is_used(store, "given up")
    await store.close()


async def test_f21_a_storm_of_cancellations_mixes_nothing_up(
    store: PostgresStore, url: str
) -> None:
    chance = random.Random(21)
    numbers = range(5_000)
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        await store.save(*(code(f"{number}", subject=f"person {number}") for number in some))

    async def call(number: int) -> Redemption | StoreUnavailable | None:
        patience = chance.random() * 0.02 if number % 5 else None
        try:
            return await asyncio.wait_for(redeem(store, f"{number}", f"token {number}"), patience)
        except TimeoutError:
            return None
        except StoreUnavailable as error:
            return error

    answers: list[Redemption | StoreUnavailable | None] = []
    for start in range(0, len(numbers), 100):
        answers += await together(call(number) for number in numbers[start : start + 100])
    await healed(store)

    assert sum(answer is None for answer in answers) > 100
    assert sum(isinstance(answer, Redemption) for answer in answers) > 100
    async with somebody(url) as connection:
        used = {key for (key,) in await connection.fetch("SELECT key FROM codes WHERE used = 1")}
        tokens = dict(await connection.fetch("SELECT key, subject_id FROM access_tokens"))
        others = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert others <= 5
    for number, answer in zip(numbers, answers, strict=True):
        key = key_of(f"token {number}")
        if isinstance(answer, Redemption):
            assert answer.outcome is RedemptionOutcome.REDEEMED
            assert answer.artifact == code(f"{number}", subject=f"person {number}")
            assert key in tokens
        # Whatever its caller was told: used and bought, or neither (I-3), and never another's.
        assert (key_of(f"{number}") in used) == (key in tokens)
        assert tokens.get(key, f"person {number}") == f"person {number}"


# A pooler


async def test_no_statement_is_kept_where_a_pooler_is_between(tmp_path: Path, url: str) -> None:
    store = await PostgresStore.open(f"{url}?statement_cache_size=0", connections=1)
    await store.save(code(), refresh_token())
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
    (connection,) = store._pool._connections
    kept = await connection._driver.fetch(
        "SELECT name FROM pg_prepared_statements WHERE name <> ''"
    )
    await store.close()
    assert [name for (name,) in kept if "asyncpg_stmt" in name] == []


async def test_r105_a_log_line_of_an_outage_holds_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines, pytest.raises(StoreUnavailable):
        await PostgresStore.open("postgresql://worksgate:s3cret@127.0.0.1:1/db")
    assert [line["event"] for line in lines] == ["store.unreachable"]
    assert "s3cret" not in str(lines) + caplog.text


def test_the_server_of_the_tests_is_a_real_one() -> None:
    ((version,),) = shared_postgres().query("SHOW server_version_num")
    assert int(version) >= 120_000


async def test_f05_connections_that_are_cut_again_and_again_leave_most_of_the_service(
    store: PostgresStore, url: str
) -> None:
    """Each cut may cost what was on its way at that moment, and nothing else."""
    until, served, failed, cuts = time.monotonic() + 3.0, 0, 0, 0

    async def ask(number: int) -> None:
        nonlocal served, failed
        while time.monotonic() < until:
            try:
                await store.bump(f"counter {number}", 60, NOW)
                served += 1
            except StoreUnavailable:
                failed += 1
            await asyncio.sleep(0.01)

    async def cut() -> None:
        nonlocal cuts
        async with somebody(url) as connection:
            while time.monotonic() < until:
                cuts += 1
                await connection.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                await asyncio.sleep(0.25)

    askers = 4
    await asyncio.gather(cut(), *(ask(number) for number in range(askers)))
    assert failed <= askers * cuts
    assert served > failed
