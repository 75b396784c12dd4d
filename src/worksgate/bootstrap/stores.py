"""The database, the directory and the store of an installation, opened in that order."""

import asyncio
import hmac
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import structlog

from worksgate.bootstrap.background_tasks import run_while_open
from worksgate.credentials.master_key import Keyring
from worksgate.database.direct_reads import DirectReads, ReadsDirectly
from worksgate.database.engines import outages
from worksgate.database.first_start import prepare_file
from worksgate.database.identity import (
    LOOKED_AT_EVERY,
    DatabaseGuard,
    DatabaseIdentity,
    DatabaseReplaced,
    SqliteGuard,
)
from worksgate.database.installation_id import identify
from worksgate.database.temporary_files import remove_abandoned
from worksgate.directory.audit.writer import AuditLines, AuditWriter
from worksgate.directory.console_groups import ConsoleGroups
from worksgate.directory.database import Directory
from worksgate.settings.addresses.postgres import PostgresAddress
from worksgate.settings.options import Settings
from worksgate.store import Recorded, RecordKeeper, Store, ignore_records

Clock = Callable[[], float]
"""Seconds since the epoch."""

_log = structlog.get_logger("worksgate.bootstrap")


async def open_guard(
    settings: Settings,
    database: DatabaseIdentity | None,
    stack: AsyncExitStack,
    clock: Clock = time.time,
) -> DatabaseGuard:
    """Identifies the database on which everything opened here must be.

    A file may be created or migrated only if none is given: that is the first start. It voids what
    an older copy of the file holds for a while. Raises DatabaseUnavailable.
    """
    file = settings.database_file
    if database is None and file is not None:
        await prepare_file(settings.database_url, clock())
    if database is None:
        database = await identify(settings.database_url)
    if file is None:
        return DatabaseGuard(database)
    with outages():
        guard = SqliteGuard.open(file, database)
    stack.callback(guard.close)
    run_while_open(_watch(guard), stack)
    return guard


async def _watch(guard: DatabaseGuard) -> None:
    """Look at the file although nobody asks for anything: the next request is refused at once.

    In a thread, since a look may wait for other processes.
    """
    while True:
        await asyncio.sleep(LOOKED_AT_EVERY)
        with suppress(DatabaseReplaced, sqlite3.Error):
            await asyncio.to_thread(guard.look)


def open_directory(
    settings: Settings, stack: AsyncExitStack, guard: DatabaseGuard | None = None
) -> Directory:
    directory = Directory.open(
        settings.database_url,
        guard,
        keyring=Keyring.of(settings.master_key, settings.previous_master_key),
        allow_similar_keys=settings.allow_similar_keys,
        console_groups=ConsoleGroups.of(settings.all_sources),
    )
    stack.push_async_callback(directory.close)
    return directory


def remove_abandoned_copies(settings: Settings) -> None:
    """Remove copies of the database that a killed restore or backup has left next to it."""
    database = settings.database_file
    if database is not None and (files := remove_abandoned(database.parent, database.name)):
        _log.warning("directory.leftovers_removed", files=files)


async def warn_of_master_key(settings: Settings, directory: Directory) -> None:
    """Log what is not encrypted yet. Raises MasterKeyMissing if the configured keys do not fit."""
    counted = await directory.secrets.check()
    if not settings.master_key:
        _log.warning("master_key.missing")
    elif left := counted.left_for(Keyring.of(settings.master_key).ids[0]):
        _log.warning("master_key.not_in_use", secrets=left)


async def check_master_key(settings: Settings) -> None:
    """Raise MasterKeyMissing if a server with these settings could not decrypt its secrets."""
    async with AsyncExitStack() as stack:
        await open_directory(settings, stack).secrets.check()


async def open_own_store(
    settings: Settings,
    directory: Directory,
    stack: AsyncExitStack,
    clock: Clock,
    guard: DatabaseGuard | None = None,
    *,
    serves: bool = False,
) -> tuple[Store, AuditWriter]:
    """The store of this installation, and the writer of records that are not part of its commits.

    A store in the database writes them too, so that there is only one writer to the file.
    """
    lines = AuditLines()
    if settings.store_url:
        if settings.database_file is None:
            directory.read_through(_reads_of(settings, stack, guard))
        generation = generation_of(await directory.signing_key())
        writer = AuditWriter(directory, clock, lines=lines)
        stack.push_async_callback(writer.close)
        store = await open_store(settings, generation, keeper=writer)
        stack.push_async_callback(store.close)
        return store, writer
    store = await open_store(settings, recorded=lines.recorded, guard=guard, serves=serves)
    stack.push_async_callback(store.close)
    if isinstance(store, ReadsDirectly):
        directory.read_through(store.direct_reads)
    writer = AuditWriter(store, clock, lines=lines)
    stack.push_async_callback(writer.close)
    return store, writer


def _reads_of(
    settings: Settings, stack: AsyncExitStack, guard: DatabaseGuard | None
) -> DirectReads:
    """The reads of sign-ins, where the store is elsewhere and has no connections for them."""
    from worksgate.store.postgres.pool import PostgresPool
    from worksgate.store.postgres.store import PostgresReads

    address = PostgresAddress.parse(settings.database_url)
    pool = PostgresPool(address, size=settings.database_connections, waiting=2_000, guard=guard)
    stack.push_async_callback(pool.close)
    return PostgresReads(pool, has_store=False)


class StoreOnDemand:
    """Opens the store on first use: most of the administration needs none.

    So a person can be disabled while an external store is down.
    """

    def __init__(
        self, settings: Settings, directory: Directory, stack: AsyncExitStack, clock: Clock
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._stack = stack
        self._clock = clock
        self._lock = asyncio.Lock()
        self._store: Store | None = None

    async def __call__(self) -> Store:
        async with self._lock:
            if self._store is None:
                self._store, _ = await open_own_store(
                    self._settings, self._directory, self._stack, self._clock
                )
            return self._store


def generation_of(signing_key: bytes) -> str:
    """A marker for artifacts in an external store.

    A restored database gets a new one: artifacts that the store held before become void (F-31).
    """
    return hmac.digest(signing_key, b"generation of the store", "sha256").hex()[:16]


async def open_store(
    settings: Settings,
    generation: str = "",
    *,
    recorded: Recorded = ignore_records,
    keeper: RecordKeeper | None = None,
    guard: DatabaseGuard | None = None,
    serves: bool = False,
) -> Store:
    """The store of short-lived artifacts; only its own module is imported.

    A store in the database must be where ``guard`` says, and passes its audit records to
    ``recorded``; an external one has them kept by ``keeper``, and treats artifacts of another
    ``generation`` as void. One that ``serves`` does not take PostgreSQL's last connection. Raises
    StoreUnavailable, with the reason, if it cannot be used.
    """
    if settings.store_url == "memory:":
        from worksgate.store.memory import MemoryStore

        return MemoryStore(keeper)
    if settings.store_url:
        from worksgate.store.valkey.store import ValkeyStore

        return await ValkeyStore.open(settings.store_url, generation=generation, keeper=keeper)
    if settings.database_file is None:
        from worksgate.store.postgres.store import PostgresStore

        return await PostgresStore.open(
            settings.database_url,
            connections=settings.database_connections,
            recorded=recorded,
            guard=guard,
            leaves_one=serves,
        )
    from worksgate.store.sqlite.store import SqliteStore

    return await SqliteStore.open(settings.database_file, recorded=recorded, guard=guard)


def already_open(store: Store) -> Callable[[], Awaitable[Store]]:
    """Provides a store that is already open."""

    async def opened() -> Store:
        return store

    return opened
