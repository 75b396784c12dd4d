"""Invitations of administrators: one-time links, each with the role that it gives.

Each comes with its inviter as they are now: it must not outlive their right to make it
(``administration.console.rights``). Keys are digests of secrets.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory.administrators import AdministratorAccount, administrator_by_subject

_INVITATIONS = schema.console_invitations


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """For whom it is, with which role, and until when; times are seconds since the epoch.

    ``inviter`` is the subject of the owner who made it, None for the command line; ``actor`` is
    their name. ``id`` is no secret.
    """

    id: str
    name: str
    email: str | None
    role: str
    created_at: float
    expires_at: float
    inviter: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation, and its inviter as they are now; None if they are gone, or are a command."""

    invitation: Invitation
    inviter: AdministratorAccount | None


class InvitationRows(Repository[Connections]):
    """Invitations; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def add(self, key: str, invitation: Invitation, event: AuditEvent) -> None:
        """Store an invitation with its record."""
        async with self._connections.writing() as connection:
            await connection.execute(insert(_INVITATIONS).values(key=key, **_values(invitation)))
            await write_events(connection, event)

    @run_to_completion
    async def all(self, now: float) -> list[Invited]:
        """All that have neither been used nor expired, the newest first."""
        query = select(_INVITATIONS).where(_INVITATIONS.c.expires_at > now)
        newest = query.order_by(_INVITATIONS.c.created_at.desc(), _INVITATIONS.c.id)
        async with self._connections.reading() as connection:
            rows = (await connection.execute(newest)).mappings().all()
            return [await _invited(connection, row) for row in rows]

    @run_to_completion
    async def find(self, key: str, now: float) -> Invited | None:
        """The invitation with this key, unless it has been used or has expired."""
        async with self._connections.reading() as connection:
            return await _find(connection, key, now)

    @run_to_completion
    async def withdraw(self, id: str, event: AuditEvent) -> bool:  # noqa: A002  # as it is stored
        """End an invitation, with the record of that; False if there is none."""
        async with self._connections.writing() as connection:
            ended = await connection.execute(delete(_INVITATIONS).where(_INVITATIONS.c.id == id))
            if ended.rowcount:
                await write_events(connection, event)
            return bool(ended.rowcount)

    @run_to_completion
    async def purge(self, now: float) -> int:
        """Remove what is over; return how many rows."""
        async with self._connections.writing() as connection:
            over = delete(_INVITATIONS).where(_INVITATIONS.c.expires_at <= now)
            return (await connection.execute(over)).rowcount


async def use_invitation(connection: AsyncConnection, key: str, now: float) -> Invited | None:
    """Use up an invitation, within the transaction that adds the account; None if too late."""
    invited = await _find(connection, key, now)
    if invited is None:
        return None
    used = await connection.execute(delete(_INVITATIONS).where(_INVITATIONS.c.key == key))
    return invited if used.rowcount == 1 else None


async def end_invitations_of(
    connection: AsyncConnection, inviter: str, since: float | None = None
) -> list[str]:
    """End the invitations that somebody has made, or has made since; for whom they were.

    Within a transaction.
    """
    own = [_INVITATIONS.c.inviter == inviter]
    if since is not None:
        own.append(_INVITATIONS.c.created_at >= since)
    query = select(_INVITATIONS.c.name).where(*own).order_by(_INVITATIONS.c.name)
    ended = list(await connection.scalars(query))
    await connection.execute(delete(_INVITATIONS).where(*own))
    return ended


async def _find(connection: AsyncConnection, key: str, now: float) -> Invited | None:
    columns = _INVITATIONS.c
    good = (columns.key == key, columns.expires_at > now, columns.created_at <= now)
    row = (await connection.execute(select(_INVITATIONS).where(*good))).mappings().first()
    return None if row is None else await _invited(connection, row)


async def _invited(connection: AsyncConnection, row: RowMapping) -> Invited:
    inviter = row["inviter"]
    account = None if inviter is None else await administrator_by_subject(connection, inviter)
    return Invited(_invitation(row), account)


def _values(invitation: Invitation) -> dict[str, Any]:
    return {name: getattr(invitation, name) for name in Invitation.__dataclass_fields__}


def _invitation(row: RowMapping) -> Invitation:
    return Invitation(**{name: row[name] for name in Invitation.__dataclass_fields__})
