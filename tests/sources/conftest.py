"""A migrated database for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.databases import directory_in
from worksgate.directory.database import Directory


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "worksgate.db"


@pytest.fixture
async def directory(file: Path) -> AsyncIterator[Directory]:
    async with directory_in(file) as directory:
        yield directory
