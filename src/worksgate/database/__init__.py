"""The SQL database: SQLite or PostgreSQL.

    engines            connections: one engine reads, two write, one migrates
    postgres_engines   the same for PostgreSQL
    postgres_room      how many connections a PostgreSQL server has left
    slots              how many the directory may use at once
    reachability       whether the database answers
    direct_reads       the reads of every sign-in, on the driver itself
    verbs              a change runs to completion, whoever waits for it
    identity           which database this is, so that another one in its place is noticed
    installation_id    its id, as the database keeps it
    schema             the tables of the directory; artifact_tables: those of the stores
    audit_rows         an audit record as a row; recording: written in a transaction
    secrets_at_rest    secrets, encrypted under the master key
    leases             which process may remove what has expired
    migrations         the revisions of the schema
    sqlite_file        the file of SQLite, and the room beside it
    temporary_files    files that are written beside their target
    backup             a file that holds an installation, and the way back
    moving             from one database to another

What it raises is here: an outage is ``DatabaseUnavailable``, a change that another one excludes a
``Conflict``.
"""

from worksgate.limits.outages import Unavailable


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
