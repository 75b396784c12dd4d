"""A store for each test, and the SQLite store alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.store.stores import STORES, open_sqlite

from worksgate.store import Store
from worksgate.store.sqlite import SqliteStore


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Every store, one after the other."""
    store = await STORES[request.param](tmp_path)
    yield store
    await store.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await open_sqlite(tmp_path)
    yield store
    await store.close()
