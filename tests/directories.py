"""Fixtures for rooms that need the directory: a migrated database for each test.

The ``conftest`` of such a room imports them.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.databases import directory_in, migrated

from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the database is, or will be."""
    return tmp_path / "worksgate.db"


@pytest.fixture
def database(file: Path) -> Path:
    """The migrated database."""
    file.write_bytes(migrated())
    return file


@pytest.fixture
async def directory(database: Path) -> AsyncIterator[Directory]:
    async with directory_in(database) as directory:
        yield directory


@pytest.fixture
def hashing() -> Iterator[PasswordHashing]:
    hashing = PasswordHashing(threads=1)
    yield hashing
    hashing.close()
