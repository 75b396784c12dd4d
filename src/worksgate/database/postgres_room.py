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
    "max_connections, or lower database_connections"
)
"""The operator's message about a shortage."""

CONNECTIONS_ALLOWED = """
    SELECT CAST(current_setting('max_connections') AS int)
        - coalesce(CAST(current_setting('superuser_reserved_connections', true) AS int), 0)
        - coalesce(CAST(current_setting('reserved_connections', true) AS int), 0)
"""
"""Number of connections open to users who are not superusers."""

_IN_USE = "(SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')"

CONNECTIONS_LEFT = " - ".join((CONNECTIONS_ALLOWED, _IN_USE))
"""How many more they can open; negative if superusers use some of them."""

_TOO_MANY = "53300"


class NoConnectionLeft(ConnectionError):
    """The server responds, but has no free connection."""


def is_short(error: BaseException) -> bool:
    """Whether an error says that the server has no free connection."""
    return isinstance(error, NoConnectionLeft) or getattr(error, "sqlstate", None) == _TOO_MANY


def pause() -> float:
    """Seconds until the next attempt: short, and random, so that processes do not retry in step."""
    return random.uniform(0.05, 0.25)  # noqa: S311  # only to come at different times
