"""A write-ahead log into which something else was written is no log of its processes any more."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from worksgate.database.log_content import LogContent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a file with blanks.db"


@pytest.fixture
def db(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE numbers (number)")
        yield connection


@pytest.fixture
def content(file: Path, db: sqlite3.Connection) -> Iterator[LogContent]:
    content = LogContent(f"{file}-wal", f"{file}-shm")
    yield content
    content.close()
    assert not content.is_overwritten(), "closed, it says nothing"


def add(db: sqlite3.Connection, times: int = 1) -> None:
    for number in range(times):
        db.execute("INSERT INTO numbers VALUES (?)", (number,))


def test_r288_what_sqlite_writes_into_the_log_is_its_content(
    file: Path, db: sqlite3.Connection, content: LogContent
) -> None:
    assert not content.is_overwritten()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        for mode in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
            for writer in (db, other):
                add(writer, 3)
                assert not content.is_overwritten()
            other.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            assert not content.is_overwritten()
        other.execute("BEGIN")
        other.execute("PRAGMA cache_size = 1")
        other.executemany("INSERT INTO numbers VALUES (?)", [("x" * 5_000,)] * 20)
        assert not content.is_overwritten(), "what is not committed is behind its end"
        other.execute("ROLLBACK")
        add(db)
        assert not content.is_overwritten()


def test_r288_a_page_may_have_64_kib(tmp_path: Path) -> None:
    file = tmp_path / "large.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA page_size = 65536")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE numbers (number)")
        content = LogContent(f"{file}-wal", f"{file}-shm")
        add(db, 3)
        assert not content.is_overwritten()
        content.close()


@pytest.mark.parametrize("is_restarted", [False, True])
def test_r288_an_older_log_is_none(
    file: Path, db: sqlite3.Connection, content: LogContent, *, is_restarted: bool
) -> None:
    """Of the same size, so that nothing else tells: its frames are of before."""
    log = Path(f"{file}-wal")
    add(db, 20)
    db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    add(db)
    older = log.read_bytes()
    if is_restarted:
        db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    add(db, 2)
    assert len(older) == log.stat().st_size
    assert not content.is_overwritten()
    newer = log.read_bytes()
    log.write_bytes(older)
    assert content.is_overwritten()
    log.write_bytes(newer)
    assert not content.is_overwritten()
    log.write_bytes(b"")
    assert content.is_overwritten()


def test_r288_what_is_committed_while_it_is_compared_is_no_difference(
    db: sqlite3.Connection, content: LogContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.pread

    def begin_the_log_again(log: int, length: int, at: int) -> bytes:
        monkeypatch.undo()
        db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        add(db, 9)
        return read(log, length, at)

    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    add(db)
    monkeypatch.setattr(os, "pread", begin_the_log_again)
    assert not content.is_overwritten()
    assert os.pread is read, "it was compared"


def test_without_the_shared_memory_in_this_process_nothing_is_said(
    file: Path, db: sqlite3.Connection
) -> None:
    add(db)
    for shared_memory in (f"{file}-wal", f"{file}-missing"):
        content = LogContent(f"{file}-wal", shared_memory)
        Path(f"{file}-wal").read_bytes()
        assert not content.is_overwritten()
        content.close()


def test_the_shared_memory_of_another_device_with_the_same_inode_is_another(
    file: Path, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(db)
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda *told: read(*told).replace(f"{file}-shm", "/elsewhere/db-shm")
    )
    content = LogContent(f"{file}-wal", f"{file}-shm")
    Path(f"{file}-wal").write_bytes(b"\0" * Path(f"{file}-wal").stat().st_size)
    assert not content.is_overwritten(), "it is compared with nothing"
    content.close()
