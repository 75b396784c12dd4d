"""The connection pool and its queue, on fake connections."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
import pytest
from structlog.testing import capture_logs
from tests.databases import Clock
from tests.skipped_time import skipped_time
from tests.unhurried import AT_ONCE, PATIENT

from worksgate.database import postgres_disk
from worksgate.database.postgres_room import GROW_PAUSE, KEPT_FREE
from worksgate.settings.addresses.postgres import PostgresAddress
from worksgate.store import StoreUnavailable
from worksgate.store.postgres import pool as postgres_pool
from worksgate.store.postgres.connection import PostgresConnection
from worksgate.store.postgres.pool import STARVED_FOR, PostgresPool, _IdleWorker

LOST = asyncpg.ConnectionDoesNotExistError("gone")
DEADLOCK = asyncpg.DeadlockDetectedError("deadlock")
UNSENT = asyncpg.InternalClientError("cannot switch to state 12; another operation is going on")
ONLY_READS = asyncpg.ReadOnlySQLTransactionError("read only")
DISK_FULL = asyncpg.DiskFullError("could not extend file")
MISTAKE = asyncpg.DataError("secret")
TOO_MANY = asyncpg.TooManyConnectionsError("sorry, too many clients already")
CUT = ConnectionResetError(104, "Connection reset by peer")
PLENTY = 100
AWAY = ConnectionRefusedError(111, "Connection refused")


class Server:
    """Opens connections, or refuses to; ``left`` is how many more it says, once, that it has."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.refusals: list[Exception] = []
        self.is_away = False
        self.tries = 0
        self.looks = 0
        self.left = PLENTY

    async def open(self) -> PostgresConnection:
        self.tries += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise AWAY
        if self.refusals:
            raise self.refusals.pop(0)
        connection: Any = Connection(self)
        self.connections.append(connection)
        return connection  # type: ignore[no-any-return]  # as far as the pool sees

    @property
    def open_now(self) -> int:
        return sum(not connection.is_closed for connection in self.connections)


