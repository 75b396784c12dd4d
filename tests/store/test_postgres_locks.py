"""Which rows of PostgreSQL a call locks, in which order, and until when others wait for it.

A second connection holds a lock, and the test goes on as soon as the server says that somebody
waits for it. No test waits for a time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
import pytest
from msgspec import structs
from tests.postgres_server import url_for
from tests.store.artifacts import NOW, buys, code, named, refresh_token, session, spent_transaction
from tests.store.waiting import is_waited_for

from worksgate.oauth.model import AccessToken, AuthorizationCode, RefreshToken, Session
from worksgate.store import NewExpiry, Recount, Redemption, RedemptionOutcome
from worksgate.store.postgres import counters as counting
from worksgate.store.postgres import statements
from worksgate.store.postgres.connection import PostgresConnection

pytestmark = pytest.mark.programs

PATIENCE = 60.0
"""Seconds that nothing needs unless it is wrong."""
BACKWARDS = ("c", "b", "a")
"""How the rows lie in their table, and how each call names them; somebody else holds ``b``."""
WINDOWS = dict.fromkeys(BACKWARDS, 60.0)
SESSIONS = [structs.replace(session(name, grant="g"), key=name) for name in BACKWARDS]
REMOVED = [named(each) for each in SESSIONS]
EXTENDED = [NewExpiry(Session, each.key, NOW + 900) for each in SESSIONS]

Call = Callable[[PostgresConnection], Awaitable[object]]
C = TypeVar("C", bound=PostgresConnection)


class Holder:
    """A transaction of somebody else, and what the server says of those that wait for it."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def hold(self, table: str, column: str, name: str) -> None:
        statement = f"SELECT 1 FROM {table} WHERE {column} = $1 FOR UPDATE"
        assert await self._driver.fetchval(statement, name) == 1

    async def is_waited_for_by(self, task: asyncio.Task[Any]) -> bool:
        return await is_waited_for(self._driver, self._driver, task)

    async def use(self, token: RefreshToken, late: RefreshToken) -> None:
        """Renew a refresh token, as a redemption does that is under way."""
        await self._driver.execute("UPDATE refresh_tokens SET used = 1 WHERE key = $1", token.key)
        names = token.__struct_fields__
        numbers = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        statement = f"INSERT INTO refresh_tokens ({', '.join(names)}) VALUES ({numbers})"
        await self._driver.execute(statement, *structs.astuple(late))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return url_for(tmp_path)


@asynccontextmanager
async def connected(url: str, kind: type[C]) -> AsyncIterator[C]:
    """A connection with the plans of the store's, and time enough."""
    driver = await asyncpg.connect(url, server_settings={"plan_cache_mode": "force_generic_plan"})
    try:
        connection = await kind.over(driver)
        connection.begin_request(due=asyncio.get_running_loop().time() + PATIENCE)
        yield connection
    finally:
        driver.terminate()


@pytest.fixture
async def connection(url: str) -> AsyncIterator[PostgresConnection]:
    async with connected(url, PostgresConnection) as connection:
        yield connection


@asynccontextmanager
async def somebody(url: str) -> AsyncIterator[Any]:
    """Another connection to the database."""
    driver = await asyncpg.connect(url)
    try:
        yield driver
    finally:
        driver.terminate()


@asynccontextmanager
async def holding(url: str) -> AsyncIterator[Holder]:
    """Somebody else's transaction, which is committed at the end of the block."""
    async with somebody(url) as driver, driver.transaction():
        yield Holder(driver)


async def free(url: str, table: str, column: str) -> set[str]:
    """Of a, b and c those that nobody has locked."""
    statement = f"SELECT {column} FROM {table} WHERE {column} = ANY($1) FOR UPDATE SKIP LOCKED"
    async with somebody(url) as driver:
        return {name for (name,) in await driver.fetch(statement, BACKWARDS)}


# In one order, so that no two wait for each other


async def save_sessions(there: PostgresConnection) -> None:
    for each in SESSIONS:
        await statements.save(there, [each])


async def count(there: PostgresConnection) -> None:
    for name in BACKWARDS:
        await counting.bump_all(there, {name: 60.0}, NOW)


async def use_tokens(there: PostgresConnection) -> None:
    """A code and three refresh tokens of one grant have been used."""
    used = (structs.replace(refresh_token(grant="g"), key=name) for name in BACKWARDS)
    for number, each in enumerate((code(grant="g"), *used)):
        await statements.save(there, [each])
        await redeem(there, type(each), each.key, f"{number}")


