"""A backup contains the lasting data and no session; it is restored completely or not at all."""

# ruff: noqa: ASYNC221, ASYNC240  # no test waits for anything else meanwhile

import asyncio
import gzip
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.databases import NOW, query, url_of
from tests.furnished import GOOD_CODE, SESSION, TOKEN, USED_CODE, content, sealed_records
from tests.store.artifacts import buys, code, key_of

from worksgate.database import DatabaseInUse
from worksgate.database.backup import BackupError, age, sqlite_copy
from worksgate.database.backup.restoring import restore_backup
from worksgate.database.backup.writing import write_backup
from worksgate.database.engines import open_engines
from worksgate.database.identity import mark_overwritten
from worksgate.database.installation_id import identify
from worksgate.database.migrations import HEAD, migrate, upgrade
from worksgate.database.migrations.tables import LASTING, SHORT_LIVED
from worksgate.database.older_copies import check_is_no_copy
from worksgate.directory.database import Directory
from worksgate.oauth.model import AccessToken, AuthorizationCode, Session
from worksgate.store import RedemptionOutcome
from worksgate.store.sqlite.store import SqliteStore

PASSPHRASE = b"several words do well"
LASTS = tuple(each.name for each in LASTING if each.name != "audit")
SECRETS = [key_of(name) for name in (GOOD_CODE, USED_CODE, TOKEN, SESSION, "interim")]


async def write(url: str, file: Path, passphrase: bytes | None = None) -> None:
    await write_backup(
        url,
        file,
        passphrase=passphrase,
        replace=False,
        actor="tester",
        now=NOW,
        progress=lambda done: None,
    )


async def restore(
    url: str, file: Path, passphrase: bytes | None = None, *, force: bool = False
) -> None:
    await restore_backup(
        url,
        file,
        passphrase=passphrase,
        force=force,
        actor="tester",
        now=NOW + 60,
        progress=lambda done: None,
    )


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """``tests/database/backup/test_commands.py`` pays the whole price."""
    monkeypatch.setattr(age, "WORK_FACTOR", 10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "encrypted"])
async def test_what_lasts_is_the_same_after_a_restore(
    source: str, target: str, file: Path, passphrase: bytes | None
) -> None:
    before = await content(source)
    await write(source, file, passphrase)
    await restore(target, file, passphrase)
    after = await content(target)
    assert {name: after[name] for name in LASTS} == {name: before[name] for name in LASTS}
    restored = max(after["audit"])
    assert [row for row in after["audit"] if row != restored] == before["audit"]
    assert restored[-4:-2] == ("tester", "restored from a backup of 2027-01-15T08:00:00Z: backup")
    assert restored[0] > max(before["audit"])[0]
    assert await sealed_records(target) == 2_000


async def test_f31_whatever_is_restored_everything_older_is_void(
    source: str, file: Path, tmp_path: Path
) -> None:
    await write(source, file)
    await restore(source, file, force=True)
    after = await content(source)
    assert {name: after[name] for name in SHORT_LIVED} == {name: [] for name in SHORT_LIVED}
    assert after["keys"] == []
    store = await SqliteStore.open(tmp_path / "source.db", spare=0)
    try:
        for name in (GOOD_CODE, USED_CODE):
            told = await store.redeem(AuthorizationCode, key_of(name), "tenant", buys(name), NOW)
            assert told.outcome is RedemptionOutcome.UNKNOWN
        assert await store.find(AccessToken, key_of(TOKEN)) is None
        assert await store.find(Session, key_of(SESSION)) is None
    finally:
        await store.close()


async def test_forms_and_devices_that_were_signed_before_are_void(source: str, file: Path) -> None:
    directory = Directory.open(source)
    before = await directory.signing_key()
    await directory.close()
    await write(source, file)
    await restore(source, file, force=True)
    directory = Directory.open(source)
    try:
        assert await directory.signing_key() != before
    finally:
        await directory.close()


async def test_not_a_trace_of_what_is_short_lived_is_in_a_backup(
    source: str, file: Path, tmp_path: Path
) -> None:
    whole = (tmp_path / "source.db").read_bytes()
    signing_key = query(tmp_path / "source.db", "SELECT value FROM keys")[0][0]
    assert all(secret.encode() in whole for secret in SECRETS)
    assert signing_key in whole
    await write(source, file)
    with tarfile.open(file) as archive:
        database = archive.extractfile("database")
        assert database is not None
        data = database.read()
    assert b"Person1@example.com" in data
    assert not [secret for secret in SECRETS if secret.encode() in data]
    assert signing_key not in data


