"""A backup of PostgreSQL with its own tools: complete, without short-lived data, all or nothing."""

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, inspect
from tests.database.backup.test_backup import (
    LASTS,
    PASSPHRASE,
    cheap_passphrases,
    manifest_of,
    repack,
    restore,
    write,
)
from tests.databases import NOW
from tests.furnished import (
    GOOD_CODE,
    SESSION,
    TOKEN,
    USED_CODE,
    content,
    furnish,
    number_of_next_change,
    sealed_records,
)
from tests.postgres_server import bare_database_url, database_url, shared_postgres
from tests.store.artifacts import buys, key_of

from worksgate.audit import AuditEvent, Event
from worksgate.bootstrap.application import create_app
from worksgate.database import DatabaseInUse, DatabaseUnavailable
from worksgate.database.backup import BackupError, postgres_dump, restoring
from worksgate.database.engines import open_engines
from worksgate.database.leases import PURGING, SERVING
from worksgate.database.migrations import HEAD, upgrade
from worksgate.database.migrations.tables import LASTING, SHORT_LIVED
from worksgate.database.moving import move
from worksgate.database.schema import audit
from worksgate.directory.database import Directory
from worksgate.oauth.model import AccessToken, AuthorizationCode, Session
from worksgate.settings.options import Settings
from worksgate.store import RedemptionOutcome
from worksgate.store.postgres.store import PostgresStore

__all__ = ["bare_database_url", "cheap_passphrases", "database_url"]


@pytest.fixture
async def postgres(database_url: str) -> str:
    """A furnished database."""
    store = await PostgresStore.open(database_url)
    try:
        await furnish(database_url, store)
    finally:
        await store.close()
    return database_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup"


async def test_what_lasts_is_the_same_and_what_is_short_lived_is_void(
    postgres: str, bare_database_url: str, file: Path
) -> None:
    before = await content(postgres)
    assert before["sessions"]
    await write(postgres, file, PASSPHRASE)
    await restore(bare_database_url, file, PASSPHRASE)
    after = await content(bare_database_url)
    assert {name: after[name] for name in LASTS} == {name: before[name] for name in LASTS}
    assert not any(after[name] for name in (*SHORT_LIVED, "keys"))
    restored = max(after["audit"])
    assert sorted(after["audit"])[:-1] == sorted(before["audit"])
    assert restored[-3] == "restored from a backup of 2027-01-15T08:00:00Z: backup"
    assert restored[0] == max(before["audit"])[0] + 1
    assert await sealed_records(bare_database_url) == 2_000
    assert await number_of_next_change(bare_database_url) > max(before["changes"])[0]


async def test_f31_codes_and_sessions_from_before_the_restore_are_void(
    postgres: str, file: Path
) -> None:
    await write(postgres, file)
    with pytest.raises(BackupError, match="not empty; --force"):
        await restore(postgres, file)
    await restore(postgres, file, force=True)
    store = await PostgresStore.open(postgres)
    try:
        for name in (GOOD_CODE, USED_CODE):
            told = await store.redeem(AuthorizationCode, key_of(name), "tenant", buys(name), NOW)
            assert told.outcome is RedemptionOutcome.UNKNOWN
        assert await store.find(AccessToken, key_of(TOKEN)) is None
        assert await store.find(Session, key_of(SESSION)) is None
    finally:
        await store.close()


async def test_a_restore_that_breaks_off_has_changed_nothing(postgres: str, file: Path) -> None:
    """Another's view stands on one of our tables, so it cannot be replaced."""
    await write(postgres, file)
    directory = Directory.open(postgres)
    await directory.record([AuditEvent(event=Event.LOGOUT, at=NOW)])
    await directory.close()
    before = await content(postgres)
    name = postgres.rpartition("/")[2]
    shared_postgres().query("CREATE VIEW theirs AS SELECT * FROM people", name)
    try:
        with pytest.raises(BackupError, match="such as a view, depends on its tables"):
            await restore(postgres, file, force=True)
    finally:
        shared_postgres().query("DROP VIEW theirs", name)
    assert await content(postgres) == before


DUMP = ("pg_dump", "--format=custom", "--compress=0", "--no-owner", "--no-privileges")


def dumped_anew(url: str, file: Path, to: Path, **changes: object) -> None:
    """Put another dump of a database into a backup, as somebody could who may write to it."""
    with to.open("wb") as dump:
        subprocess.run([*DUMP, url], stdout=dump, check=True)
    repack(file, to, **changes)


ATTACK = """
SET ROLE worksgate;
CREATE TABLE loot (row text);
CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO loot VALUES (new::text); RETURN new; END$$;
CREATE TRIGGER t AFTER INSERT OR UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION steal();
"""
FOREIGN = """
SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION SELECT relname FROM pg_class WHERE relname = 'loot'
"""


async def test_only_the_rows_of_a_dump_are_taken(
    postgres: str, bare_database_url: str, file: Path, tmp_path: Path
) -> None:
    """A trigger in it would tell somebody each password hash."""
    await write(postgres, file)
    before = await content(postgres, LASTS)
    name = postgres.rpartition("/")[2]
    shared_postgres().query(ATTACK, name)
    try:
        rows = manifest_of(file)["rows"]
        rows["audit"] += 1  # that of the backup
        dumped_anew(postgres, file, tmp_path / "dump", rows=rows)
    finally:
        shared_postgres().query("DROP FUNCTION steal CASCADE; DROP TABLE loot", name)
    await restore(bare_database_url, file)
    assert await content(bare_database_url, LASTS) == before
    assert shared_postgres().query(FOREIGN, bare_database_url.rpartition("/")[2]) == []