class Connection:
    """What the pool sees of a connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.is_closed = False
        self.closed_within: list[float] = []
        self.begun = 0
        self.due = 0.0
        self.refresh_error: Exception | None = None

    async def refresh(self) -> None:
        if self.refresh_error is not None:
            raise self.refresh_error

    def begin_request(self, due: float) -> None:
        self.due, self.begun = due, 0

    async def number(self, _sql: str) -> int:
        self.begun += 1
        self._server.looks += 1
        left, self._server.left = self._server.left, PLENTY
        return left

    def terminate(self) -> None:
        self.is_closed = True

    async def close(self, within: float) -> None:
        self.closed_within.append(within)
        self.is_closed = True


class Work:
    """Something to do that fails in turn as it is told, then gives which connection did it."""

    def __init__(self, server: Server, *errors: Exception, begins: int = 1) -> None:
        self._server = server
        self._errors = list(errors)
        self._begins = begins
        self.done_on: list[int] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, connection: Any, *_: object) -> int:
        connection.begun += self._begins
        self.done_on.append(self._server.connections.index(connection))
        await self.may_end.wait()
        await asyncio.sleep(0)
        if self._errors:
            raise self._errors.pop(0)
        return self.done_on[-1]


@pytest.fixture
def server() -> Server:
    return Server()


def pool_on(server: Server, *, size: int = 3, waiting: int = 10, query: str = "") -> PostgresPool:
    address = PostgresAddress.parse(f"postgresql://u@h/db{query}")
    pool = PostgresPool(address, size=size, waiting=waiting)
    pool._open = server.open  # type: ignore[method-assign]  # there is no server
    return pool


@pytest.fixture
async def pool(server: Server) -> PostgresPool:
    return pool_on(server)


async def refused(pool: PostgresPool, work: Work, reason: str, **how: bool) -> StoreUnavailable:
    before = pool.unavailable
    with pytest.raises(StoreUnavailable, match=reason) as refusal:
        await pool.run(work, **how)
    assert pool.unavailable == before + 1
    return refusal.value


async def until(what: Callable[[], bool]) -> None:
    """Returns as soon as something has come true."""
    async with asyncio.timeout(60):
        while not what():  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.005)


async def closed(pool: PostgresPool) -> None:
    workers = set(pool._workers)
    async with asyncio.timeout(AT_ONCE):
        await pool.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "no task is left"
    assert [worker.exception() for worker in workers] == [None] * len(workers)
    assert pool._connections == set()


# The queue


async def test_connections_are_opened_when_they_are_needed_and_the_last_to_rest_works_first(
    server: Server, pool: PostgresPool
) -> None:
    assert pool.unavailable == pool.waiting == 0
    assert await pool.run(Work(server)) == 0
    assert await pool.run(Work(server)) == 0
    work = Work(server)
    work.may_end.clear()
    calls = [asyncio.create_task(pool.run(work)) for _ in range(8)]
    await until(lambda: len(work.done_on) == 3)
    assert pool.waiting == 5
    work.may_end.set()
    await asyncio.gather(*calls)
    assert len(server.connections) == 3
    assert pool.waiting == 0
    last = await pool.run(Work(server))
    assert [await pool.run(Work(server)) for _ in range(3)] == [last] * 3
    await closed(pool)


async def test_so_many_wait_and_no_more(server: Server) -> None:
    pool = pool_on(server, size=1, waiting=2)
    work = Work(server)
    work.may_end.clear()
    calls = [asyncio.create_task(pool.run(work))]
    await until(lambda: bool(work.done_on))
    calls += [asyncio.create_task(pool.run(work)) for _ in range(2)]
    await asyncio.sleep(0)
    await refused(pool, Work(server), "too many requests are waiting")
    work.may_end.set()
    assert await asyncio.gather(*calls) == [0, 0, 0]
    await closed(pool)


async def test_f06_who_waits_too_long_is_refused_and_who_has_gone_is_passed_over(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_on(server, size=1)
    first, late, gone, last = (Work(server) for _ in range(4))
    first.may_end.clear()
    calls = [asyncio.create_task(pool.run(first))]
    await until(lambda: bool(first.done_on))
    monkeypatch.setattr(postgres_pool, "QUEUE_TIMEOUT", 0.01)
    calls.append(asyncio.create_task(pool.run(late)))
    await asyncio.sleep(0)
    monkeypatch.undo()
    calls += [asyncio.create_task(pool.run(work)) for work in (gone, last)]
    await asyncio.sleep(0.02)
    calls[2].cancel()
    first.may_end.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert (answers[0], answers[3]) == (0, 0)
    assert isinstance(answers[1], StoreUnavailable)
    assert str(answers[1]) == "no connection was free in time"
    assert not answers[1].outcome_unknown
    assert late.done_on == gone.done_on == []
    await closed(pool)


async def test_who_gives_up_in_the_middle_leaves_the_connection_to_the_next(
    server: Server,
) -> None:
    pool = pool_on(server, size=1)
    for error in ((), (LOST,)):
        work = Work(server, *error)
        work.may_end.clear()
        call = asyncio.create_task(pool.run(work))
        await until(lambda work=work: bool(work.done_on))  # type: ignore[misc]  # of this turn
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        work.may_end.set()
        assert await pool.run(Work(server)) == len(server.connections) - 1
    assert len(server.connections) == 2
    await closed(pool)


async def test_a_worker_that_rests_is_called_once() -> None:
    rest = _IdleWorker(asyncio.get_running_loop())
    assert rest.end(goes_on=True)
    assert not rest.end(goes_on=False)
    assert await rest.call


# What went wrong with a request


async def test_what_was_undone_for_somebody_else_is_done_again_soon(
    server: Server, pool: PostgresPool
) -> None:
    work = Work(server, *[DEADLOCK] * 5)
    began = time.monotonic()
    assert await pool.run(work) == 0
    assert time.monotonic() - began < AT_ONCE
    assert work.done_on == [0] * 6
    await closed(pool)


async def test_what_is_undone_again_and_again_is_refused_when_it_is_due(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "QUEUE_TIMEOUT", 0.1)
    began = time.monotonic()
    refusal = await refused(pool, Work(server, *[DEADLOCK] * 1_000), "DeadlockDetected")
    assert time.monotonic() - began > 0.07
    assert not refusal.outcome_unknown
    assert server.open_now == 1, "the connection is well"
    await closed(pool)


async def test_f03_a_change_that_is_lost_is_reported_as_unknown_and_not_done_again(
    server: Server, pool: PostgresPool
) -> None:
    work = Work(server, LOST)
    assert (await refused(pool, work, "ConnectionDoesNotExist")).outcome_unknown
    assert work.done_on == [0]
    assert server.connections[0].is_closed
    assert await pool.run(Work(server)) == 1
    await closed(pool)


async def test_f05_a_read_that_is_lost_is_done_again_once(
    server: Server, pool: PostgresPool
) -> None:
    assert await pool.run(Work(server, LOST), reads=True) == 1
    work = Work(server, LOST, LOST, LOST)
    assert not (await refused(pool, work, "DoesNotExist", reads=True)).outcome_unknown
    assert work.done_on == [1, 2]
    await closed(pool)


async def test_f05_what_was_not_sent_is_done_again_if_it_was_the_first_statement(
    server: Server, pool: PostgresPool
) -> None:
    assert await pool.run(Work(server, UNSENT)) == 1
    work = Work(server, UNSENT, begins=2)
    assert (await refused(pool, work, "InternalClientError")).outcome_unknown
    assert work.done_on == [1]
    await closed(pool)


async def test_a_connection_is_kept_after_a_mistake_and_left_where_only_reads_are_done(
    server: Server, pool: PostgresPool
) -> None:
    with pytest.raises(ValueError, match="cannot store this"):
        await pool.run(Work(server, MISTAKE))
    with pytest.raises(ArithmeticError):
        await pool.run(Work(server, ArithmeticError()))
    assert pool.unavailable == 0
    refusal = await refused(pool, Work(server, ONLY_READS), "ReadOnlySQLTransaction")
    assert not refusal.outcome_unknown
    assert len(server.connections) == 1
    assert await pool.run(Work(server)) == 1
    await closed(pool)


async def test_r286_a_full_disk_is_reported_for_a_minute_whatever_fits_into_it(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0.0)
    monkeypatch.setattr(postgres_disk, "time", SimpleNamespace(monotonic=clock))
    for other in (DEADLOCK, TOO_MANY, MISTAKE):
        with suppress(StoreUnavailable, ValueError):
            await pool.run(Work(server, other))
    pool.check_disk()
    refusal = await refused(pool, Work(server, DISK_FULL), "DiskFullError 53100")
    assert not refusal.outcome_unknown, "nothing was done"
    for clock.now in (0.0, 59.0):
        assert await pool.run(Work(server)) == 0
        with pytest.raises(StoreUnavailable, match="its disk is full"):
            pool.check_disk()
    clock.now = 61.0
    pool.check_disk()
    await closed(pool)


async def test_f05_a_connection_that_is_found_dead_is_replaced_before_anything_is_sent(
    server: Server, pool: PostgresPool
) -> None:
    await pool.run(Work(server))
    server.connections[0].refresh_error = LOST
    work = Work(server)
    assert await pool.run(work) == 1
    assert work.done_on == [1]
    assert server.connections[0].is_closed
    await closed(pool)


# A server that is away


class Pauses:
    """Those between two tries to connect, each of which lasts until all ``may_end``."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.may_end = asyncio.Event()

    async def wait_for(self, closing: Coroutine[Any, Any, bool], seconds: float) -> None:
        closing.close()
        self.seconds.append(seconds)
        await self.may_end.wait()
        await asyncio.sleep(0.001)
        raise TimeoutError


