"""People of other sources, remembered from their last sign-in.

A person of LDAP or of an OpenID provider is known by the subject alone (R-92): the row holds what
the source said last, is written by the sign-ins, and can be disabled here whatever the source
says.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import RowMapping, Select, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.directory import Conflict, schema
from worksgate.directory.occupancy import KEY_KINDS
from worksgate.directory.recording import write_events
from worksgate.directory.verbs import Connections, finished
from worksgate.sources import Person
from worksgate.usernames import username_key

_MAX_LISTED = 10_000

_log = structlog.get_logger("worksgate.directory.people")


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedPerson:
    """Somebody who has signed in by another source; times are seconds since the epoch."""

    source: str
    person: Person
    enabled: bool
    first_login_at: float
    last_login_at: float


class People:
    """The remembered people; every verb may raise DirectoryUnavailable."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]:
        return self._connections.unfinished

    @finished
    async def remember(self, source: str, person: Person, now: float) -> Person | None:
        """Keep what a source has just said of a person, and return them as they are let in.

        A user key that belongs, or belonged, to somebody else is not theirs, whatever the source
        says: with it they would be that person for LINE WORKS (R-56). None where they are disabled
        here.
        """
        try:
            return await self._remember(source, person, now)
        except Conflict:  # their other sign-in was faster, and they are known now
            return await self._remember(source, person, now)

    @finished
    async def release_key(self, value: str, event: AuditEvent) -> int:
        """Let a user key go to whoever signs in with it next; how many had or had had it.

        Accounts of the built-in directory keep theirs.
        """
        retired = schema.retired_keys
        async with self._connections.writing() as connection:
            freed = await connection.execute(delete(retired).where(retired.c.value == value))
            count = freed.rowcount
            for name in KEY_KINDS:
                held = update(_TABLE).where(_TABLE.c[name] == value).values({name: None})
                count += (await connection.execute(held)).rowcount
            if count:
                await write_events(connection, event)
        return count

    @finished
    async def find(self, subject_id: str) -> RememberedPerson | None:
        return await self._one(select(_TABLE).where(_TABLE.c.subject_id == subject_id))

    @finished
    async def named(self, name: str) -> list[RememberedPerson]:
        """All whose username, works account, external key or subject this is, in any spelling."""
        columns = _TABLE.c
        matches = or_(
            columns.username_key == username_key(name),
            columns.works_account == name.strip().lower(),
            columns.external_key == name,
            columns.subject_id == name,
        )
        return await self._all(select(_TABLE).where(matches).order_by(columns.subject_id))

    @finished
    async def listed(self) -> list[RememberedPerson]:
        """All, by name; at most ten thousand."""
        return await self._all(select(_TABLE).order_by(_TABLE.c.username_key).limit(_MAX_LISTED))

    @finished
    async def set_enabled(self, subject_id: str, enabled: bool, event: AuditEvent) -> bool:  # noqa: FBT001  # the value that is set
        """Disable or enable a person, together with its audit record; False where nobody is."""
        async with self._connections.writing() as connection:
            statement = update(_TABLE).where(_TABLE.c.subject_id == subject_id)
            changed = await connection.execute(statement.values(enabled=enabled))
            if changed.rowcount == 1:
                await write_events(connection, event)
            return changed.rowcount == 1

    async def _remember(self, source: str, person: Person, now: float) -> Person | None:
        """``remember`` in one transaction: nobody takes the user key between look and write."""
        async with self._connections.writing() as connection:
            admitted = await _with_own_keys(connection, person)
            values = {**_values(source, admitted), "last_login_at": now}
            same = _TABLE.c.subject_id == person.subject_id
            changed = await connection.execute(update(_TABLE).where(same).values(values))
            if changed.rowcount == 1:
                enabled = await connection.scalar(select(_TABLE.c.enabled).where(same))
                return admitted if enabled else None
            await connection.execute(
                insert(_TABLE).values({**values, "enabled": True, "first_login_at": now})
            )
            return admitted

    async def _one(self, query: Select[Any]) -> RememberedPerson | None:
        found = await self._all(query)
        return found[0] if found else None

    async def _all(self, query: Select[Any]) -> list[RememberedPerson]:
        async with self._connections.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_remembered(row) for row in rows]


_TABLE = schema.people


async def _with_own_keys(connection: AsyncConnection, person: Person) -> Person:
    """The person without the user keys that are somebody else's."""
    for kind in KEY_KINDS:
        value = getattr(person, kind)
        if value is not None and await _is_anothers(connection, kind, value, person.subject_id):
            _log.warning("person.key_taken", kind=kind, subject_id=person.subject_id)
            without: dict[str, Any] = {kind: None}
            person = replace(person, **without)
    return person


async def _is_anothers(connection: AsyncConnection, kind: str, value: str, subject_id: str) -> bool:
    accounts, retired = schema.accounts, schema.retired_keys
    questions = (
        select(accounts.c.id).where(accounts.c[kind] == value),
        select(retired.c.account_id).where(retired.c.kind == kind, retired.c.value == value),
        select(_TABLE.c.subject_id).where(
            _TABLE.c[kind] == value, _TABLE.c.subject_id != subject_id
        ),
    )
    for question in questions:
        if await connection.scalar(question.limit(1)) is not None:
            return True
    return False


def _values(source: str, person: Person) -> dict[str, Any]:
    return {
        "subject_id": person.subject_id,
        "source": source,
        "username": person.username,
        "username_key": username_key(person.username),
        "name": person.name,
        "external_key": person.external_key,
        "works_account": person.works_account,
        "email": person.email,
        "groups": list(person.groups),
    }


def _remembered(row: RowMapping) -> RememberedPerson:
    groups: Sequence[str] = row["groups"]
    return RememberedPerson(
        source=row["source"],
        person=Person(
            subject_id=row["subject_id"],
            username=row["username"],
            name=row["name"],
            external_key=row["external_key"],
            works_account=row["works_account"],
            email=row["email"],
            groups=tuple(groups),
        ),
        enabled=row["enabled"],
        first_login_at=row["first_login_at"],
        last_login_at=row["last_login_at"],
    )
