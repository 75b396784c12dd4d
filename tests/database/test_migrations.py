"""Concurrent first starts: one process creates the schema, the others find it."""

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from tests.databases import query, url_of

from worksgate.database import DatabaseUnavailable, migrations
from worksgate.database.artifact_tables import COUNTERS, TABLES
from worksgate.database.engines import open_engines
from worksgate.database.migrations import HEAD, SchemaTooNew, migrate, require_migrated
from worksgate.database.schema import metadata
from worksgate.directory.database import Directory

MIGRATE = """
import asyncio, sys
from worksgate.database.migrations import migrate
print(asyncio.run(migrate(sys.argv[1])))
"""


@pytest.fixture
def kind() -> str:
    """SQLite; ``tests/upgrade`` upgrades PostgreSQL."""
    return "sqlite"


async def test_a_new_database_gets_the_tables_of_directory_and_store(file: Path) -> None:
    assert await migrate(url_of(file)) == HEAD
    made = {name for (name,) in query(file, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert made >= {*metadata.tables, *TABLES.values(), COUNTERS}


async def test_migrating_again_changes_nothing(file: Path) -> None:
    await migrate(url_of(file))
    before = query(file, "SELECT name, sql FROM sqlite_master ORDER BY name")
    assert await migrate(url_of(file)) == HEAD
    assert query(file, "SELECT name, sql FROM sqlite_master ORDER BY name") == before


@pytest.mark.programs
async def test_several_processes_can_migrate_at_once(file: Path) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", MIGRATE, url_of(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert outputs == [(f"{HEAD}\n".encode(), b"")] * 2
    assert query(file, "SELECT version_num FROM alembic_version") == [(HEAD,)]


async def test_several_tasks_can_migrate_at_once(file: Path) -> None:
    assert await asyncio.gather(*(migrate(url_of(file)) for _ in range(8))) == [HEAD] * 8


async def test_the_migrated_tables_are_the_ones_that_the_code_expects(file: Path) -> None:
    await migrate(url_of(file))
    assert await _differences(url_of(file)) == []


@pytest.mark.programs
async def test_the_tables_of_postgresql_are_the_expected_ones_whoever_migrates_at_once(
    bare_database_url: str,
) -> None:
    assert await asyncio.gather(*(migrate(bare_database_url) for _ in range(4))) == [HEAD] * 4
    assert await _differences(bare_database_url) == []


async def test_a_difference_between_tables_and_code_would_be_found(file: Path) -> None:
    await migrate(url_of(file))
    query(file, "ALTER TABLE accounts ADD COLUMN surprise TEXT")
    query(file, "DROP INDEX ix_audit_login_id")
    assert len(await _differences(url_of(file))) == 2


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_a_database_of_a_newer_release_is_refused(file: Path) -> None:
    await migrate(url_of(file))
    query(file, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        await migrate(url_of(file))


async def test_a_failed_migration_leaves_nothing_behind(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.database.artifact_tables.FIRST_STATEMENTS", ("CREATE NONSENSE",))
    with pytest.raises(DatabaseUnavailable, match="syntax error"):
        await migrate(url_of(file))
    assert query(file, "SELECT name FROM sqlite_master") == []


async def test_a_new_database_file_is_its_owners_alone(file: Path) -> None:
    before = os.umask(0)
    try:
        await migrate(url_of(file))
    finally:
        os.umask(before)
    assert _mode(file) == 0o600


async def test_a_database_without_tables_says_what_to_do(file: Path) -> None:
    file.touch()  # noqa: ASYNC240  # one moment
    directory = Directory.open(url_of(file))
    with pytest.raises(DatabaseUnavailable, match="worksgate migrate"):
        await directory.clients()
    await directory.close()


async def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"worksgate.db cannot be created: No such file"):
        await migrate(url_of(tmp_path / "nowhere" / "worksgate.db"))


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "nonsense", ""]
)
async def test_an_unusable_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="the database address") as refusal:
        await migrate(url)
    assert url in ("", "sqlite://") or url not in str(refusal.value)


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


async def _differences(url: str) -> list[Any]:
    def compare(connection: Connection) -> list[Any]:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        context = MigrationContext.configure(connection, opts=options)
        with catch_warnings():  # of SQLite indexes by an expression are not read
            filterwarnings("ignore", "(Skipped unsupported reflection|autogenerate skipping)")
            return list(compare_metadata(context, metadata))

    engines = open_engines(url)
    try:
        async with engines.read.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engines.close()


@pytest.mark.programs
async def test_a_server_of_many_nodes_waits_to_be_migrated(bare_database_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="has no tables yet: run worksgate migrate"):
        await require_migrated(bare_database_url)
    await migrate(bare_database_url)
    await require_migrated(bare_database_url)


async def test_f27_a_server_refuses_a_database_that_is_too_new(file: Path) -> None:
    await migrate(url_of(file))
    query(file, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        await require_migrated(url_of(file))
