"""Backups: writes an installation to one file, and restores it.

    archive         the file: a manifest and the database, packed; damaged ones are refused
    age             encryption with a passphrase, in the format of that name
    sqlite_copy     copies an SQLite database for a backup, and back
    postgres_dump   the same for PostgreSQL, by its own pg_dump and pg_restore
    writing         ``write_backup``
    restoring       ``restore_backup``

**A backup contains nothing short-lived**: no codes, tokens, sessions, counters or leases, and not
the key that signs cookies and forms. So after a restore everything issued before is void: no used
code becomes valid again (I-4), no ended session comes back (F-31), and a stolen backup opens no
session. It does contain password hashes and the secrets of authenticator apps, encrypted under a
master key if there is one: protect it like the database, or use a passphrase.

A file is written next to its target, and renamed after all checks; on PostgreSQL everything is one
transaction. After a failure or an interruption there is no partial file and no plain text left, and
the database is unchanged.
"""

from collections.abc import Callable

Progress = Callable[[int], None]
"""Receives the progress in percent."""


class BackupError(Exception):
    """A backup cannot be written or restored; the text is one sentence for the administrator."""
