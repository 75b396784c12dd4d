"""A schema is upgraded while processes of the previous release use it (F-27)."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.databases import NOW, url_of
from tests.postgres_server import bare_database_url
from tests.unhurried import AT_ONCE, PATIENT

from worksgate.database import DatabaseUnavailable, migrations
from worksgate.database.engines import open_engines
from worksgate.database.migrations import HEAD, SchemaTooNew, migrate, upgrade
from worksgate.database.migrations.plan import plan
from worksgate.directory.database import Directory
from worksgate.directory.key_ownership import disputed
from worksgate.directory.people_list import PeopleFilter
from worksgate.store.postgres import pool as postgres_pool

__all__ = ["bare_database_url"]

ROOT = Path(__file__).parents[2]

NEXT = f"{int(HEAD) + 1:04}"
"""The revision of the release after this one."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        (tmp_path / "worksgate.db").touch()
        return url_of(tmp_path / "worksgate.db")
    address: str = request.getfixturevalue("bare_database_url")
    return address


async def at_revision(url: str, revision: str) -> None:
    engines = open_engines(url)
    try:
        async with engines.write.begin() as connection:
            await connection.run_sync(upgrade, revision)
    finally:
        await engines.close()


async def rows(url: str, question: str) -> list[tuple[object, ...]]:
    engines = open_engines(url)
    try:
        async with engines.read.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(question))]
    finally:
        await engines.close()


async def rows_changed(url: str, statement: str) -> None:
    engines = open_engines(url)
    try:
        async with engines.write.begin() as connection:
            await connection.execute(text(statement))
    finally:
        await engines.close()


async def started(url: str, revision: str, ledger: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.upgrade.upgrading", url, revision, str(ledger)), cwd=ROOT
    )


def ledger_of(file: Path) -> tuple[Counter[str], list[str]]:
    lines = [line.split("\t") for line in file.read_text().splitlines()] if file.exists() else []
    redeemed = Counter(text for letter, text in lines if letter == "R")
    return redeemed, [text for letter, text in lines if letter == "X"]


async def more_than(ledger: Path, redeemed: int) -> None:
    async with asyncio.timeout(PATIENT):
        while len(ledger_of(ledger)[0]) <= redeemed:  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_f27_old_processes_work_on_while_the_schema_is_upgraded(
    url: str, revision: str, tmp_path: Path
) -> None:
    await at_revision(url, revision)
    ledger = tmp_path / "ledger"
    processes = [await started(url, revision, ledger) for _ in range(2)]
    try:
        await more_than(ledger, 50)
        upgrade = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worksgate", "migrate", "--json"),
            env={**os.environ, "WORKSGATE_DATABASE_URL": url},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await upgrade.communicate()
        assert (upgrade.returncode, out.split()) == (0, b'{ "revision": "0006" }'.split())
        before = len(ledger_of(ledger)[0])
        await more_than(ledger, before + 50)
        assert [process.returncode for process in processes] == [None, None]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
    redeemed, refused = ledger_of(ledger)
    assert refused == []
    assert set(redeemed.values()) == {1}
    used = await rows(url, "SELECT grant_id FROM codes WHERE used = 1")
    tokens = await rows(url, "SELECT grant_id FROM access_tokens")
    assert sorted(used) == sorted(tokens)
    assert {f"grant of {name}" for name in redeemed} <= {str(grant) for (grant,) in used}
    assert (await plan(url)).is_up_to_date
    await has_an_owner_for_each_key(url)
    if revision > "0001":
        await are_in_the_list(url)


async def has_an_owner_for_each_key(url: str) -> None:
    """Also for those that the old processes gave after the migration, once it is purged."""
    directory = Directory.open(url)
    while await directory.record_unrecorded_keys(NOW, 500):
        pass
    async with directory.reading() as connection:
        assert await disputed(connection) == []
    await directory.close()
    keys = await rows(url, "SELECT external_key, subject_id FROM people")
    owners = await rows(url, "SELECT value, subject_id FROM key_owners")
    assert sorted(keys) == sorted(owners)


async def are_in_the_list(url: str) -> None:
    """Whom the old processes wrote is found before anything is repaired, and afterwards."""
    names = sorted(str(name) for (name,) in await rows(url, "SELECT username FROM people"))
    directory = Directory.open(url)
    for _ in range(2):
        pages = [page async for page in directory.people_list.everybody()]
        assert sorted(each.username for page in pages for each in page) == names
        found = await directory.people_list.page(
            PeopleFilter(text=names[0].upper()), limit=len(names)
        )
        assert names[0] in [each.username for each in found]
        while await directory.people_index.repair(500):
            pass
    await directory.close()
    assert await rows(url, "SELECT count(*) FROM people WHERE haystack IS NULL") == [(0,)]


async def test_r130_who_may_not_use_encrypted_secrets_may_not_after_a_migration(url: str) -> None:
    await at_revision(url, "0004")
    await rows_changed(url, "UPDATE compatibility SET oldest = '0004'")
    await migrate(url)
    assert await rows(url, "SELECT revision, oldest FROM compatibility") == [(HEAD, "0004")]


