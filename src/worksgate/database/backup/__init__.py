"""Backups: one file that holds an installation, and the way back from it.

    archive         the file: a manifest and the database, packed, whole or refused
    age             encryption with a passphrase, in the format of that name
    sqlite_copy     the database of a backup, from SQLite and back
    postgres_dump   the same for PostgreSQL, by its own pg_dump and pg_restore
    writing         ``write_backup``
    restoring       ``restore_backup``

**A backup holds nothing that is short-lived**: no code, token, session, counter, lease, and not the
key that signs cookies and forms. So whatever is restored, everything older is void: no used code
becomes good again (I-4), no session that was ended comes back (F-31), and a stolen backup opens no
session. It holds password hashes, though, and the secrets of authenticator apps, encrypted under a
master key if there is one: keep it as carefully as the database, or give it a passphrase.

A file is written beside the place where it is to be, and renamed when all has been checked;
PostgreSQL is given everything in one transaction. What goes wrong, an interruption included, leaves
no half file, nothing in the clear, and the database as it was.
"""

from collections.abc import Callable

Progress = Callable[[int], None]
"""Is told how many hundredths are done."""


class BackupError(Exception):
    """A backup cannot be written or restored; the text is one sentence for the administrator."""
