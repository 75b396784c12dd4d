"""Connections of the directory to PostgreSQL, and the translation of its errors."""

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from worksgate.database import Conflict, DatabaseUnavailable, SerializationFailure
from worksgate.database.postgres_room import NoConnectionLeft, is_short
from worksgate.settings.addresses.postgres import PostgresAddress

_DRIVER = "postgresql+asyncpg"

POSTGRES_CONNECTIONS = 5
"""Per process, for the directory; see ``store.postgres`` for the total."""
POSTGRES_KEPT = 2
"""How many of them stay open; the others are closed as soon as they are idle."""

CONNECT_TIMEOUT = 2.0
REPLY_GRACE = 0.25
"""Additional seconds for a reply: the server should end a statement first, and report it."""

NO_TABLES = "the database has no tables yet: run worksgate migrate"
TAKEN = "the name or one of the keys has just been taken"

_UNDONE = frozenset(("40001", "40P01"))
_UNSENT = "InternalClientError"
"""asyncpg's error if it rejects a parameter before sending it."""
_UNIQUE = "23505"
_NO_TABLE = "42P01"
_QUOTING = ("22", "23")
"""Classes of errors whose messages quote values."""


def postgres_engines(
    address: PostgresAddress, busy_timeout: float, reply_timeout: float | None
) -> tuple[AsyncEngine, AsyncEngine, AsyncEngine]:
    """Engines to read, to write and to migrate, over the same few connections.

    ``busy_timeout`` is how many seconds a statement waits for locks, ``reply_timeout`` how many it
    may take in total; None means no limit.
    """
    connect = partial(
        _connect,
        address,
        {
            "statement_timeout": _milliseconds(reply_timeout or 0.0),
            "lock_timeout": _milliseconds(busy_timeout),
            "idle_in_transaction_session_timeout": _milliseconds(2 * busy_timeout),
        },
        reply_timeout and reply_timeout + REPLY_GRACE,
    )
    engine = create_async_engine(
        URL.create(_DRIVER),  # only asyncpg gets the address itself
        # A parameter may be a password hash: no error message quotes one.
        hide_parameters=True,
        pool_size=POSTGRES_KEPT,
        max_overflow=POSTGRES_CONNECTIONS - POSTGRES_KEPT,
        pool_timeout=busy_timeout,
        pool_pre_ping=True,
        pool_use_lifo=True,
        connect_args={"async_creator_fn": connect, **_for_pooler(address)},
    )
    return (
        engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        engine.execution_options(isolation_level="SERIALIZABLE"),
        engine.execution_options(isolation_level="READ COMMITTED"),
    )


def _milliseconds(seconds: float) -> str:
    """A time limit in the server's format; 0 means none."""
    return f"{seconds * 1_000:.0f}"


def postgres_url(address: PostgresAddress) -> URL:
    """The address as SQLAlchemy parses it, to read its parts; several hosts are one word."""
    parts = urlsplit(address.dsn)
    hosts = parts.netloc.rpartition("@")[2]
    alone = "," not in hosts
    return URL.create(
        _DRIVER,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        host=parts.hostname if alone else hosts,
        port=parts.port if alone else None,
        database=unquote(parts.path.removeprefix("/")),
        query=dict(parse_qsl(parts.query)),
    )


def is_postgres_error(error: Exception) -> bool:
    """Whether an error was raised by asyncpg."""
    return isinstance(error, DBAPIError) and hasattr(error.orig, "sqlstate")


def postgres_refusal(error: Exception) -> Exception:
    """The exception for an error of PostgreSQL; it quotes no value."""
    original: Any = getattr(error, "orig", None)
    cause, code = original.__cause__ or original, original.sqlstate or ""
    if code in _UNDONE:
        return SerializationFailure("others are changing the same data at the moment: try again")
    if type(cause).__name__ == _UNSENT:
        # The connection was closing, and the transaction with it: nothing was written.
        return SerializationFailure("the connection to the database was closed: try again")
    if code == _UNIQUE:
        return Conflict(TAKEN)
    if code == _NO_TABLE:
        return DatabaseUnavailable(NO_TABLES)
    message = getattr(cause, "message", None)
    if not message or code[:2] in _QUOTING:
        message = f"{type(cause).__name__} {code}".rstrip()
    return DatabaseUnavailable(f"the database does not respond: {message}")


async def _connect(
    address: PostgresAddress, settings: Mapping[str, str], command_timeout: float | None
) -> Any:
    """A new connection. SQLAlchemy does not know asyncpg's errors here; they become OSError."""
    import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

    try:
        return await address.connect(
            settings, within=CONNECT_TIMEOUT, command_timeout=command_timeout
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        message = getattr(error, "message", None) or str(error)
        raise (NoConnectionLeft if is_short(error) else ConnectionError)(message) from None


def _for_pooler(address: PostgresAddress) -> dict[str, Any]:
    if not address.pooled:
        return {}
    # Behind a pooler another client may have prepared a statement of the same name.
    return {
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"worksgate_{secrets.token_hex(16)}",
    }