async def test_a_backup_that_is_refused_has_changed_nothing(
    postgres: str, file: Path, tmp_path: Path
) -> None:
    await write(postgres, file)
    before = await content(postgres)
    for changes in ({"rows": {"accounts": 1}}, {"revision": "0001"}):
        # Of 0001 the tables of today are not: their rows do not fit.
        dumped_anew(postgres, file, tmp_path / "dump", **changes)
        with pytest.raises(BackupError):
            await restore(postgres, file, force=True)
        assert await content(postgres) == before
    (tmp_path / "no dump").write_bytes(b"PGDMP nothing")
    repack(file, tmp_path / "no dump")
    with pytest.raises(BackupError, match=r"^pg_restore: "):
        await restore(postgres, file, force=True)
    assert await content(postgres) == before


async def test_a_migration_that_fails_has_changed_nothing(
    postgres: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(postgres, file)
    before = await content(postgres)

    def fail_at_the_end(connection: Connection, revision: str = "head") -> str:
        if revision == "head":
            raise DatabaseUnavailable("the disk is full")
        return upgrade(connection, revision)

    monkeypatch.setattr(restoring, "upgrade", fail_at_the_end)
    with pytest.raises(DatabaseUnavailable, match="the disk is full"):
        await restore(postgres, file, force=True)
    assert await content(postgres) == before


async def test_a_dump_of_the_release_before_is_brought_to_this_one(
    database_url: str, bare_database_url: str, file: Path, tmp_path: Path
) -> None:
    await write(database_url, file)
    engines = open_engines(bare_database_url)
    async with engines.migrate.begin() as connection:
        await connection.run_sync(upgrade, "0002")
        await connection.execute(insert(audit), [{"at": NOW, "event": "logout"}])
        known = await connection.run_sync(lambda each: inspect(each).get_table_names())
    await engines.close()
    dumped_anew(
        *(bare_database_url, file, tmp_path / "dump"),
        revision="0002",
        rows={each.name: int(each is audit) for each in LASTING if each.name in known},
    )
    await restore(database_url, file, force=True)
    after = await content(database_url, ("audit", "alembic_version"))
    assert [row[0] for row in after["audit"]] == [1, 2]
    assert after["alembic_version"] == [(HEAD,)]


async def test_a_server_that_removes_nothing_is_noticed_too(
    postgres: str, target: str, file: Path
) -> None:
    await write(postgres, file)
    settings = Settings(public_url="https://sso.example.com", database_url=postgres)
    application = create_app(replace(settings, purge_interval=0, hashing_threads=1))
    await application.start()
    try:
        directory = Directory.open(postgres)
        async with asyncio.timeout(60):
            while await directory.leases.holder(SERVING) is None:  # noqa: ASYNC110  # another's doing
                await asyncio.sleep(0.01)
        await directory.close()
        with pytest.raises(DatabaseInUse, match="the server is running"):
            await restore(postgres, file, force=True)
        with pytest.raises(DatabaseInUse, match="the server is running"):
            await move(postgres, target, actor="tester", now=NOW, progress=lambda done: None)
    finally:
        await application.close()
    await restore(postgres, file, force=True)


async def test_it_is_refused_while_a_server_runs(postgres: str, file: Path) -> None:
    await write(postgres, file)
    directory = Directory.open(postgres)
    try:
        await directory.leases.take(PURGING, "node:1:aa", 30.0)
        with pytest.raises(DatabaseInUse, match=r"the server is running \(node:1:aa\)"):
            await restore(postgres, file, force=True)
    finally:
        await directory.close()


async def test_a_backup_of_one_kind_is_not_restored_to_the_other(
    source: str, target: str, postgres: str, file: Path, tmp_path: Path
) -> None:
    await write(postgres, file)
    with pytest.raises(BackupError, match=r"a backup of postgresql: .* then use worksgate move"):
        await restore(target, file)
    await write(source, tmp_path / "other")
    before = await content(postgres)
    with pytest.raises(BackupError, match="a backup of sqlite"):
        await restore(postgres, tmp_path / "other", force=True)
    assert await content(postgres) == before


async def test_what_the_program_complains_of_is_reported_in_one_line() -> None:
    with pytest.raises(BackupError, match=r"^pg_dump: [^\n]*refused") as refusal:
        await postgres_dump.dump("postgresql://u:hunter22@127.0.0.1:1/d", "1")
    assert "hunter22" not in str(refusal.value)


def test_a_password_is_never_an_argument() -> None:
    for address in (
        "postgresql://me:hunter%2022@db1,db2:5433/company?sslmode=require&statement_cache_size=0",
        "postgres://me@db1,db2:5433/company?password=hunter+22&sslmode=require",
    ):
        argument, environment = postgres_dump.arguments(address)
        assert argument == "postgresql://me@db1,db2:5433/company?sslmode=require"
        assert environment["PGPASSWORD"] == "hunter 22"
    _, environment = postgres_dump.arguments("postgresql://me@db/company")
    assert "PGPASSWORD" not in environment
