"""People of other sources, remembered from their last sign-in.

A person of LDAP or of an OpenID provider is known by the subject alone (R-92): the row holds what
the source said last, is written by the sign-ins, and can be disabled here whatever the source
says.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from worksgate.audit import AuditEvent
from worksgate.directory import schema
from worksgate.directory.rows import event_values
from worksgate.directory.verbs import Connections, finished
from worksgate.sources import Person
from worksgate.throttle import account_key

_MAX_LISTED = 10_000


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
    async def remember(self, source: str, person: Person, now: float) -> bool:
        """Keep what a source has just said of a person; whether they may sign in here."""
        return await self._remember(source, person, now)

    @finished
    async def find(self, subject_id: str) -> RememberedPerson | None:
        return await self._one(select(_TABLE).where(_TABLE.c.subject_id == subject_id))

    @finished
    async def named(self, name: str) -> list[RememberedPerson]:
        """All whose username, works account, external key or subject this is, in any spelling."""
        columns = _TABLE.c
        matches = or_(
            columns.username_key == account_key(name),
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
                await connection.execute(insert(schema.audit), [event_values(event)])
            return changed.rowcount == 1

    async def _remember(self, source: str, person: Person, now: float) -> bool:
        values = {**_values(source, person), "last_login_at": now}
        for _ in range(2):
            async with self._connections.writing() as connection:
                same = _TABLE.c.subject_id == person.subject_id
                changed = await connection.execute(update(_TABLE).where(same).values(values))
                if changed.rowcount == 1:
                    enabled = await connection.scalar(select(_TABLE.c.enabled).where(same))
                    return bool(enabled)
            if await self._added({**values, "enabled": True, "first_login_at": now}):
                return True
        return False  # somebody removes the row as often as we write it

    async def _added(self, values: dict[str, Any]) -> bool:
        try:
            async with self._connections.writing() as connection:
                await connection.execute(insert(_TABLE).values(values))
        except IntegrityError:  # their other sign-in was faster
            return False
        return True

    async def _one(self, query: Select[Any]) -> RememberedPerson | None:
        found = await self._all(query)
        return found[0] if found else None

    async def _all(self, query: Select[Any]) -> list[RememberedPerson]:
        async with self._connections.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_remembered(row) for row in rows]


_TABLE = schema.people


def _values(source: str, person: Person) -> dict[str, Any]:
    return {
        "subject_id": person.subject_id,
        "source": source,
        "username": person.username,
        "username_key": account_key(person.username),
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
