"""The stores for fault tests, each real, with a proxy if it has a network."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.proxy import NONE, FaultProxy, fault_proxy
from tests.faults.trial import Installation
from tests.machine import leave_out, require
from tests.postgres_server import PostgresServer, running_postgres
from tests.valkey_server import ValkeyServer, open_as_nodes_do, running_valkey

from worksgate.store import Store
from worksgate.store.postgres.store import PostgresStore
from worksgate.store.sqlite.store import SqliteStore


@asynccontextmanager
async def on_sqlite(folder: Path) -> AsyncIterator[Installation]:
    """One file."""
    file = folder / "worksgate.db"

    settings = {"WORKSGATE_DATABASE_URL": f"sqlite:///{file}", "WORKSGATE_LOG_LEVEL": "warning"}
    installation = Installation(
        "SQLite", folder, settings, partial(_opened, SqliteStore.open, str(file))
    )
    await installation.set_up()
    try:
        yield installation
    finally:
        await asyncio.to_thread(installation.stop)


@asynccontextmanager
async def on_full_disk(folder: Path) -> AsyncIterator[Installation]:
    """One file, on a small file system of its own, which can be filled."""
    with _file_system(folder, "24m"):
        async with on_sqlite(folder) as installation:
            yield installation


@contextmanager
def _file_system(folder: Path, size: str) -> Iterator[None]:
    """Needs root, or sudo without a password; a container may lack the right to mount."""
    prefix = [] if os.geteuid() == 0 else [require("sudo"), "-n"]
    mount = [*prefix, "mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "none", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        leave_out(f"mounting is not allowed ({done.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run([*prefix, "umount", "--lazy", str(folder)], check=True)


@asynccontextmanager
async def on_postgresql(folder: Path) -> AsyncIterator["PostgresInstallation"]:
    """A server of its own, with a proxy between it and the nodes."""
    with running_postgres(fsync="on") as server:
        async with _behind_proxy(server, folder) as installation:
            yield installation


@asynccontextmanager
async def on_full_server_disk(folder: Path) -> AsyncIterator["PostgresInstallation"]:
    """The same, with a server on a small file system, which can be filled."""
    # What it writes ahead stays small: the first 16 MiB of it are there from the beginning.
    small = {"min_wal_size": "32MB", "max_wal_size": "64MB"}
    with (
        _open_folder() as disk,
        _file_system(disk, "256m"),
        running_postgres(inside=disk, fsync="on", **small) as server,
    ):
        async with _behind_proxy(server, folder) as installation:
            installation.disk = disk
            yield installation


@contextmanager
def _open_folder() -> Iterator[Path]:
    """A temporary folder that everybody can enter: the server is not root."""
    with TemporaryDirectory(prefix="faults-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@asynccontextmanager
async def _behind_proxy(
    server: PostgresServer, folder: Path
) -> AsyncIterator["PostgresInstallation"]:
    """Nodes on a database of this server, which they reach by a proxy."""
    direct = server.url_of(server.lend())
    async with fault_proxy("127.0.0.1", server.port) as proxy:
        settings = {
            "WORKSGATE_DATABASE_URL": direct.replace(f":{server.port}/", f":{proxy.port}/"),
            "WORKSGATE_LOG_LEVEL": "warning",
        }
        installation = PostgresInstallation(
            "PostgreSQL", folder, settings, partial(_opened, PostgresStore.open, direct)
        )
        installation.server, installation.proxy, installation.direct = server, proxy, direct
        await installation.set_up()
        try:
            yield installation
        finally:
            proxy.set(NONE)
            await asyncio.to_thread(installation.stop)


@asynccontextmanager
async def on_valkey(folder: Path) -> AsyncIterator["ValkeyInstallation"]:
    """The short-lived artifacts in a server of its own, behind a proxy; the rest in a file."""
    with running_valkey(folder / "valkey") as server:
        async with fault_proxy("127.0.0.1", server.port) as proxy:
            database_url = f"sqlite:///{folder}/worksgate.db"
            settings = {
                "WORKSGATE_DATABASE_URL": database_url,
                "WORKSGATE_STORE_URL": f"redis://127.0.0.1:{proxy.port}",
                "WORKSGATE_LOG_LEVEL": "warning",
            }
            open_store = partial(open_as_nodes_do, database_url=database_url)
            installation = ValkeyInstallation(
                "Valkey", folder, settings, partial(_opened, open_store, server.address)
            )
            installation.server, installation.proxy = server, proxy
            await installation.set_up()
            try:
                yield installation
            finally:
                proxy.set(NONE)
                await asyncio.to_thread(installation.stop)


class Networked(Installation):
    """All that the nodes say to their store goes through ``proxy``."""

    proxy: FaultProxy


class PostgresInstallation(Networked):
    """On ``server``; ``direct`` is the address past the proxy, ``disk`` its small file system."""

    server: PostgresServer
    direct: str
    disk: Path


class ValkeyInstallation(Networked):
    """On ``server``."""

    server: ValkeyServer


@asynccontextmanager
async def _opened(open_store: Callable[[str], Awaitable[Store]], url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.close()
