"""Changes that happen together with their audit record, or not at all (I-5)."""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.directory import Account, Conflict, queries, schema
from worksgate.directory.occupancy import Occupancy, keys_of, occupancy
from worksgate.directory.recording import write_events
from worksgate.directory.rows import (
    account_values,
    client_values,
    secret_values,
)
from worksgate.oauth.model import Client
from worksgate.usernames import username_key


class Transaction:
    """What can be read and changed between the beginning and the commit.

    Nobody else writes meanwhile (SQLite), or whoever does makes the commit fail (PostgreSQL).
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def account(self, username: str) -> Account | None:
        return await queries.find_account(self._connection, username)

    async def client(self, name_or_id: str) -> Client | None:
        return await queries.find_client(self._connection, name_or_id)

    async def occupancy(self, accounts: Iterable[Account]) -> Occupancy:
        """Who holds the names and user keys of these accounts."""
        return await occupancy(self._connection, accounts)

    async def add_accounts(self, accounts: Sequence[Account]) -> None:
        """Insert accounts. What a key was retired for is over: somebody has it again."""
        if accounts:
            await self._connection.execute(
                insert(schema.accounts), [account_values(account) for account in accounts]
            )
            await self._reclaim(accounts)

    async def change_account(self, before: Account, after: Account, now: float) -> None:
        """Update an account; the user keys that it gives up are retired."""
        condition = schema.accounts.c.id == before.id
        await self._connection.execute(
            update(schema.accounts).where(condition).values(account_values(after))
        )
        await self._retire(before, set(keys_of(before)) - set(keys_of(after)), now)
        await self._reclaim([after])

    async def remove_account(self, account: Account, now: float) -> None:
        """Delete an account; its user keys are retired."""
        await self._connection.execute(
            delete(schema.accounts).where(schema.accounts.c.id == account.id)
        )
        await self._retire(account, set(keys_of(account)), now)

    async def add_client(self, client: Client) -> None:
        """Insert a client with its secrets. Raises Conflict where its name is taken."""
        await self._check_client_name(client)
        await self._connection.execute(insert(schema.clients).values(client_values(client)))
        await self._add_secrets(client)

    async def change_client(self, client: Client) -> None:
        """Update a client and replace its secrets. Raises Conflict where its name is taken."""
        await self._check_client_name(client)
        condition = schema.clients.c.client_id == client.client_id
        await self._connection.execute(
            update(schema.clients).where(condition).values(client_values(client))
        )
        await self._remove_secrets(client)
        await self._add_secrets(client)

    async def remove_client(self, client: Client) -> None:
        """Delete a client and its secrets."""
        await self._remove_secrets(client)
        await self._connection.execute(
            delete(schema.clients).where(schema.clients.c.client_id == client.client_id)
        )

    async def record(self, *events: AuditEvent) -> None:
        """Insert audit records."""
        await write_events(self._connection, *events)

    async def _check_client_name(self, client: Client) -> None:
        table = schema.clients
        holder = await self._connection.scalar(
            select(table.c.name).where(
                table.c.name_key == username_key(client.name), table.c.client_id != client.client_id
            )
        )
        if holder is not None:
            raise Conflict(f"there is already a client called {holder}")

    async def _add_secrets(self, client: Client) -> None:
        values = [secret_values(client.client_id, secret) for secret in client.secrets]
        if values:
            await self._connection.execute(insert(schema.client_secrets), values)

    async def _remove_secrets(self, client: Client) -> None:
        table = schema.client_secrets
        await self._connection.execute(delete(table).where(table.c.client_id == client.client_id))

    async def _retire(self, account: Account, places: set[tuple[str, str]], now: float) -> None:
        if places:
            await self._connection.execute(
                insert(schema.retired_keys),
                [
                    {"kind": kind, "value": value, "account_id": account.id, "retired_at": now}
                    for kind, value in sorted(places)
                ],
            )

    async def _reclaim(self, accounts: Iterable[Account]) -> None:
        places = [place for account in accounts for place in keys_of(account)]
        table = schema.retired_keys
        if places:
            await self._connection.execute(
                delete(table).where(tuple_(table.c.kind, table.c.value).in_(places))
            )
