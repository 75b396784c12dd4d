"""An outage of the database server is logged once, and so is its end."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.postgres_server import running_postgres

from worksgate.bootstrap.application import _impairing_checks
from worksgate.database import DatabaseUnavailable
from worksgate.directory.database import Directory
from worksgate.settings.options import Settings
from worksgate.store import StoreUnavailable
from worksgate.store.postgres.connection import PostgresConnection
from worksgate.store.postgres.store import PostgresStore

pytestmark = pytest.mark.programs


def names(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    return [line["event"] for line in lines if line["event"].startswith("database.")]


@pytest.mark.deadlines
async def test_outage_of_postgresql_is_reported_once_and_so_is_its_end() -> None:
    with running_postgres() as server:
        directory = Directory.open(server.url_of(server.lend()))
        await directory.ping()
        await asyncio.to_thread(server.kill)
        with capture_logs() as lines:
            for _ in range(3):
                with pytest.raises(DatabaseUnavailable):
                    await directory.clients()
                with pytest.raises(DatabaseUnavailable):
                    await directory.ping()
            assert names(lines) == ["database.unreachable"]
            assert str(lines[0]["reason"]).startswith("the database does not respond: ")
            await asyncio.to_thread(server.start)
            await directory.ping()
            await directory.ping()
        assert names(lines) == ["database.unreachable", "database.connected"]
        await directory.close()


_FULL = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"


async def test_r286_a_full_disk_of_postgresql_impairs_a_server_that_stays_ready(
    database_url: str,
) -> None:
    settings = Settings(database_url=database_url)
    store, directory = await PostgresStore.open(database_url), Directory.open(database_url)
    other = Directory.open(database_url)
    try:
        check = _impairing_checks(settings, directory, store)["disk"]
        await check()
        with pytest.raises(DatabaseUnavailable, match="could not extend file"):
            async with other.writing() as connection:
                await connection.exec_driver_sql(_FULL)
        await other.ping()
        with pytest.raises(DatabaseUnavailable, match="its disk is full"):
            await _impairing_checks(settings, other, store)["disk"]()
        await check()
        with pytest.raises(StoreUnavailable, match="DiskFullError"):
            await store._pool.run(_fill)
        await store.ping()
        with pytest.raises(StoreUnavailable, match="its disk is full"):
            await check()
    finally:
        for each in (store, directory, other):
            await each.close()


async def _fill(connection: PostgresConnection) -> None:
    await connection.change(_FULL)
