"""Administrators of the console: who has a role.

They are accounts of the built-in directory, or people of other sources, remembered from their last
sign-in. Their sessions are in ``console_sessions``, the one-time link of the first owner in
``first_links``.
"""

from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    delete,
    exists,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.credentials.secrets import digest
from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.console_groups import HAS_ROLE
from worksgate.directory.rows import account_from
from worksgate.oauth.user_info import is_seen
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Person

OWNER = "owner"
"""The role that must not be lost (``administration.roles``)."""

_ACCOUNTS = schema.accounts
_PEOPLE = schema.people
_SESSIONS = schema.console_sessions
_TWINS = _PEOPLE.alias("twins")
_HAS_OLDER_TWIN = (
    exists()
    .where(
        _TWINS.c.username_key == _PEOPLE.c.username_key,
        _TWINS.c.source == _PEOPLE.c.source,
        or_(
            _TWINS.c.first_login_at < _PEOPLE.c.first_login_at,
            and_(
                _TWINS.c.first_login_at == _PEOPLE.c.first_login_at,
                _TWINS.c.subject_id < _PEOPLE.c.subject_id,
            ),
        ),
    )
    .label("has_older_twin")
)
"""Whether somebody else of the source has this name, and came first: some providers let people
choose theirs."""
_LINKS = schema.first_links
_CHOSEN = schema.preferences
_OF_NOBODY = delete(_CHOSEN).where(
    ~exists().where(literal(SUBJECT_PREFIX) + _ACCOUNTS.c.id == _CHOSEN.c.subject_id),
    ~exists().where(_PEOPLE.c.subject_id == _CHOSEN.c.subject_id),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministratorAccount:
    """Somebody of any source, as stored now; without a ``role`` they are no administrator.

    ``password_changed_at`` and ``must_change_password`` are of the built-in directory only, and
    only there somebody ``has_password`` false: an owner who signs in by a passkey alone. Of other
    sources, ``group_role`` is what ``role_group`` gives, and ``vouched_at`` the last sign-in there.
    ``language`` is what they have chosen, if that was asked for. ``has_older_twin`` is whether
    somebody else of their source has their username, and came first.
    """

    person: Person
    source: str
    enabled: bool
    role: str | None
    must_change_password: bool = False
    password_changed_at: float | None = None
    has_password: bool = True
    group_role: str | None = None
    role_group: str | None = None
    vouched_at: float | None = None
    language: str = ""
    has_older_twin: bool = False

    @classmethod
    def of(cls, account: Account) -> "AdministratorAccount":
        """An account of the built-in directory."""
        return cls(
            person=account.person,
            source=BUILT_IN,
            enabled=account.enabled,
            role=account.role,
            must_change_password=account.must_change_password,
            password_changed_at=account.password_changed_at,
            has_password=account.password_hash is not None,
        )

    @property
    def subject_id(self) -> str:
        return self.person.subject_id

    @property
    def username(self) -> str:
        return self.person.username

    @property
    def name(self) -> str:
        return self.person.name

    @property
    def recorded_name(self) -> str:
        """Their name in audit records, which nobody else has (R-250).

        People of other sources are named with it; whoever could be taken for one, too. Whoever has
        the name of somebody who came before, or one that looks like another's, gets a mark.
        """
        looks_alone = is_seen(self.username) and not self.has_older_twin
        if self.is_built_in and looks_alone and not self.username.endswith(")"):
            return self.username
        mark = "" if looks_alone else f", {digest(self.subject_id)[:8]}"
        return f"{self.username} ({self.source}{mark})"

    @property
    def effective_role(self) -> str | None:
        """What others must respect: the role that was assigned, or else that of a group."""
        return self.role or self.group_role

    @property
    def is_built_in(self) -> bool:
        return self.source == BUILT_IN


class AdministratorRows(Repository[Connections]):
    """Who has a role; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def all(self) -> list[AdministratorAccount]:
        """Everybody with a role, by name."""
        async with self._connections.reading() as connection:
            accounts = select(_ACCOUNTS).where(_ACCOUNTS.c.role.is_not(None))
            people = select(_PEOPLE, _HAS_OLDER_TWIN).where(HAS_ROLE)
            found = [_of_account(row) for row in (await connection.execute(accounts)).mappings()]
            found += [_of_person(row) for row in (await connection.execute(people)).mappings()]
        return sorted(found, key=lambda each: (username_key(each.username), each.source))

    @run_to_completion
    async def by_subject(self, subject_id: str) -> AdministratorAccount | None:
        """Somebody as they are now, with or without a role."""
        async with self._connections.reading() as connection:
            return await administrator_by_subject(connection, subject_id)

    @run_to_completion
    async def sources(self) -> frozenset[str]:
        """The other sources whose people have a role, and are enabled."""
        query = select(_PEOPLE.c.source).where(HAS_ROLE, _PEOPLE.c.enabled)
        async with self._connections.reading() as connection:
            return frozenset(await connection.scalars(query.distinct()))

    @run_to_completion
    async def purge(self, now: float) -> int:
        """Remove sessions and links that are over, and preferences of whoever is gone.

        Returns how many rows.
        """
        async with self._connections.writing() as connection:
            await connection.execute(_OF_NOBODY)
            return sum(
                [
                    (await connection.execute(delete(t).where(t.c.expires_at <= now))).rowcount
                    for t in (_SESSIONS, _LINKS)
                ]
            )


async def has_other_owner(connection: AsyncConnection, account_id: str) -> bool:
    """Whether an owner who can sign in has another account than this one."""
    columns = _ACCOUNTS.c
    others = (
        columns.role == OWNER,
        columns.enabled,
        # a notice's "this was not me" voids the password
        or_(columns.password_hash.is_not(None), _has_console_passkey(columns.id)),
        columns.id != account_id,
    )
    return bool(await connection.scalar(select(exists().where(*others))))


async def needs_passkey(connection: AsyncConnection, subject_id: str) -> bool:
    """Whether this is the last owner who can sign in, and does so by a passkey alone."""
    if not subject_id.startswith(SUBJECT_PREFIX):
        return False
    columns, account_id = _ACCOUNTS.c, subject_id.removeprefix(SUBJECT_PREFIX)
    owner = (columns.id == account_id, columns.role == OWNER, columns.enabled)
    without = select(exists().where(*owner, columns.password_hash.is_(None)))
    return bool(await connection.scalar(without)) and not await has_other_owner(
        connection, account_id
    )


async def has_console_passkey(connection: AsyncConnection, account_id: str) -> bool:
    """Whether an account of the built-in directory has a passkey for the console."""
    return bool(await connection.scalar(select(_has_console_passkey(literal(account_id)))))


def _has_console_passkey(account_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Made at whatever address the console had: a new one is no reason for another first owner."""
    columns = schema.passkeys.c
    return exists().where(
        columns.subject_id == literal(SUBJECT_PREFIX) + account_id,
        columns.console_host.is_not(None),
    )


async def administrator_by_subject(
    connection: AsyncConnection, subject_id: str
) -> AdministratorAccount | None:
    """Somebody as they are now, within a transaction, with or without a role."""
    if subject_id.startswith(SUBJECT_PREFIX):
        account_id = subject_id.removeprefix(SUBJECT_PREFIX)
        account = select(_ACCOUNTS).where(_ACCOUNTS.c.id == account_id)
        found = (await connection.execute(account)).mappings().first()
        return None if found is None else _of_account(found)
    person = select(_PEOPLE, _HAS_OLDER_TWIN).where(_PEOPLE.c.subject_id == subject_id)
    found = (await connection.execute(person)).mappings().first()
    return None if found is None else _of_person(found)


def _of_account(row: RowMapping) -> AdministratorAccount:
    return AdministratorAccount.of(account_from(row))


def _of_person(row: RowMapping) -> AdministratorAccount:
    return AdministratorAccount(
        person=Person(
            subject_id=row["subject_id"],
            username=row["username"],
            name=row["name"],
            external_key=row["external_key"],
            works_account=row["works_account"],
            email=row["email"],
            groups=tuple(row["groups"]),
        ),
        source=row["source"],
        enabled=row["enabled"],
        role=row["role"],
        group_role=row["group_role"],
        role_group=row["role_group"],
        vouched_at=max(row["vouched_at"] or 0.0, row["last_login_at"]),
        has_older_twin=row["has_older_twin"],
    )
