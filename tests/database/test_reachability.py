"""An outage of the database server is logged once, and so is its end."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.postgres_server import running_postgres

from worksgate.database import DatabaseUnavailable
from worksgate.directory.database import Directory

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
