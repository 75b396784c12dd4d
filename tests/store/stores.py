"""The stores that have to keep the contract, by name."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from worksgate.store import Store
from worksgate.store.memory import MemoryStore
from worksgate.store.sqlite import SqliteStore


async def open_memory(_folder: Path) -> Store:
    return MemoryStore()


async def open_sqlite(folder: Path) -> SqliteStore:
    """A store in a new file, or one more on the file that is there."""
    return await SqliteStore.open(database_in(folder), create=True, spare=0)


def database_in(folder: Path) -> Path:
    return folder / "store.db"


STORES: Mapping[str, Callable[[Path], Awaitable[Store]]] = {
    "memory": open_memory,
    "sqlite": open_sqlite,
}
