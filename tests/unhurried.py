"""Generous deadlines for all tests that are not about a deadline.

Worksgate answers within ``answer_deadline``, which cannot be 3 seconds or more; a request waits at
most ``QUEUE_TIMEOUT`` for SQLite, and about as long for PostgreSQL and Valkey. On a machine that is
busy with something else all of them pass while nothing is wrong, and a test would see a 503. A test
that is about them carries the mark ``deadlines``, and gets the real ones.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType
from typing import Final
from unittest.mock import patch

import pytest
from tests.changes import Change, changed, constants

PATIENT = 60.0
"""Seconds."""
AT_ONCE = PATIENT / 4
"""Seconds: what takes less waits for nothing, where a wait would take ``PATIENT``."""
TRIES = 5
"""How often something is tried that has a real deadline, at most."""


class _Present:
    """What is in force for the test that runs."""

    answer_deadline = PATIENT


def answer_deadline() -> float:
    """The ``answer_deadline`` of an installation that a test makes, in seconds."""
    return _Present.answer_deadline


@contextmanager
def real_deadlines() -> Iterator[None]:
    """Make installations with the deadline that they have outside of tests."""
    from worksgate.settings.options import Settings

    with patch.object(_Present, "answer_deadline", Settings().answer_deadline):
        yield


class _Try:
    """One of some tries: its failure counts only if it is the last one."""

    def __init__(self, *, is_last: bool) -> None:
        self._is_last = is_last
        self.has_failed = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        self.has_failed = isinstance(error, Exception | pytest.fail.Exception)
        return self.has_failed and not self._is_last


def tries() -> Iterator[AbstractContextManager[None]]:
    """Tries at something that has a real deadline: ``for each in tries(): with each:``.

    They end with the first that succeeds: a busy machine is late at times, and what misses its
    deadline by itself is late each time.
    """
    for number in range(1, TRIES + 1):
        each = _Try(is_last=number == TRIES)
        yield each
        if not each.has_failed:
            return


@contextmanager
def long_deadlines_allowed() -> Iterator[None]:
    """Let an application be made whose ``answer_deadline`` LINE WORKS would not wait for."""
    from worksgate.settings import checks

    with patch.object(checks, "LINE_WORKS_WAITS", PATIENT + 1):
        yield


_IN_THE_SERVER: Final = ("statement_timeout", "lock_timeout")
"""Settings of a PostgreSQL session, in milliseconds."""


@contextmanager
def _patient_pool(module: ModuleType) -> Iterator[None]:
    waits = constants(QUEUE_TIMEOUT=PATIENT, REPLY_TIMEOUT=PATIENT, CONNECT_TIMEOUT=PATIENT)
    in_the_server = dict.fromkeys(_IN_THE_SERVER, f"{PATIENT * 1_000:.0f}")
    with waits(module), patch.dict(module._SETTINGS, in_the_server):
        yield


_WAITS: Final[Mapping[str, Change]] = {
    "worksgate.database.engines": lambda module: patch.dict(
        module.open_engines.__kwdefaults__, {"busy_timeout": PATIENT}
    ),
    "worksgate.database.postgres_engines": constants(CONNECT_TIMEOUT=PATIENT),
    "worksgate.store.postgres.pool": _patient_pool,
    "worksgate.store.sqlite.group_commit": constants(QUEUE_TIMEOUT=PATIENT),
    "worksgate.store.sqlite.store": constants(QUEUE_TIMEOUT=PATIENT),
    "worksgate.store.valkey.pool": constants(START_TIMEOUT=PATIENT),
}
"""For how many seconds a call waits for a database, by the module that says so."""


@contextmanager
def unhurried_databases() -> Iterator[None]:
    """Let requests wait for SQLite, PostgreSQL and Valkey for as long as it takes.

    A form that is shown again may take that long as well, where there are forms.
    """
    forms = sys.modules.get("worksgate.web.sign_in.refusals")
    patient: AbstractContextManager[object] = (
        nullcontext() if forms is None else patch.object(forms, "FORM_DEADLINE", PATIENT)
    )
    with changed(_WAITS), patient:
        yield
