"""The one-time link with which the first owner of the console begins.

Keys are digests of secrets. Of an installation with an owner, only a link that recovers is of use.
"""

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory.administrators import has_other_owner

_LINKS = schema.first_links


class FirstLinkRows(Repository[Connections]):
    """First links; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def issue(
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
    async def is_usable(self, key: str, now: float) -> bool:
        """Whether a first link can be used."""
        async with self._connections.reading() as connection:
            return await _is_usable(connection, key, now)


async def use_link(connection: AsyncConnection, key: str, now: float) -> bool:
    """Use up a first link, within the transaction that adds the owner; False if it is too late."""
    if not await _is_usable(connection, key, now):
        return False
    used = await connection.execute(delete(_LINKS).where(_LINKS.c.key == key))
    return used.rowcount == 1


async def _is_usable(connection: AsyncConnection, key: str, now: float) -> bool:
    good = (_LINKS.c.key == key, _LINKS.c.expires_at > now, _LINKS.c.created_at <= now)
    recovers = await connection.scalar(select(_LINKS.c.recovers).where(*good))
    return recovers is not None and (recovers or not await has_other_owner(connection, ""))
