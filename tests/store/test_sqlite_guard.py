"""A store whose file has been replaced since the start: no reads and no writes."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.store.artifacts import NOW, REDEEMED, access_token, buys, code, key_of
from tests.store.stores import database_in, open_sqlite

from worksgate.audit import AuditEvent, Event
from worksgate.database.identity import (
    DatabaseGuard,
    DatabaseIdentity,
    DatabaseReplaced,
    SqliteGuard,
)
from worksgate.database.installation_id import identify
from worksgate.database.migrations import migrate
from worksgate.database.newest_record import newest_in, read_note
from worksgate.oauth.model import AccessToken, AuthorizationCode
from worksgate.store import RedemptionOutcome, StoreUnavailable
from worksgate.store.sqlite.store import SqliteStore, _connect


class Guard(DatabaseGuard):
    """Says what it is told to."""

    def __init__(self) -> None:
        super().__init__(DatabaseIdentity("id"))
        self.is_replaced = self.is_older = False

    def inspect(self, connection: sqlite3.Connection) -> None:
        if self.is_older:
            raise DatabaseReplaced("an older copy")

    def inspect_lately(self, connection: sqlite3.Connection) -> None:
        self.inspect(connection)

    def check(self) -> None:
        if self.is_replaced:
            raise DatabaseReplaced("another file")

    def check_lately(self) -> None:
        self.check()


@asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[tuple[SqliteStore, Guard]]:
    await (await open_sqlite(folder)).close()  # the tables are made
    guard = Guard()
    store = await SqliteStore.open(database_in(folder), guard=guard)
    try:
        yield store, guard
    finally:
        await store.close()


async def test_r273_nothing_is_read_of_an_older_copy(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (store, guard):
        await store.save(access_token("token"))
        assert await store.find(AccessToken, key_of("token")) is not None
        guard.is_older = True
        with pytest.raises(StoreUnavailable):
            await store.find(AccessToken, key_of("token"))


async def test_f34_nothing_is_read_or_written_while_the_file_is_another(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (store, guard):
        await store.save(access_token("token"))
        guard.is_replaced = True
        with pytest.raises(StoreUnavailable):
            await store.find(AccessToken, key_of("token"))
        with pytest.raises(StoreUnavailable):
            await store.save(code("code"))
        guard.is_replaced = False
        assert await store.find(AccessToken, key_of("token")) is not None


async def test_f34_what_was_open_is_not_read_any_more_once_the_file_is_back(
    tmp_path: Path,
) -> None:
    file = database_in(tmp_path)
    async with guarded(tmp_path) as (store, guard):
        await store.save(access_token("token"))
        assert await store.find(AccessToken, key_of("token")) is not None
        guard.is_replaced = True
        with pytest.raises(StoreUnavailable):
            await store.find(AccessToken, key_of("token"))
        _replace_by_an_empty_one(file)
        guard.is_replaced = False
        assert await store.find(AccessToken, key_of("token")) is None


async def test_f34_a_file_that_takes_the_place_while_it_is_opened_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, open_file = database_in(tmp_path), sqlite3.connect
    guard = Guard()

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        monkeypatch.setattr(sqlite3, "connect", open_file)
        guard.is_replaced = True
        opened: sqlite3.Connection = open_file(*args, **options)
        return opened

    async with guarded(tmp_path) as (store, _):
        await store.save(access_token("token"))
        monkeypatch.setattr(sqlite3, "connect", connect)
        with pytest.raises(DatabaseReplaced):
            _connect(file, create=False, guard=guard)


async def test_r287_a_commit_is_noted_before_its_caller_is_answered(tmp_path: Path) -> None:
    """With the number and the time of its last record, also if a request of the batch failed."""
    database = tmp_path / "worksgate.db"
    url = f"sqlite:///{database}"
    await migrate(url)
    identity = await identify(url)
    guard = SqliteGuard.open(database, identity)
    store = await SqliteStore.open(database, guard=guard, spare=0)

    def fail(_: object) -> None:
        raise KeyError

    for number in (1, 2):
        records = [event(number), event(number + 0.5)]
        saving = (
            store.save(code(f"{number}"), records=records),
            store.record([event(number + 0.25)]),
            store._commit.run(fail),
        )
        await asyncio.gather(*saving, return_exceptions=True)
        noted = read_note(database).of(identity.installation)
        with closing(sqlite3.connect(database)) as reader:
            assert noted == newest_in(reader)
        assert noted.number == 3 * number
    await store.save(code("without a record"))
    await store.close()
    guard.close()


def event(number: float) -> AuditEvent:
    return AuditEvent(event=Event.SYSTEM, at=NOW + number)


async def test_r273_a_code_is_used_once_although_an_older_copy_is_restored(tmp_path: Path) -> None:
    """By SQLite's own means, between two requests: no process has looked at the file meanwhile."""
    database, copy = tmp_path / "worksgate.db", tmp_path / "copy"
    url = f"sqlite:///{database}"
    await migrate(url)
    identity = await identify(url)
    guard = SqliteGuard.open(database, identity)
    store = await SqliteStore.open(database, guard=guard, spare=0)
    await store.save(code("code"))
    _restore(copy, database)
    using = partial(
        store.redeem, AuthorizationCode, key_of("code"), "tenant", buys("bought"), NOW, REDEEMED
    )
    assert (await using()).outcome is RedemptionOutcome.REDEEMED
    _restore(database, copy)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="overwritten"):
            await using()
        with pytest.raises(StoreUnavailable, match="overwritten"):
            await store.find(AccessToken, key_of("token"))
    await store.close()
    guard.close()


def _restore(target: Path, source: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _replace_by_an_empty_one(file: Path) -> None:
    """Put a copy without tokens in the place of a database that is still open."""
    copy = file.with_name("copy.db")
    with closing(sqlite3.connect(file)) as db, closing(sqlite3.connect(copy)) as other:
        db.backup(other)
        other.execute("DELETE FROM access_tokens")
        other.commit()
    for each in file.parent.glob(f"{file.name}-*"):
        each.unlink()
    shutil.move(copy, file)


async def test_each_refusal_is_counted_once(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (store, guard):
        assert store.unavailable == 0
        guard.is_replaced = True
        for number in range(1, 4):
            with pytest.raises(StoreUnavailable):
                await store.save(code("code"))
            assert store.unavailable == number


async def test_a_full_queue_is_counted_too(tmp_path: Path) -> None:
    await (await open_sqlite(tmp_path)).close()
    store = await SqliteStore.open(database_in(tmp_path), waiting=1)
    saving = (store.save(code(f"code {number}")) for number in range(4))
    done = await asyncio.gather(*saving, return_exceptions=True)
    assert [type(each) for each in done] == [type(None)] + [StoreUnavailable] * 3
    assert store.unavailable == 3
    await store.close()


async def test_what_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(StoreUnavailable):
        await SqliteStore.open(tmp_path / "missing" / "worksgate.db")
    assert threading.active_count() <= before
