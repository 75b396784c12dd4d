"""The address of a PostgreSQL server, and how to connect to it.

The address has libpq's format, so the one that a hosting provider shows can be copied::

    postgresql://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/etc/ca.pem

``postgres://`` is the same. In the password every character but letters, digits and ``-._~`` is
percent-encoded. Over a network use ``sslmode=verify-full``; the default is ``prefer``. Several
hosts may be listed with ``target_session_attrs=read-write``, for failover.

``statement_cache_size=0`` is for a transaction pooler (PgBouncer in transaction mode):
it disables prepared statements, and no settings are sent on connect, since PgBouncer
rejects them. The time limits then have to be set on the role::

    ALTER ROLE worksgate SET statement_timeout = '1s';
    ALTER ROLE worksgate SET lock_timeout = '800ms';
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

SCHEMES = ("postgresql", "postgres")

STATEMENT_CACHE_SIZE = 200
"""Prepared statements that a connection caches; more than Worksgate has."""

_OF_OTHERS = frozenset(
    ("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")
)
"""Parameters of libpq with fixed values: the connect timeout and TCP keepalives."""

_KEEPALIVES = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
"""Seconds, seconds, a count and milliseconds, where the operating system supports them."""


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Where a database is and how to sign in there; the repr shows none of it."""

    dsn: str = field(repr=False)
    statement_cache_size: int = STATEMENT_CACHE_SIZE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address. Raises ValueError; the text does not repeat it."""
        parts = _split(text)
        options = _options(parts.query)
        size = options.pop("statement_cache_size", str(STATEMENT_CACHE_SIZE))
        if not (size.isascii() and size.isdigit()):
            raise ValueError("statement_cache_size must be a number, 0 or more")
        for name in _OF_OTHERS & set(options):
            del options[name]
        options.setdefault("application_name", "worksgate")
        return cls(urlunsplit(parts._replace(query=urlencode(options))), int(size))

    @property
    def pooled(self) -> bool:
        """Whether a transaction pooler is in between, which keeps no state between transactions."""
        return self.statement_cache_size == 0

    async def connect(
        self, settings: Mapping[str, str], *, within: float, command_timeout: float | None
    ) -> Any:
        """A new asyncpg connection with these settings of the server.

        Connecting takes at most ``within`` seconds. Each query may take ``command_timeout``
        seconds; None means no limit. Raises asyncpg's errors, OSError or TimeoutError.
        """
        import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

        connection = await asyncpg.connect(
            self.dsn,
            timeout=within,
            command_timeout=command_timeout,
            statement_cache_size=self.statement_cache_size,
            max_cached_statement_lifetime=0,
            server_settings={} if self.pooled else dict(settings),
        )
        _notice_silence(connection)
        return connection


def is_postgres(text: str) -> bool:
    """Whether this is the address of a PostgreSQL database."""
    return text.partition("://")[0] in SCHEMES


def _split(text: str) -> SplitResult:
    if not is_postgres(text):
        raise ValueError("the database address must begin with postgresql://")
    try:
        parts = urlsplit(text)
        hosts = parts.netloc.rpartition("@")[2].split(",")
    except ValueError:
        raise ValueError("the database address is not a valid address") from None
    if parts.fragment or parts.netloc.count("@") > 1:
        raise ValueError("the password in the database address must be percent-encoded")
    for host in hosts:
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise ValueError(
                "the database address must give its port as host:port, and its password must "
                "be percent-encoded"
            )
    if not parts.path.strip("/"):
        raise ValueError("the database address must name a database: postgresql://host/worksgate")
    return parts


def _options(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError:
        raise ValueError("the options of the database address must be name=value pairs") from None


def _notice_silence(connection: Any) -> None:
    """Let the kernel drop a connection whose peer has stopped responding."""
    peer = connection._transport.get_extra_info("socket")  # asyncpg has no public API for it
    if peer is None or peer.family == getattr(socket, "AF_UNIX", None):
        return
    with (
        suppress(OSError),
        peer.dup() as ours,
    ):  # uvloop's socket cannot set options, a dup can
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVES.items():
            if hasattr(socket, name):
                ours.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