async def test_f04_while_the_server_is_away_all_are_refused_and_one_tries_again(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = Pauses()
    monkeypatch.setattr(asyncio, "wait_for", pauses.wait_for)
    await asyncio.gather(*(pool.run(Work(server)) for _ in range(3)))
    server.is_away = True
    for connection in server.connections:
        connection.refresh_error = LOST
    with capture_logs() as lines:
        calls = [asyncio.create_task(pool.run(Work(server))) for _ in range(3)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {str(each) for each in outcomes} == {
            "PostgreSQL cannot be reached: [Errno 111] Connection refused"
        }
        tried = server.tries
        for _ in range(20):
            await refused(pool, Work(server), "cannot be reached")
        assert server.tries == tried
        pauses.may_end.set()
        await until(lambda: len(pauses.seconds) > 5)
        assert pauses.seconds[:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
        assert 0 <= len(pauses.seconds) - (server.tries - tried) <= 1, "a pause before each"
        server.is_away = False
        await until(lambda: server.open_now == 1)
        assert await pool.run(Work(server)) == 3
    assert [line["event"] for line in lines] == ["store.unreachable", "store.connected"]
    server.is_away, server.connections[3].refresh_error = True, LOST
    await refused(pool, Work(server), "cannot be reached")
    server.is_away = False
    await until(lambda: server.open_now == 1)
    assert await pool.run(Work(server)) == 4, "and once more"
    await closed(pool)


async def test_f05_connections_that_are_cut_while_they_are_opened_are_tried_three_times(
    server: Server, pool: PostgresPool
) -> None:
    server.refusals = [CUT, CUT]
    assert await pool.run(Work(server)) == 0
    assert server.tries == 3
    await closed(pool)


async def test_f05_a_fourth_connection_that_is_cut_is_an_outage(
    server: Server, pool: PostgresPool
) -> None:
    server.refusals = [CUT] * 3
    await refused(pool, Work(server), "Connection reset by peer")
    assert server.tries == 3
    await closed(pool)


# A server with few connections


async def test_f07_where_no_more_are_to_be_had_those_that_are_open_do_the_work(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pool.run(Work(server))
    pool.check_connections()
    server.refusals = [TOO_MANY] * 2
    work = Work(server)
    with capture_logs() as lines:
        assert await asyncio.gather(*(pool.run(work) for _ in range(6))) == [0] * 6
        with pytest.raises(StoreUnavailable, match="raise its max_connections"):
            pool.check_connections()
        tried = server.tries
        assert await asyncio.gather(*(pool.run(work) for _ in range(6))) == [0] * 6
        assert server.tries == tried, "it does not grow at once"
    assert [line["event"] for line in lines] == ["store.connections_used_up"]
    assert 0 < pool._short_until - asyncio.get_running_loop().time() <= GROW_PAUSE
    pool._short_until = asyncio.get_running_loop().time()  # which nobody waits for
    pool.check_connections()
    server.refusals = []
    work.may_end.clear()
    calls = [asyncio.create_task(pool.run(work)) for _ in range(6)]
    await until(lambda: server.open_now == 3)
    work.may_end.set()
    await asyncio.gather(*calls)
    await closed(pool)


async def test_a_shortage_that_lasts_is_logged_once(server: Server, pool: PostgresPool) -> None:
    await pool.run(Work(server))
    with capture_logs() as lines:
        for _ in range(3):
            pool._note_shortage("too many clients already")
    assert [line["event"] for line in lines] == ["store.connections_used_up"]
    await closed(pool)


async def test_r285_where_none_is_to_be_had_requests_wait_for_one(
    server: Server, pool: PostgresPool
) -> None:
    server.refusals = [TOO_MANY] * 3
    work = Work(server)
    with skipped_time(), capture_logs() as lines:
        assert await asyncio.gather(*(pool.run(work) for _ in range(4))) == [0] * 4
    assert server.tries == 4
    assert [line["event"] for line in lines] == ["store.connections_used_up"]
    await closed(pool)


async def test_f07_where_none_is_to_be_had_for_long_that_is_an_outage_soon_tried_again(
    server: Server, pool: PostgresPool
) -> None:
    server.refusals = [TOO_MANY] * 1_000
    loop = asyncio.get_running_loop()
    with skipped_time():
        began = loop.time()
        await refused(pool, Work(server), "too many clients already")
        assert STARVED_FOR <= loop.time() - began < STARVED_FOR + 0.5
        began = loop.time()
        await refused(pool, Work(server), "too many clients already")
        assert loop.time() == began, "at once"
        server.refusals = []
        await until(lambda: server.open_now == 1)
        assert await pool.run(Work(server)) == 0
        server.connections[0].terminate()
        server.refusals = [TOO_MANY]
        assert await pool.run(Work(server)) == 1, "the next shortage has its own time"
    await closed(pool)


async def test_r285_even_the_last_connection_gives_way_and_the_next_request_opens_another(
    server: Server, pool: PostgresPool
) -> None:
    assert await pool.run(Work(server)) == 0
    pool.give_way()
    await until(lambda: server.open_now == 0)
    assert pool.is_short
    assert await pool.run(Work(server)) == 1
    work = Work(server)
    work.may_end.clear()
    calls = [asyncio.create_task(pool.run(work)) for _ in range(2)]
    await until(lambda: len(work.done_on) == 1)
    pool.give_way()
    work.may_end.set()
    assert await asyncio.gather(*calls) == [1, 2], "what is under way is finished before"
    assert server.open_now == 1
    await closed(pool)


async def test_r285_what_comes_while_the_last_connection_gives_way_is_not_forgotten(
    server: Server, pool: PostgresPool
) -> None:
    await pool.run(Work(server))
    pool.give_way()
    async with asyncio.timeout(AT_ONCE):
        assert await pool.run(Work(server)) == 1
    await closed(pool)


async def grown(server: Server, pool: PostgresPool) -> None:
    """Let all connections that may be open be open, and rest."""
    work = Work(server)
    work.may_end.clear()
    calls = [asyncio.create_task(pool.run(work)) for _ in range(pool._size)]
    await until(lambda: server.open_now == pool._size)
    work.may_end.set()
    await asyncio.gather(*calls)


async def test_connections_that_rest_are_given_back_but_for_one(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "_BALANCE_INTERVAL", 0.02)
    await grown(server, pool)
    await until(lambda: server.looks > 2)
    assert server.open_now == 3
    monkeypatch.setattr(postgres_pool, "_KEPT_IDLE", 0.05)
    await until(lambda: server.open_now == 1)
    await until(lambda: pool._balancing is None or pool._balancing.done())
    assert server.open_now == 1
    assert [connection.closed_within for connection in server.connections].count([1.0]) == 2
    await closed(pool)


async def test_of_two_connections_that_rest_one_is_given_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "_BALANCE_INTERVAL", 0.05)
    monkeypatch.setattr(postgres_pool, "_KEPT_IDLE", 0.05)
    pool = pool_on(server, size=2)
    await grown(server, pool)
    await until(lambda: server.open_now == 1)
    await closed(pool)


async def test_f07_those_that_rest_are_given_back_at_once_but_for_one(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "_BALANCE_INTERVAL", PATIENT)
    await grown(server, pool)
    await until(lambda: len(pool._idle) == pool._size)
    pool._return_connections(PLENTY)
    assert (len(pool._idle), pool._surplus) == (1, 0)
    await closed(pool)


@pytest.mark.parametrize(("left", "kept"), [(KEPT_FREE, 3), (KEPT_FREE - 1, 2), (-5, 1)])
async def test_f07_what_others_lack_is_given_back_but_for_one(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch, left: int, kept: int
) -> None:
    monkeypatch.setattr(postgres_pool, "_BALANCE_INTERVAL", 0.05)
    monkeypatch.setattr(postgres_pool, "GROW_PAUSE", 60.0)
    server.left = left
    await grown(server, pool)
    await until(lambda: server.left == PLENTY)
    await asyncio.sleep(0.02)
    await until(lambda: server.open_now <= kept)
    assert server.open_now == kept
    assert pool.is_short is (left < KEPT_FREE)
    for _ in range(3):
        await pool.run(Work(server))
    assert server.open_now == kept, "no more than that"
    await closed(pool)


async def test_f07_who_ends_instead_of_working_calls_another_that_rests(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "_BALANCE_INTERVAL", PATIENT)
    work = Work(server)
    work.may_end.clear()
    calls = [asyncio.create_task(pool.run(work)) for _ in range(3)]
    await until(lambda: server.open_now == 3)
    pool._return_connections(1)
    work.may_end.set()
    await asyncio.gather(*calls)
    async with asyncio.timeout(AT_ONCE):  # and not only when they are balanced
        assert await pool.run(Work(server)) in range(3)
    assert server.open_now == 2
    await closed(pool)


async def test_the_last_one_works_on_where_another_was_to_go(
    server: Server, pool: PostgresPool
) -> None:
    assert await pool.run(Work(server)) == 0
    pool._surplus = 1  # the other has ended by itself
    async with asyncio.timeout(AT_ONCE):
        assert await pool.run(Work(server)) == 0
    await closed(pool)


async def test_f07_those_that_work_are_given_back_as_soon_as_they_have_done(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "_BALANCE_INTERVAL", 0.05)
    await grown(server, pool)
    server.left = KEPT_FREE - 2

    async def ask() -> None:
        for _ in range(20):
            await asyncio.sleep(0.005)
            await pool.run(Work(server))

    await asyncio.gather(*(ask() for _ in range(6)))
    await until(lambda: server.open_now == 1)
    assert await pool.run(Work(server)) is not None
    await closed(pool)


async def test_f07_behind_a_pooler_nothing_is_given_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "_BALANCE_INTERVAL", 0.05)
    pool = pool_on(server, query="?statement_cache_size=0")
    server.left = 0
    await grown(server, pool)
    await asyncio.sleep(0.15)
    assert server.open_now == 3
    await closed(pool)


# The end


async def test_closing_finishes_what_was_accepted_and_says_goodbye(
    server: Server, pool: PostgresPool
) -> None:
    calls = [asyncio.create_task(pool.run(Work(server))) for _ in range(9)]
    await asyncio.sleep(0)
    await asyncio.gather(pool.close(), pool.close())
    assert len(await asyncio.gather(*calls)) == 9
    assert [connection.closed_within for connection in server.connections] == [[1.0]] * 3
    await refused(pool, Work(server), "closed")
    await closed(pool)


async def test_closing_while_the_server_is_away_is_quick(
    server: Server, pool: PostgresPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "_FIRST_PAUSE", PATIENT)
    server.is_away = True
    await refused(pool, Work(server), "cannot be reached")
    await closed(pool)
