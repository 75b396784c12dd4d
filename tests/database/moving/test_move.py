"""A move copies an installation from one database to another: completely, or not at all."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.databases import NOW, query, url_of
from tests.furnished import (
    GOOD_CODE,
    GOOD_REFRESH,
    SESSION,
    TOKEN,
    USED_CODE,
    content,
    every_table_has_rows,
    sealed_records,
)
from tests.store.artifacts import buys, key_of

from worksgate.database import DatabaseInUse, DatabaseUnavailable, moving
from worksgate.database.leases import PURGING
from worksgate.database.migrations import migrate
from worksgate.database.migrations.tables import ALL
from worksgate.database.moving import MoveRefused, move
from worksgate.directory.database import Directory
from worksgate.oauth.model import AccessToken, AuthorizationCode, RefreshToken, Session
from worksgate.store import RedemptionOutcome
from worksgate.store.sqlite.store import SqliteStore

LEFT_BEHIND = (
    *("interims", "leases", "console_sessions", "first_links"),
    *("console_invitations", "deployer_tokens"),
)
PARTLY = ("codes", "refresh_tokens", "audit")
OF_EACH_DATABASE = ("compatibility", "alembic_version", "installation")
WHOLE = tuple(name for name in ALL if name not in (*LEFT_BEHIND, *PARTLY, *OF_EACH_DATABASE))


async def moved(source: str, target: str) -> dict[str, int]:
    told: list[int] = []
    rows = await move(source, target, actor="tester", now=NOW, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 100
    return dict(rows)


async def test_everything_that_lasts_is_the_same_afterwards(
    source: str, target: str, tmp_path: Path
) -> None:
    assert every_table_has_rows(tmp_path / "source.db")
    before = await content(source)
    rows = await moved(source, target)
    after = await content(target)
    assert {name: after[name] for name in WHOLE} == {name: before[name] for name in WHOLE}
    assert {name: rows[name] for name in WHOLE if name in rows} == {
        name: len(before[name]) for name in WHOLE if name in rows
    }
    assert len(after["accounts"]) > moving.PAGE
    newest = max(after["audit"])
    assert [row for row in after["audit"] if row != newest] == before["audit"]
    assert newest[-4:-2] == ("tester", "moved from sqlite to sqlite")
    assert await content(source) == before
    assert await sealed_records(target) == 2_000


async def test_nobody_is_signed_out_and_nothing_is_good_in_two_places(
    source: str, target: str, tmp_path: Path
) -> None:
    await moved(source, target)
    store = await SqliteStore.open(tmp_path / "target.db", spare=0)
    try:
        assert await store.find(AccessToken, key_of(TOKEN)) is not None
        assert await store.find(Session, key_of(SESSION)) is not None
        assert await store.count("failures", NOW) == 1
        for kind, name in ((AuthorizationCode, GOOD_CODE), (RefreshToken, GOOD_REFRESH)):
            told = await store.redeem(kind, key_of(name), "tenant", buys(f"b {name}"), NOW)
            assert told.outcome is RedemptionOutcome.UNKNOWN
        bought = key_of(f"bought with {USED_CODE}")
        assert await store.find(AccessToken, bought) is not None
        told = await store.redeem(
            AuthorizationCode, key_of(USED_CODE), "tenant", buys("again"), NOW
        )
        assert told.outcome is RedemptionOutcome.REPLAYED
        assert await store.find(AccessToken, bought) is None
    finally:
        await store.close()
    after = await content(target, LEFT_BEHIND)
    assert after == {name: [] for name in LEFT_BEHIND}


async def test_the_key_that_signs_is_the_same(source: str, target: str) -> None:
    await moved(source, target)
    assert await content(target, ("keys",)) == await content(source, ("keys",))


async def test_no_number_of_an_audit_record_is_given_twice(
    source: str, target: str, tmp_path: Path
) -> None:
    query(tmp_path / "source.db", "DELETE FROM audit")
    (last,) = query(tmp_path / "source.db", "SELECT seq FROM sqlite_sequence WHERE name = 'audit'")
    await moved(source, target)
    assert query(tmp_path / "target.db", "SELECT id FROM audit") == [(last[0] + 1,)]


@pytest.mark.parametrize("table", ["accounts", "audit", "keys", "sessions"])
async def test_target_that_holds_something_is_refused(
    source: str, target: str, tmp_path: Path, table: str
) -> None:
    await migrate(target)
    with closing(sqlite3.connect(tmp_path / "target.db")) as db, db:
        db.execute("ATTACH ? AS source", (str(tmp_path / "source.db"),))
        db.execute(f"INSERT INTO main.{table} SELECT * FROM source.{table} LIMIT 1")
    with pytest.raises(MoveRefused, match=f"not empty: there are {table}"):
        await moved(source, target)
    assert len((await content(target, (table,)))[table]) == 1


@pytest.mark.parametrize("place", ["source", "target"])
async def test_it_is_refused_while_a_server_runs(source: str, target: str, place: str) -> None:
    await migrate(target)
    directory = Directory.open(source if place == "source" else target)
    await directory.leases.take(PURGING, "node:1:aa", 30.0)
    await directory.close()
    with pytest.raises(DatabaseInUse, match=r"node:1:aa\): stop it first"):
        await moved(source, target)
    assert (await content(target, ("accounts",)))["accounts"] == []


async def test_a_server_that_was_killed_is_forgotten(source: str, target: str) -> None:
    directory = Directory.open(source)
    await directory.leases.take(PURGING, "node:1:aa", 0.0)
    await directory.close()
    assert (await moved(source, target))["accounts"]


async def test_it_is_refused_while_the_source_is_open_elsewhere(
    source: str, target: str, tmp_path: Path
) -> None:
    store = await SqliteStore.open(tmp_path / "source.db", spare=0)
    try:
        with pytest.raises(DatabaseInUse, match=r"source.db is in use: stop the server"):
            await moved(source, target)
    finally:
        await store.close()
    assert not (tmp_path / "target.db").exists()


async def test_a_server_that_was_started_meanwhile_stops_it(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_numbering = moving._keep_numbering

    async def start_server(*connections: object) -> None:
        directory = Directory.open(source)
        await directory.leases.take(PURGING, "node:1:aa", 30.0)
        await directory.close()
        await keep_numbering(*connections)  # type: ignore[arg-type]  # the two it was given

    monkeypatch.setattr(moving, "_keep_numbering", start_server)
    with pytest.raises(DatabaseInUse, match="the server is running"):
        await moved(source, target)
    assert not any((await content(target, ("accounts", "keys", "sessions"))).values())


async def test_what_arrives_otherwise_than_it_was_sent_is_not_kept(
    source: str, target: str, tmp_path: Path
) -> None:
    """A disk or a driver that changes a value would be noticed before the commit."""
    await migrate(target)
    query(
        tmp_path / "target.db",
        "CREATE TRIGGER worm AFTER INSERT ON people BEGIN UPDATE people SET name = 'x'; END",
    )
    with pytest.raises(MoveRefused, match="people in the target differs from the source"):
        await moved(source, target)
    assert (await content(target, ("accounts",)))["accounts"] == []


async def test_move_that_is_killed_has_moved_nothing(source: str, target: str) -> None:
    program = """
