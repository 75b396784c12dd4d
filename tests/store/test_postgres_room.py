"""A server with fewer connections than its processes want: they share them (F-07)."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NoReturn

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
import pytest
from tests.postgres_server import PostgresServer, running_postgres
from tests.store.artifacts import NOW, code, key_of
from tests.unhurried import PATIENT, tries

from worksgate.bootstrap.application import open_installation
from worksgate.database import DatabaseUnavailable
from worksgate.database.installation_id import identify
from worksgate.database.postgres_engines import POSTGRES_KEPT
from worksgate.database.postgres_room import CONNECTIONS_ALLOWED, CONNECTIONS_LEFT, KEPT_FREE
from worksgate.database.slots import Slots
from worksgate.directory.database import Directory
from worksgate.oauth.model import AuthorizationCode
from worksgate.settings.options import Settings
from worksgate.store import StoreUnavailable
from worksgate.store.postgres.store import PostgresStore

pytestmark = pytest.mark.programs

MOST = 15
"""Connections of the server; three are the superuser's."""
USABLE = MOST - 3


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres(max_connections=str(MOST)) as server:
        yield server


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    name = server.lend()
    yield server.url_of(name)
    server.take_back(name)


def open_now(server: PostgresServer) -> int:
    """Connections of those that are no superuser."""
    ((number,),) = server.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'worksgate'")
    return int(number)


async def busy(store: PostgresStore, seconds: float) -> int:
    """Keep ten requests on their way; how many were answered. Raises what one of them raises."""
    until, answered = time.monotonic() + seconds, 0

    async def ask() -> None:
        nonlocal answered
        while time.monotonic() < until:
            await store.bump("counter", 60, NOW)
            answered += 1

    await asyncio.gather(*(ask() for _ in range(10)))
    return answered


@asynccontextmanager
async def all_taken(url: str, but: int = 0) -> AsyncIterator[list[asyncpg.Connection]]:
    """Somebody else has all connections that are to be had, ``but`` a few."""
    async with AsyncExitStack() as stack:
        taken = []
        while True:
            try:
                taken.append(await asyncpg.connect(url))
            except asyncpg.TooManyConnectionsError:
                break
            stack.push_async_callback(taken[-1].close)
        for _ in range(but):
            await taken.pop().close()
        yield taken


async def test_f07_processes_that_want_more_than_there_is_all_serve(
    server: PostgresServer, url: str
) -> None:
    """Each wants ten; the last to come finds none, and gets one from the others."""
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(3):
            store = await PostgresStore.open(url)
            stack.push_async_callback(store.close)
            stores.append(store)
            await busy(store, 0.3)
        answered = await asyncio.gather(*(busy(store, 6.0) for store in stores))
        assert all(number > 0 for number in answered)
        assert open_now(server) <= USABLE
        directory = Directory.open(url)
        stack.push_async_callback(directory.close)
        await directory.ping()


