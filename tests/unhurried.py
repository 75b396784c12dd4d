"""Deadlines that no busy machine misses, for all tests but those that are about a deadline.

Worksgate answers within ``answer_deadline``, which cannot be 3 seconds or more; a request waits at
most ``QUEUE_TIMEOUT`` for SQLite, and about as long for PostgreSQL and Valkey. On a machine that is
busy with something else all of them pass while nothing is wrong, and a test would see a 503. A test
that is about them carries the mark ``deadlines``, and gets the real ones.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from unittest.mock import patch

from worksgate.database import postgres_engines as postgres_engine
from worksgate.database.engines import open_engines
from worksgate.settings import checks as setting_values
from worksgate.settings.options import Settings
from worksgate.store.postgres import pool as postgres_pool
from worksgate.store.sqlite import group_commit
from worksgate.store.sqlite import store as sqlite
from worksgate.store.valkey import pool as valkey_pool

PATIENT = 60.0
"""Seconds."""
REAL = Settings().answer_deadline
"""Seconds."""


class _Present:
    """What is in force for the test that runs."""

    answer_deadline = PATIENT


def answer_deadline() -> float:
    """The ``answer_deadline`` of an installation that a test makes, in seconds."""
    return _Present.answer_deadline


@contextmanager
def real_deadlines() -> Iterator[None]:
    """Make installations with the deadline that they have outside of tests."""
    with patch.object(_Present, "answer_deadline", REAL):
        yield


@contextmanager
def long_deadlines_allowed() -> Iterator[None]:
    """Let an application be made whose ``answer_deadline`` LINE WORKS would not wait for."""
    with patch.object(setting_values, "LINE_WORKS_WAITS", PATIENT + 1):
        yield


_WAITS: Final = (
    (group_commit, "QUEUE_TIMEOUT"),
    (sqlite, "QUEUE_TIMEOUT"),
    (postgres_pool, "QUEUE_TIMEOUT"),
    (postgres_pool, "REPLY_TIMEOUT"),
    (postgres_pool, "CONNECT_TIMEOUT"),
    (postgres_engine, "CONNECT_TIMEOUT"),
    (valkey_pool, "START_TIMEOUT"),
)
"""For how many seconds a call waits for a database."""

_IN_THE_SERVER: Final = ("statement_timeout", "lock_timeout")


@contextmanager
def unhurried_databases() -> Iterator[None]:
    """Let requests wait for SQLite, PostgreSQL and Valkey for as long as it takes."""
    in_the_server = dict.fromkeys(_IN_THE_SERVER, f"{PATIENT * 1_000:.0f}")
    with ExitStack() as stack:
        for module, name in _WAITS:
            stack.enter_context(patch.object(module, name, PATIENT))
        stack.enter_context(patch.dict(postgres_pool._SETTINGS, in_the_server))
        stack.enter_context(patch.dict(open_engines.__kwdefaults__, {"busy_timeout": PATIENT}))
        yield
