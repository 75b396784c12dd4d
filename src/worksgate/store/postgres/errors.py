"""Classification of asyncpg's errors by their meaning for a request.

    passing    rolled back because of other transactions; a retry may succeed
    lost       the connection is gone or silent; sent statements may have been executed
    mistakes   the value or the statement is at fault, and the database is fine
    outages    everything else: nothing was done

PostgreSQL's messages quote values ("Failing row contains ..."), so only the name and the code of an
error are reported. Failures to connect are reported with their message, which is about the address.
"""

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

from worksgate.store import StoreUnavailable

DRIVER_ERRORS: tuple[type[Exception], ...] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""All errors of a connection; a timeout is an OSError."""

_PASSING = frozenset(("40001", "40P01"))
_LOST = frozenset(("40003", "57P01", "57P02", "57P03", "57P05"))
_LOST_CLASS = "08"
_MISTAKES = ("0A", "22", "23", "42")
_NO_TABLE = "42P01"
_FORBIDDEN = "42501"
_READ_ONLY = "25006"


def is_passing(error: Exception) -> bool:
    """Whether the database has rolled the statement back because of another one."""
    return _code(error) in _PASSING


def is_lost(error: Exception) -> bool:
    """Whether it is unknown if a sent statement was executed.

    A fatal error counts: the server may end a connection after its commit, before the response.
    """
    code = _code(error)
    if not code:
        return True
    fatal = getattr(error, "severity_en", None) in ("FATAL", "PANIC")
    return fatal or code in _LOST or code.startswith(_LOST_CLASS)


def is_unsent(error: Exception) -> bool:
    """Whether the driver refused to send a statement: the connection was closing at that moment."""
    return isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)


def is_cut(error: Exception) -> bool:
    """Whether the server was up and closed the connection."""
    code = _code(error)
    return is_unsent(error) or (
        code == "57P01" or code.startswith(_LOST_CLASS) or isinstance(error, ConnectionResetError)
    )


def must_replace(error: Exception) -> bool:
    """Whether the connection should be replaced: lost, or of a read-only server."""
    return is_lost(error) or _code(error) == _READ_ONLY


def refusal(error: Exception, *, outcome_unknown: bool = False) -> Exception:
    """The exception for an error of a statement; it quotes no value."""
    code, name = _code(error), type(error).__name__
    if code == _NO_TABLE:
        return StoreUnavailable("the database has no tables yet: run worksgate migrate")
    if code != _FORBIDDEN and code[:2] in _MISTAKES:
        return ValueError(f"the database cannot store this: {name} {code}".rstrip())
    detail = f"PostgreSQL: {name} {code}".rstrip()
    return StoreUnavailable(detail, outcome_unknown=outcome_unknown)


def why_not_connected(error: Exception) -> str:
    """Why there is no connection, for an administrator."""
    if isinstance(error, StoreUnavailable):
        return str(error)
    message = getattr(error, "message", None) or str(error)
    if not message or not isinstance(error, DRIVER_ERRORS):
        message = type(error).__name__
    return f"PostgreSQL cannot be reached: {message}"


def _code(error: Exception) -> str:
    """The SQLSTATE; empty if the error is not the server's."""
    return getattr(error, "sqlstate", None) or ""
