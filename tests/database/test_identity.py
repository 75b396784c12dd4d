"""Another database in place of the server's is an outage, whatever it contains (R-138, F-34)."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, closing, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs
from tests.databases import NOW, Clock, directory_in, query, url_of

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable
from worksgate.database.engines import open_engines
from worksgate.database.first_start import prepare_file
from worksgate.database.identity import (
    CHECKED_EVERY,
    INSPECTED_EVERY,
    DatabaseGuard,
    DatabaseIdentity,
    DatabaseReplaced,
    SqliteGuard,
    forget_overwriting,
    place_of,
)
from worksgate.database.installation_id import identify, renew
from worksgate.database.migrations import SchemaTooNew
from worksgate.database.newest_record import NOTE, Content, NewestRecord, read_note
from worksgate.database.older_copies import check_is_no_copy
from worksgate.database.recording import write_events
from worksgate.directory.database import Directory

EVENT = AuditEvent(event=Event.SYSTEM, at=NOW)


def with_a_copy_there(file: Path) -> None:
    """The same content under the same name: only the file is another."""
    shutil.copy(file, file.with_name("copy"))
    file.with_name("copy").rename(file)


def without_a_file(file: Path) -> None:
    file.rename(file.with_name("aside"))


def without_its_log(file: Path) -> None:
    Path(f"{file}-wal").unlink()


def in_one_file(file: Path) -> bytes:
    """Write what is in the log into the file; its content."""
    (busy, *_) = query(file, "PRAGMA wal_checkpoint(TRUNCATE)")[0]
    assert not busy
    return file.read_bytes()


def content_of(file: Path) -> bytes:
    return file.read_bytes()


def write(file: Path, content: bytes) -> None:
    """Into the file that is there, as ``cp`` does it."""
    file.write_bytes(content)


def changed(file: Path) -> None:
    """Its time alone, as far as the system knows."""
    file.touch()


def without_its_shared_memory(file: Path) -> None:
    """The next process makes another, and writes whenever this one does."""
    Path(f"{file}-shm").unlink()


def restored(file: Path, copy: Path) -> None:
    """Write a copy into the database through its log, as SQLite's ``.restore`` does."""
    with closing(sqlite3.connect(copy)) as source, closing(sqlite3.connect(file)) as target:
        source.backup(target)


def copied(file: Path) -> Path:
    copy = file.with_name("copy")
    restored(copy, file)
    return copy


REPLACEMENTS = (
    with_a_copy_there,
    without_a_file,
    without_its_log,
    without_its_shared_memory,
)


@pytest.fixture
async def guarded(database: Path) -> AsyncIterator[tuple[Directory, DatabaseGuard]]:
    """A directory on the database, as a server opens it."""
    identity = await identify(url_of(database))
    guard = DatabaseGuard(identity)
    if identity.file is not None:
        guard = SqliteGuard.open(database, identity)
    directory = Directory.open(url_of(database), guard)
    yield directory, guard
    await directory.close()
    guard.close()


async def test_each_database_has_an_id_that_stays(database: Path) -> None:
    first, second = await identify(url_of(database)), await identify(url_of(database))
    assert first == second
    assert len(first.installation) == 32
    assert (first.file is None) == (database.suffix == ".postgres")


