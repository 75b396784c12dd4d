"""A migrated database for each test, once on SQLite and once on PostgreSQL.

``ONLY_SQLITE`` marks what asks SQLite for something that PostgreSQL has otherwise, or has not.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.databases import POSTGRES, directory_in, migrated, url_of
from tests.postgres_server import bare_database_url, database_url, giving_back

from worksgate.directory.database import Directory

__all__ = ["bare_database_url", "database_url"]


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def file(kind: str, tmp_path: Path) -> Path:
    """Where the database is, or will be."""
    return tmp_path / ("worksgate.db" if kind == "sqlite" else f"worksgate{POSTGRES}")


@pytest.fixture
def database(kind: str, file: Path) -> Iterator[Path]:
    """The migrated database."""
    if kind == "sqlite":
        file.write_bytes(migrated())
        yield file
        return
    with giving_back(file):
        url_of(file)
        yield file


@pytest.fixture
async def directory(database: Path) -> AsyncIterator[Directory]:
    async with directory_in(database) as directory:
        yield directory
