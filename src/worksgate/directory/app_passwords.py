"""App passwords: generated here for one mail program, stored as digests, with no other use."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, insert, or_, select, update

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.direct_reads import Query, Row
from worksgate.database.recording import write_events
from worksgate.database.repository import Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.credential_changes import AnnouncingConnections, Change

_TABLE = schema.app_passwords
_BY_DIGEST = Query(select(_TABLE).where(_TABLE.c.digest == bindparam("digest")))


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPassword:
    """A stored app password; ``name`` is the person's own description."""

    id: str
    subject_id: str
    name: str
    created_at: float
    last_used_at: float | None = None
    digest: str = field(repr=False)


class AppPasswordRows(Repository[AnnouncingConnections]):
    """The app passwords of everybody; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def of(self, subject_id: str) -> tuple[AppPassword, ...]:
        """A person's app passwords, the oldest first."""
        query = select(_TABLE).where(_TABLE.c.subject_id == subject_id)
        return await self._all(query.order_by(_TABLE.c.created_at, _TABLE.c.id))

    async def find(self, digest: str) -> AppPassword | None:
        found = await self._connections.rows(_BY_DIGEST, digest=digest)
        return _app_password(found[0]) if found else None

    @run_to_completion
    async def names_of(self, subject_id: str) -> frozenset[str]:
        """The names that identify this person: username, works account, e-mail address."""
        if subject_id.startswith(SUBJECT_PREFIX):
            columns: Any = schema.accounts.c
            own = columns.id == subject_id.removeprefix(SUBJECT_PREFIX)
        else:
            columns = schema.people.c
            own = columns.subject_id == subject_id
        query = select(columns.username, columns.works_account, columns.email).where(own)
        async with self._connections.reading() as connection:
            rows = (await connection.execute(query)).all()
        return frozenset(name for row in rows for name in row if name)

    @run_to_completion
    async def add(self, app_password: AppPassword, limit: int, event: AuditEvent) -> bool:
        """Store an app password and its audit record; False if the person has ``limit``."""
        count = select(func.count()).where(_TABLE.c.subject_id == app_password.subject_id)
        async with self._connections.writing() as connection:
            if (await connection.scalar(count) or 0) >= limit:
                return False
            await connection.execute(insert(_TABLE).values(_values(app_password)))
            await write_events(connection, event)
        self._connections.publish(Change.APP_PASSWORD_ADDED, event)
        return True

    @run_to_completion
    async def remove(self, subject_id: str, app_password_id: str, event: AuditEvent) -> bool:
        """Delete an app password of this person; False if they have none with this ID."""
        statement = delete(_TABLE).where(
            _TABLE.c.id == app_password_id, _TABLE.c.subject_id == subject_id
        )
        async with self._connections.writing() as connection:
            removed = (await connection.execute(statement)).rowcount == 1
            if removed:
                await write_events(connection, event)
        if removed:
            self._connections.publish(Change.APP_PASSWORD_REMOVED, event)
        return removed

    @run_to_completion
    async def note_use(self, app_password: AppPassword, now: float) -> None:
        """Store the time of a use; it never goes back."""
        columns = _TABLE.c
        earlier = or_(columns.last_used_at.is_(None), columns.last_used_at < now)
        statement = update(_TABLE).where(columns.id == app_password.id, earlier)
        async with self._connections.writing() as connection:
            await connection.execute(statement.values(last_used_at=now))

    async def _all(self, query: Select[Any]) -> tuple[AppPassword, ...]:
        async with self._connections.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return tuple(map(_app_password, rows))


def _app_password(row: Row) -> AppPassword:
    return AppPassword(**row)


def _values(app_password: AppPassword) -> dict[str, Any]:
    return {column.name: getattr(app_password, column.name) for column in _TABLE.c}
