"""``restore_backup``: from one file to a database, completely or not at all.

On SQLite a file is prepared next to the database and renamed over it; on PostgreSQL everything is
one transaction. Data outside the database, on Valkey, becomes void: the database gets a new signing
key at the next start, and with it another generation (``bootstrap.generation_of``).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.master_key import NO_MASTER_KEY, Keyring
from worksgate.database import sqlite_file
from worksgate.database.backup import BackupError, Progress, postgres_dump, sqlite_copy
from worksgate.database.backup.archive import Manifest, check_opens, sync_folder, unpack
from worksgate.database.engines import driver_url, open_engines, outages
from worksgate.database.installation_id import renew
from worksgate.database.leases import check_stopped
from worksgate.database.migrations import migrate, upgrade
from worksgate.database.migrations.plan import known_revisions
from worksgate.database.migrations.tables import ALL, LASTING, NUMBERED
from worksgate.database.recording import write_events
from worksgate.database.secrets_at_rest import (
    MasterKeyMissing,
    check_at_hand,
    count_secrets,
    put_in_force,
    refuse_older_programs,
)
from worksgate.database.temporary_files import remove_abandoned, written_beside

_HAS_ROWS = "the database is not empty; --force replaces it with the backup"
_DEPENDED_UPON = "2BP01"
"""PostgreSQL's code for a table that cannot be dropped because other objects depend on it."""


@dataclass(frozen=True, slots=True)
class _KeysAtHand:
    """The master keys, and whether a backup may need one that is lost."""

    keyring: Keyring
    may_be_lost: bool

    def check(self, needed: Sequence[str]) -> None:
        """Raise BackupError if a key is missing that somebody is still looking for."""
        if self.may_be_lost:
            return
        try:
            check_at_hand(tuple(needed), self.keyring)
        except MasterKeyMissing as missing:
            raise BackupError(
                f"this backup cannot be read here: {missing}; nothing has been changed"
            ) from None


async def restore_backup(
    database_url: str,
    file: Path,
    *,
    passphrase: bytes | None,
    force: bool,
    keyring: Keyring = NO_MASTER_KEY,
    key_may_be_lost: bool = False,
    actor: str,
    now: float,
    progress: Progress,
) -> Manifest:
    """Replace a database with a backup, migrate it to this version, and record that.

    The server must be stopped. Without ``force``, a database with rows is refused, and so is,
    unless ``key_may_be_lost``, a backup whose secrets ``keyring`` cannot decrypt: no server starts
    on it before they are given up. ``now`` is in seconds since the epoch. Raises BackupError,
    DatabaseInUse, DatabaseUnavailable, ValueError for an unusable address, or OSError; then the
    database is unchanged.
    """
    check_opens(file, passphrase=passphrase)
    keys = _KeysAtHand(keyring, key_may_be_lost)
    if driver_url(database_url).get_backend_name() == "sqlite":
        target = sqlite_file.file_of(database_url)
        _check_sqlite_target(target, force=force)
        restoring = _restore_sqlite(target, file, passphrase, keys, actor, now, progress)
    else:
        restoring = _restore_postgresql(
            database_url,
            file,
            passphrase,
            keys,
            force=force,
            actor=actor,
            now=now,
            progress=progress,
        )
    return await restoring


def _check_sqlite_target(target: Path, *, force: bool) -> None:
    if force:
        return
    try:
        has_rows = sqlite_copy.has_rows(target)
    except BackupError as error:
        raise BackupError(f"{error}; --force replaces it with the backup") from None
    if has_rows:
        raise BackupError(_HAS_ROWS)


async def _restore_sqlite(
    target: Path,
    file: Path,
    passphrase: bytes | None,
    keys: _KeysAtHand,
    actor: str,
    now: float,
    progress: Progress,
) -> Manifest:
    """Write the database next to the old one and rename it over, under an exclusive lock."""
    with sqlite_file.alone(target):
        remove_abandoned(target.parent, target.name)
        with written_beside(target) as beside:
            with beside.open("wb") as to:
                manifest = unpack(file, to, passphrase=passphrase, progress=progress)
            _check_manifest(manifest, "sqlite", keys)
            with sqlite_copy.opened(beside, "rw") as db:
                sqlite_copy.check(db)
                _check_found(manifest, sqlite_copy.revision(db), sqlite_copy.rows(db))
                sqlite_copy.strip(db)  # also of a backup that somebody has made otherwise
            await migrate(f"sqlite:///{beside}")
            await _finish_sqlite(f"sqlite:///{beside}", keys, _event(file, manifest, actor, now))
            sqlite_copy.replace(beside, target)
            sync_folder(target.parent)
    return manifest


async def _finish_sqlite(database_url: str, keys: _KeysAtHand, event: AuditEvent) -> None:
    engines = open_engines(database_url)
    try:
        with outages():
            async with engines.write.begin() as connection:
                await renew(connection)
                await _take_on_secrets(connection, keys, event.at)
                await write_events(connection, event)
    finally:
        await engines.close()


