"""A connection to PostgreSQL: when its statements may start, and which servers it accepts."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import pytest

from worksgate.database.identity import DatabaseGuard, DatabaseIdentity
from worksgate.store import StoreUnavailable
from worksgate.store.postgres.connection import CLOCK_INTERVAL, FIRST_LOOK, PostgresConnection

AHEAD = 1_000_000.0
"""Seconds that the server's clock is ahead of the event loop's."""


class Clock:
    """An event loop's clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
        return self.now


class Driver:
    """Answers as asyncpg's connection does, and notes what it is asked."""

    def __init__(
        self, *, synchronous_commit: str | None = "on", installation: tuple[str] | None = ("this",)
    ) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.is_ended = False
        self.ended_within: float | None = None
        self._synchronous_commit = synchronous_commit
        self._installation = installation

    async def fetchval(self, sql: str, *_values: object) -> Any:
        self.asked.append(sql)
        if "clock_timestamp" in sql:
            return self.clock.now + AHEAD
        return self._synchronous_commit if "synchronous_commit" in sql else "5"

    async def fetchrow(self, sql: str, *_values: object) -> tuple[str] | None:
        self.asked.append(sql)
        return self._installation

    async def fetch(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        self.asked.append(sql)
        return [values]

    async def execute(self, sql: str, *_values: object) -> str:
        self.asked.append(sql)
        return "DELETE 7"

    async def executemany(self, sql: str, rows: list[list[object]]) -> None:
        self.asked += [sql] * len(rows)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        self.asked.append("BEGIN")
        return nullcontext()

    def is_closed(self) -> int:
        return int(self.is_ended)

    def terminate(self) -> None:
        self.is_ended = True

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109  # asyncpg's own word
        self.ended_within = timeout


class Connection(PostgresConnection):
    """A connection over such a driver, by its clock."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self._loop = driver.clock  # type: ignore[assignment]  # all that is asked of it is the time


GUARD = DatabaseGuard(DatabaseIdentity("this"))

STATEMENTS: dict[str, Callable[[PostgresConnection], Awaitable[object]]] = {
    "row": lambda connection: connection.row("a"),
    "rows": lambda connection: connection.rows("a", 1, 2),
    "number": lambda connection: connection.number("a"),
    "change": lambda connection: connection.change("a"),
    "change_each": lambda connection: connection.change_each("a", [[1], [2]]),
    "transaction": lambda connection: _transaction(connection),
}
GIVEN = {"row": ("this",), "rows": [(1, 2)], "number": 5, "change": 7}


async def _transaction(connection: PostgresConnection) -> None:
    async with connection.transaction():
        pass


@pytest.mark.parametrize("verb", STATEMENTS)
async def test_f06_a_statement_begins_before_it_is_due_or_never(verb: str) -> None:
    driver = Driver()
    connection = await Connection.over(driver)
    driver.asked.clear()
    connection.begin_request(due=101.0)

    driver.clock.now = 100.9
    assert await STATEMENTS[verb](connection) == GIVEN.get(verb)
    sent = len(driver.asked)
    assert sent == (2 if verb == "change_each" else 1)
    for now in (101.0, 102.0):
        driver.clock.now = now
        with pytest.raises(StoreUnavailable, match="too slow"):
            await STATEMENTS[verb](connection)
    assert len(driver.asked) == sent
    assert connection.begun == 3
    connection.begin_request(due=200.0)
    assert connection.begun == 0


async def test_what_is_due_is_due_by_the_clock_of_the_server() -> None:
    connection = await Connection.over(Driver())
    connection.begin_request(due=101.0)
    assert connection.due_there == 101.0 + AHEAD


async def test_clocks_are_compared_again_after_a_rest() -> None:
    driver = Driver()
    connection = await Connection.over(driver)
    driver.asked.clear()
    driver.clock.now += CLOCK_INTERVAL - 0.1
    await connection.refresh()
    assert driver.asked == []
    driver.clock.now += 0.1
    await connection.refresh()
    await connection.refresh()
    assert len(driver.asked) == 1


@pytest.mark.parametrize("told", ["on", "local", "remote_apply", None])
async def test_f15_a_server_whose_commits_last_is_accepted(told: str | None) -> None:
    driver = Driver(synchronous_commit=told)
    assert isinstance(await Connection.over(driver), PostgresConnection)
    assert not driver.is_ended


async def test_f15_a_server_whose_commits_do_not_last_is_left() -> None:
    driver = Driver(synchronous_commit="off")
    with pytest.raises(StoreUnavailable, match="set synchronous_commit = on"):
        await Connection.over(driver)
    assert driver.is_ended


async def test_f34_a_connection_to_another_database_is_left() -> None:
    for installation in (("another",), None):
        driver = Driver(installation=installation)
        with pytest.raises(StoreUnavailable, match="not the database"):
            await Connection.over(driver, GUARD)
        assert driver.is_ended


async def test_f34_a_new_connection_is_asked_for_its_database_within_its_first_second() -> None:
    driver = Driver()
    connection = await Connection.over(driver, GUARD)
    assert connection.due == 100.0 + FIRST_LOOK
    assert connection.begun == 1
    unguarded = await Connection.over(Driver())
    assert (unguarded.due, unguarded.begun) == (0.0, 0)


async def test_a_connection_is_closed_politely_or_cut() -> None:
    driver = Driver()
    connection = await Connection.over(driver)
    assert connection.is_closed is False
    await connection.close(0.5)
    assert driver.ended_within == 0.5
    connection.terminate()
    assert connection.is_closed is True
