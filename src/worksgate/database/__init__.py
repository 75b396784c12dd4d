"""The SQL database: SQLite or PostgreSQL, and what can be said of either.

What it raises is here: an outage is ``DatabaseUnavailable``, and a change that others forbid is a
``Conflict``.
"""

from worksgate.outages import Unavailable


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""


class SerializationFailure(DatabaseUnavailable):
    """Concurrent transactions undid this one (PostgreSQL's 40001), or its connection was ended
    before it began: nothing is kept, and it can be tried again.
    """


class DatabaseInUse(Exception):
    """Another process uses a database that must be left alone; a sentence for the administrator."""


class Conflict(ValueError):
    """The name, the external key or the works account belongs to another; the text says which."""


class ConcurrentChange(Conflict):
    """Others changed the same at this moment, and nothing is kept: the same again may succeed."""
