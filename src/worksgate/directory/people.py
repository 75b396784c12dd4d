"""People of other sources, remembered from their last sign-in.

A person of LDAP or of an OpenID provider is identified by the subject only (R-92): the row holds
the source's latest data, is written at sign-ins, and can be disabled here regardless of the source.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Select, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.credentials.usernames import username_key
from worksgate.database import Conflict, schema
from worksgate.database.direct_reads import Query, Row
from worksgate.database.recording import write_events
from worksgate.database.repository import Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.change_log import (
    Author,
    ChangeKind,
    FieldChange,
    change_values,
    write_changes,
)
from worksgate.directory.console_groups import NO_GROUPS, ROLE_OF_PERSON, ConsoleGroups
from worksgate.directory.console_sessions import end_console_sessions
from worksgate.directory.credential_changes import AnnouncingConnections, Change
from worksgate.directory.key_ownership import (
    ADVICE,
    KEY_KINDS,
    KeyOwnership,
    UserKey,
    is_anothers,
    keys_of,
    reclaim,
    record_owners,
    retire,
)
from worksgate.directory.people_index import columns_of, found_by
from worksgate.oauth.model import UserKey as KeyKind
from worksgate.oauth.user_key import KeyProblem
from worksgate.sources import Person

_MAX_LISTED = 10_000
CheckRole = Callable[[str | None], None]

_log = structlog.get_logger("worksgate.directory.people")


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedPerson:
    """A person whom another source has authenticated; times are seconds since the epoch.

    ``vouched_at`` is the latest time. ``last_login_at`` is the last completed sign-in: None if
    something else has always prevented it. ``role`` is theirs in the console, if any was assigned;
    ``group_role`` is by ``role_group`` of their source, as of its last word.
    """

    source: str
    person: Person
    enabled: bool
    first_login_at: float
    last_login_at: float | None
    vouched_at: float
    role: str | None = None
    group_role: str | None = None
    role_group: str | None = None
    version: int = 0

    @property
    def effective_role(self) -> str | None:
        """What others must respect."""
        return self.role or self.group_role


class People(Repository[AnnouncingConnections]):
    """The remembered people; every method may raise DatabaseUnavailable."""

    def __init__(
        self,
        connections: AnnouncingConnections,
        *,
        allow_similar_keys: bool = False,
        console_groups: ConsoleGroups = NO_GROUPS,
    ) -> None:
        super().__init__(connections)
        self._console_groups = console_groups
        self._allow_similar_keys = allow_similar_keys

    @run_to_completion
    async def remember(self, source: str, person: Person, now: float) -> Person | None:
        """Keep what a source has just said of a person, and return them as they are let in.

        A user key that belongs, or belonged, to somebody else is not theirs, whatever the source
        says: with it they would be that person for LINE WORKS (R-115). None where they are disabled
        here. That they have signed in is noted by ``note_logins``.
        """
        try:
            return await self._remember(source, person, now)
        except Conflict:  # their concurrent sign-in was faster, and they are known now
            return await self._remember(source, person, now)

    @run_to_completion
    async def note_logins(self, logins: Mapping[str, float]) -> None:
        """Note when people were let in, of the built-in directory or of another source.

        For people of another source the time at which it vouched for them counts: a passkey or a
        session makes that no later.
        """
        in_order = sorted(logins.items())  # so that two machines never wait for each other
        accounts = [
            {"whose": subject_id.removeprefix(SUBJECT_PREFIX), "let_in_at": at}
            for subject_id, at in in_order
            if subject_id.startswith(SUBJECT_PREFIX)
        ]
        people = [
            {"whose": subject_id}
            for subject_id, _ in in_order
            if not subject_id.startswith(SUBJECT_PREFIX)
        ]
        async with self._connections.writing() as connection:
            if accounts:
                await connection.execute(_NOTE_ACCOUNT, accounts)
            if people:
                await connection.execute(_NOTE_PERSON, people)

    async def find(self, subject_id: str) -> RememberedPerson | None:
        """The person, without a user key that a server of the previous release let them take."""
        found = await self._connections.rows(BY_SUBJECT, subject_id=subject_id)
        return _remembered(found[0]) if found else None

    @run_to_completion
    async def named(self, name: str) -> list[RememberedPerson]:
        """Everybody with this username, works account or external key, in any spelling.

        Of a subject it is the person alone: others cannot hide them behind a name (R-251).
        """
        columns = _TABLE.c
        matches = or_(
            columns.username_key == username_key(name),
            columns.works_account == name.strip().lower(),
            columns.external_key == name,
            columns.subject_id == name,
        )
        found = await self._all(select(_TABLE).where(matches).order_by(columns.subject_id))
        return [each for each in found if each.person.subject_id == name] or found

    @run_to_completion
    async def listed(self) -> list[RememberedPerson]:
        """All, by name; at most ten thousand."""
        return await self._all(select(_TABLE).order_by(_TABLE.c.username_key).limit(_MAX_LISTED))

    @run_to_completion
    async def lapsing(
        self, sources: Collection[str], after: float, until: float, limit: int
    ) -> list[RememberedPerson]:
        """People with app passwords whom one of these sources last authenticated in this period.

        Without those whom ``note_lapse`` has noted since then.
        """
        passwords = schema.app_passwords.c.subject_id
        conditions = (
            _TABLE.c.enabled,
            _TABLE.c.source.in_(sources),
            _vouched_at > after,
            _vouched_at <= until,
            exists().where(passwords == _TABLE.c.subject_id),
        )
        query = select(_TABLE).where(*conditions, _is_unnotified).order_by(_vouched_at).limit(limit)
        return await self._all(query)

    @run_to_completion
    async def note_lapse(
        self, subject_id: str, vouched_at: float, now: float, event: AuditEvent | None
    ) -> bool:
        """Note that a person was notified of the lapse of app passwords, with the audit record.

        Of several callers one gets True, unless the person has signed in meanwhile. Without an
        ``event`` nobody is notified: nothing lapses.
        """
        statement = update(_TABLE).where(
            _TABLE.c.subject_id == subject_id, _vouched_at <= vouched_at, _is_unnotified
        )
        async with self._connections.writing() as connection:
            noted = (await connection.execute(statement.values(lapse_told_at=now))).rowcount == 1
            if noted and event is not None:
                await write_events(connection, event)
        if noted and event is not None:
            self._connections.publish(Change.APP_PASSWORDS_LAPSE, event)
        return noted

    @run_to_completion
    async def set_enabled(
        self,
        subject_id: str,
        enabled: bool,  # noqa: FBT001  # the value that is set
        event: AuditEvent,
        author: Author | None = None,
        *,
        expected_version: int | None = None,
        check_role: CheckRole | None = None,
    ) -> int | None:
        """Disable or enable a person, together with the audit record; None if there is nobody.

        Returns the version that they have then, which is never 0. That an ``author`` changed it is
        kept. Nobody either is a person of another version than expected. ``check_role`` gets the
        role that they have, and may raise to refuse.
        """
        same = _TABLE.c.subject_id == subject_id
        columns = select(_TABLE.c.enabled, _TABLE.c.version, ROLE_OF_PERSON.label("role"))
        async with self._connections.writing() as connection:
            found = (await connection.execute(columns.where(same))).first()
            if found is None or expected_version not in (None, found.version):
                return None
            if check_role is not None:
                check_role(found.role)
            version: int = found.version + 1
            await connection.execute(
                update(_TABLE).where(same).values(enabled=enabled, version=version)
            )
            if not enabled:
                await end_console_sessions(connection, subject_id)
            await write_events(connection, event)
            if author is not None and found.enabled != enabled:
                changed = [FieldChange("enabled", found.enabled, enabled)]
                row = change_values(author, ChangeKind.PERSON, subject_id, version, changed)
                await write_changes(connection, [row])
            return version

    @run_to_completion
    async def set_role(
        self,
        subject_id: str,
        role: str | None,
        event: AuditEvent,
        author: Author,
        *,
        expected_version: int | None = None,
    ) -> int | None:
        """Give a person a role in the console, or take it; their sessions there end.

        Returns the version that they have then; None if there is nobody, or nobody of the version
        expected.
        """
        same = _TABLE.c.subject_id == subject_id
        columns = select(_TABLE.c.role, _TABLE.c.version)
        async with self._connections.writing() as connection:
            found = (await connection.execute(columns.where(same))).first()
            if found is None or expected_version not in (None, found.version):
                return None
            version: int = found.version + 1
            await connection.execute(update(_TABLE).where(same).values(role=role, version=version))
            await end_console_sessions(connection, subject_id)
            await write_events(connection, event)
            changed = [FieldChange("role", found.role, role)]
            row = change_values(author, ChangeKind.ROLE, subject_id, version, changed)
            await write_changes(connection, [row])
            return version

    async def _remember(self, source: str, person: Person, now: float) -> Person | None:
        """``remember`` in one transaction: nobody takes the user key between check and write."""
        same = _TABLE.c.subject_id == person.subject_id
        async with self._connections.writing() as connection:
            found = await connection.execute(select(_TABLE).where(same))
            row = found.mappings().first()
            before = None if row is None else _remembered(row)
            admitted = await self._with_own_keys(connection, person, before, now)
            groups = self._of_groups(source, person.groups)
            values = {**_values(source, admitted), **groups, "vouched_at": now}
            if before is not None:
                await connection.execute(update(_TABLE).where(same).values(values))
                if before.role is None and before.group_role != groups["group_role"]:
                    await end_console_sessions(connection, person.subject_id)
                return admitted if before.enabled else None
            await connection.execute(
                insert(_TABLE).values(
                    {**values, "enabled": True, "first_login_at": now, "last_login_at": _NEVER}
                )
            )
            return admitted

    @run_to_completion
    async def note_groups(
        self, source: str, person: Person, lost: AuditEvent | None = None
    ) -> None:
        """Keep the groups that a source has just named; a right that is ``lost`` ends sessions."""
        groups = {"groups": list(person.groups), **self._of_groups(source, person.groups)}
        async with self._connections.writing() as connection:
            same = _TABLE.c.subject_id == person.subject_id
            await connection.execute(update(_TABLE).where(same).values(groups))
            if lost is not None:
                await end_console_sessions(connection, person.subject_id)
                await write_events(connection, lost)

    def _of_groups(self, source: str, groups: Sequence[str]) -> dict[str, str | None]:
        """The role in the console by a group, as a row has it."""
        grant = self._console_groups.grant(source, groups)
        return {
            "group_role": None if grant is None else grant.role,
            "role_group": None if grant is None else grant.group,
        }

    async def _with_own_keys(
        self,
        connection: AsyncConnection,
        person: Person,
        before: RememberedPerson | None,
        now: float,
    ) -> Person:
        """The person without user keys that belong to somebody else; theirs are recorded."""
        subject_id = person.subject_id
        had = set() if before is None else set(keys_of(before.person))
        ownership = await KeyOwnership.of(
            connection, {*keys_of(person), *had}, allow_similar=self._allow_similar_keys
        )
        for key in keys_of(person):
            try:
                ownership.check(key, subject_id)
            except Conflict as taken:
                _log.warning(
                    "person.key_taken", kind=key.kind, subject_id=subject_id, detail=str(taken)
                )
                person = _without(person, key, str(taken))
        has = set(keys_of(person))
        if all(ownership.is_recorded(key, subject_id) for key in has | had) and has == had:
            return person
        held = [key for key in had if _belongs_to(ownership, key, subject_id)]
        await record_owners(
            connection,
            dict.fromkeys(has, subject_id),
            now,
            held=dict.fromkeys(held, subject_id),
        )
        await retire(connection, set(held) - has, subject_id, now)
        await reclaim(connection, has - had)
        return person

    async def _all(self, query: Select[Any]) -> list[RememberedPerson]:
        async with self._connections.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_remembered(row) for row in rows]


_TABLE = schema.people
_NOTE_ACCOUNT = (
    update(schema.accounts)
    .where(schema.accounts.c.id == bindparam("whose"))
    .values(last_login_at=bindparam("let_in_at"))
)
_NOTE_PERSON = (
    update(_TABLE)
    .where(_TABLE.c.subject_id == bindparam("whose"), _TABLE.c.vouched_at > _TABLE.c.last_login_at)
    .values(last_login_at=_TABLE.c.vouched_at)
)
_ANOTHERS = tuple(is_anothers(kind).label(f"{kind}_is_anothers") for kind in KEY_KINDS)
BY_SUBJECT = Query(
    select(*columns_of(_TABLE), *_ANOTHERS).where(_TABLE.c.subject_id == bindparam("subject_id"))
)
_NEVER = 0.0
_vouched_at = func.coalesce(_TABLE.c.vouched_at, _TABLE.c.last_login_at)
_is_unnotified = or_(_TABLE.c.lapse_told_at.is_(None), _TABLE.c.lapse_told_at < _vouched_at)


def _without(person: Person, key: UserKey, reason: str) -> Person:
    without: dict[str, Any] = {key.kind: None}
    refused = (*person.refused_keys, KeyProblem(KeyKind(key.kind), reason.partition(ADVICE)[0]))
    return replace(person, **without, refused_keys=refused)


def _belongs_to(ownership: KeyOwnership, key: UserKey, subject_id: str) -> bool:
    owner = ownership.owner(key)
    return owner is not None and owner.subject_id == subject_id


def _values(source: str, person: Person) -> dict[str, Any]:
    return {
        "subject_id": person.subject_id,
        "source": source,
        "username": person.username,
        "username_key": username_key(person.username),
        "name": person.name,
        "reading": person.reading,
        "external_key": person.external_key,
        "works_account": person.works_account,
        "email": person.email,
        "groups": list(person.groups),
        **found_by(person),
    }


def _remembered(row: Row) -> RememberedPerson:
    groups: Sequence[str] = row["groups"]
    keys: dict[str, Any] = {
        kind: None if row.get(f"{kind}_is_anothers") else row[kind] for kind in KEY_KINDS
    }
    return RememberedPerson(
        source=row["source"],
        person=Person(
            subject_id=row["subject_id"],
            username=row["username"],
            name=row["name"],
            **keys,
            email=row["email"],
            groups=tuple(groups),
            reading=row["reading"],
        ),
        enabled=row["enabled"],
        first_login_at=row["first_login_at"],
        last_login_at=row["last_login_at"] or None,
        vouched_at=max(row["vouched_at"] or _NEVER, row["last_login_at"]),
        role=row["role"],
        group_role=row["group_role"],
        role_group=row["role_group"],
        version=row["version"],
    )
