"""The stores that must fulfil the contract, by name."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.postgres_server import url_for
from tests.valkey_server import address_for

from worksgate.store import Store
from worksgate.store.memory import MemoryStore, RecordList
from worksgate.store.postgres.store import PostgresStore
from worksgate.store.sqlite.store import SqliteStore
from worksgate.store.valkey.store import ValkeyStore


async def open_memory(_folder: Path) -> Store:
    return MemoryStore()


async def open_sqlite(folder: Path) -> SqliteStore:
    """A store in a new file, or one more on the file that is there."""
    return await SqliteStore.open(database_in(folder), create=True, spare=0)


async def open_postgres(folder: Path) -> PostgresStore:
    """A store in the database of this folder."""
    return await PostgresStore.open(url_for(folder), connections=5)


async def open_valkey(folder: Path) -> ValkeyStore:
    return await ValkeyStore.open(address_for(folder), keeper=RecordList())


def database_in(folder: Path) -> Path:
    return folder / "store.db"


STORES: Mapping[str, Callable[[Path], Awaitable[Store]]] = {
    "memory": open_memory,
    "sqlite": open_sqlite,
    "postgres": open_postgres,
    "valkey": open_valkey,
}

ADDRESSES: Mapping[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: str(database_in(folder)),
    "postgres": url_for,
    "valkey": address_for,
}
"""The stores that processes share, and what ``open_at`` is given for a folder."""
