"""Tokens of deployers: what each is called, until when it is accepted, when it was last used.

Each comes with the owner who made it as they are now: it must not outlive their right to make it
(``administration.console.rights``). Keys are digests of secrets.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory.administrators import AdministratorAccount, administrator_by_subject

_TOKENS = schema.deployer_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployerToken:
    """Times are seconds since the epoch; without ``expires_at`` it is accepted until it is ended.

    ``maker`` is the subject of the owner who made it, None for the command line; ``actor`` is their
    name. ``id`` is no secret.
    """

    id: str
    name: str
    created_at: float
    expires_at: float | None
    used_at: float | None
    maker: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token, and its maker as they are now; None if they are gone, or are a command."""

    token: DeployerToken
    maker: AdministratorAccount | None


class DeployerTokenRows(Repository[Connections]):
    """Tokens of deployers; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def add(self, key: str, token: DeployerToken, event: AuditEvent) -> None:
        """Store a token with its record. Raises Conflict for a name that another has."""
        async with self._connections.writing() as connection:
            await connection.execute(insert(_TOKENS).values(key=key, **_values(token)))
            await write_events(connection, event)

    @run_to_completion
    async def all(self) -> list[MadeToken]:
        """All by name, expired ones too."""
        async with self._connections.reading() as connection:
            rows = await connection.execute(select(_TOKENS).order_by(_TOKENS.c.name))
            return [await _made(connection, row) for row in rows.mappings().all()]

    @run_to_completion
    async def find(self, key: str) -> MadeToken | None:
        """The token with this key, perhaps an expired one."""
        async with self._connections.reading() as connection:
            rows = await connection.execute(select(_TOKENS).where(_TOKENS.c.key == key))
            row = rows.mappings().first()
            return None if row is None else await _made(connection, row)

    @run_to_completion
    async def use(self, id: str, now: float) -> None:  # noqa: A002  # as it is stored
        """Note when a token was used."""
        used = update(_TOKENS).where(_TOKENS.c.id == id).values(used_at=now)
        async with self._connections.writing() as connection:
            await connection.execute(used)

    @run_to_completion
    async def end(self, id: str, event: AuditEvent) -> bool:  # noqa: A002  # as it is stored
        """End a token, with the record of that; False if there is none."""
        async with self._connections.writing() as connection:
            ended = await connection.execute(delete(_TOKENS).where(_TOKENS.c.id == id))
            if ended.rowcount:
                await write_events(connection, event)
            return bool(ended.rowcount)

    @run_to_completion
    async def purge(self, until: float) -> int:
        """Remove what had expired before a time; return how many rows."""
        async with self._connections.writing() as connection:
            over = delete(_TOKENS).where(_TOKENS.c.expires_at <= until)
            return (await connection.execute(over)).rowcount


async def end_tokens_of(
    connection: AsyncConnection, maker: str, since: float | None = None
) -> list[str]:
    """End the tokens that somebody has made, or has made since, within a transaction; by name."""
    own = [_TOKENS.c.maker == maker]
    if since is not None:
        own.append(_TOKENS.c.created_at >= since)
    names = await connection.scalars(select(_TOKENS.c.name).where(*own).order_by(_TOKENS.c.name))
    ended = list(names)
    await connection.execute(delete(_TOKENS).where(*own))
    return ended


async def _made(connection: AsyncConnection, row: RowMapping) -> MadeToken:
    maker = row["maker"]
    account = None if maker is None else await administrator_by_subject(connection, maker)
    names = DeployerToken.__dataclass_fields__
    return MadeToken(DeployerToken(**{name: row[name] for name in names}), account)


def _values(token: DeployerToken) -> dict[str, Any]:
    return {name: getattr(token, name) for name in DeployerToken.__dataclass_fields__}
