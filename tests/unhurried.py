"""Deadlines that no busy machine misses, for all tests but those that are about a deadline.

Worksgate answers within ``answer_deadline``, which cannot be 3 seconds or more; a request waits at
most ``QUEUE_TIMEOUT`` for SQLite. On a machine that is busy with something else both pass while
nothing is wrong, and a test would see a 503. A test that is about them carries the mark
``deadlines``, and gets the real ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from worksgate import setting_values
from worksgate.settings import Settings
from worksgate.store import group_commit, sqlite

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


@contextmanager
def unhurried_database() -> Iterator[None]:
    """Let requests wait for SQLite for as long as it takes."""
    with (
        patch.object(group_commit, "QUEUE_TIMEOUT", PATIENT),
        patch.object(sqlite, "QUEUE_TIMEOUT", PATIENT),
    ):
        yield