async def redeem(
    there: PostgresConnection, kind: type[Any], key: str, name: str = "token"
) -> Redemption:
    return await statements.redeem(there, kind, key, "tenant", buys(name), NOW)


def recounting(counters: Recount) -> Call:
    return lambda there: counting.recount(there, counters)


ORDERED: dict[str, tuple[str, str, Call, Call]] = {
    "save": ("sessions", "key", save_sessions, lambda there: statements.save(there, SESSIONS)),
    "remove": (
        *("sessions", "key", save_sessions),
        lambda there: statements.add(there, spent_transaction(), removed=REMOVED),
    ),
    "extend": (
        *("sessions", "key", save_sessions),
        lambda there: statements.add(there, spent_transaction(), extended=EXTENDED),
    ),
    "revoke": (
        *("refresh_tokens", "key", use_tokens),
        lambda there: redeem(there, AuthorizationCode, code().key),
    ),
    "bump_all": (
        "counters",
        "name",
        count,
        lambda there: counting.bump_all(there, WINDOWS, NOW),
    ),
    "lower": ("counters", "name", count, lambda there: counting.lower(there, BACKWARDS)),
    "recount: reset": ("counters", "name", count, recounting(Recount(reset=BACKWARDS, now=NOW))),
    "recount: lowered": (
        *("counters", "name", count),
        recounting(Recount(reset=(), lowered=BACKWARDS, now=NOW)),
    ),
    "recount: begun": (
        *("counters", "name", count),
        recounting(Recount(reset=(), begun=WINDOWS, now=NOW)),
    ),
}
"""The table, the column by which its rows are named, what makes them, and what locks them."""


@pytest.mark.parametrize("call", ORDERED)
async def test_rows_are_locked_by_name_however_they_are_given(
    url: str, connection: PostgresConnection, call: str
) -> None:
    table, column, make, lock = ORDERED[call]
    await make(connection)
    async with holding(url) as holder:
        await holder.hold(table, column, "b")
        task = asyncio.ensure_future(lock(connection))
        assert await holder.is_waited_for_by(task)
        assert await free(url, table, column) == {"c"}
    await task


# Who is being forgotten


class Paused(PostgresConnection):
    """A removal that stops once it has locked everything that could create more."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.driver = driver
        self.has_locked = asyncio.Event()
        self.go_on = asyncio.Event()
        self._removals = 0

    async def row(self, sql: str, *values: object) -> Any:
        self._removals += 1
        if self._removals == 2:
            self.has_locked.set()
            await self.go_on.wait()
        return await super().row(sql, *values)


async def test_r30_nobody_redeems_between_the_locks_and_the_end_of_a_removal(
    url: str, connection: PostgresConnection
) -> None:
    """A token that was bought meanwhile would be one that the last statement does not see."""
    token, late = refresh_token("token", grant="g"), refresh_token("late", grant="g")
    await statements.save(connection, [token])
    async with connected(url, Paused) as removing, somebody(url) as watcher:
        async with holding(url) as holder:
            await holder.use(token, late)
            forgetting = asyncio.create_task(statements.forget(removing, "anna"))
            assert await holder.is_waited_for_by(forgetting)
        await removing.has_locked.wait()
        redeeming = asyncio.create_task(redeem(connection, RefreshToken, late.key))
        assert await is_waited_for(removing.driver, watcher, redeeming)
        removing.go_on.set()
        await forgetting
        assert (await redeeming).outcome is RedemptionOutcome.UNKNOWN
    assert await statements.held(connection, AccessToken, "anna") == ()


# Ping and purge


async def test_a_ping_writes_something_else_than_was_there_whatever_that_was(
    url: str, connection: PostgresConnection
) -> None:
    async with somebody(url) as reader:
        await statements.ping(connection)
        for there in (1, 0, 999_999, 2**31 - 1, -(2**31) + 2):
            await reader.execute("UPDATE counters SET value = $1", there)
            await statements.ping(connection)
            assert await reader.fetchval("SELECT value FROM counters") != there


async def test_of_what_has_expired_the_oldest_goes_first(connection: PostgresConnection) -> None:
    ages = {name: NOW - age for name, age in (("youngest", 1), ("older", 2), ("oldest", 3))}
    for name, ended in ages.items():
        await statements.save(connection, [session(name, expires_at=ended)])
    (statement,) = (sql for sql, _ in statements.PURGES if "FROM sessions" in sql)
    for left in (2, 1, 0):
        assert await statements.purge(connection, statement, NOW, 1) == 1
        there = [await statements.find(connection, Session, session(name).key) for name in ages]
        assert [each is not None for each in there] == [True] * left + [False] * (3 - left)