import asyncio, os, sys
from worksgate.database.moving import move
def die(done):
    if done > 60:
        os.kill(os.getpid(), 9)
asyncio.run(move(*sys.argv[1:], actor="tester", now=0.0, progress=die))
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, source, target)
    assert await process.wait() == -9
    assert not any((await content(target, WHOLE)).values())
    assert (await moved(source, target))["accounts"]


async def test_source_of_another_revision_is_refused(
    source: str, target: str, tmp_path: Path
) -> None:
    query(tmp_path / "source.db", "UPDATE alembic_version SET version_num = '0002'")
    with pytest.raises(MoveRefused, match="revision 0002, this program at"):
        await moved(source, target)


async def test_addresses_that_cannot_be_used_are_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(MoveRefused, match="one and the same"):
        await moved(source, source)
    with pytest.raises(MoveRefused, match="there is no database at"):
        await moved(url_of(tmp_path / "none.db"), url_of(tmp_path / "target.db"))
    with pytest.raises(ValueError, match="the database address"):
        await moved("mysql://root:secret@host/db", source)
    with pytest.raises(DatabaseUnavailable):
        await moved(source, url_of(tmp_path / "nowhere" / "x.db"))


def test_the_order_of_rows_does_not_matter_but_all_else_does() -> None:
    rows = [(1, "a", 0.1, None), (2, "b", 0.2, b"x")]
    whole = moving._Content().with_rows(rows)
    assert whole == moving._Content().with_rows(rows[:1][::-1]).with_rows(rows[1:])
    assert whole == moving._Content().with_rows(rows[::-1])
    for other in (rows[:1], [rows[0], (2, "b", 0.2, None)], [rows[0], rows[0]], [*rows, rows[1]]):
        assert moving._Content().with_rows(other) != whole
