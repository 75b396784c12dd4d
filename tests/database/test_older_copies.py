"""A server that starts on an older copy of its SQLite file voids what it holds for a while."""

import asyncio
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
from worksgate.database.first_start import prepare_file
from worksgate.database.identity import OVERWRITTEN, DatabaseIdentity, SqliteGuard, place_of
from worksgate.database.installation_id import identify
from worksgate.database.newest_record import (
    NOBODYS,
    NewestNote,
    NewestRecord,
    newer,
    note_newest,
    read_note,
)
from worksgate.database.older_copies import (
    Difference,
    carry_on_note,
    check_is_no_copy,
    check_not_lost,
    check_undamaged,
    difference_of,
)
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

    await start(database)  # the file itself: nothing becomes void
    assert await _finds_code(database)
    older.replace(database)
    await start(database)
    assert not await _finds_code(database)
    assert query(database, "SELECT count(*) FROM keys") == [(0,)]
    (detail,) = query(database, "SELECT detail FROM audit ORDER BY id DESC LIMIT 1")[0]
    assert "lacks its 1 newest audit records" in detail
    renewed = await identify(url_of(database))
    assert renewed.installation != identity.installation
    await start(database)
    assert await identify(url_of(database)) == renewed, "once is enough"


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r287_a_start_on_a_copy_with_other_records_makes_no_used_code_good(
    database: Path,
) -> None:
    """It has as many records, or more: a command or a server elsewhere went on with it."""
    identity = await identify(url_of(database))
    guard = SqliteGuard.open(database, identity)
    store = await SqliteStore.open(database, guard=guard, spare=0)
    await store.save(code("code"))
    copy = database.with_name("copy")
    _copy(database, copy)
    await store.record([AuditEvent(event=Event.SYSTEM, at=NOW)])
    await store.close()
    guard.close()
    check_is_no_copy(database)
    query(copy, "INSERT INTO audit (at, event) VALUES (1, 'logout'), (2, 'logout')")
    copy.replace(database)
    with pytest.raises(DatabaseUnavailable, match="is a copy: its audit record 1 is another one"):
        check_is_no_copy(database)  # as a command
    carry_on_note(database)  # as one that only reads
    await start(database)
    assert not await _finds_code(database)
    assert (await identify(url_of(database))).installation != identity.installation
    check_is_no_copy(database)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r287_what_was_overwritten_while_a_server_ran_is_void_at_the_next_start(
    database: Path,
) -> None:
    """Its records alone may be those of the original."""
    mark = Path(f"{database}{OVERWRITTEN}")
    mark.touch()
    before = query(database, "SELECT id FROM installation")
    with pytest.raises(DatabaseUnavailable, match="overwritten while a server ran"):
        check_is_no_copy(database)
    asyncio.run(start(database))
    assert query(database, "SELECT id FROM installation") != before
    content = database.read_bytes()
    database.write_bytes(content[:8192] + bytes(len(content) - 8192))
    mark.touch()
    with pytest.raises(DatabaseUnavailable, match="is damaged: install a backup"):
        asyncio.run(start(database))


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r288_who_examines_a_file_moves_no_log_into_it(database: Path) -> None:
    other = database.with_name("other.db")
    with closing(sqlite3.connect(database, isolation_level=None)) as server:
        server.execute("INSERT INTO audit (at, event) VALUES (5, 'logout')")
        for suffix in ("", "-wal"):
            Path(f"{other}{suffix}").write_bytes(Path(f"{database}{suffix}").read_bytes())
    before = other.read_bytes()
    check_undamaged(other)
    assert other.read_bytes() == before
    assert query(other, "SELECT max(at) FROM audit") == [(5.0,)]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r287_a_start_on_a_copy_that_is_interrupted_is_repeated(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((whose,),) = query(database, "SELECT id FROM installation")
    note_newest(database, whose, NewestRecord(7))

    async def interrupt(_: str) -> None:
        raise DatabaseUnavailable("killed")

    monkeypatch.setattr("worksgate.database.first_start.migrate", interrupt)
    with pytest.raises(DatabaseUnavailable, match="killed"):
        asyncio.run(start(database))
    monkeypatch.undo()
    Path(f"{database}.newest").unlink()  # nothing else tells
    asyncio.run(start(database))
    assert query(database, "SELECT id FROM installation") != [(whose,)]


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("goes_on", [False, True])
def test_r287_a_copy_under_the_log_of_the_original_makes_no_ended_session_live(
    database: Path, *, goes_on: bool
) -> None:
    """Its newest records are in the log; what is not in the log is as it was in the copy."""
    ((whose,),) = query(database, "SELECT id FROM installation")
    query(database, "INSERT INTO audit (at, event) VALUES (5, 'logout')")
    older = database.with_name("older")
    _copy(database, older)
    if goes_on:
        query(older, "INSERT INTO audit (at, event) VALUES (8, 'logout'), (9, 'logout')")
    with closing(sqlite3.connect(database, isolation_level=None)) as server:
        server.execute("INSERT INTO audit (at, event) VALUES (6, 'logout')")
        server.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        guard = SqliteGuard.open(database, DatabaseIdentity(whose, place_of(database)))
        server.execute("INSERT INTO audit (at, event) VALUES (7, 'logout')")
        guard.look()
        assert read_note(database).of(whose) == NewestRecord(3, at=7.0)
        assert read_note(database, without_log=True).of(whose) == NewestRecord(2, at=6.0)
        assert difference_of(database) is None
        SqliteGuard.open(database, DatabaseIdentity(whose, place_of(database))).close()  # later
        older.replace(database)  # while the server stands still, which is killed then
        assert difference_of(database) == Difference("its log belongs to another file")
        assert query(database, "SELECT max(id) FROM audit") == [(3,)], "nothing else tells"
        guard.close()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r287_what_a_command_has_recorded_is_noted_where_a_server_has_a_note(
    database: Path,
) -> None:
    ((whose,),) = query(database, "SELECT id FROM installation")
    query(database, "INSERT INTO audit (at, event) VALUES (5, 'logout'), (6, 'logout')")
    carry_on_note(database)
    assert read_note(database).of(whose) == NOBODYS
    note_newest(database, whose, NewestRecord(1, at=5.0))
    carry_on_note(database)
    assert read_note(database).of(whose) == NewestRecord(2, at=6.0)


def test_a_note_is_read_again_once_it_is_another_file(tmp_path: Path) -> None:
    database = tmp_path / "worksgate.db"
    one, other = (NewestNote(database, "a" * 32) for _ in range(2))
    one.reopen()
    assert one.read() == NOBODYS
    other.write(NewestRecord(1, at=2.0))
    one.reopen()
    assert one.read() == NewestRecord(1, at=2.0)
    other.write(NewestRecord(2, at=3.0))
    for number in (1, 2):
        one.write(NewestRecord(number, at=4.0))
    assert one.read() == NewestRecord(2, at=3.0)
    Path(f"{database}.newest").unlink()
    other.reopen()
    other.write(NewestRecord(1, at=5.0))
    one.reopen()
    assert one.read() == NewestRecord(1, at=5.0)
    for each in (one, other):
        each.close()
        assert each.read() == NOBODYS


def test_of_two_records_with_one_number_the_first_is_kept() -> None:
    one, other = NewestRecord(1, at=2.0), NewestRecord(1, at=3.0)
    assert newer(one, other) is one
    assert newer(one, NewestRecord(2)) == NewestRecord(2)


def test_r275_without_the_file_that_a_server_had_none_is_made(tmp_path: Path) -> None:
    database = tmp_path / "worksgate.db"
    check_not_lost(database)
    note_newest(database, "a" * 32, NewestRecord(7))
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
        note_newest(database, installation, NewestRecord(newest, at=NOW + newest))
        kept = max(newest, 5 * (installation[0] == "a"))
        assert read_note(database).of(installation) == NewestRecord(kept, at=NOW + kept)
    assert read_note(database).of("a" * 32) == NOBODYS
    note = Path(f"{database}.newest")
    for text in ("nonsense", note.read_text().replace("00001 ", "00002 "), "\xff"):
        note.write_text(text, "latin-1")
        assert read_note(database).of("b" * 32) == NOBODYS


def test_the_note_is_for_its_owner_alone_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, close = list[int](), os.close

    def noting(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "close", noting)
    note_newest(tmp_path / "worksgate.db", "a" * 32, NewestRecord(1))
    assert closed
    assert stat.S_IMODE((tmp_path / "worksgate.db.newest").stat().st_mode) == 0o600


def test_what_cannot_be_read_is_left_to_those_who_open_it_next(tmp_path: Path) -> None:
    missing, other = tmp_path / "missing.db", tmp_path / "other.db"
    other.write_bytes(b"no database")
    for database in (missing, other):
        note_newest(database, "a" * 32, NewestRecord(5))
        assert difference_of(database) is None
        carry_on_note(database)
    assert not missing.exists()
    assert other.read_bytes() == b"no database"


async def start(database: Path) -> None:
    await prepare_file(url_of(database), NOW)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


async def _finds_code(database: Path) -> bool:
    store = await SqliteStore.open(database, spare=0)
    try:
        return await store.find(AuthorizationCode, key_of("code")) is not None
    finally:
        await store.close()
