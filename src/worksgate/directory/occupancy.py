"""Which names and user keys are taken, by whom, and which are spent for good.

A user key tells LINE WORKS who somebody is. One that belonged to a person once stays theirs, also
after they are gone: whoever got it next would find the other's mail (R-56).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.directory import Account, Conflict, schema
from worksgate.directory.rows import account_from
from worksgate.usernames import username_key

KEY_KINDS = {"external_key": "external key", "works_account": "LINE WORKS account"}
"""The fields of an account that are user keys, and what people call them."""


@dataclass(slots=True)
class Occupancy:
    """Who holds what, as one transaction sees it; ``take`` keeps it true within that one."""

    accounts: dict[str, Account] = field(default_factory=dict)
    holders: dict[tuple[str, str], Account] = field(default_factory=dict)
    retired: dict[tuple[str, str], str] = field(default_factory=dict)

    def account(self, username: str) -> Account | None:
        """The account with this name in any spelling, among those that were asked for."""
        return self.accounts.get(username_key(username))

    def check(self, account: Account, *, reuse_retired_keys: bool = False) -> Account:
        """Return an account whose name and keys are free or its own. Raises Conflict."""
        holder = self.account(account.username)
        if holder is not None and holder.id != account.id:
            raise Conflict(f"there is already a person called {holder.username}")
        for place in keys_of(account):
            self._check_key(place, account, reuse_retired_keys=reuse_retired_keys)
        return account

    def take(self, account: Account) -> None:
        """Remember that an account has its name and keys now."""
        self.accounts[username_key(account.username)] = account
        self.holders |= dict.fromkeys(keys_of(account), account)

    def release(self, account: Account) -> None:
        """Remember that an account has given up its name and keys; they are retired."""
        self.accounts.pop(username_key(account.username), None)
        for place in keys_of(account):
            self.holders.pop(place, None)
            self.retired[place] = account.id

    def _check_key(
        self, place: tuple[str, str], account: Account, *, reuse_retired_keys: bool
    ) -> None:
        kind, value = place
        holder = self.holders.get(place)
        if holder is not None and holder.id != account.id:
            raise Conflict(f"the {KEY_KINDS[kind]} {value} belongs to {holder.username}")
        former = self.retired.get(place, account.id)
        if former != account.id and not reuse_retired_keys:
            raise Conflict(
                f"the {KEY_KINDS[kind]} {value} belonged to another person before and would give "
                "their LINE WORKS account away; --reuse-retired-keys gives it nevertheless"
            )


def keys_of(account: Account) -> list[tuple[str, str]]:
    """The user keys that an account has: kind and value."""
    return [(kind, value) for kind in KEY_KINDS if (value := getattr(account, kind)) is not None]


async def occupancy(connection: AsyncConnection, accounts: Iterable[Account]) -> Occupancy:
    """Who holds the names and keys of these accounts, in two queries however many they are."""
    candidates = list(accounts)
    found = Occupancy()
    rows = await connection.execute(select(schema.accounts).where(_touches(candidates)))
    for row in rows.mappings():
        found.take(account_from(row))
    places = [place for account in candidates for place in keys_of(account)]
    table = schema.retired_keys
    retired = await connection.execute(
        select(table).where(tuple_(table.c.kind, table.c.value).in_(places))
    )
    found.retired = {(row["kind"], row["value"]): row["account_id"] for row in retired.mappings()}
    return found


def _touches(candidates: list[Account]) -> ColumnElement[bool]:
    columns = schema.accounts.c
    keys = [place for account in candidates for place in keys_of(account)]
    return or_(
        columns.id.in_([account.id for account in candidates]),
        columns.username_key.in_([username_key(account.username) for account in candidates]),
        *(
            columns[kind].in_([value for key_kind, value in keys if key_kind == kind])
            for kind in KEY_KINDS
        ),
    )
