"""The stores that faults are tried on, each real, with a proxy where there is a network."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from tests.faults.proxy import NONE, FaultProxy, fault_proxy
from tests.faults.trial import Installation
from tests.postgres_server import PostgresServer, running_postgres
from tests.valkey_server import ValkeyServer, running_valkey

from worksgate.store import Store
from worksgate.store.postgres import PostgresStore
from worksgate.store.sqlite import SqliteStore
from worksgate.store.valkey import ValkeyStore


@asynccontextmanager
async def on_sqlite(folder: Path) -> AsyncIterator[Installation]:
    """One file."""
    file = folder / "worksgate.db"

    settings = {"WORKSGATE_DATABASE_URL": f"sqlite:///{file}", "WORKSGATE_LOG_LEVEL": "warning"}
    installation = Installation(
        "SQLite", folder, settings, partial(_opened, SqliteStore.open, str(file))
    )
    await asyncio.to_thread(installation.set_up)
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
    """Needs root, or a container that may mount."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*prefix, "mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "none", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        subprocess.run([*prefix, "umount", "--lazy", str(folder)], check=True)


@asynccontextmanager
async def on_postgresql(folder: Path) -> AsyncIterator["PostgresInstallation"]:
    """A server of its own, with a proxy between it and the nodes."""
    with running_postgres(fsync="on") as server:
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
            await asyncio.to_thread(installation.set_up)
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
            settings = {
                "WORKSGATE_DATABASE_URL": f"sqlite:///{folder}/worksgate.db",
                "WORKSGATE_STORE_URL": f"redis://127.0.0.1:{proxy.port}",
                "WORKSGATE_LOG_LEVEL": "warning",
            }
            installation = ValkeyInstallation(
                "Valkey", folder, settings, partial(_opened, ValkeyStore.open, server.address)
            )
            installation.server, installation.proxy = server, proxy
            await asyncio.to_thread(installation.set_up)
            try:
                yield installation
            finally:
                proxy.set(NONE)
                await asyncio.to_thread(installation.stop)


class PostgresInstallation(Installation):
    """On ``server``; all that the nodes say to it goes through ``proxy``.

    ``direct`` is the address past it.
    """

    server: PostgresServer
    proxy: FaultProxy
    direct: str


class ValkeyInstallation(Installation):
    """On ``server``; all that the nodes say to it goes through ``proxy``."""

    server: ValkeyServer
    proxy: FaultProxy


@asynccontextmanager
async def _opened(open_store: Callable[[str], Awaitable[Store]], url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.close()
