"""``restore_backup``: from one file to a database, whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, delete, inspect, select, text

from worksgate.backup import BackupError, Progress, postgres_dump, sqlite_copy
from worksgate.backup.archive import Manifest, sync_folder, unpack
from worksgate.backup.writing import record
from worksgate.directory.engine import driver_url, open_engines, outages
from worksgate.directory.leases import SERVER, holder_of
from worksgate.directory.migrations import migrate
from worksgate.directory.migrations.plan import known_revisions
from worksgate.directory.migrations.tables import LASTING, SHORT_LIVED
from worksgate.directory.schema import keys

_HAS_ROWS = "the database is not empty; --force puts the backup in its place"


async def restore_backup(
    database_url: str,
    file: Path,
    *,
    passphrase: bytes | None,
    force: bool,
    actor: str,
    now: float,
    progress: Progress,
) -> Manifest:
    """Put a backup in the place of a database, bring it to this version, and record that.

    The server must be stopped. Without ``force``, a database that has rows is refused. ``now`` is
    in seconds since the epoch. Raises BackupError, DirectoryUnavailable, ValueError for an unusable
    address, or OSError; the database then is as it was.
    """
    if driver_url(database_url).get_backend_name() == "sqlite":
        target = sqlite_copy.file_of(database_url)
        _check_sqlite_target(target, force=force)
        restoring = _restore_sqlite(target, file, passphrase, actor, now, progress)
    else:
        await _check_postgresql_target(database_url, force=force)
        restoring = _restore_postgresql(database_url, file, passphrase, actor, now, progress)
    return await restoring


def _check_sqlite_target(target: Path, *, force: bool) -> None:
    if force:
        return
    try:
        has_rows = sqlite_copy.has_rows(target)
    except BackupError as error:
        raise BackupError(f"{error}; --force puts the backup in its place") from None
    if has_rows:
        raise BackupError(_HAS_ROWS)


async def _restore_sqlite(
    target: Path,
    file: Path,
    passphrase: bytes | None,
    actor: str,
    now: float,
    progress: Progress,
) -> Manifest:
    """Write the database beside the old one and rename it over, while nobody else is in."""
    beside = target.with_name(f".{target.name}.{token_hex(4)}")
    with sqlite_copy.alone(target):
        try:
            manifest = unpack(file, beside, passphrase=passphrase, progress=progress)
            _check_manifest(manifest, "sqlite")
            sqlite_copy.check(beside)
            _check_found(manifest, sqlite_copy.revision(beside), sqlite_copy.rows(beside))
            sqlite_copy.strip(beside)  # also of a backup that somebody has made otherwise
            await migrate(f"sqlite:///{beside}")
            await record(f"sqlite:///{beside}", actor, now, _told(file, manifest))
            sqlite_copy.replace(beside, target)
            sync_folder(target.parent)
        finally:
            beside.unlink(missing_ok=True)
            sqlite_copy.remove_beside(beside)
    return manifest


async def _check_postgresql_target(database_url: str, *, force: bool) -> None:
    engines = open_engines(database_url)
    try:
        with outages():
            async with engines.read.connect() as connection:
                names = set(await connection.run_sync(_tables))
                holder = "leases" in names and await holder_of(connection, SERVER)
                used = [
                    each.name
                    for each in LASTING
                    if each.name in names
                    and await connection.scalar(select(each.c[0]).limit(1)) is not None
                ]
    finally:
        await engines.close()
    if holder:
        raise BackupError(
            f"the server is running ({holder}): stop it first; one that was killed is forgotten "
            "after 30 seconds"
        )
    if used and not force:
        raise BackupError(_HAS_ROWS)


async def _restore_postgresql(
    database_url: str,
    file: Path,
    passphrase: bytes | None,
    actor: str,
    now: float,
    progress: Progress,
) -> Manifest:
    """Check the whole file first; then pg_restore replaces the tables in one transaction."""
    with TemporaryDirectory(prefix="worksgate-") as folder:
        dumped = Path(folder) / "database"
        manifest = unpack(file, dumped, passphrase=passphrase, progress=progress)
        _check_manifest(manifest, "postgresql")
        await postgres_dump.load(database_url, dumped)
    engines = open_engines(database_url)
    try:
        with outages():
            async with engines.write.begin() as connection:
                for table in SHORT_LIVED:
                    if table in await connection.run_sync(_tables):
                        await connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608  # a name of ours
                await connection.execute(delete(keys))
                found = {
                    name: await connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0  # noqa: S608  # a name of ours
                    for name in _lasting(manifest.rows)
                }
    finally:
        await engines.close()
    _check_found(manifest, manifest.revision, found)
    await migrate(database_url)
    await record(database_url, actor, now, _told(file, manifest))
    return manifest


def _lasting(rows: Mapping[str, int]) -> list[str]:
    return [each.name for each in LASTING if each.name in rows]


def _tables(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()


def _check_manifest(manifest: Manifest, database: str) -> None:
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


def _check_found(manifest: Manifest, revision: str, rows: Mapping[str, int]) -> None:
    if (revision, dict(rows)) != (manifest.revision, dict(manifest.rows)):
        raise BackupError("the backup does not hold what its manifest says: it was altered")


def _told(file: Path, manifest: Manifest) -> str:
    from datetime import UTC, datetime

    made = datetime.fromtimestamp(manifest.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"restored from a backup of {made}: {file.name}"
