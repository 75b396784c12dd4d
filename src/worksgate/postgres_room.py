"""How many connections a PostgreSQL server has left, by its own count: what its processes share.

No process knows of the others, and of those on other machines nobody could tell it. So each asks
the server, leaves a few connections free, and gives back what it can do without as soon as there
are fewer: then a process that starts, and an administrator's command, find one (F-07).
"""

import random

KEPT_FREE = 3
"""Connections that a process leaves to those that have none."""

GROWN_AGAIN_AFTER = 10.0
"""Seconds after a lack in which a process opens no more than it needs to serve."""

CONNECTIONS_ALLOWED = """
    SELECT CAST(current_setting('max_connections') AS int)
        - coalesce(CAST(current_setting('superuser_reserved_connections', true) AS int), 0)
        - coalesce(CAST(current_setting('reserved_connections', true) AS int), 0)
"""
"""How many a user can have who is not a superuser."""

_IN_USE = "(SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')"

CONNECTIONS_LEFT = " - ".join((CONNECTIONS_ALLOWED, _IN_USE))
"""How many more they can open; less than 0 where superusers have some of them."""

_TOO_MANY = "53300"


class NoConnectionLeft(ConnectionError):
    """The server is there, and has as many connections as it may."""


def is_short(error: BaseException) -> bool:
    """Whether a server said that it has no connection left."""
    return isinstance(error, NoConnectionLeft) or getattr(error, "sqlstate", None) == _TOO_MANY


def pause() -> float:
    """Seconds until another try: short, and not the same for all."""
    return random.uniform(0.05, 0.25)  # noqa: S311  # only to come at different times
