"""Before a change a PostgreSQL store drops what was read ahead; here on a fake pool."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.store.artifacts import code, issued

from worksgate.audit import AuditEvent
from worksgate.database import DatabaseUnavailable
from worksgate.database.read_ahead import current_step, reading_ahead, take
from worksgate.oauth.model import AuthorizationCode
from worksgate.store import StoreUnavailable
from worksgate.store.postgres.store import PostgresReads, PostgresStore

RECORD = issued("a")
CHANGES: dict[str, Callable[[PostgresStore], Awaitable[object]]] = {
    "save": lambda store: store.save(code(), records=[RECORD]),
    "add": lambda store: store.add(code(), records=[RECORD]),
    "take": lambda store: store.take(AuthorizationCode, "k", records=[RECORD]),
    "forget": lambda store: store.forget("anna", records=[RECORD]),
}


class Pool:
    """Knows what is still read ahead when a verb reaches it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.left: object = None

    async def run(self, *_: object, **__: object) -> Any:
        step = current_step()
        assert step is not None
        self.left = dict(step.kept)
        return self.answer


async def told(verb: str, answer: object) -> list[AuditEvent]:
    """What is announced of a verb to which the database has answered this."""
    heard: list[AuditEvent] = []
    pool = Pool(answer)
    with reading_ahead():
        step = current_step()
        assert step is not None
        step.kept["read"] = [(1,)]
        await CHANGES[verb](PostgresStore(pool, heard.extend))  # type: ignore[arg-type]  # what it needs of it
        assert pool.left == {}
        assert take("read") is None
    return heard


@pytest.mark.parametrize("verb", CHANGES)
async def test_nothing_that_was_read_ahead_is_left_when_something_changes(verb: str) -> None:
    assert await told(verb, 1) == [RECORD]


@pytest.mark.parametrize(("verb", "answer"), [("add", False), ("take", None)])
async def test_a_change_that_somebody_else_has_made_is_not_announced(
    verb: str, answer: object
) -> None:
    assert await told(verb, answer) == []


async def test_a_database_that_is_away_is_asked_once_at_the_start() -> None:
    """One that has no connection left is waited for; whoever starts this one must know at once."""
    asked: list[object] = []

    async def run(*_: object, **__: object) -> None:
        asked.append(None)
        raise StoreUnavailable("away")

    pool: Any = SimpleNamespace(run=run, is_short=False)
    with pytest.raises(StoreUnavailable):
        await PostgresStore(pool)._reach(float("inf"))
    assert len(asked) == 1


async def test_who_is_closed_reads_nothing() -> None:
    unasked: Any = None
    reads = PostgresReads(unasked, has_store=True)
    reads.close()
    assert await reads.find(unasked, {}) is None
    with pytest.raises(DatabaseUnavailable, match="closed"):
        await reads.find_joined(unasked, {})
