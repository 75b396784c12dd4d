"""What a step has read ahead is what it would have read, and is seen once, by nobody else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from tests.database.test_direct_reads import SUBJECT, TARO, furnished
from tests.databases import NOW, url_of
from tests.store.artifacts import interim, key_of, session, spent_transaction

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable
from worksgate.database.direct_reads import Rows
from worksgate.database.read_ahead import (
    artifact_read,
    current_step,
    drop,
    read_of,
    reading_ahead,
    take,
)
from worksgate.directory.database import Directory
from worksgate.directory.factors import ENROLLED
from worksgate.oauth.model import Interim, Session, SpentTransaction
from worksgate.store.postgres.pool import PostgresPool
from worksgate.store.postgres.store import PostgresStore

__all__ = ["furnished"]

EVENT = AuditEvent(event=Event.USER_CHANGED, at=NOW, subject_id=TARO.subject_id)


def test_r228_what_was_read_ahead_is_seen_once() -> None:
    with reading_ahead():
        keep("read", [(1,)])
        assert take("another") is None
        assert take("read") == [(1,)]
        assert take("read") is None


def test_r228_nothing_is_seen_after_a_change() -> None:
    with reading_ahead():
        keep("read", [(1,)])
        drop()
        assert take("read") is None


def test_outside_of_a_step_nothing_is_kept() -> None:
    assert current_step() is None
    assert take("read") is None
    drop()


async def test_r228_what_a_step_has_begun_sees_nothing_of_it_later() -> None:
    """A task has the context of whoever has begun it, for as long as it lives."""
    is_over = asyncio.Event()

    async def later() -> tuple[object, object]:
        await is_over.wait()
        return current_step(), take("read")

    with reading_ahead():
        keep("read", [(1,)])
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    is_over.set()
    assert await task == (None, None)


async def test_r228_steps_at_the_same_time_see_nothing_of_each_other() -> None:
    async def step(number: int) -> Rows | None:
        with reading_ahead():
            keep("read", [(number,)])
            await asyncio.sleep(0)
            return take("read")

    first, second = await asyncio.gather(step(1), step(2))
    assert first == [(1,)]
    assert second == [(2,)]


def keep(read: str, rows: Rows) -> None:
    step = current_step()
    assert step is not None
    step.kept[read] = rows


# On PostgreSQL


@pytest.fixture
async def store(furnished: Directory, database: Path) -> AsyncIterator[PostgresStore]:
    """The store of a directory with people in it, which reads over the same connections."""
    store = await PostgresStore.open(url_of(database))
    furnished.read_through(store.direct_reads)
    await store.save(
        *(session(name, subject=subject) for name, subject in SUBJECTS.items()),
        *(interim(name, subject=subject) for name, subject in SUBJECTS.items()),
        spent_transaction("used"),
    )
    await store.bump_all({"counted": 60.0, "over": -60.0}, NOW)
    yield store
    await store.close()


async def seen_ahead(
    reading: Coroutine[Any, Any, None], *reads: Callable[[], Awaitable[Any]]
) -> list[Any]:
    """What all find without the database, once it was read ahead: as they find it there."""
    expected = [await read() for read in reads]
    with reading_ahead([key_of("Hanako"), key_of("none")]):
        await reading
        with patch.object(PostgresPool, "run", _asked):
            found = [await read() for read in reads]
    assert found == expected
    return found


def _asked(*_: object, **__: object) -> None:
    raise AssertionError("the database was asked")


SUBJECTS = {"Hanako": SUBJECT, "Taro": TARO.subject_id, "Nobody": "directory:nobody"}
ON_POSTGRES = pytest.mark.parametrize("kind", ["postgres"])


@ON_POSTGRES
@pytest.mark.parametrize("name", [*SUBJECTS, "none"])
async def test_a_session_comes_with_its_person(
    furnished: Directory, store: PostgresStore, name: str
) -> None:
    subject_id = SUBJECTS.get(name, "")
    reads: list[Callable[[], Awaitable[Any]]] = [
        partial(store.find, Session, key_of(name)),
        partial(furnished.person, subject_id),
        partial(furnished.factors.enrolled, subject_id),
        partial(store.find, Interim, key_of("Hanako")),
        partial(store.find, Interim, key_of("none")),
    ]
    known = reads if name in SUBJECTS else reads[:1]
    found = await seen_ahead(furnished.read_ahead.session(key_of(name)), *known)
    assert [each is not None for each in found[:2]] == EXISTING[name]


EXISTING = {
    "Hanako": [True, True],
    "Taro": [True, True],
    "Nobody": [True, False],
    "none": [False],
}


@ON_POSTGRES
async def test_where_there_is_one_source_nobody_else_is_looked_for(
    furnished: Directory, store: PostgresStore
) -> None:
    furnished.read_ahead.has_others = False
    for name, read in (("Hanako", True), ("Taro", False)):
        with reading_ahead():
            await furnished.read_ahead.session(key_of(name))
            assert take(artifact_read(Session, key_of(name)))
            assert (take(read_of(ENROLLED, {"subject_id": SUBJECTS[name]})) is not None) is read


@ON_POSTGRES
@pytest.mark.parametrize("subject_id", SUBJECTS.values())
async def test_a_person_comes_with_their_factors(
    furnished: Directory, store: PostgresStore, subject_id: str
) -> None:
    reads: list[Callable[[], Awaitable[Any]]] = [
        partial(furnished.person, subject_id),
        partial(furnished.factors.enrolled, subject_id),
        partial(store.find, Interim, key_of("Hanako")),
    ]
    await seen_ahead(furnished.read_ahead.person(subject_id), *reads)
    await seen_ahead(furnished.read_ahead.factors(subject_id), *reads[1:])


@ON_POSTGRES
@pytest.mark.parametrize("transaction", ["used", "none"])
@pytest.mark.parametrize("username", ["HANAKO", "nobody", "no\x00body"])
async def test_a_form_is_read_together(
    furnished: Directory, store: PostgresStore, transaction: str, username: str
) -> None:
    spent, counters = key_of(transaction), ["counted", "over", "never"]
    used, counts, _ = await seen_ahead(
        furnished.read_ahead.password(spent, counters, username, NOW),
        partial(store.find, SpentTransaction, spent),
        partial(store.count_all, counters, NOW),
        partial(furnished.account_by_username, username),
    )
    assert (used is not None) is (transaction == "used")
    assert counts == {"counted": 1, "over": 0, "never": 0}


@ON_POSTGRES
@pytest.mark.parametrize("name", ["Hanako", "Nobody", "none"])
async def test_a_step_is_read_together(
    furnished: Directory, store: PostgresStore, name: str
) -> None:
    subject_id = SUBJECTS.get(name, "")
    reads: list[Callable[[], Awaitable[Any]]] = [
        partial(store.find, SpentTransaction, key_of("used")),
        partial(store.find, Interim, key_of(name)),
        partial(furnished.factors.enrolled, subject_id),
    ]
    progress = furnished.read_ahead.progress(key_of("used"), key_of(name))
    await seen_ahead(progress, *(reads if subject_id else reads[:2]))
    await seen_ahead(
        furnished.read_ahead.totp(["counted"], subject_id, NOW),
        partial(store.count_all, ["counted"], NOW),
        partial(furnished.factors.totp, subject_id),
    )


@ON_POSTGRES
@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.save(interim("new")),
        lambda store: store.add(interim("new")),
        lambda store: store.take(Interim, key_of("none")),
        lambda store: store.forget("nobody"),
    ],
)
async def test_r228_a_change_of_an_artifact_forgets_what_was_read_before(
    furnished: Directory, store: PostgresStore, change: Callable[[PostgresStore], Awaitable[Any]]
) -> None:
    with reading_ahead():
        await furnished.read_ahead.person(SUBJECT)
        await change(store)
        step = current_step()
        assert step is not None
        assert not step.kept


@ON_POSTGRES
async def test_r228_a_change_of_the_directory_forgets_what_was_read_before(
    furnished: Directory, store: PostgresStore
) -> None:
    with reading_ahead():
        await furnished.read_ahead.person(SUBJECT)
        await furnished.people.set_enabled(TARO.subject_id, False, EVENT)
        step = current_step()
        assert step is not None
        assert not step.kept


@ON_POSTGRES
async def test_an_outage_is_one_of_the_database(furnished: Directory, store: PostgresStore) -> None:
    await store.close()
    with reading_ahead(), pytest.raises(DatabaseUnavailable, match="closed"):
        await furnished.read_ahead.session(key_of("Hanako"))
    await furnished.read_ahead.session(key_of("Hanako"))  # outside of a step it reads nothing