async def test_an_encrypted_backup_shows_nothing(source: str, file: Path) -> None:
    await write(source, file, PASSPHRASE)
    data = file.read_bytes()
    assert data.startswith(b"age-encryption.org/v1\n-> scrypt ")
    with pytest.raises(gzip.BadGzipFile), gzip.open(file) as packed:
        packed.read()


async def test_the_file_is_its_owners_alone_and_nothing_is_left_beside_it(
    source: str, file: Path, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        await write(source, file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {each.name for each in tmp_path.iterdir()} <= {"source.db", "backup"}


async def test_a_backup_is_written_while_the_database_is_in_use(
    source: str, file: Path, target: str, tmp_path: Path
) -> None:
    """A server that commits all the time neither stops a backup nor waits for it."""
    store = await SqliteStore.open(tmp_path / "source.db", spare=0)
    writing = True
    saved = 0

    async def save_without_end() -> None:
        nonlocal saved
        while writing:
            await store.save(code(f"code {saved}"))
            saved += 1

    task = asyncio.create_task(save_without_end())
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worksgate", "backup", str(file)),
            env={**os.environ, "WORKSGATE_DATABASE_URL": source},
        )
        await asyncio.sleep(0)
        before = saved
        assert await process.wait() == 0
        assert saved > before
    finally:
        writing = False
        await task
        await store.close()
    await restore(target, file)
    assert await content(target, LASTS) == await content(source, LASTS)


def cut(file: Path, size: int) -> None:
    os.truncate(file, size)


def alter(file: Path, place: int) -> None:
    with file.open("r+b") as data:
        data.seek(place)
        byte = data.read(1)
        data.seek(place)
        data.write(bytes([byte[0] ^ 0x10]))


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "encrypted"])
async def test_a_backup_that_was_cut_or_altered_is_refused_and_nothing_changes(
    source: str, file: Path, tmp_path: Path, passphrase: bytes | None
) -> None:
    await write(source, file, passphrase)
    before = await content(source)
    whole, size = file.read_bytes(), file.stat().st_size
    cuts: list[tuple[Callable[[Path, int], None], int]] = [(cut, 0), (cut, size // 2)]
    damages = [*cuts, (cut, size - 1), (alter, size // 3), (alter, size - 5)]
    for damage, place in damages:
        file.write_bytes(whole)
        damage(file, place)
        with pytest.raises(BackupError, match=r"^[^\n]+$"):
            await restore(source, file, passphrase, force=True)
        assert await content(source) == before
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


async def test_passphrase_that_is_wrong_missing_or_for_nothing_is_reported(
    source: str, file: Path, target: str, tmp_path: Path
) -> None:
    await write(source, file, PASSPHRASE)
    with pytest.raises(BackupError, match="the passphrase does not match this backup"):
        await restore(target, file, b"another")
    with pytest.raises(BackupError, match="the backup is encrypted: pass its passphrase"):
        await restore(target, file)
    await write(source, tmp_path / "plain")
    with pytest.raises(BackupError, match="the backup is not encrypted"):
        await restore(target, tmp_path / "plain", PASSPHRASE)
    assert not (tmp_path / "target.db").exists()


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", gzip.compress(b"hello"), b"\x1f\x8b\x00"],
    ids=["empty", "text", "text in gzip", "broken gzip"],
)
async def test_a_file_that_is_no_backup_is_reported(target: str, file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(BackupError, match=r"^the (file is not a backup|backup is damaged)"):
        await restore(target, file)


async def test_a_database_that_is_not_empty_is_replaced_only_by_force(
    source: str, file: Path
) -> None:
    await write(source, file)
    with pytest.raises(BackupError, match=r"not empty; --force replaces it with the backup"):
        await restore(source, file)
    assert (await content(source, ("sessions",)))["sessions"]
    await restore(source, file, force=True)


async def test_a_database_that_is_damaged_is_replaced_by_force(
    source: str, file: Path, tmp_path: Path
) -> None:
    await write(source, file)
    (tmp_path / "source.db").write_bytes(b"not a database at all" * 1_000)
    mark_overwritten(tmp_path / "source.db")  # as a server does that has noticed it
    with pytest.raises(BackupError, match="cannot be read"):
        await restore(source, file)
    await restore(source, file, force=True)
    assert len((await content(source, ("accounts",)))["accounts"]) > 1_000
    check_is_no_copy(tmp_path / "source.db")


async def test_the_log_of_the_old_database_is_not_read_into_the_new_one(
    source: str, file: Path, tmp_path: Path
) -> None:
    """After a kill -9 there is one, with a sign-in that must not come back."""
    await write(source, file)
    program = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
        " db.execute('PRAGMA journal_mode = WAL');"
        " db.execute(\"UPDATE accounts SET name = 'from the log'\"); db.commit(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "source.db")], check=True)
    assert (tmp_path / "source.db-wal").stat().st_size
    await restore(source, file, force=True)
    assert query(tmp_path / "source.db", "SELECT DISTINCT name FROM accounts") == [("田中 葵",)]


async def test_a_database_in_use_is_not_replaced(source: str, file: Path, tmp_path: Path) -> None:
    await write(source, file)
    store = await SqliteStore.open(tmp_path / "source.db", spare=0)
    try:
        with pytest.raises(DatabaseInUse, match=r"in use: stop the server"):
            await restore(source, file, force=True)
        assert await store.find(Session, key_of(SESSION)) is not None
    finally:
        await store.close()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
async def test_f25_a_header_that_unpacks_to_very_much_is_not_read(
    file: Path, target: str, kind: bytes
) -> None:
    """``tarfile`` reads what extends a header whole, to look for the name in it."""
    member = tarfile.TarInfo("././@PaxHeader")
    member.type, member.size = kind, 64 * 2**20
    with gzip.open(file, "wb", 6) as packed:
        packed.write(member.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(64):
            packed.write(bytes(2**20))
    tracemalloc.start()
    try:
        with pytest.raises(BackupError, match="not a backup written by Worksgate"):
            await restore(target, file)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


async def test_a_database_for_which_there_is_no_room_is_not_unpacked(
    source: str, file: Path, target: str, tmp_path: Path
) -> None:
    await write(source, file)
    manifest = manifest_of(file)
    member = tarfile.TarInfo("database")
    manifest["size"] = member.size = 2**60
    text = json.dumps(manifest).encode()
    first = tarfile.TarInfo("manifest.json")
    first.size = len(text)
    with gzip.open(file, "wb") as packed:
        packed.write(first.tobuf(tarfile.GNU_FORMAT) + text + bytes(-len(text) % 512))
        packed.write(member.tobuf(tarfile.GNU_FORMAT) + b"a beginning")
    with pytest.raises(BackupError, match="too little space for the database in the backup"):
        await restore(target, file)
    assert not (tmp_path / "target.db").exists()


async def test_a_copy_leaves_room_to_the_server(
    source: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copy, "_LEFT_FREE", 2**60)
    with pytest.raises(
        BackupError, match=r"too little space: \d+ MiB are needed, \d+ MiB are free"
    ):
        await write(source, file)
    assert not file.exists()


def test_the_owner_of_what_a_link_leads_to_is_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who may write in the folder could have put a link where the new file was."""
    given: list[object] = []
    monkeypatch.setattr(os, "chown", lambda *ids, **options: given.append(options))
    sqlite3.connect(tmp_path / "beside").close()
    sqlite_copy.replace(tmp_path / "beside", tmp_path / "database")
    assert given == [{"follow_symlinks": False}]


def manifest_of(file: Path) -> dict[str, Any]:
    with tarfile.open(file) as archive:
        data = archive.extractfile("manifest.json")
        assert data is not None
        manifest: dict[str, Any] = json.load(data)
    return manifest


def repack(file: Path, contents: Path, **changes: object) -> None:
    """Write a backup anew with another database, or another manifest."""
    from worksgate.database.backup.archive import Manifest, measured, pack

    manifest = manifest_of(file)
    with contents.open("rb") as database:
        manifest["size"], manifest["sha256"] = measured(database)
        changed = Manifest(**{**manifest, **changes})
        pack(database, changed, file, passphrase=None, replace=True, progress=lambda done: None)


def unpacked(file: Path, to: Path) -> Path:
    with tarfile.open(file) as archive:
        data = archive.extractfile("database")
        assert data is not None
        to.write_bytes(data.read())
    return to


async def test_a_backup_with_triggers_other_numbers_or_another_format_is_refused(
    source: str, file: Path, target: str, tmp_path: Path
) -> None:
    await write(source, file)
    database = unpacked(file, tmp_path / "database")
    for changes, told in (
        ({"format": 2}, "format 2, which this version does not know"),
        ({"database": "postgresql"}, "a backup of postgresql"),
        ({"revision": "9999"}, "of a newer Worksgate"),
        ({"rows": {"accounts": 1}}, "not match its manifest"),
    ):
        repack(file, database, **changes)
        with pytest.raises(BackupError, match=told):
            await restore(target, file)
        file.unlink()
        await write(source, file)
    query(database, "CREATE TRIGGER t AFTER INSERT ON audit BEGIN DELETE FROM accounts; END")
    repack(file, database)
    with pytest.raises(BackupError, match="triggers or views"):
        await restore(target, file)
    assert not (tmp_path / "target.db").exists()


async def test_a_backup_whose_manifest_hides_the_master_key_of_its_secrets_is_refused(
    source: str, file: Path, target: str, tmp_path: Path
) -> None:
    await write(source, file)
    database = unpacked(file, tmp_path / "database")
    sealed = b"wg1" + bytes.fromhex("0badc0de") + bytes(48)
    query(database, f"UPDATE totp_secrets SET secret = x'{sealed.hex()}'")
    repack(file, database, master_keys=())
    with pytest.raises(BackupError, match=r"cannot be read here.*0badc0de"):
        await restore(target, file)
    assert not (tmp_path / "target.db").exists()


async def test_a_backup_that_holds_codes_is_restored_without_them(
    source: str, file: Path, target: str, tmp_path: Path
) -> None:
    await write(source, file)
    query(tmp_path / "source.db", "DELETE FROM audit WHERE actor IS NOT NULL")
    shutil.copy(tmp_path / "source.db", tmp_path / "database")
    repack(file, tmp_path / "database")
    await restore(target, file)
    assert not any((await content(target, (*SHORT_LIVED, "keys"))).values())


async def revoked(database: Path, revision: str, before: Path) -> None:
    """Remove from a database the tables, indexes and columns that came after a revision."""
    before.touch()
    engines = open_engines(url_of(before))
    async with engines.write.begin() as connection:
        await connection.run_sync(upgrade, revision)
    await engines.close()
    objects = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    known = query(before, objects)
    for kind, name in query(database, f"{objects} ORDER BY type = 'table'"):
        if (kind, name) not in known:
            query(database, f"DROP {kind} {name}")
    for _, table in [each for each in known if each[0] == "table"]:
        columns = {row[1] for row in query(before, f"PRAGMA table_info({table})")}
        for row in query(database, f"PRAGMA table_info({table})"):
            if row[1] not in columns:
                query(database, f'ALTER TABLE {table} DROP COLUMN "{row[1]}"')


async def test_a_backup_of_the_release_before_is_brought_to_this_one(
    source: str, file: Path, target: str, tmp_path: Path
) -> None:
    await write(source, file)
    database = unpacked(file, tmp_path / "database")
    await revoked(database, "0002", tmp_path / "before")
    query(database, "UPDATE alembic_version SET version_num = '0002'")
    with sqlite_copy.opened(database) as db:
        rows = dict(sqlite_copy.rows(db))
    repack(file, database, revision="0002", rows=rows)
    await restore(target, file)
    assert query(tmp_path / "target.db", "SELECT version_num FROM alembic_version") == [(HEAD,)]
    await migrate(target)


async def test_a_file_that_exists_is_not_replaced(source: str, file: Path) -> None:
    file.write_text("mine")
    with pytest.raises(BackupError, match=r"backup exists; --force replaces it"):
        await write(source, file)
    assert file.read_text() == "mine"


async def test_a_database_of_another_release_is_not_backed_up(
    source: str, file: Path, tmp_path: Path
) -> None:
    query(tmp_path / "source.db", "UPDATE alembic_version SET version_num = '0002'")
    with pytest.raises(BackupError, match="write the backup with the version of Worksgate"):
        await write(source, file)
    with pytest.raises(BackupError, match="there is no database at"):
        await write(url_of(tmp_path / "none.db"), file)
    assert not file.exists()


async def test_a_restored_database_is_its_owners_alone(
    source: str, file: Path, target: str, tmp_path: Path
) -> None:
    await write(source, file)
    await restore(target, file)
    assert stat.S_IMODE((tmp_path / "target.db").stat().st_mode) == 0o600
    with closing(sqlite3.connect(tmp_path / "target.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_r138_what_is_restored_is_another_installation(
    source: str, file: Path, target: str
) -> None:
    await write(source, file)
    before = await identify(source)
    await restore(target, file)
    assert (await identify(target)).installation != before.installation