async def test_r138_what_is_filled_from_elsewhere_gets_another_id(database: Path) -> None:
    before = await identify(url_of(database))
    engines = open_engines(url_of(database))
    async with engines.write.begin() as connection:
        await renew(connection)
    await engines.close()
    assert (await identify(url_of(database))).installation != before.installation
    assert query(database, "SELECT clients_version FROM installation") == [(0,)]


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_database_of_a_newer_version_is_not_identified(database: Path) -> None:
    query(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        await identify(url_of(database))


async def test_r138_a_database_with_another_id_is_an_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    directory, guard = guarded
    await directory.ping()
    query(database, "UPDATE installation SET id = 'of another'")
    with pytest.raises(DatabaseUnavailable, match="not the database that the server was started"):
        await directory.ping()
    with pytest.raises(DatabaseUnavailable):
        await directory.clients_version()
    query(database, f"UPDATE installation SET id = '{guard.installation}'")
    await directory.ping()


async def test_r138_a_database_without_an_id_is_an_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    query(database, "DELETE FROM installation")
    with pytest.raises(DatabaseUnavailable):
        await guarded[0].ping()


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("replace", REPLACEMENTS)
async def test_r138_a_file_that_is_removed_or_replaced_is_an_outage_to_all_verbs(
    database: Path, guarded: tuple[Directory, DatabaseGuard], replace: Callable[[Path], None]
) -> None:
    directory, guard = guarded
    await directory.record([EVENT])
    replace(database)
    for verb in (
        lambda: directory.record([EVENT]),
        lambda: directory.purge_secrets(NOW),
        directory.ping,
        directory.clients,
    ):
        with pytest.raises(DatabaseUnavailable, match="was removed or replaced"):
            await verb()
    with pytest.raises(DatabaseReplaced, match="was removed or replaced"):
        guard.look()
    assert guard._wrong == {"file"}


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r267_an_older_copy_that_is_written_into_the_file_is_an_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    directory, guard = guarded
    older = in_one_file(database)  # without a record
    await directory.record([EVENT])
    newer = in_one_file(database)
    guard.check()  # as each request and each look at the clients does
    for content in (older, newer):  # the log may have been written into it since
        write(database, content)
        for verb in (partial(directory.record, [EVENT]), directory.ping):
            with pytest.raises(DatabaseUnavailable, match="was overwritten with a copy"):
                await verb()
    identity = await identify(url_of(database))
    with pytest.raises(DatabaseReplaced, match="was overwritten with a copy"):
        SqliteGuard.open(database, identity)  # as a worker that replaces one that died
    forget_overwriting(database)  # as the next start of a server
    with pytest.raises(DatabaseReplaced):
        guard.check()  # who still runs marks the file once
    SqliteGuard.open(database, identity).close()


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("is_of_another", [False, True])
async def test_r273_a_copy_that_sqlite_restores_into_the_file_is_an_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard], *, is_of_another: bool
) -> None:
    directory, guard = guarded
    copy = copied(database)
    await directory.record([EVENT])
    guard.look()
    if is_of_another:
        query(copy, "UPDATE installation SET id = 'of another'")
        query(copy, "UPDATE sqlite_sequence SET seq = 1000")
    restored(database, copy)
    with pytest.raises(DatabaseReplaced, match="was overwritten with a copy"):
        guard.look()
    for verb in (partial(directory.record, [EVENT]), directory.ping):
        with pytest.raises(DatabaseUnavailable, match="was overwritten with a copy"):
            await verb()
    with pytest.raises(DatabaseReplaced):
        SqliteGuard.open(database, await identify(url_of(database)))  # as a worker that follows


def gone_on(copy: Path, records: int) -> None:
    """As on a server elsewhere, which records something else."""
    for number in range(records):
        query(copy, "INSERT INTO audit (at, event) VALUES (?, 'logout')", NOW + number + 0.5)