async def _take_on_secrets(connection: AsyncConnection, keys: _KeysAtHand, now: float) -> None:
    """Keep encryption in force if the secrets of the backup are encrypted. Raises BackupError.

    This counts the secrets themselves: the manifest may have been altered.
    """
    counted = await count_secrets(connection)
    keys.check(counted.key_ids)
    if counted.by_key and keys.keyring.current is not None:
        await put_in_force(connection, keys.keyring.current, now)
    elif counted.by_key:
        await refuse_older_programs(connection)


async def _restore_postgresql(
    database_url: str,
    file: Path,
    passphrase: bytes | None,
    keys: _KeysAtHand,
    *,
    force: bool,
    actor: str,
    now: float,
    progress: Progress,
) -> Manifest:
    """Check the whole file, then replace all tables in one transaction."""
    engines = open_engines(database_url)
    try:
        with outages(), _naming_dependents():
            async with engines.migrate.begin() as connection:
                await _check_postgresql_target(connection, force=force)
            with postgres_dump.nameless_file() as dumped:
                manifest = unpack(file, dumped, passphrase=passphrase, progress=progress)
                _check_manifest(manifest, "postgresql", keys)
                async with engines.migrate.begin() as connection:
                    await _check_postgresql_target(connection, force=force)  # as it is by now
                    await _replace_tables(connection, dumped, manifest)
                    await _take_on_secrets(connection, keys, now)
                    await write_events(connection, _event(file, manifest, actor, now))
    finally:
        await engines.close()
    return manifest


async def _check_postgresql_target(connection: AsyncConnection, *, force: bool) -> None:
    names = set(await connection.run_sync(_tables))
    if "leases" in names:
        await check_stopped(connection)
    if force:
        return
    for each in LASTING:
        if each.name in names and await connection.scalar(select(each.c[0]).limit(1)) is not None:
            raise BackupError(_HAS_ROWS)


async def _replace_tables(
    connection: AsyncConnection, dumped: BinaryIO, manifest: Manifest
) -> None:
    """Create the tables as of the backup's revision, fill them, and migrate them."""
    await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    await connection.execute(text(f"DROP TABLE IF EXISTS {', '.join(ALL)}"))
    await connection.run_sync(upgrade, manifest.revision)
    driver = (await connection.get_raw_connection()).driver_connection
    loaded = {each.name: await postgres_dump.load(driver, dumped, each.name) for each in LASTING}
    found = {name: rows for name, rows in loaded.items() if rows is not None}
    _check_found(manifest, manifest.revision, found)
    await connection.run_sync(upgrade)
    for table, column in NUMBERED:
        await _keep_numbering(connection, dumped, table, column)
    await renew(connection)


async def _keep_numbering(
    connection: AsyncConnection, dumped: BinaryIO, table: str, column: str
) -> None:
    """Number the next row as in the dump: one already used would fail every later record."""
    name = text("SELECT pg_get_serial_sequence(:table, :column)")
    sequence = await connection.scalar(name, {"table": table, "column": column})
    last = await postgres_dump.last_number(dumped, str(sequence).rpartition(".")[2])
    used = await connection.scalar(text(f"SELECT max({column}) FROM {table}"))  # noqa: S608  # names of our own
    if number := max(last or 0, used or 0):
        setting = text("SELECT setval(CAST(:sequence AS regclass), :number)")
        await connection.execute(setting, {"sequence": sequence, "number": number})


@contextmanager
def _naming_dependents() -> Iterator[None]:
    """Explain an error caused by other objects that depend on our tables."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _DEPENDED_UPON:
            raise
        raise BackupError(
            "something that is not Worksgate's, such as a view, depends on its tables: remove "
            "it, and recreate it afterwards"
        ) from None


def _tables(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()


def _check_manifest(manifest: Manifest, database: str, keys: _KeysAtHand) -> None:
    if manifest.database != database:
        raise BackupError(
            f"this is a backup of {manifest.database}: restore it to such a database, then use "
            "worksgate move"
        )
    if manifest.revision not in known_revisions():
        raise BackupError(
            f"the backup is of a newer Worksgate ({manifest.version}, revision "
            f"{manifest.revision}): restore it with that version"
        )
    keys.check(manifest.master_keys)


def _check_found(manifest: Manifest, revision: str | None, rows: Mapping[str, int]) -> None:
    if (revision, dict(rows)) != (manifest.revision, dict(manifest.rows)):
        raise BackupError("the backup does not match its manifest: it was altered")


def _event(file: Path, manifest: Manifest, actor: str, now: float) -> AuditEvent:
    from datetime import UTC, datetime

    made = datetime.fromtimestamp(manifest.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail = f"restored from a backup of {made}: {file.name}"
    return AuditEvent(event=Event.SYSTEM, at=now, actor=actor, detail=detail)
