"""The versions of each client's branding: one draft at most, and what was published.

Numbers only grow, and each save takes the next one. Of what was published the highest number
counts; a published version is never changed. Logos are read one at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion

_TABLE = schema.branding_versions
_COLUMNS = _TABLE.c
_WITHOUT_LOGO = tuple(each for each in _COLUMNS if each.name != "logo")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandingVersion:
    """One version of a client's branding, a draft if it was never published.

    ``content`` is as stored; times are in seconds since the epoch.
    """

    client_id: str
    number: int
    content: Mapping[str, Any]
    created_at: float
    actor: str | None
    published_at: float | None

    @property
    def logo_id(self) -> str | None:
        """The random ID of its logo."""
        logo = self.content.get("logo")
        return logo.get("id") if isinstance(logo, Mapping) else None


@dataclass(frozen=True, slots=True)
class PublishedBrandings:
    """What is shown at present: the version of each client, and the client of each logo."""

    by_client: Mapping[str, BrandingVersion] = field(default_factory=dict)
    by_logo: Mapping[str, BrandingVersion] = field(default_factory=dict)

    @classmethod
    def of(cls, versions: Mapping[str, BrandingVersion]) -> Self:
        by_logo = {each.logo_id: each for each in versions.values() if each.logo_id}
        return cls(versions, by_logo)


NOTHING_PUBLISHED: Final = PublishedBrandings(MappingProxyType({}), MappingProxyType({}))


class BrandingVersions(Repository[Connections]):
    """The versions in the database; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def published(self, client_ids: Sequence[str] | None = None) -> list[BrandingVersion]:
        """The version that is shown of each of these clients that has one, or of all."""
        shown = select(_COLUMNS.client_id, func.max(_COLUMNS.number).label("number"))
        shown = shown.where(_COLUMNS.published_at.is_not(None)).group_by(_COLUMNS.client_id)
        if client_ids is not None:
            shown = shown.where(_COLUMNS.client_id.in_(client_ids))
        newest = shown.subquery()
        query = select(*_WITHOUT_LOGO).join(
            newest,
            (_COLUMNS.client_id == newest.c.client_id) & (_COLUMNS.number == newest.c.number),
        )
        async with self._connections.reading() as connection:
            return await _versions(connection, query)

    @run_to_completion
    async def newest(self, client_id: str, limit: int) -> list[BrandingVersion]:
        """The newest versions of a client, the newest first, but the draft before all."""
        query = select(*_WITHOUT_LOGO).where(_COLUMNS.client_id == client_id)
        async with self._connections.reading() as connection:
            order = (_COLUMNS.published_at.is_not(None), _COLUMNS.number.desc())
            return await _versions(connection, query.order_by(*order).limit(limit))

    @run_to_completion
    async def logo(self, client_id: str, number: int) -> bytes | None:
        """The picture of a version, if it has one."""
        async with self._connections.reading() as connection:
            return await logo_of(connection, client_id, number)


# Inside a transaction of the caller


async def find_draft(connection: AsyncConnection, client_id: str) -> BrandingVersion | None:
    """The draft of a client."""
    return await _first(connection, client_id, _COLUMNS.published_at.is_(None))


async def find_shown(connection: AsyncConnection, client_id: str) -> BrandingVersion | None:
    """The version of a client that is shown."""
    return await _first(connection, client_id, _COLUMNS.published_at.is_not(None))


async def find_version(
    connection: AsyncConnection, client_id: str, number: int
) -> BrandingVersion | None:
    """One version of a client."""
    return await _first(connection, client_id, _COLUMNS.number == number)


async def logo_of(connection: AsyncConnection, client_id: str, number: int) -> bytes | None:
    """The picture of a version, if it has one."""
    logo: bytes | None = await connection.scalar(
        select(_COLUMNS.logo).where(_COLUMNS.client_id == client_id, _COLUMNS.number == number)
    )
    return logo


async def add_version(
    connection: AsyncConnection, version: BrandingVersion, logo: bytes | None
) -> None:
    """Insert a version with its logo."""
    values = {each.name: getattr(version, each.name) for each in _WITHOUT_LOGO}
    await connection.execute(insert(_TABLE).values({**values, "logo": logo}))


async def next_number(connection: AsyncConnection, client_id: str) -> int:
    """A number above all that this client has had."""
    most = select(func.max(_COLUMNS.number)).where(_COLUMNS.client_id == client_id)
    return (await connection.scalar(most) or 0) + 1


async def drop_draft(connection: AsyncConnection, client_id: str) -> None:
    """Delete the draft of a client, if there is one."""
    await connection.execute(
        delete(_TABLE).where(_COLUMNS.client_id == client_id, _COLUMNS.published_at.is_(None))
    )


async def show_draft(connection: AsyncConnection, draft: BrandingVersion, now: float) -> int:
    """Publish a draft, under a new number if another version was published since; the number."""
    following = await next_number(connection, draft.client_id)
    number = draft.number if draft.number == following - 1 else following
    await connection.execute(
        update(_TABLE)
        .where(_COLUMNS.client_id == draft.client_id, _COLUMNS.number == draft.number)
        .values(number=number, published_at=now)
    )
    return number


async def remove_versions(connection: AsyncConnection, client_id: str) -> None:
    """Delete all versions of a client."""
    await connection.execute(delete(_TABLE).where(_COLUMNS.client_id == client_id))


async def _first(
    connection: AsyncConnection, client_id: str, condition: Any
) -> BrandingVersion | None:
    query = select(*_WITHOUT_LOGO).where(_COLUMNS.client_id == client_id, condition)
    found = await _versions(connection, query.order_by(_COLUMNS.number.desc()).limit(1))
    return next(iter(found), None)


async def _versions(connection: AsyncConnection, query: Any) -> list[BrandingVersion]:
    rows = (await connection.execute(query)).mappings().all()
    return [BrandingVersion(**row) for row in rows]
