"""Worksgate, and the yardstick, with codes and tokens elsewhere than in a file: how they are kept.

The databases themselves are started by ``databases``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from contestants import LightHashes, Worksgate, _WithoutAudit, bare_server
from databases import PostgresServer, ValkeyServer
from tests.valkey_server import open_as_nodes_do

from worksgate.database.artifact_tables import TABLES
from worksgate.oauth.model import AccessToken, Artifact, AuthorizationCode
from worksgate.store.artifact_rows import values_of

T = TypeVar("T")


class WorksgateOnPostgres(Worksgate):
    """``worksgate serve`` with everything in PostgreSQL, in a database of its own."""

    name = "postgres"

    def __init__(self, folder: Path, server: PostgresServer, **settings: str) -> None:
        database = server.lend()
        self.database_url = server.url_of(database)
        self._own_url = server.url_of(database, user="postgres")
        super().__init__(folder, WORKSGATE_DATABASE_URL=self.database_url, **settings)

    def run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do something on a connection of the superuser, which is not measured."""
        return asyncio.run(self._run(work))

    async def _run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        connection = await asyncpg.connect(self._own_url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    def only_account(self) -> dict[str, Any]:
        return dict(self.run(lambda connection: connection.fetchrow("SELECT * FROM accounts")))

    def add_accounts(self, rows: Sequence[dict[str, Any]]) -> None:
        columns = tuple(rows[0])
        records = [tuple(row.values()) for row in rows]
        self.run(
            lambda connection: connection.copy_records_to_table(
                "accounts", columns=columns, records=records
            )
        )

    def save(self, artifacts: Sequence[Artifact]) -> None:
        async def copy(connection: Any) -> None:
            for kind, ones in groupby(artifacts, type):
                await connection.copy_records_to_table(
                    TABLES[kind.kind],
                    columns=kind.__struct_fields__,
                    records=map(values_of(kind), ones),
                )

        self.run(copy)

    def _used(self) -> set[str]:
        return self._keys("SELECT key FROM codes WHERE used = 1")

    def _tokens(self) -> int:
        return self._number("SELECT count(*) FROM access_tokens")

    def records(self, event: str) -> int:
        return self._number("SELECT count(*) FROM audit WHERE event = $1", event)

    def code_keys(self) -> set[str]:
        return self._keys("SELECT key FROM codes")

    def _keys(self, query: str) -> set[str]:
        return {row["key"] for row in self.run(lambda connection: connection.fetch(query))}

    def _number(self, query: str, *values: str) -> int:
        return int(self.run(lambda connection: connection.fetchval(query, *values)))


class OnPostgresWithLightHashes(LightHashes, WorksgateOnPostgres):
    """For what a form costs beside its hash, and for nothing else."""

    name = "light"


class BareOnPostgres(_WithoutAudit, WorksgateOnPostgres):
    """``bare_postgres.py`` on the same tables, with the same statements and driver."""

    name = "bare_postgres"

    def start(self, core: int | None) -> None:
        self.server = bare_server(self, "bare_postgres.py", self.database_url, core)
        self.server.wait()


class WorksgateOnValkey(Worksgate):
    """``worksgate serve`` with codes and tokens in Valkey, people and audit on SQLite."""

    name = "valkey"

    def __init__(self, folder: Path, valkey: ValkeyServer) -> None:
        super().__init__(folder, WORKSGATE_STORE_URL=valkey.address)
        self._valkey = valkey

    def save(self, artifacts: Sequence[Artifact]) -> None:
        async def save() -> None:
            store = await open_as_nodes_do(self._valkey.address, f"sqlite:///{self.database}")
            try:
                for some in _parts(artifacts, 1_000):
                    await asyncio.gather(*(store.save(*few) for few in _parts(some, 50)))
            finally:
                await store.close()

        asyncio.run(save())

    def _used(self) -> set[str]:
        used = self._valkey.command("EVAL", _USED, 0, f"*:{AuthorizationCode.kind}:*")
        return {str(key) for key in used}

    def _tokens(self) -> int:
        return int(self._valkey.command("EVAL", _KEYS, 0, f"*:{AccessToken.kind}:*"))


# They keep the server busy for a moment, after a round and never in one.
_KEYS = "return #redis.call('KEYS', ARGV[1])"
_USED = """
    local used = {}
    for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
        if redis.call('HEXISTS', key, 'used') == 1 then
            used[#used + 1] = key
        end
    end
    return used
"""


def _parts(values: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (values[first : first + size] for first in range(0, len(values), size))
