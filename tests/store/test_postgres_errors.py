"""What an error of asyncpg means for a request, and what its caller gets."""

from collections.abc import Callable

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
import pytest

from worksgate.store import StoreUnavailable
from worksgate.store.postgres.errors import (
    is_cut,
    is_lost,
    is_passing,
    is_unsent,
    must_replace,
    refusal,
    why_not_connected,
)


def fatal(error: Exception, severity: str = "FATAL") -> Exception:
    """An error with which the server ends the connection."""
    error.severity_en = severity  # type: ignore[attr-defined]  # as asyncpg sets it
    return error


UNSENT = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is going on")
DEADLOCK = asyncpg.DeadlockDetectedError("deadlock")
CONFLICT = asyncpg.SerializationError("conflict")
SHUT_DOWN = asyncpg.AdminShutdownError("shutting down")
CRASHED = asyncpg.CrashShutdownError("crashed")
STARTING = asyncpg.CannotConnectNowError("starting up")
UNKNOWN = asyncpg.StatementCompletionUnknownError("who knows")
IDLE = asyncpg.IdleSessionTimeoutError("idle")
NO_CONNECTION = asyncpg.ConnectionDoesNotExistError("gone")
RESET = ConnectionResetError("reset")
SILENT = TimeoutError()
CLOSED = asyncpg.InterfaceError("connection is closed")
INTERNAL = asyncpg.InternalClientError("got result for unknown protocol state")
ONLY_READS = asyncpg.ReadOnlySQLTransactionError("read only")
FULL = asyncpg.DiskFullError("full")
WRONG_VALUE = asyncpg.DataError("invalid input for query argument $1: secret")
WRONG_ROW = asyncpg.CheckViolationError("Failing row contains secret")
UNSUPPORTED = asyncpg.FeatureNotSupportedError("no")
WRONG_STATEMENT = asyncpg.UndefinedColumnError("no such column")
NO_TABLE = asyncpg.UndefinedTableError("no such table")
FORBIDDEN = asyncpg.InsufficientPrivilegeError("permission denied")
ENDED = fatal(asyncpg.QueryCanceledError("ended"))
PANIC = fatal(asyncpg.QueryCanceledError("ended"), "PANIC")
ONLY_AN_ERROR = fatal(asyncpg.QueryCanceledError("too long"), "ERROR")

ALL = [
    *(UNSENT, DEADLOCK, CONFLICT, SHUT_DOWN, CRASHED, STARTING, UNKNOWN, IDLE, NO_CONNECTION),
    *(RESET, SILENT, CLOSED, INTERNAL, ONLY_READS, FULL, WRONG_VALUE, WRONG_ROW, UNSUPPORTED),
    *(WRONG_STATEMENT, NO_TABLE, FORBIDDEN, ENDED, PANIC, ONLY_AN_ERROR),
]
LOST = [
    *(UNSENT, SHUT_DOWN, CRASHED, STARTING, UNKNOWN, IDLE, NO_CONNECTION, RESET, SILENT, CLOSED),
    *(INTERNAL, ENDED, PANIC),
]


@pytest.mark.parametrize(
    ("question", "yes"),
    [
        (is_passing, [DEADLOCK, CONFLICT]),
        (is_lost, LOST),
        (is_unsent, [UNSENT]),
        (is_cut, [UNSENT, SHUT_DOWN, NO_CONNECTION, RESET]),
        (must_replace, [*LOST, ONLY_READS]),
    ],
)
def test_f03_each_error_is_sorted_by_what_it_means(
    question: Callable[[Exception], bool], yes: list[Exception]
) -> None:
    answers = {type(each).__name__ + str(each): question(each) for each in ALL}
    assert answers == {type(each).__name__ + str(each): each in yes for each in ALL}


@pytest.mark.parametrize("error", [WRONG_VALUE, WRONG_ROW, UNSUPPORTED, WRONG_STATEMENT])
def test_a_mistake_is_a_value_error_that_quotes_nothing(error: Exception) -> None:
    told = refusal(error, outcome_unknown=False)
    assert isinstance(told, ValueError)
    assert str(told) == f"the database cannot store this: {type(error).__name__} {error.sqlstate}"  # type: ignore[attr-defined]  # of asyncpg


def test_an_outage_says_whether_its_outcome_is_known() -> None:
    for unknown in (True, False):
        told = refusal(SHUT_DOWN, outcome_unknown=unknown)
        assert isinstance(told, StoreUnavailable)
        assert str(told) == "PostgreSQL: AdminShutdownError 57P01"
        assert told.outcome_unknown is unknown
    assert str(refusal(SILENT)) == "PostgreSQL: TimeoutError"


def test_missing_rights_are_an_outage_and_missing_tables_say_what_to_do() -> None:
    for error, sentence in (
        (FORBIDDEN, "PostgreSQL: InsufficientPrivilegeError 42501"),
        (NO_TABLE, "the database has no tables yet: run worksgate migrate"),
    ):
        told = refusal(error)
        assert isinstance(told, StoreUnavailable)
        assert str(told) == sentence
        assert not told.outcome_unknown


def test_who_cannot_connect_is_told_why() -> None:
    told = asyncpg.InvalidPasswordError("password authentication failed for user worksgate")
    told.message = "password authentication failed"
    for error, reason in (
        (told, "PostgreSQL cannot be reached: password authentication failed"),
        (OSError("no route to host"), "PostgreSQL cannot be reached: no route to host"),
        (TimeoutError(), "PostgreSQL cannot be reached: TimeoutError"),
        (ValueError("secret"), "PostgreSQL cannot be reached: ValueError"),
        (StoreUnavailable("set synchronous_commit"), "set synchronous_commit"),
    ):
        assert why_not_connected(error) == reason
