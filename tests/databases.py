"""Real databases for tests: a file for each, also if it is a PostgreSQL database.

A path that ends with ``.postgres`` stands for a database on the server of the tests; ``url_of`` and
``query`` know where it is.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
from tests.postgres_server import url_for

from worksgate.credentials.master_key import NO_MASTER_KEY, Keyring
from worksgate.database.migrations import migrate
from worksgate.database.sqlite_file import SPARE
from worksgate.directory.database import Directory
from worksgate.store.sqlite.store import SPARE_BYTES

NOW = 1_800_000_000.0


class Clock:
    """Seconds since the epoch, as a test sets them."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


POSTGRES = ".postgres"


def url_of(file: Path) -> str:
    return url_for(file) if file.suffix == POSTGRES else f"sqlite:///{file}"


def give_spare_file(database: Path) -> None:
    """Put an empty file of the size of the spare file there, or each test would write 8 MiB."""
    with database.with_name(f"{database.name}{SPARE}").open("wb") as spare:
        spare.truncate(SPARE_BYTES)


def query(file: Path, sql: str, *parameters: object) -> list[Any]:
    """The rows of a statement on a connection of its own, committed."""
    if file.suffix == POSTGRES:
        assert not parameters, "no test needs them"
        with ThreadPoolExecutor(1) as thread:  # whoever asks may be in an event loop
            return thread.submit(asyncio.run, _postgres_rows(url_of(file), sql)).result()
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(sql, parameters).fetchall()


async def _postgres_rows(url: str, sql: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


@cache
def migrated() -> bytes:
    """A database file that has just been migrated; not to be called in an event loop."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "worksgate.db"
        asyncio.run(migrate(url_of(file)))
        return file.read_bytes()


@asynccontextmanager
async def directory_in(file: Path, keyring: Keyring = NO_MASTER_KEY) -> AsyncIterator[Directory]:
    """A directory on a migrated file."""
    directory = Directory.open(url_of(file), keyring=keyring)
    try:
        yield directory
    finally:
        await directory.close()
