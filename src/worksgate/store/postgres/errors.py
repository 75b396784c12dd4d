"""What asyncpg raises, sorted by what it means for a request.

    passing    rolled back because of somebody else; the same again may succeed
    lost       the connection is gone or silent; what had been sent may have been done
    mistakes   the value or the statement is at fault, and the database is well
    outages    everything else: nothing was done

PostgreSQL's messages quote values ("Failing row contains ..."), so of what a statement met only
the name and the code are told. Whoever cannot even connect is told the message, which is about
the address.
"""

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

from worksgate.store import StoreUnavailable

DRIVER_ERRORS: tuple[type[Exception], ...] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""All that a connection raises; a timeout is an OSError."""

_PASSING = frozenset(("40001", "40P01"))
_LOST = frozenset(("40003", "57P01", "57P02", "57P03", "57P05"))
_LOST_CLASS = "08"
_MISTAKES = ("0A", "22", "23", "42")
_NO_TABLE = "42P01"
_FORBIDDEN = "42501"
_READ_ONLY = "25006"


def is_passing(error: Exception) -> bool:
    """Whether the database has undone the statement in favour of another one."""
    return _code(error) in _PASSING


def is_lost(error: Exception) -> bool:
    """Whether nobody knows if what was sent was done.

    A fatal error counts: the server may end a connection after its commit, before the answer.
    """
    code = _code(error)
    if not code:
        return True
    fatal = getattr(error, "severity_en", None) in ("FATAL", "PANIC")
    return fatal or code in _LOST or code.startswith(_LOST_CLASS)


def is_unsent(error: Exception) -> bool:
    """Whether the driver refused to send a statement: the connection was ending at that moment."""
    return isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)


def is_cut(error: Exception) -> bool:
    """Whether the server was there and ended the connection."""
    code = _code(error)
    return is_unsent(error) or (
        code == "57P01" or code.startswith(_LOST_CLASS) or isinstance(error, ConnectionResetError)
    )


def must_replace(error: Exception) -> bool:
    """Whether the connection had better be replaced: lost, or of a server that only reads."""
    return is_lost(error) or _code(error) == _READ_ONLY


def refusal(error: Exception, *, outcome_unknown: bool = False) -> Exception:
    """What a caller gets for what a statement met; it quotes no value."""
    code, name = _code(error), type(error).__name__
    if code == _NO_TABLE:
        return StoreUnavailable("the database has no tables yet: run worksgate migrate")
    if code != _FORBIDDEN and code[:2] in _MISTAKES:
        return ValueError(f"the database cannot keep this: {name} {code}".rstrip())
    detail = f"PostgreSQL: {name} {code}".rstrip()
    return StoreUnavailable(detail, outcome_unknown=outcome_unknown)


def why_not_connected(error: Exception) -> str:
    """Why there is no connection, for an administrator."""
    if isinstance(error, StoreUnavailable):
        return str(error)
    told = getattr(error, "message", None) or str(error)
    if not told or not isinstance(error, DRIVER_ERRORS):
        told = type(error).__name__
    return f"PostgreSQL cannot be reached: {told}"


def _code(error: Exception) -> str:
    """The SQLSTATE; empty where the error is not the server's."""
    return getattr(error, "sqlstate", None) or ""
