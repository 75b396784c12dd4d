"""Administrators of the console: who has a role, their sessions, and the one-time first link.

They are accounts of the built-in directory, or people of other sources, remembered from their last
sign-in. A session is only as good as its account at this moment: it ends with the account's role,
password, second factor or permission to sign in (R-152, R-156). Keys are digests of secrets that
only the browser has.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.credentials.secrets import digest
from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.verbs import Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.account_rules import is_seen
from worksgate.directory.console_groups import HAS_ROLE
from worksgate.directory.credential_changes import AnnouncingConnections, Change
from worksgate.directory.preferences import language_of
from worksgate.directory.rows import account_from
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Person

OWNER = "owner"
"""The role that must not be lost (``administration.roles``)."""

_NAME_LENGTH = 10
_NAME = re.compile(rf"[0-9a-f]{{{_NAME_LENGTH}}}")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """A session of the console; times are seconds since the epoch.

    ``proved_at`` is when a second factor was last used in it, ``assurance`` which factors were.
    ``asked_at`` is when the administrator's source last vouched for them.
    """

    key: str
    subject_id: str
    created_at: float
    used_at: float
    expires_at: float
    proved_at: float | None
    assurance: str = ""
    address: str | None = None
    browser: str | None = None
    asked_at: float | None = None

    @property
    def name(self) -> str:
        """A short name for pages and records, from which the cookie cannot be guessed."""
        return digest(f"console session {self.key}")[:_NAME_LENGTH]


def is_session_name(text: str) -> bool:
    """Whether a text may be the short name of a session."""
    return _NAME.fullmatch(text) is not None


class AdministratorRows(Repository[AnnouncingConnections]):
    """Roles, sessions and first links; every method may raise DatabaseUnavailable."""

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
            return await _by_subject(connection, subject_id)

    @run_to_completion
    async def sources(self) -> frozenset[str]:
        """The other sources whose people have a role, and are enabled."""
        query = select(_PEOPLE.c.source).where(HAS_ROLE, _PEOPLE.c.enabled)
        async with self._connections.reading() as connection:
            return frozenset(await connection.scalars(query.distinct()))

    # Sessions

    @run_to_completion
    async def begin(
        self,
        session: ConsoleSession,
        seen: AdministratorAccount,
        event: AuditEvent,
        *,
        is_told: bool = False,
    ) -> bool:
        """Store a session, with its record, of an account as it was ``seen``.

        ``is_told``: it is from a new place, and announced.

        False if its role, its password or the permission to sign in has changed since: what ends
        sessions would have missed this one (R-156).
        """
        async with self._connections.writing() as connection:
            present = await _by_subject(connection, seen.subject_id)
            if present is None or not present.enabled or _rights(present) != _rights(seen):
                return False
            await connection.execute(insert(_SESSIONS).values(_values(session)))
            await write_events(connection, event)
        if is_told:
            self._connections.publish(Change.CONSOLE_ELSEWHERE, event)
        return True

    @run_to_completion
    async def find(
        self, key: str, now: float
    ) -> tuple[ConsoleSession, AdministratorAccount] | None:
        """A session that is not over, and its account as it is now, if that is enabled."""
        query = select(_SESSIONS).where(
            _SESSIONS.c.key == key, _SESSIONS.c.expires_at > now, _SESSIONS.c.created_at <= now
        )
        async with self._connections.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
            if row is None:
                return None
            account = await _by_subject(connection, row["subject_id"])
            language = await language_of(connection, row["subject_id"])
        if account is None or not account.enabled:
            return None
        return _session(row), replace(account, language=language)

    @run_to_completion
    async def of(self, subject_id: str, now: float) -> list[ConsoleSession]:
        """The open sessions of one administrator, the last used first."""
        own = (_SESSIONS.c.subject_id == subject_id, _SESSIONS.c.expires_at > now)
        query = select(_SESSIONS).where(*own).order_by(_SESSIONS.c.used_at.desc())
        async with self._connections.reading() as connection:
            return [_session(row) for row in (await connection.execute(query)).mappings()]

    @run_to_completion
    async def open_sessions(self, now: float, limit: int) -> list[ConsoleSession]:
        """The open sessions of all administrators, the last used first."""
        query = select(_SESSIONS).where(_SESSIONS.c.expires_at > now)
        latest = query.order_by(_SESSIONS.c.used_at.desc(), _SESSIONS.c.key).limit(limit)
        async with self._connections.reading() as connection:
            return [_session(row) for row in (await connection.execute(latest)).mappings()]

    @run_to_completion
    async def use(self, session: ConsoleSession) -> None:
        """Keep when a session was used, when its source was asked, and when it ends now."""
        statement = update(_SESSIONS).where(_SESSIONS.c.key == session.key)
        values = {
            "used_at": session.used_at,
            "expires_at": session.expires_at,
            "asked_at": session.asked_at,
        }
        async with self._connections.writing() as connection:
            await connection.execute(statement.values(values))

    @run_to_completion
    async def prove(self, key: str, now: float) -> None:
        """Note the use of a second factor in a session."""
        async with self._connections.writing() as connection:
            await connection.execute(
                update(_SESSIONS).where(_SESSIONS.c.key == key).values(proved_at=now)
            )

    @run_to_completion
    async def end(self, subject_id: str, key: str | None, event: AuditEvent) -> int:
        """End one of a person's sessions, or all of them with None; return how many."""
        own = [_SESSIONS.c.subject_id == subject_id]
        if key is not None:
            own.append(_SESSIONS.c.key == key)
        async with self._connections.writing() as connection:
            ended = (await connection.execute(delete(_SESSIONS).where(*own))).rowcount
            if ended:
                await write_events(connection, event)
            return ended

    @run_to_completion
    async def purge(self, now: float) -> int:
        """Remove what is over, and preferences of whoever is gone; return how many rows."""
        async with self._connections.writing() as connection:
            await connection.execute(_OF_NOBODY)
            return sum(
                [
                    (await connection.execute(delete(t).where(t.c.expires_at <= now))).rowcount
                    for t in (_SESSIONS, _LINKS)
                ]
            )

    # The first link

    @run_to_completion
    async def issue_link(
        self, key: str, now: float, expires_at: float, event: AuditEvent, *, recovers: bool = False
    ) -> bool:
        """Store a first link, which replaces any other.

        False if there is an owner, unless it ``recovers``: then there may be some.
        """
        async with self._connections.writing() as connection:
            if not recovers and await has_other_owner(connection, ""):
                return False
            await connection.execute(delete(_LINKS))
            values = {
                "key": key,
                "created_at": now,
                "expires_at": expires_at,
                "recovers": recovers,
            }
            await connection.execute(insert(_LINKS).values(values))
            await write_events(connection, event)
            return True

    @run_to_completion
    async def is_link(self, key: str, now: float) -> bool:
        """Whether a first link can be used."""
        async with self._connections.reading() as connection:
            return await _is_link(connection, key, now)


