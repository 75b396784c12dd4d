"""Free connections of a PostgreSQL server, by its own count, shared by all processes.

No process knows how many others there are, on this machine or elsewhere. So each asks the server,
leaves a few connections free, and closes those that it can spare as soon as fewer are left: then a
starting process, and an administrator's command, get one (F-07).
"""

import random

KEPT_FREE = 3
"""Connections that each process leaves free for others."""

GROW_PAUSE = 10.0
"""Seconds after a shortage during which a process opens no more than it needs to serve."""

TOO_FEW = (
    "PostgreSQL has fewer connections than its processes want, so they share them: raise its "
    "max_connections, or the CONNECTION LIMIT of the role or database, or lower "
    "database_connections"
)
"""The operator's message about a shortage."""

NONE_TO_SPARE = (
    "PostgreSQL has no connection to spare for one more process, which would take it from those "
    "that serve: raise its max_connections, or start fewer processes"
)
"""The operator's message about a process that does not start."""

_OF_SERVER = """
    CAST(current_setting('max_connections') AS int)
        - coalesce(CAST(current_setting('superuser_reserved_connections', true) AS int), 0)
        - coalesce(CAST(current_setting('reserved_connections', true) AS int), 0)
"""
_OF_ROLE = "(SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = session_user)"
_OF_DATABASE = (
    "(SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())"
)

CONNECTIONS_ALLOWED = f"SELECT least({_OF_SERVER}, {_OF_ROLE}, {_OF_DATABASE})"
"""How many connections this user, who is not a superuser, can have open in this database."""

CONNECTIONS_LEFT = f"""
    SELECT least({_OF_SERVER} - used, {_OF_ROLE} - used_by_role, {_OF_DATABASE} - used_in_database)
    FROM (
        SELECT
            CAST(count(*) AS int) AS used,
            CAST(sum(CAST(usename = session_user AS int)) AS int) AS used_by_role,
            CAST(sum(CAST(datname = current_database() AS int)) AS int) AS used_in_database
        FROM pg_stat_activity
        WHERE datid IS NOT NULL AND usesysid IS NOT NULL
            AND coalesce(backend_type, 'client backend') = 'client backend'
    ) AS clients
"""  # noqa: S608  # made of our own texts
"""How many more they can open; negative if superusers use some of them.

What kind another user's connection is of can only be seen by superusers; for others it is NULL.
"""

_TOO_MANY = "53300"


class NoConnectionLeft(ConnectionError):
    """The server responds, but has no free connection."""


def is_short(error: BaseException) -> bool:
    """Whether an error says that the server has no free connection."""
    return isinstance(error, NoConnectionLeft) or getattr(error, "sqlstate", None) == _TOO_MANY


def pause() -> float:
    """Seconds until the next attempt: short, and random, so that processes do not retry in step."""
    return random.uniform(0.05, 0.25)  # noqa: S311  # only to come at different times