def overwritten(file: Path, copy: Path) -> None:
    """The content of a copy in the file itself, as by ``cp``."""
    write(file, copy.read_bytes())


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("put_in", [restored, overwritten])
async def test_r287_a_copy_on_which_a_server_went_on_elsewhere_is_an_outage(
    database: Path,
    guarded: tuple[Directory, DatabaseGuard],
    put_in: Callable[[Path, Path], None],
) -> None:
    """It has more records than the original, and other ones."""
    directory, guard = guarded
    await directory.record([EVENT])
    copy = copied(database)
    await directory.record([EVENT, EVENT])
    in_one_file(database)
    guard.look()
    gone_on(copy, 9)
    put_in(database, copy)
    with pytest.raises(DatabaseReplaced, match="was overwritten with a copy"):
        guard.look()
    for verb in (partial(directory.record, [EVENT]), directory.ping):
        with pytest.raises(DatabaseUnavailable, match="was overwritten with a copy"):
            await verb()
    with pytest.raises(DatabaseReplaced):
        SqliteGuard.open(database, await identify(url_of(database)))  # as a worker that follows


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("write", [Directory.writing, Directory.writing_one])
async def test_r287_what_one_process_has_recorded_every_other_one_knows_at_once(
    database: Path,
    guarded: tuple[Directory, DatabaseGuard],
    write: Callable[[Directory], AbstractAsyncContextManager[AsyncConnection]],
) -> None:
    """Even if it was idle while a copy was made and written back."""
    directory, guard = guarded
    idle = SqliteGuard.open(database, await identify(url_of(database)))
    guard.look()
    idle.look()
    copy = copied(database)
    assert await directory.account_by_id("nobody") is None  # it has read, as for any request
    async with write(directory) as connection:
        await write_events(connection, EVENT)
    restored(database, copy)
    with closing(sqlite3.connect(database)) as reader, pytest.raises(DatabaseReplaced):
        idle.inspect(reader)
    idle.close()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r287_a_change_in_a_file_that_is_replaced_meanwhile_is_not_said_to_be_made(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    directory, _ = guarded
    assert await directory.account_by_id("nobody") is None

    async def change() -> None:
        async with directory.writing() as connection:
            await write_events(connection, EVENT)
            with_a_copy_there(database)

    with pytest.raises(DatabaseUnavailable, match="was removed or replaced"):
        await change()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r287_a_file_that_never_was_what_its_log_says_is_an_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    """All that the server has recorded is in its log, and what it reads of that is right."""
    directory, guard = guarded
    copy = copied(database)
    gone_on(copy, 9)
    await directory.record([EVENT])
    overwritten(database, copy)
    with pytest.raises(DatabaseReplaced, match="was overwritten with a copy"):
        guard.look()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r287_records_that_were_removed_for_their_age_are_no_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    directory, guard = guarded
    await directory.record([EVENT, EVENT])
    guard.look()
    query(database, "DELETE FROM audit")
    guard.look()
    await directory.record([EVENT])
    in_one_file(database)
    guard.look()


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("content", [b"", b"no database" * 1_000])
async def test_r287_a_file_that_is_emptied_or_is_no_database_any_more_is_an_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard], content: bytes
) -> None:
    await guarded[0].record([EVENT])
    write(database, content)
    with pytest.raises(DatabaseReplaced, match="was overwritten"):
        guarded[1].check()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r288_nothing_is_read_once_something_was_written_into_the_log(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    directory, guard = guarded
    log = Path(f"{database}-wal")
    await directory.record([EVENT])
    older = content_of(log)
    await directory.record([EVENT])
    guard.look()
    write(log, older)
    with pytest.raises(DatabaseReplaced, match="was overwritten with a copy"):
        guard.look()
    with pytest.raises(DatabaseUnavailable, match="was overwritten with a copy"):
        await directory.record([EVENT])


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r288_what_was_written_into_the_log_is_not_moved_into_the_file(database: Path) -> None:
    """Nor by whoever is the last to close it: what the file had is still there."""
    log = Path(f"{database}-wal")
    with closing(sqlite3.connect(database, isolation_level=None)) as server:
        guard = opened(database)
        older = content_of(log)
        server.execute("INSERT INTO audit (at, event) VALUES (1, 'logout')")
        in_one_file(database)
        server.execute("INSERT INTO audit (at, event) VALUES (2, 'logout')")
        content = content_of(database)
        write(log, older or bytes(len(content_of(log))))
        with pytest.raises(DatabaseReplaced):
            guard.look()
    guard.close()
    assert content_of(database) == content
    with pytest.raises(DatabaseUnavailable):  # a command that examines it, too
        check_is_no_copy(database)
    assert content_of(database) == content


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r273_a_worker_that_starts_later_serves_no_file_without_its_newest_records(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    """As without its log, or if the copy was written into it while no worker ran."""
    directory, guard = guarded
    await directory.record([EVENT])
    guard.look()
    query(database, "UPDATE sqlite_sequence SET seq = 0")
    with pytest.raises(DatabaseReplaced, match="was overwritten with a copy"):
        SqliteGuard.open(database, await identify(url_of(database)))


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r273_the_log_of_a_file_behind_a_link_is_watched(database: Path) -> None:
    link = database.with_name("link.db")
    link.symlink_to(database)
    guard = SqliteGuard.open(link, await identify(url_of(link)))
    guard.check()
    without_its_log(database)
    with pytest.raises(DatabaseReplaced, match="-wal was removed or replaced"):
        guard.check()
    guard.close()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r267_what_sqlite_itself_writes_into_the_file_is_no_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    directory, guard = guarded
    for _ in range(3):
        await directory.record([EVENT])
        in_one_file(database)
        guard.check()
    query(database, "DELETE FROM audit")  # as a purge of all records
    in_one_file(database)
    await asyncio.to_thread(guard.look)  # as now and then
    query(database, "VACUUM")
    guard.look()
    await directory.record([EVENT])


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r267_a_page_that_is_read_while_it_is_written_is_no_outage(
    database: Path, guarded: tuple[Directory, DatabaseGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, guard = guarded
    await directory.record([EVENT])
    in_one_file(database)
    guard.check()
    read, halves = Content.read, iter((Content("another", 0, None), Content(None, 7, 7.0)))
    monkeypatch.setattr(Content, "read", lambda *asked: next(halves, None) or read(*asked))
    for _ in range(2):  # nothing is known of it, so the next one looks again
        changed(database)
        guard.check()
    assert next(halves, None) is None
    changed(database)
    guard.check()
    await directory.record([EVENT])


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_the_file_itself_may_come_back(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    without_a_file(database)
    with pytest.raises(DatabaseUnavailable):
        await guarded[0].record([EVENT])
    database.with_name("aside").rename(database)
    await guarded[0].record([EVENT])
    check_is_no_copy(database)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r287_what_replaces_the_file_of_a_running_server_is_a_copy_to_others(
    database: Path, guarded: tuple[Directory, DatabaseGuard]
) -> None:
    """Whatever its records are: a command may come before servers are stopped."""
    with_a_copy_there(database)
    check_is_no_copy(database)  # nobody has noticed yet
    with pytest.raises(DatabaseReplaced):
        guarded[1].check()
    with pytest.raises(DatabaseUnavailable, match="removed or replaced while a server ran"):
        check_is_no_copy(database)
    identity = await identify(url_of(database))
    await prepare_file(url_of(database), NOW)
    assert await identify(url_of(database)) != identity, "all that is short-lived is void"
    check_is_no_copy(database)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_worker_that_starts_once_the_file_is_back_says_so(database: Path) -> None:
    """The one that had noticed may have died meanwhile."""
    identity = await identify(url_of(database))
    with closing(SqliteGuard.open(database, identity)) as guard:
        without_a_file(database)
        with pytest.raises(DatabaseReplaced):
            guard.check()
    database.with_name("aside").rename(database)
    with pytest.raises(DatabaseUnavailable):
        check_is_no_copy(database)
    SqliteGuard.open(database, identity).close()
    check_is_no_copy(database)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_r138_who_opens_later_must_find_the_file_of_the_first_start(database: Path) -> None:
    identity = await identify(url_of(database))
    with_a_copy_there(database)
    with pytest.raises(DatabaseReplaced):
        SqliteGuard.open(database, identity)
    os.unlink(database)  # noqa: PTH108  # one moment
    with pytest.raises(DatabaseReplaced):
        SqliteGuard.open(database, identity)
    assert place_of(database) is None


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_file_that_is_not_there_is_not_made_by_who_opens_it(file: Path) -> None:
    async with directory_in(file) as directory:
        with pytest.raises(DatabaseUnavailable):
            await directory.ping()
    with pytest.raises(DatabaseUnavailable):
        await identify(url_of(file))
    assert place_of(file) is None


def test_a_replaced_database_is_logged_once_and_so_is_its_return() -> None:
    guard = DatabaseGuard(DatabaseIdentity("its id"))
    with capture_logs() as logged:
        for found in ("its id", None, "another id", "its id", "its id"):
            with suppress(DatabaseReplaced):
                guard.check_installation(found)
    assert [each["event"] for each in logged] == ["database.replaced", "database.back"]


def opened(database: Path) -> SqliteGuard:
    installation = query(database, "SELECT id FROM installation")[0][0]
    return SqliteGuard.open(database, DatabaseIdentity(installation, place_of(database)))


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r138_readers_look_at_the_file_now_and_then_and_each_time_while_it_is_another(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("worksgate.database.identity.time", SimpleNamespace(monotonic=clock))
    guard = opened(database)
    without_a_file(database)
    clock.now += CHECKED_EVERY / 2
    guard.check_lately()
    clock.now += CHECKED_EVERY
    with pytest.raises(DatabaseReplaced):
        guard.check_lately()
    database.with_name("aside").rename(database)
    guard.check_lately()
    guard.close()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r138_a_file_that_takes_the_place_while_it_is_opened_is_not_watched(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = sqlite3.connect

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        with_a_copy_there(database)
        connection: sqlite3.Connection = open_file(*args, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(DatabaseReplaced):
        opened(database)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_log_stays_as_long_as_the_file_is_watched(database: Path) -> None:
    guard, log = opened(database), Path(f"{database}-wal")
    query(database, "DELETE FROM audit")
    assert log.exists()
    guard.close()
    assert not log.exists()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r273_what_readers_read_is_inspected_now_and_then(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("worksgate.database.identity.time", SimpleNamespace(monotonic=clock))
    guard = opened(database)
    inspected: list[float] = []
    monkeypatch.setattr(guard, "inspect", lambda _: inspected.append(clock.now))
    with closing(sqlite3.connect(database)) as reader:
        clock.now += INSPECTED_EVERY
        for _ in range(3):
            guard.inspect_lately(reader)
            clock.now += INSPECTED_EVERY * 0.75
    assert len(inspected) == 2
    monkeypatch.undo()
    guard.close()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r287_a_note_that_was_removed_is_made_again(database: Path) -> None:
    query(database, "INSERT INTO audit (at, event) VALUES (5, 'logout')")
    in_one_file(database)
    guard, note = opened(database), Path(f"{database}{NOTE}")
    for _ in range(2):
        guard.look()
        assert read_note(database).newest == NewestRecord(1, at=5.0)
        note.unlink()
    guard.close()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_r287_what_is_in_the_file_is_noted_where_a_note_was_made_again(database: Path) -> None:
    query(database, "INSERT INTO audit (at, event) VALUES (5, 'logout')")
    in_one_file(database)
    guard = opened(database)
    guard.look()
    Path(f"{database}{NOTE}").unlink()
    guard.look()
    query(database, "INSERT INTO audit (at, event) VALUES (6, 'logout')")
    in_one_file(database)
    guard.check()
    assert read_note(database, without_log=True).newest == NewestRecord(2, at=6.0)
    guard.close()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_who_no_longer_watches_has_no_file_open(database: Path) -> None:
    opened(database).close()
    assert Path(f"{database}{NOTE}").exists()
    links = (each for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
    assert not [each for each in map(Path.readlink, links) if each.parent == database.parent]
