"""The purge of expired data: it runs, keeps valid data, and delays no request."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.installation import Installation, installed
from tests.unhurried import tries

from worksgate.store import REPLAY_MEMORY

DAY = 86_400
OLD_TOKENS = 15_000


async def eventually(condition: object, *, seconds: float = 60.0) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.02)


def count(installation: Installation, table: str) -> object:
    return installation.rows(f"SELECT count(*) FROM {table}")[0][0]


async def test_r110_expired_codes_tokens_sessions_and_audit_records_are_removed(
    tmp_path: Path,
) -> None:
    async with installed(tmp_path, purge_interval=0.1, audit_retention=10 * DAY) as installation:
        await installation.access_token()
        await installation.audit()
        began = installation.clock()
        tables = ("codes", "access_tokens", "sessions", "spent_transactions")
        await asyncio.sleep(0.3)
        assert [count(installation, table) for table in tables] == [1, 1, 1, 1]
        installation.clock.advance(11 * DAY)
        await eventually(
            lambda: (
                not any(count(installation, table) for table in tables)
                and installation.rows("SELECT 1 FROM audit WHERE at <= ?", began) == []
            )
        )
        assert await installation.browser().code()
        told = "SELECT actor, detail FROM audit WHERE event = 'system'"
        await eventually(lambda: installation.rows(told))
        ((actor, detail),) = installation.rows(told)
        assert actor is None
        assert str(detail).endswith(" audit records were past their time")


async def test_r37_r110_a_used_code_outlives_its_expiry(tmp_path: Path) -> None:
    async with installed(tmp_path, purge_interval=0.1) as installation:
        await installation.access_token()
        installation.clock.advance(60 + REPLAY_MEMORY / 2)
        await asyncio.sleep(0.4)
        assert count(installation, "codes") == 1
        installation.clock.advance(60 + REPLAY_MEMORY / 2)
        await eventually(lambda: count(installation, "codes") == 0)


async def test_r110_requests_are_answered_while_much_is_removed(tmp_path: Path) -> None:
    async with installed(tmp_path, purge_interval=0.2) as installation:
        token = await installation.access_token()
        browser = installation.browser()
        await browser.code()
        for each in tries():
            fill(installation)
            await eventually(lambda: count(installation, "access_tokens") != OLD_TOKENS + 1)
            waits = []
            with each:
                while count(installation, "access_tokens") != 1:
                    began = time.monotonic()
                    assert (await installation.user_info(token)).status_code == 200
                    assert (await browser.arrive()).status_code == 303  # this one writes
                    waits.append(time.monotonic() - began)
                assert waits
                assert max(waits) < 2.5
            await eventually(lambda: count(installation, "access_tokens") == 1)


def fill(installation: Installation) -> None:
    rows = [(f"{number:064x}", "g", "s", "c", 1.0, "u", "l", "web") for number in range(OLD_TOKENS)]
    columns = "key, grant_id, subject_id, client_id, expires_at, user_id, login_id, login_kind"
    with closing(sqlite3.connect(installation.database)) as db, db:
        db.executemany(
            f"INSERT INTO access_tokens ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
        )
