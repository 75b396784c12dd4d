"""A move from SQLite to PostgreSQL, between two of them, and back to SQLite."""

from pathlib import Path

import pytest
from tests.database.moving.test_move import PARTLY, WHOLE, moved
from tests.databases import NOW, query, url_of
from tests.furnished import content, number_of_next_change, sealed_records
from tests.postgres_server import bare_database_url, database_url

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseInUse
from worksgate.database.leases import PURGING
from worksgate.database.moving import MoveRefused
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter

__all__ = ["bare_database_url", "database_url"]


@pytest.fixture
def postgres(bare_database_url: str) -> str:
    """A database without tables."""
    return bare_database_url


@pytest.fixture
def other_postgres(database_url: str) -> str:
    """A database whose tables are empty."""
    return database_url


async def test_everything_is_the_same_on_postgresql_and_after_the_way_back(
    source: str, postgres: str, other_postgres: str, tmp_path: Path
) -> None:
    back = url_of(tmp_path / "back.db")
    before = await content(source)
    await moved(source, postgres)
    await moved(postgres, other_postgres)
    await moved(other_postgres, back)
    for url in (postgres, other_postgres, back):
        after = await content(url)
        assert {name: after[name] for name in WHOLE} == {name: before[name] for name in WHOLE}
        assert await sealed_records(url) == 2_000
    audit = sorted(after["audit"])
    assert audit[:-3] == sorted(before["audit"])
    assert [row[-3] for row in audit[-3:]] == [
        "moved from sqlite to postgresql",
        "moved from postgresql to postgresql",
        "moved from postgresql to sqlite",
    ]
    assert [row[0] for row in audit[-3:]] == [2101, 2102, 2103]


async def test_what_works_once_stays_behind_and_what_is_used_stays_used(
    source: str, postgres: str
) -> None:
    await moved(source, postgres)
    before, after = await content(source, PARTLY), await content(postgres, PARTLY)
    for table in ("codes", "refresh_tokens"):
        assert len(before[table]) == 2
        assert len(after[table]) == 1
        (kept,) = after[table]
        assert kept in before[table]


async def test_the_next_audit_record_has_the_next_number(
    source: str, postgres: str, tmp_path: Path
) -> None:
    query(tmp_path / "source.db", "DELETE FROM audit")
    await moved(source, postgres)
    directory = Directory.open(postgres)
    try:
        await directory.record([AuditEvent(event=Event.LOGOUT, at=NOW)])
        assert len(await directory.audit(AuditFilter())) == 2
    finally:
        await directory.close()
    numbers = sorted(row[0] for row in (await content(postgres, ("audit",)))["audit"])
    assert numbers == [2101, 2102]


async def test_the_next_change_has_the_next_number(
    source: str, postgres: str, other_postgres: str
) -> None:
    await moved(source, postgres)
    await moved(postgres, other_postgres)
    for url in (postgres, other_postgres):
        last = max((await content(url, ("changes",)))["changes"])[0]
        assert await number_of_next_change(url) == last + 1


async def test_postgresql_that_refuses_a_row_gets_none(
    source: str, postgres: str, tmp_path: Path
) -> None:
    query(tmp_path / "source.db", "UPDATE people SET name = 'a' || char(0) || 'b'")
    with pytest.raises(MoveRefused, match="people: PostgreSQL cannot store a text with a NUL"):
        await moved(source, postgres)
    assert not any((await content(postgres, WHOLE)).values())


async def test_postgresql_that_is_not_empty_is_refused(source: str, postgres: str) -> None:
    await moved(source, postgres)
    with pytest.raises(MoveRefused, match="not empty: there are"):
        await moved(source, postgres)


async def test_it_is_refused_while_a_server_runs_on_postgresql(
    other_postgres: str, target: str
) -> None:
    directory = Directory.open(other_postgres)
    try:
        await directory.leases.take(PURGING, "node:1:aa", 30.0)
        with pytest.raises(DatabaseInUse, match="the server is running"):
            await moved(other_postgres, target)
    finally:
        await directory.close()
