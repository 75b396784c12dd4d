"""A furnished database for each test."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import url_of
from tests.moving.company import furnished


@pytest.fixture(scope="session")
def furnished_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with something in every table, made once."""
    file = tmp_path_factory.mktemp("company") / "worksgate.db"
    asyncio.run(furnished(file))
    return file.read_bytes()


@pytest.fixture
def source(furnished_bytes: bytes, tmp_path: Path) -> str:
    """The address of a furnished database, ``source.db``."""
    (tmp_path / "source.db").write_bytes(furnished_bytes)
    return url_of(tmp_path / "source.db")


@pytest.fixture
def target(tmp_path: Path) -> str:
    """The address of a database that is not there yet, ``target.db``."""
    return url_of(tmp_path / "target.db")
