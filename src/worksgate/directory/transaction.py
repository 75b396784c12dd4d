"""Changes that are committed together with their audit record, or not at all (I-5)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.usernames import username_key
from worksgate.database import Conflict, schema
from worksgate.database.recording import write_events
from worksgate.directory import Account, queries, removed_accounts
from worksgate.directory.administrators import has_console_passkey, has_other_owner
from worksgate.directory.branding_versions import remove_versions
from worksgate.directory.change_log import (
    Author,
    ChangeKind,
    FieldChange,
    change_values,
    of_account,
    of_client,
    write_changes,
)
from worksgate.directory.console_sessions import end_console_sessions
from worksgate.directory.credential_changes import Change
from worksgate.directory.endings import end_app_passwords, end_made_by
from worksgate.directory.first_links import use_link
from worksgate.directory.invitations import Invited, use_invitation
from worksgate.directory.key_ownership import (
    KeyOwner,
    keys_of,
    reclaim,
    record_owners,
    release,
    retire,
)
from worksgate.directory.removed_accounts import RemovedAccount
from worksgate.directory.rows import account_values, client_values, secret_values
from worksgate.directory.taken_names import TakenNames, taken_names
from worksgate.oauth.model import Client


class Transaction:
    """Reads and changes between the beginning and the commit.

    Nobody else writes meanwhile (SQLite), or a concurrent write makes the commit fail (PostgreSQL).
    What an ``author`` changes of clients and accounts is kept field by field, before and after.
    """

    def __init__(
        self, connection: AsyncConnection, *, allow_similar_keys: bool, author: Author | None
    ) -> None:
        self._connection = connection
        self._allow_similar_keys = allow_similar_keys
        self._author = author
        self._changes: list[dict[str, Any]] = []
        self._events: list[AuditEvent] = []
        self._passwords: dict[str, tuple[Change, AuditEvent]] = {}

    @property
    def changed_passwords(self) -> list[tuple[Change, AuditEvent]]:
        """What to announce after the commit, each with its audit record."""
        records = {event.subject_id: event for event in self._events}
        return [
            (change, records.get(subject_id, event))
            for subject_id, (change, event) in self._passwords.items()
        ]

    async def account(self, username: str) -> Account | None:
        return await queries.find_account(self._connection, username)

    async def client(self, name_or_id: str) -> Client | None:
        return await queries.find_client(self._connection, name_or_id)

    @property
    def connection(self) -> AsyncConnection:
        """For changes of other tables in the same commit."""
        return self._connection

    async def use_first_link(self, key: str, now: float) -> bool:
        """Use up the link of the first owner; False if it is too late."""
        return await use_link(self._connection, key, now)

    async def use_invitation(self, key: str, now: float) -> Invited | None:
        """Use up an invitation of an administrator; None if it is too late."""
        return await use_invitation(self._connection, key, now)

    async def has_other_owner(self, account_id: str) -> bool:
        """Whether an owner of the console who can sign in has another account than this one."""
        return await has_other_owner(self._connection, account_id)

    async def has_console_passkey(self, account_id: str) -> bool:
        """Whether an account has a passkey for the console, which signs in without a password."""
        return await has_console_passkey(self._connection, account_id)

    async def taken_names(self, accounts: Iterable[Account]) -> TakenNames:
        """The holders of the names and user keys of these accounts."""
        return await taken_names(
            self._connection, accounts, allow_similar_keys=self._allow_similar_keys
        )

    async def add_accounts(self, accounts: Sequence[Account]) -> None:
        """Insert accounts; each owns its user keys from now on, whoever did before."""
        if accounts:
            await self._insert_accounts(accounts, accounts[0].created_at)

    async def change_account(
        self, before: Account, after: Account, now: float, change: Change = Change.PASSWORD_SET
    ) -> None:
        """Update an account; user keys that it gives up stay its own.

        A new password deletes the person's app passwords in the same commit, and is announced after
        it: ``change`` says who changed it.
        """
        if before.password_hash != after.password_hash:
            await self._change_password(after, now, change)
        condition = schema.accounts.c.id == before.id
        values = account_values(after) | {"version": schema.accounts.c.version + 1}
        await self._connection.execute(update(schema.accounts).where(condition).values(values))
        self._keep_account_change(before, after)
        if _is_no_longer_the_same(before, after):
            await end_console_sessions(self._connection, after.person.subject_id)
        subject_id, had, has = before.person.subject_id, set(keys_of(before)), set(keys_of(after))
        await record_owners(
            self._connection,
            dict.fromkeys(has - had, subject_id),
            now,
            held=dict.fromkeys(had, subject_id),
            allow_similar=self._allow_similar_keys,
        )
        await retire(self._connection, had - has, subject_id, now)
        await reclaim(self._connection, has - had)

    async def remove_account(self, account: Account, now: float, actor: str | None = None) -> None:
        """Take an account out of the directory; it can be restored, and its keys stay its own."""
        self._keep_account_change(account, None)
        await removed_accounts.keep(self._connection, account, now, actor)
        await self._connection.execute(
            delete(schema.accounts).where(schema.accounts.c.id == account.id)
        )
        subject_id, had = account.person.subject_id, keys_of(account)
        await end_console_sessions(self._connection, subject_id)
        await record_owners(self._connection, {}, now, held=dict.fromkeys(had, subject_id))
        await retire(self._connection, had, subject_id, now)

    async def removed_account(self, account_id: str) -> RemovedAccount | None:
        """The removed account with this ID."""
        return await removed_accounts.removed_by_id(self._connection, account_id)

    async def restore_account(self, account: Account, now: float) -> Account:
        """Put a removed account back as it was, with its next version; as it is stored.

        App passwords that a failure has left behind end here.
        """
        restored = replace(account, version=account.version + 1)
        await removed_accounts.discard(self._connection, [account.id])
        await end_app_passwords(self._connection, account.person.subject_id)
        await self._insert_accounts([restored], now)
        self._keep_account_change(None, restored)
        return restored

    async def end_made_by(self, subject_id: str) -> list[str]:
        """End what a person has made for others, and what ended: tokens and invitations."""
        return await end_made_by(self._connection, subject_id)

    async def purge_account(self, account: Account) -> None:
        """Delete a removed account, and what else is kept of the person, for good."""
        await removed_accounts.purge(self._connection, [account])

    async def end_console_sessions(self, subject_id: str) -> None:
        """End all sessions that a person has in the console."""
        await end_console_sessions(self._connection, subject_id)

    async def release_key(self, value: str, now: float) -> list[KeyOwner]:
        """End the ownership of a user key, like ``key_ownership.release``; returns its owner."""
        return await release(self._connection, value, now, allow_similar=self._allow_similar_keys)

    async def add_client(self, client: Client) -> Client:
        """Insert a client with its secrets; as it is stored.

        Raises Conflict if its name is taken.
        """
        await self._check_client_name(client)
        stored = replace(client, version=await self._next_clients_version())
        await self._connection.execute(insert(schema.clients).values(client_values(stored)))
        await self._add_secrets(stored)
        self._keep_client_change(None, stored, stored.version)
        return stored

    async def change_client(self, before: Client, after: Client) -> Client:
        """Update a client and replace its secrets; as it is stored.

        Raises Conflict if its name is taken.
        """
        await self._check_client_name(after)
        condition = schema.clients.c.client_id == before.client_id
        stored = replace(after, version=await self._next_clients_version())
        await self._connection.execute(
            update(schema.clients).where(condition).values(client_values(stored))
        )
        await self._remove_secrets(stored)
        await self._add_secrets(stored)
        self._keep_client_change(before, stored, stored.version)
        return stored

    async def mark_changed(self, client: Client) -> None:
        """Let every process read a client again: something that belongs to it was changed."""
        condition = schema.clients.c.client_id == client.client_id
        version = await self._next_clients_version()
        await self._connection.execute(
            update(schema.clients).where(condition).values(version=version)
        )

    async def remove_client(self, client: Client) -> None:
        """Delete a client, its secrets, its branding and its app of the LINE WORKS API."""
        self._keep_client_change(client, None, await self._next_clients_version())
        await self._remove_secrets(client)
        await remove_versions(self._connection, client.client_id)
        await self._connection.execute(
            delete(schema.line_works_apps).where(
                schema.line_works_apps.c.client_id == client.client_id
            )
        )
        await self._connection.execute(
            delete(schema.clients).where(schema.clients.c.client_id == client.client_id)
        )

    async def record(self, *events: AuditEvent) -> None:
        """Insert audit records."""
        self._events += events
        await write_events(self._connection, *events)

    async def write_changes(self) -> None:
        """Insert what has been changed, before and after; the last thing before the commit."""
        await write_changes(self._connection, self._changes)

    async def _insert_accounts(self, accounts: Sequence[Account], now: float) -> None:
        await self._connection.execute(
            insert(schema.accounts), [account_values(account) for account in accounts]
        )
        claims = {
            key: account.person.subject_id for account in accounts for key in keys_of(account)
        }
        await record_owners(self._connection, claims, now, allow_similar=self._allow_similar_keys)
        await reclaim(self._connection, list(claims))

    def _keep_account_change(self, before: Account | None, after: Account | None) -> None:
        there = after or before
        if there is not None:
            is_role = before is not None and after is not None and before.role != after.role
            kind = ChangeKind.ROLE if is_role else ChangeKind.PERSON
            version = there.version if before is None else before.version + 1
            changed = of_account(before, after)
            self._keep_change(kind, there.person.subject_id, version, changed)

    def _keep_client_change(
        self, before: Client | None, after: Client | None, version: int
    ) -> None:
        there = after or before
        if there is not None:
            changed = of_client(before, after)
            self._keep_change(ChangeKind.CLIENT, there.client_id, version, changed)

    def _keep_change(
        self, kind: ChangeKind, subject: str, version: int, changed: Sequence[FieldChange]
    ) -> None:
        if self._author is not None and changed:
            self._changes.append(change_values(self._author, kind, subject, version, changed))

    async def _next_clients_version(self) -> int:
        """Increment the counter of changes to clients, which all processes read."""
        table = schema.installation
        await self._connection.execute(
            update(table).values(clients_version=table.c.clients_version + 1)
        )
        return await self._connection.scalar(select(table.c.clients_version)) or 0

    async def _change_password(self, account: Account, now: float, change: Change) -> None:
        person = account.person
        ended = AuditEvent(
            event=Event.APP_PASSWORD_REMOVED,
            at=now,
            subject_id=person.subject_id,
            username=person.username,
            detail="all, with the password",
        )
        self._passwords[person.subject_id] = (change, ended)
        if await end_app_passwords(self._connection, person.subject_id):
            await write_events(self._connection, ended)

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


def _is_no_longer_the_same(before: Account, after: Account) -> bool:
    """Whether sessions of the console must not outlive the change."""
    has_password = before.password_hash == after.password_hash
    return not (after.enabled and has_password and before.role == after.role)