async def test_f07_a_few_connections_are_left_to_those_that_have_none(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.store.postgres.pool._BALANCE_INTERVAL", 0.2)
    async with AsyncExitStack() as stack:
        first, second = [await PostgresStore.open(url) for _ in range(2)]
        stack.push_async_callback(first.close)
        stack.push_async_callback(second.close)
        async with asyncio.timeout(PATIENT):
            await asyncio.gather(busy(first, 2.0), busy(second, 2.0))
            while open_now(server) > USABLE - KEPT_FREE:
                await asyncio.gather(busy(first, 0.5), busy(second, 0.5))


async def test_connections_that_rest_are_given_back_but_for_one(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.store.postgres.pool._BALANCE_INTERVAL", 0.1)
    store = await PostgresStore.open(url, connections=5)
    try:
        await busy(store, 0.3)
        assert open_now(server) > 1
        monkeypatch.setattr("worksgate.store.postgres.pool._KEPT_IDLE", 0.3)
        until = time.monotonic() + PATIENT
        while open_now(server) > 1:
            assert time.monotonic() < until
            await asyncio.sleep(0.1)
        await store.save(code())
        assert await store.find(AuthorizationCode, key_of("code")) == code()
    finally:
        await store.close()


async def test_f07_a_store_that_finds_no_connection_waits_for_one(url: str) -> None:
    async with all_taken(url) as taken:
        opening = asyncio.create_task(PostgresStore.open(url))
        await asyncio.sleep(1.0)
        assert not opening.done()
        await taken[0].close()
        await (await opening).close()


async def test_f07_with_one_connection_the_directory_answers_all_who_ask(url: str) -> None:
    directory = Directory.open(url)
    try:
        async with all_taken(url, but=1):
            answers = await asyncio.gather(*(directory.signing_key() for _ in range(20)))
            assert len(set(answers)) == 1
    finally:
        await directory.close()


async def test_f07_a_process_says_that_it_must_share_until_that_is_over(
    url: str, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    holders = ("store.postgres.pool", "database.slots", "database.idle_connections")
    for holder in holders:
        monkeypatch.setattr(f"worksgate.{holder}.GROW_PAUSE", 3.0)
    for each in tries():  # on a busy machine those seconds may be over before the shortage
        with each:
            before = logged()
            await _share_for_a_while(url)
            said = logged().removeprefix(before)
            assert said.count("store.connections_used_up") == 1
            assert said.count("database.connections_used_up") == 1


async def _share_for_a_while(url: str) -> None:
    store, directory = await PostgresStore.open(url), Directory.open(url)
    try:
        async with all_taken(url, but=1):
            await store.check_connections()
            await directory.check_connections()
            await asyncio.gather(busy(store, 0.2), *(directory.signing_key() for _ in range(9)))
            with pytest.raises(StoreUnavailable, match="raise its max_connections"):
                await store.check_connections()
            with pytest.raises(DatabaseUnavailable, match="raise its max_connections"):
                await directory.check_connections()
        async with asyncio.timeout(PATIENT):
            for check in (store.check_connections, directory.check_connections):
                while not await _is_content(check):  # noqa: ASYNC110  # no event tells it
                    await asyncio.sleep(0.1)
    finally:
        await store.close()
        await directory.close()


async def test_r285_a_directory_keeps_nothing_open_where_others_may_lack_it(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.database.idle_connections.COUNT_INTERVAL", 0.1)
    directory = Directory.open(url)
    try:
        await asyncio.gather(*(directory.signing_key() for _ in range(4)))
        assert open_now(server) == POSTGRES_KEPT
        async with all_taken(url, but=KEPT_FREE - 1) as taken:
            until = time.monotonic() + PATIENT
            while open_now(server) > len(taken):  # although nobody uses it
                assert time.monotonic() < until
                await asyncio.sleep(0.05)
            await asyncio.gather(*(directory.signing_key() for _ in range(4)))
            assert open_now(server) == len(taken)
    finally:
        await directory.close()


async def test_r285_with_the_only_connection_of_its_process_the_directory_does_its_work(
    server: PostgresServer, url: str
) -> None:
    store, directory = await PostgresStore.open(url), Directory.open(url)
    directory.read_through(store.direct_reads)
    try:
        async with all_taken(url) as taken:
            assert open_now(server) == len(taken) + 1
            assert len(set(await asyncio.gather(*(directory.signing_key() for _ in range(5))))) == 1
            await store.save(code())
            assert await store.find(AuthorizationCode, key_of("code")) == code()
            assert await directory.clients_version() == 0
    finally:
        await store.close()
        await directory.close()


async def test_r285_who_starts_leaves_a_connection_to_those_who_serve(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.store.postgres.store.ROOM_TIMEOUT", 0.5)
    async with all_taken(url, but=1) as taken:
        with pytest.raises(StoreUnavailable, match="start fewer processes"):
            await PostgresStore.open(url, leaves_one=True)
        assert open_now(server) == len(taken)
        await (await PostgresStore.open(url)).close()  # a command has all there is
        await taken.pop().close()
        await (await PostgresStore.open(url, leaves_one=True)).close()


async def test_r285_a_server_leaves_a_connection_where_it_is_put_together(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def refuse(*_: object, leaves_one: bool = False, **__: object) -> NoReturn:
        asked.append(leaves_one)
        raise StoreUnavailable("none to spare")

    monkeypatch.setattr(PostgresStore, "open", refuse)
    settings = Settings(database_url=url, purge_interval=0)
    with pytest.raises(StoreUnavailable, match="none to spare"):
        async with open_installation(settings):
            raise AssertionError("it does not start")
    assert asked == [True]


async def test_r285_who_starts_waits_for_a_connection(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.database.reachability.BUSY_TIMEOUT", PATIENT)
    async with all_taken(url) as taken:
        given_back: list[asyncio.Task[None]] = []

        def pause() -> float:
            if not given_back:
                given_back.append(asyncio.create_task(taken.pop().close()))
            return 0.05

        monkeypatch.setattr("worksgate.database.reachability.pause", pause)
        assert (await identify(url)).installation
        assert given_back, "there was none at first"


async def test_r285_what_is_left_is_counted_with_the_connections_of_others_and_all_limits(
    server: PostgresServer, url: str
) -> None:
    server.query("CREATE ROLE neighbour LOGIN")
    name = url.rpartition("/")[2]
    async with AsyncExitStack() as stack:

        async def connected(user: str) -> asyncpg.Connection:
            connection = await asyncpg.connect(server.url_of(name, user=user))
            stack.push_async_callback(connection.close)
            return connection

        for _ in range(2):
            await connected("neighbour")
        ours = await connected("worksgate")
        assert await ours.fetchval(CONNECTIONS_LEFT) == USABLE - 3
        assert await ours.fetchval(CONNECTIONS_ALLOWED) == USABLE
        server.query(f"ALTER DATABASE {name} CONNECTION LIMIT 7")
        assert await ours.fetchval(CONNECTIONS_LEFT) == 7 - 3
        try:
            server.query("ALTER ROLE worksgate CONNECTION LIMIT 4")
            assert await ours.fetchval(CONNECTIONS_LEFT) == 4 - 1
            assert await ours.fetchval(CONNECTIONS_ALLOWED) == 4
        finally:
            server.query("ALTER ROLE worksgate CONNECTION LIMIT -1")
            server.query(f"ALTER DATABASE {name} CONNECTION LIMIT -1")


async def _is_content(check: Callable[[], Awaitable[None]]) -> bool:
    """Whether there is no lack of connections."""
    try:
        await check()
    except (StoreUnavailable, DatabaseUnavailable):
        return False
    return True


async def test_slots_shrink_to_what_is_there_and_are_given_in_turn() -> None:
    slots, order = Slots(2), list[int]()

    async def take(number: int) -> None:
        async with slots:
            order.append(number)
            await asyncio.sleep(0.01)

    async with slots, slots:
        slots.shrink()
        assert slots.limit == 1
        waiting = [asyncio.create_task(take(number)) for number in range(4)]
        await asyncio.sleep(0.01)
        waiting[1].cancel()
        assert order == []
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == [0, 2, 3]
