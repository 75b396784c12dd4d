"""How a process of the tests opens the store of another one."""

from worksgate.store import Store


async def open_at(address: str) -> Store:
    """A store by its address: PostgreSQL's, Valkey's, or the path of a file."""
    # Whoever is killed every half a second has no time to import what it does not use.
    if address.startswith("postgresql:"):
        from worksgate.store.postgres.store import PostgresStore

        return await PostgresStore.open(address, connections=5)
    if address.startswith("redis:"):
        from worksgate.store.valkey.store import ValkeyStore

        return await ValkeyStore.open(address)
    from worksgate.store.sqlite.store import SqliteStore

    return await SqliteStore.open(address, spare=0)
