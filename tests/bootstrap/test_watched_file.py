"""A server looks at its SQLite file although nobody asks for anything."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.databases import url_of

from worksgate.bootstrap import stores
from worksgate.database.identity import DatabaseReplaced, SqliteGuard
from worksgate.settings.options import Settings


async def test_r273_the_file_is_looked_at_again_and_again(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, looks = asyncio.get_running_loop(), asyncio.Semaphore(0)

    def look(_: SqliteGuard) -> None:
        loop.call_soon_threadsafe(looks.release)
        raise DatabaseReplaced("an older copy")

    monkeypatch.setattr(stores, "LOOKED_AT_EVERY", 0)
    monkeypatch.setattr(SqliteGuard, "look", look)
    settings = Settings(public_url="https://sso.example.com", database_url=url_of(database))
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        await stores.open_guard(settings, None, stack)
        for _ in range(2):
            await looks.acquire()
