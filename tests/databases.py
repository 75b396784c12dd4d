"""Real SQLite databases for tests."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from worksgate.directory.database import Directory
from worksgate.directory.migrations import migrate

NOW = 1_800_000_000.0


class Clock:
    """Seconds since the epoch, as a test sets them."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def query(file: Path, sql: str, *parameters: object) -> list[Any]:
    """The rows of a statement on a connection of its own, committed."""
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(sql, parameters).fetchall()


@cache
def migrated() -> bytes:
    """A database file that has just been migrated; not to be called in an event loop."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "worksgate.db"
        asyncio.run(migrate(url_of(file)))
        return file.read_bytes()


@asynccontextmanager
async def directory_in(file: Path) -> AsyncIterator[Directory]:
    """A directory on a migrated file."""
    directory = Directory.open(url_of(file))
    try:
        yield directory
    finally:
        await directory.close()
