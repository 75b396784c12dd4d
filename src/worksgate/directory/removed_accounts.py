"""Accounts that were removed, each as it was, until it is purged or restored.

A removed account is no row of ``accounts``: whatever lists, counts, compares or signs in knows
nothing of it, in the previous release either. Second factors stay, so that nobody comes back with
a password alone; they open nothing for a subject that is unknown, and are purged with the account.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from sqlalchemy import Select, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.people_index import found_by, words_of
from worksgate.directory.rows import account_values

KEPT_FOR: Final = 30 * 86_400.0
"""Seconds. No setting: a mistake is noticed within days, and who must be gone is purged at once."""
PURGED: Final = "removed for good"
"""What the record of a purge says."""

_TABLE = schema.removed_accounts
_OF_THEIRS = (schema.totp_secrets, schema.recovery_codes, schema.passkeys, schema.app_passwords)
_FIELDS = tuple(each.name for each in fields(Account))


@dataclass(frozen=True, slots=True)
class RemovedAccount:
    """An account as it was, but for its version; when it was removed, and by whom."""

    account: Account
    removed_at: float
    actor: str | None


class RemovedAccounts(Repository[Connections]):
    """Reads and purges removed accounts; every method may raise DatabaseUnavailable."""

    async def by_id(self, account_id: str) -> RemovedAccount | None:
        found = await self._read(select(_TABLE).where(_TABLE.c.id == account_id))
        return found[0] if found else None

    async def named(self, username: str) -> RemovedAccount | None:
        """The one with this username in any spelling; of several the last to be removed."""
        found = await self._read(_named(username))
        return found[0] if found else None

    async def page(
        self, text: str, after: tuple[float, str] | None, limit: int
    ) -> Sequence[RemovedAccount]:
        """The next ones, the last to be removed first, after a time and an ID.

        Each word of ``text`` is part of a name, its reading, an address or a key, in any spelling.
        """
        columns = _TABLE.c
        words = [columns.haystack.contains(each, autoescape=True) for each in words_of(text)]
        query = _ORDERED.where(*words).limit(limit)
        if after is not None:
            at, account_id = after
            is_same_time = and_(columns.removed_at == at, columns.id < account_id)
            query = query.where(or_(columns.removed_at < at, is_same_time))
        return await self._read(query)

    @run_to_completion
    async def disable(self, account_id: str) -> None:
        """Have somebody come back disabled, if they were removed."""
        async with self._connections.writing() as connection:
            removed = await removed_by_id(connection, account_id)
            if removed is not None:
                account = _values(replace(removed.account, enabled=False))
                same = _TABLE.c.id == account_id
                await connection.execute(update(_TABLE).where(same).values(account=account))

    @run_to_completion
    async def purge(self, until: float, now: float, limit: int, actor: str | None = None) -> int:
        """Purge those that were removed before a time, with a record each; return how many."""
        past = select(_TABLE).where(_TABLE.c.removed_at < until).order_by(_TABLE.c.removed_at)
        async with self._connections.reading() as connection:
            if not (await connection.execute(past.limit(1))).first():
                return 0
        async with self._connections.writing() as connection:
            removed = await _found(connection, past.limit(limit))
            await purge(connection, [each.account for each in removed])
            await write_events(
                connection,
                *(
                    AuditEvent(
                        event=Event.USER_CHANGED,
                        at=now,
                        subject_id=each.account.person.subject_id,
                        username=each.account.username,
                        actor=actor,
                        detail=PURGED,
                    )
                    for each in removed
                ),
            )
            return len(removed)

    @run_to_completion
    async def _read(self, query: Select[Any]) -> list[RemovedAccount]:
        async with self._connections.reading() as connection:
            return await _found(connection, query)


async def keep(
    connection: AsyncConnection, account: Account, now: float, actor: str | None
) -> None:
    """Keep an account that is being removed, with its next version."""
    later = replace(account, version=account.version + 1)
    values = {
        "id": account.id,
        "username_key": username_key(account.username),
        "removed_at": now,
        "actor": actor,
        "haystack": found_by(account)["haystack"],
        "account": _values(later),
    }
    await connection.execute(insert(_TABLE).values(values))


async def purge(connection: AsyncConnection, accounts: Iterable[Account]) -> None:
    """Delete accounts, and whatever else is kept of these people but their records and keys."""
    ids = [account.id for account in accounts]
    subjects = [SUBJECT_PREFIX + each for each in ids]
    for table in _OF_THEIRS:
        await connection.execute(delete(table).where(table.c.subject_id.in_(subjects)))
    await discard(connection, ids)


async def discard(connection: AsyncConnection, account_ids: Collection[str]) -> None:
    """Delete the rows alone: for those that are accounts again."""
    await connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(account_ids)))


async def removed_by_id(connection: AsyncConnection, account_id: str) -> RemovedAccount | None:
    """Like ``by_id``, in a transaction."""
    found = await _found(connection, select(_TABLE).where(_TABLE.c.id == account_id))
    return found[0] if found else None


async def removed_among(
    connection: AsyncConnection, account_ids: Collection[str]
) -> list[RemovedAccount]:
    """Those of these accounts that were removed."""
    return await _found(connection, select(_TABLE).where(_TABLE.c.id.in_(sorted(account_ids))))


async def removed_names(
    connection: AsyncConnection, username_keys: Collection[str]
) -> dict[str, RemovedAccount]:
    """Those with these usernames, by key."""
    query = _ORDERED.where(_TABLE.c.username_key.in_(sorted(username_keys)))
    found = await _found(connection, query)
    return {username_key(each.account.username): each for each in reversed(found)}


_ORDERED = select(_TABLE).order_by(_TABLE.c.removed_at.desc(), _TABLE.c.id.desc())


def _named(username: str) -> Select[Any]:
    return _ORDERED.where(_TABLE.c.username_key == username_key(username))


async def _found(connection: AsyncConnection, query: Select[Any]) -> list[RemovedAccount]:
    rows = (await connection.execute(query)).mappings().all()
    return [
        RemovedAccount(_account_from(row["account"]), row["removed_at"], row["actor"])
        for row in rows
    ]


def _values(account: Account) -> dict[str, Any]:
    return {name: value for name, value in account_values(account).items() if name in _FIELDS}


def _account_from(values: Mapping[str, Any]) -> Account:
    """The account; what another version has added to it is not known here."""
    known = {name: values[name] for name in _FIELDS if name in values}
    return Account(**{**known, "groups": tuple(known["groups"])})
