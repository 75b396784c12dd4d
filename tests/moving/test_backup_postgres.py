"""A backup of PostgreSQL by its own programs: whole, without what is short-lived, all or none."""

from pathlib import Path

import pytest
from tests.databases import NOW
from tests.moving.company import GOOD_CODE, SESSION, TOKEN, USED_CODE, content
from tests.moving.test_backup import LASTS, PASSPHRASE, cheap_passphrases, restore, write
from tests.moving.test_move import moved
from tests.postgres_server import bare_database_url, database_url, shared_postgres
from tests.store.artifacts import buys, key_of

from worksgate.audit import AuditEvent, Event
from worksgate.backup import BackupError, postgres_dump
from worksgate.directory.database import Directory
from worksgate.directory.leases import SERVER
from worksgate.directory.migrations.tables import SHORT_LIVED
from worksgate.oauth.model import AccessToken, AuthorizationCode, Session
from worksgate.store import Outcome
from worksgate.store.postgres import PostgresStore

__all__ = ["bare_database_url", "cheap_passphrases", "database_url"]


@pytest.fixture
async def postgres(source: str, database_url: str) -> str:
    """A furnished database."""
    await moved(source, database_url)
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
    assert restored[-1] == "restored from a backup of 2027-01-15T08:00:00Z: backup"
    assert restored[0] == max(before["audit"])[0] + 1


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
            assert told.outcome is Outcome.UNKNOWN
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
        with pytest.raises(BackupError, match=r"^pg_restore: .*depend on it"):
            await restore(postgres, file, force=True)
    finally:
        shared_postgres().query("DROP VIEW theirs", name)
    assert await content(postgres) == before


async def test_it_is_refused_while_a_server_runs(postgres: str, file: Path) -> None:
    await write(postgres, file)
    directory = Directory.open(postgres)
    try:
        await directory.leases.take(SERVER, "node:1:aa", 30.0)
        with pytest.raises(BackupError, match=r"the server is running \(node:1:aa\)"):
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


async def test_what_the_program_complains_of_is_told_in_one_line(file: Path) -> None:
    with pytest.raises(BackupError, match=r"^pg_dump: [^\n]*refused") as refusal:
        await postgres_dump.dump("postgresql://u:hunter22@127.0.0.1:1/d", file, "1")
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