@pytest.mark.parametrize("oldest", [HEAD, NEXT])
async def test_f27_the_program_before_starts_again_and_one_that_is_too_old_does_not(
    url: str, oldest: str, tmp_path: Path
) -> None:
    """The way back: the release after this one has migrated, and this one is started again."""
    await migrate(url)
    engines = open_engines(url)
    async with engines.write.begin() as connection:
        for statement in (
            "ALTER TABLE people ADD COLUMN nickname TEXT",
            "CREATE TABLE inventions (name TEXT NOT NULL PRIMARY KEY)",
            f"UPDATE alembic_version SET version_num = '{NEXT}'",
            "DELETE FROM compatibility",
            f"INSERT INTO compatibility (revision, oldest) VALUES ('{NEXT}', '{oldest}')",
        ):
            await connection.execute(text(statement))
    await engines.close()
    if oldest > HEAD:
        with pytest.raises(SchemaTooNew, match=f"revision {NEXT}"):
            await migrate(url)
        return
    assert await migrate(url) == NEXT
    ledger = tmp_path / "ledger"
    process = await started(url, HEAD, ledger)
    try:
        await more_than(ledger, 20)
    finally:
        process.kill()
        await process.wait()
    assert ledger_of(ledger)[1] == []


async def test_f27_no_table_is_locked_while_the_keys_of_many_people_are_written_down(
    bare_database_url: str,
) -> None:
    """It takes a second and more; whatever locks a table of the release before comes last."""
    await at_revision(bare_database_url, "0003")
    await rows_changed(bare_database_url, _MANY_ACCOUNTS)
    upgrade = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worksgate", "migrate"),
        env={**os.environ, "WORKSGATE_DATABASE_URL": bare_database_url},
        stdout=asyncio.subprocess.DEVNULL,
    )
    ending = asyncio.create_task(upgrade.wait())
    looks = locked = 0
    engines = open_engines(bare_database_url)
    async with engines.read.connect() as connection:
        while not ending.done():
            tables, are_any = (await connection.execute(text(_LOCKED))).one()
            looks += are_any
            locked += tables
            await connection.rollback()  # a transaction sees activity as of its first look
            await asyncio.sleep(0.01)
    await engines.close()
    assert await ending == 0
    assert looks > 5
    assert locked == 0, f"{locked} of {looks} times a table was locked"
    owners = await rows(bare_database_url, "SELECT count(*) FROM key_owners")
    assert owners == [(_MANY,)]


def test_f27_a_migration_waits_less_for_a_table_than_a_call_does() -> None:
    assert float(migrations._LOCK_TIMEOUT.removesuffix("ms")) / 1_000 < postgres_pool.LOCK_TIMEOUT


_MANY = 20_000
_MANY_ACCOUNTS = f"""
    INSERT INTO accounts
        (id, username, username_key, name, external_key, enabled, administrator, created_at)
    SELECT 'a' || n, 'a' || n, 'a' || n, '', 'E' || n, true, false, 0
    FROM generate_series(1, {_MANY}) AS n
"""
_LOCKED = """
    SELECT CAST(count(*) FILTER (WHERE relation IN (SELECT oid FROM pg_class WHERE relname IN
            ('accounts', 'people', 'clients', 'sessions', 'codes', 'access_tokens'))) > 0 AS int),
        CAST(count(*) > 0 AS int)
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE granted AND mode IN ('AccessExclusiveLock', 'ShareLock')
        AND query LIKE 'INSERT INTO key_owners%'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Of whoever is writing down the keys: whether a table of before is locked, and whether any is."""


async def test_f27_an_upgrade_that_would_make_others_wait_gives_way(
    bare_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long reader is in the way: whoever came behind our waiting lock would wait for it too."""
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "200ms")
    await at_revision(bare_database_url, "0001")
    engines = open_engines(bare_database_url)
    async with engines.read.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM sessions"))
        upgrade = asyncio.create_task(migrate(bare_database_url))
        await asyncio.sleep(1.0)
        assert not upgrade.done()
        async with asyncio.timeout(AT_ONCE), engines.read.connect() as other:
            await other.execute(text("SELECT count(*) FROM sessions"))
        await reader.rollback()
        assert await upgrade == HEAD
    async with engines.read.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM sessions"))
        assert await migrate(bare_database_url) == HEAD
    await engines.close()


async def test_f27_an_upgrade_that_never_gets_its_turn_says_so_and_changes_nothing(
    bare_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "20ms")
    await at_revision(bare_database_url, "0001")
    engines = open_engines(bare_database_url)
    async with engines.read.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM sessions"))
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            await migrate(bare_database_url)
    await engines.close()
    assert await rows(bare_database_url, "SELECT version_num FROM alembic_version") == [("0001",)]


async def test_several_processes_upgrade_at_once(url: str) -> None:
    await at_revision(url, "0001")
    assert await asyncio.gather(*(migrate(url) for _ in range(4))) == [HEAD] * 4
