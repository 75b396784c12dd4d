"""Names and user keys in use, checked when accounts are added or changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.credentials.usernames import username_key
from worksgate.database import Conflict, schema
from worksgate.directory import Account
from worksgate.directory.key_ownership import KeyOwner, KeyOwnership, keys_of
from worksgate.directory.removed_accounts import RemovedAccount, removed_names
from worksgate.directory.rows import account_from


@dataclass(slots=True)
class TakenNames:
    """Names and keys with their holders, as one transaction sees them; ``take`` updates them."""

    accounts: dict[str, Account] = field(default_factory=dict)
    removed: Mapping[str, RemovedAccount] = field(default_factory=dict)
    keys: KeyOwnership = field(default_factory=KeyOwnership)

    def account(self, username: str) -> Account | None:
        """The account with this name in any spelling, among those that were queried."""
        return self.accounts.get(username_key(username))

    def check(self, account: Account, *, reuse_retired_keys: bool = False) -> list[KeyOwner]:
        """Return if an account may have its name and keys; also the former owners of the keys.

        Raises Conflict.
        """
        holder = self.account(account.username)
        if holder is not None and holder.id != account.id:
            raise Conflict(f"there is already a person called {holder.username}")
        removed = self.removed.get(username_key(account.username))
        if holder is None and removed is not None and removed.account.id != account.id:
            raise Conflict(
                f"{removed.account.username} was removed: restore them, or remove them for good "
                "(worksgate user restore, or worksgate user remove --now)"
            )
        subject_id, keys = account.person.subject_id, keys_of(account)
        for key in keys:
            self.keys.check(key, subject_id, reuse_retired=reuse_retired_keys)
        return self.keys.taken_from(keys, subject_id)

    def take(self, account: Account) -> None:
        """Note that an account has its name and keys now."""
        self.accounts[username_key(account.username)] = account
        self.keys.take(keys_of(account), account.person.subject_id, account.username)

    def release(self, account: Account) -> None:
        """Note that an account has given up its name and its keys, which stay its own."""
        self.accounts.pop(username_key(account.username), None)
        self.keys.give_up(keys_of(account), account.person.subject_id)


async def taken_names(
    connection: AsyncConnection, accounts: Iterable[Account], *, allow_similar_keys: bool
) -> TakenNames:
    """The holders of the names and keys of these accounts; as few queries for many as for one."""
    candidates = list(accounts)
    columns = schema.accounts.c
    conditions = or_(
        columns.id.in_([account.id for account in candidates]),
        columns.username_key.in_([username_key(account.username) for account in candidates]),
    )
    rows = await connection.execute(select(schema.accounts).where(conditions))
    found = [account_from(row) for row in rows.mappings()]
    keys = [key for account in (*candidates, *found) for key in keys_of(account)]
    return TakenNames(
        {username_key(account.username): account for account in found},
        await removed_names(connection, {username_key(each.username) for each in candidates}),
        await KeyOwnership.of(connection, keys, allow_similar=allow_similar_keys),
    )
