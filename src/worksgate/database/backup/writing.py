"""``write_backup``: from the running system to one file."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import func, select, text

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.master_key import key_ids
from worksgate.database.backup import BackupError, Progress, postgres_dump, sqlite_copy
from worksgate.database.backup.archive import Manifest, check_can_be_written, measured, pack
from worksgate.database.engines import driver_url, open_engines, outages
from worksgate.database.migrations import HEAD, revision_of
from worksgate.database.migrations.tables import LASTING
from worksgate.database.recording import write_events
from worksgate.database.schema import totp_secrets
from worksgate.database.sqlite_file import file_of

_COPIED = 50
"""Percentage of the work that is copying; the rest is packing."""


async def write_backup(
    database_url: str,
    file: Path,
    *,
    passphrase: bytes | None,
    replace: bool,
    actor: str,
    now: float,
    progress: Progress,
) -> Manifest:
    """Write a backup of a database, even while it is in use, and record that.

    ``now`` is in seconds since the epoch. Raises BackupError, DatabaseUnavailable, ValueError for
    an unusable address, or OSError. The database must be at this version's revision.
    """
    check_can_be_written(file, replace=replace)
    kind = driver_url(database_url).get_backend_name()
    copy = _copy_sqlite if kind == "sqlite" else _copy_postgresql
    copied, rows, master_keys = await copy(
        database_url, lambda done: progress(done * _COPIED // 100)
    )
    with copied:
        size, sha256 = measured(copied)
        manifest = Manifest(
            database=kind,
            revision=HEAD,
            version=version("worksgate"),
            created_at=now,
            rows=rows,
            size=size,
            sha256=sha256,
            master_keys=master_keys,
        )
        pack(
            copied,
            manifest,
            file,
            passphrase=passphrase,
            replace=replace,
            progress=lambda done: progress(_COPIED + done * (100 - _COPIED) // 100),
        )
    sealed = "encrypted" if passphrase is not None else "not encrypted"
    await record(database_url, actor, now, f"a backup was written, {sealed}: {file.name}")
    return manifest


async def record(database_url: str, actor: str, now: float, detail: str) -> None:
    """Keep a record of the audit log. Raises DatabaseUnavailable."""
    event = AuditEvent(event=Event.SYSTEM, at=now, actor=actor, detail=detail)
    engines = open_engines(database_url)
    try:
        with outages():
            async with engines.write.begin() as connection:
                await write_events(connection, event)
    finally:
        await engines.close()


_Copied = tuple[BinaryIO, Mapping[str, int], tuple[str, ...]]
"""The database of a backup, as a file without a name; the number of rows of each persistent
table; and the IDs of the master keys that decrypt its secrets."""


async def _copy_sqlite(database_url: str, progress: Progress) -> _Copied:
    source = file_of(database_url)
    sqlite_copy.check_is_there(source)
    with sqlite_copy.opened(source) as db:
        found = sqlite_copy.revision(db)
    if found is None:
        raise BackupError(f"{source} is not a database of Worksgate")
    _check_revision(found)
    return sqlite_copy.copy(source, progress)


async def _copy_postgresql(database_url: str, progress: Progress) -> _Copied:
    async with _snapshot(database_url) as (snapshot, rows, master_keys):
        progress(10)
        return await postgres_dump.dump(database_url, snapshot), rows, master_keys


@asynccontextmanager
async def _snapshot(
    database_url: str,
) -> AsyncIterator[tuple[str, Mapping[str, int], tuple[str, ...]]]:
    """A snapshot that others can use during the block, with its rows and master keys."""
    engines = open_engines(database_url)
    try:
        with outages():
            async with engines.read.connect() as plain:
                connection = await plain.execution_options(isolation_level="REPEATABLE READ")
                _check_revision(await connection.run_sync(revision_of))
                # The dump keeps it open for as long as it takes.
                await connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
                rows = {
                    each.name: await connection.scalar(select(func.count()).select_from(each)) or 0
                    for each in LASTING
                }
                needed = key_ids(await connection.scalars(select(totp_secrets.c.secret)))
                snapshot = await connection.scalar(text("SELECT pg_export_snapshot()")) or ""
                yield snapshot, rows, needed
    finally:
        await engines.close()


def _check_revision(found: str | None) -> None:
    if found != HEAD:
        raise BackupError(
            f"the database is at revision {found}, this program at {HEAD}: write the backup "
            "with the version of Worksgate that serves it"
        )
