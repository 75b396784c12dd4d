"""The SQL database: SQLite or PostgreSQL.

    engines            connections: one engine reads, two write, one migrates
    core_only          SQLAlchemy without its ORM
    postgres_engines   the same for PostgreSQL
    postgres_room      free connections of a PostgreSQL server
    postgres_disk      whether its disk is full
    slots              how many connections the directory may use at once
    idle_connections   how many it keeps open between two uses
    reachability       whether the database responds
    direct_reads       the reads of every sign-in, directly on the driver
    read_ahead         what a step of a sign-in has read together, until it is asked for
    repository         base of what reads and writes rows: a change runs to completion, even if its
                       caller is cancelled
    identity           identifies the database, so that a replaced one is detected
    installation_id    its ID, stored in the database
    newest_record      how new a SQLite file was; older_copies: a start on a copy of it
    log_content        whether something else was written into its log
    first_start        all that a server does with its SQLite file before anything opens it
    schema             the tables of the directory; artifact_tables: those of the stores
    audit_rows         an audit record as a row; recording: written in a transaction
    secrets_at_rest    secrets, encrypted under the master key
    leases             which process may remove expired data
    migrations         the revisions of the schema
    sqlite_file        the SQLite file, and the disk space next to it
    temporary_files    files that are written next to their target
    backup             writes an installation to a file, and restores it
    moving             from one database to another

Errors are defined here: an outage is ``DatabaseUnavailable``, a change that conflicts with existing
data is a ``Conflict``.
"""

from worksgate.limits.outages import Unavailable


class DatabaseUnavailable(Unavailable):
    """The database does not respond."""


class SerializationFailure(DatabaseUnavailable):
    """Concurrent transactions rolled this one back (PostgreSQL's 40001): it can be retried.

    Or its connection was closed before it began. Nothing was written.
    """


class DatabaseInUse(Exception):
    """Another process uses a database that must be idle; a sentence for the administrator."""


class Conflict(ValueError):
    """The name, external key or works account belongs to another person; the text says which."""


class ConcurrentChange(Conflict):
    """Somebody else changed the same data, and nothing was written: a retry may succeed."""
