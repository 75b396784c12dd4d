"""Logos from memory: each is read once for all who ask, few at a time, and not for ever."""

import asyncio
import gc
from collections import Counter
from typing import Any

import pytest
from starlette.requests import Request

from worksgate.clients.registry import ClientRegistry
from worksgate.database import DatabaseUnavailable
from worksgate.directory.branding_versions import BrandingVersion, PublishedBrandings
from worksgate.oauth.model import Client
from worksgate.web.sign_in import logos
from worksgate.web.sign_in.logos import MOST_READS, LogoHandlers

SIZE = 1_000


class Database:
    """Logos of so many clients, whose reads wait while ``opened`` is not set."""

    def __init__(self, clients: int = 20) -> None:
        self.names = [f"client-{number:02}" for number in range(clients)]
        self.reads: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.opened = asyncio.Event()
        self.opened.set()
        self.is_down = False

    async def read(self, client_id: str, number: int) -> bytes | None:
        self.reads[client_id] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.opened.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        if self.is_down:
            raise DatabaseUnavailable("the database is down")
        return client_id.encode().ljust(SIZE)

    async def registry(self) -> ClientRegistry:
        versions = {each: _version(each) for each in self.names}
        clients = {each: Client(client_id=each, name=each) for each in self.names}

        async def load() -> dict[str, Client]:
            return clients

        registry = ClientRegistry(load, brandings=lambda: PublishedBrandings.of(versions))
        await registry.snapshot()
        return registry


def _version(client_id: str) -> BrandingVersion:
    return BrandingVersion(
        client_id=client_id,
        number=1,
        content={"logo": {"id": f"logo-of-{client_id}"}},
        created_at=0.0,
        actor=None,
        published_at=1.0,
    )


@pytest.fixture
def database() -> Database:
    return Database()


async def handlers(database: Database, deadline: float = 60.0) -> LogoHandlers:
    return LogoHandlers(await database.registry(), database.read, deadline)


async def status(served: LogoHandlers, client_id: str) -> int:
    query = f"v=logo-of-{client_id}".encode()
    scope = {"type": "http", "method": "GET", "path": "/logo", "headers": [], "query_string": query}
    response = await served.show(Request(scope))
    if response.status_code == 200:
        assert bytes(response.body) == client_id.encode().ljust(SIZE)
    return response.status_code


async def begun(work: int = 10) -> None:
    """Let everything run until it waits."""
    for _ in range(work):
        await asyncio.sleep(0)


async def test_those_who_wait_for_a_logo_share_one_read(database: Database) -> None:
    served = await handlers(database)
    database.opened.clear()
    asking = [asyncio.create_task(status(served, "client-00")) for _ in range(50)]
    await begun()
    database.opened.set()
    assert await asyncio.gather(*asking) == [200] * 50
    assert await status(served, "client-00") == 200
    assert database.reads == {"client-00": 1}


async def test_few_logos_are_read_at_once(database: Database) -> None:
    served = await handlers(database)
    asking = [status(served, name) for name in database.names for _ in range(3)]
    assert set(await asyncio.gather(*asking)) == {200}
    assert database.most_at_once == MOST_READS
    assert set(database.reads.values()) == {1}


async def test_whoever_goes_takes_the_logo_from_nobody(database: Database) -> None:
    served = await handlers(database)
    database.opened.clear()
    first, second = (asyncio.create_task(status(served, "client-00")) for _ in range(2))
    await begun()
    first.cancel()
    await begun()
    database.opened.set()
    assert await second == 200
    assert first.cancelled()
    assert database.reads == {"client-00": 1}


async def test_a_read_that_takes_too_long_is_neither_awaited_nor_repeated(
    database: Database,
) -> None:
    served = await handlers(database, deadline=0.01)
    database.opened.clear()
    asking = [status(served, name) for name in database.names for _ in range(2)]
    assert set(await asyncio.gather(*asking)) == {503}
    assert await status(served, "client-00") == 503
    assert database.at_once == database.reads.total() == MOST_READS
    database.opened.set()
    await begun(1_000)
    served._deadline = 60.0  # as a busy machine may need
    assert [await status(served, name) for name in database.names] == [200] * len(database.names)
    assert set(database.reads.values()) == {1}


async def test_a_logo_is_read_again_after_an_outage(database: Database) -> None:
    served = await handlers(database)
    database.is_down = True
    assert await asyncio.gather(*[status(served, "client-00") for _ in range(3)]) == [503] * 3
    database.is_down = False
    assert await status(served, "client-00") == 200
    assert database.reads == {"client-00": 2}


async def test_an_outage_that_everybody_has_left_is_nobodys_error(database: Database) -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, error: errors.append(error))
    served = await handlers(database, deadline=0.01)
    database.opened.clear()
    assert await status(served, "client-00") == 503
    database.is_down = True
    database.opened.set()
    await begun()
    gc.collect()
    assert database.at_once == 0
    assert errors == []


async def test_r183_only_so_many_bytes_of_logos_are_in_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logos, "MOST_BYTES", 3 * SIZE)
    served = await handlers(database)
    for name in (*database.names, *database.names[-3:]):
        assert await status(served, name) == 200
        assert sum(map(len, served._kept.values())) <= 3 * SIZE
    assert set(database.reads.values()) == {1}
    assert await status(served, database.names[0]) == 200
    assert database.reads[database.names[0]] == 2
