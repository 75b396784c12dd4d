"""A store for each test, and the SQLite store alone."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.postgres_server import bare_database_url, giving_back
from tests.store.stores import ADDRESSES, STORES, open_sqlite

from worksgate.store import Store
from worksgate.store.sqlite.store import SqliteStore

__all__ = ["bare_database_url"]


@pytest.fixture(autouse=True)
def tidy(tmp_path: Path) -> Iterator[None]:
    """A database that the test was lent goes to the next one."""
    with giving_back(tmp_path):
        yield


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Every store, one after the other."""
    store = await STORES[request.param](tmp_path)
    yield store
    await store.close()


@pytest.fixture(params=ADDRESSES)
def shared(request: pytest.FixtureRequest) -> str:
    """The name of every store that several processes can open."""
    name: str = request.param
    return name


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(tmp_path)
    yield store
    await store.close()
