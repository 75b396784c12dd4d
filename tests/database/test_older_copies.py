"""A server that starts on an older copy of its SQLite file voids what it holds for a while."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from tests.databases import NOW, query, url_of
from tests.store.artifacts import code, key_of

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable
from worksgate.database.identity import SqliteGuard
from worksgate.database.installation_id import identify
from worksgate.database.newest_record import newest_noted, note_newest
from worksgate.database.older_copies import check_not_lost, void_older_copy
from worksgate.oauth.model import AuthorizationCode
from worksgate.store.sqlite.store import SqliteStore


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r275_an_older_copy_under_a_stopped_server_makes_no_used_code_good(
    database: Path,
) -> None:
    identity = await identify(url_of(database))
    guard = SqliteGuard.open(database, identity)
    store = await SqliteStore.open(database, guard=guard, spare=0)
    await store.save(code("code"))
    older = database.with_name("older")
    _copy(database, older)
    await store.record([AuditEvent(event=Event.SYSTEM, at=NOW)])
    await store.close()
    guard.close()

    await void_older_copy(url_of(database), NOW)  # the file itself: nothing becomes void
    assert await _finds_code(database)
    older.replace(database)
    await void_older_copy(url_of(database), NOW)
    assert not await _finds_code(database)
    assert query(database, "SELECT count(*) FROM keys") == [(0,)]
    (detail,) = query(database, "SELECT detail FROM audit ORDER BY id DESC LIMIT 1")[0]
    assert "lacks its 1 newest audit records" in detail
    renewed = await identify(url_of(database))
    assert renewed.installation != identity.installation
    await void_older_copy(url_of(database), NOW)
    assert await identify(url_of(database)) == renewed, "once is enough"


def test_r275_without_the_file_that_a_server_had_none_is_made(tmp_path: Path) -> None:
    database = tmp_path / "worksgate.db"
    check_not_lost(database)
    note_newest(database, "a" * 32, 7)
    for empty in (False, True):
        if empty:
            database.touch()
        with pytest.raises(DatabaseUnavailable, match="is missing or empty, and had 7 audit"):
            check_not_lost(database)
    database.write_bytes(b"content")
    check_not_lost(database)


def test_the_highest_number_of_an_installation_is_noted(tmp_path: Path) -> None:
    database = tmp_path / "worksgate.db"
    for installation, newest in (("a" * 32, 5), ("a" * 32, 3), ("b" * 32, 1)):
        note_newest(database, installation, newest)
        assert newest_noted(database, installation) == max(newest, 5 * (installation[0] == "a"))
    assert newest_noted(database, "a" * 32) == 0
    Path(f"{database}.newest").write_text("nonsense")
    assert newest_noted(database, "b" * 32) == 0


def test_the_note_is_for_its_owner_alone_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, close = list[int](), os.close

    def noting(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "close", noting)
    note_newest(tmp_path / "worksgate.db", "a" * 32, 1)
    assert closed
    assert stat.S_IMODE((tmp_path / "worksgate.db.newest").stat().st_mode) == 0o600


async def test_what_cannot_be_read_is_left_to_those_who_open_it_next(tmp_path: Path) -> None:
    missing, other = tmp_path / "missing.db", tmp_path / "other.db"
    other.write_bytes(b"no database")
    for database in (missing, other):
        note_newest(database, "a" * 32, 5)
        await void_older_copy(url_of(database), NOW)
    assert not missing.exists()
    assert other.read_bytes() == b"no database"


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


async def _finds_code(database: Path) -> bool:
    store = await SqliteStore.open(database, spare=0)
    try:
        return await store.find(AuthorizationCode, key_of("code")) is not None
    finally:
        await store.close()