async def administrator_by_subject(
    connection: AsyncConnection, subject_id: str
) -> AdministratorAccount | None:
    """Somebody as they are now, within a transaction."""
    return await _by_subject(connection, subject_id)


async def use_link(connection: AsyncConnection, key: str, now: float) -> bool:
    """Use up a first link, within the transaction that adds the owner; False if it is too late."""
    if not await _is_link(connection, key, now):
        return False
    used = await connection.execute(delete(_LINKS).where(_LINKS.c.key == key))
    return used.rowcount == 1


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


async def end_console_sessions(connection: AsyncConnection, subject_id: str) -> int:
    """End all sessions of an administrator, within a transaction; return how many."""
    own = _SESSIONS.c.subject_id == subject_id
    return (await connection.execute(delete(_SESSIONS).where(own))).rowcount


async def _by_subject(connection: AsyncConnection, subject_id: str) -> AdministratorAccount | None:
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


def _rights(account: AdministratorAccount) -> tuple[str | None, str | None, float | None]:
    """What a session of an account depends on, besides that it may sign in."""
    return account.role, account.group_role, account.password_changed_at


async def _is_link(connection: AsyncConnection, key: str, now: float) -> bool:
    good = (_LINKS.c.key == key, _LINKS.c.expires_at > now, _LINKS.c.created_at <= now)
    recovers = await connection.scalar(select(_LINKS.c.recovers).where(*good))
    return recovers is not None and (recovers or not await has_other_owner(connection, ""))


def _values(session: ConsoleSession) -> dict[str, Any]:
    return {column.name: getattr(session, column.name) for column in _SESSIONS.c}


def _session(row: Any) -> ConsoleSession:
    return ConsoleSession(**{column.name: row[column.name] for column in _SESSIONS.c})
