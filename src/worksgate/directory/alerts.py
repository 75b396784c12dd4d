"""What administrators are told of: once for each time that it occurs, whichever node sees it.

A row is one occurrence. As long as it is seen again within a quiet time it goes on; after that it
is a new one, and told anew. Only the holder of the lease writes here (``administration.alerts``).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update

from worksgate.database import schema
from worksgate.database.verbs import Connections, Repository, run_to_completion

KEPT: Final = 90 * 86_400.0
"""Seconds for which an occurrence is kept after it was last seen."""
MOST_TRIES: Final = 10
"""Attempts to tell of an occurrence."""

_ALERTS = schema.alerts
_COLUMNS = schema.alerts.c


class Channel(StrEnum):
    """A way in which administrators are told; the value is the column of when they were."""

    MAIL = "mailed_at"
    WEBHOOK = "posted_at"
    BOT = "messaged_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something to be told: ``subject`` tells apart what is told separately.

    ``quiet`` is for how many seconds it must not be seen to have ended.
    """

    kind: str
    subject: str
    details: Mapping[str, str | int | float]
    quiet: float

    @property
    def key(self) -> str:
        """What identifies it in the table."""
        return hashlib.sha256(f"{self.kind}\0{self.subject}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A row. Times are in seconds since the epoch; None if they were not told that way."""

    key: str
    kind: str
    details: Mapping[str, str | int | float]
    since: float
    seen_at: float
    mailed_at: float | None
    posted_at: float | None
    messaged_at: float | None
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How telling in one way goes; times are in seconds since the epoch.

    ``last_at`` is when the last occurrence was told. ``missing`` are not told, the oldest of
    ``since``; ``given_up`` of them are tried no more.
    """

    last_at: float | None
    missing: int
    given_up: int
    since: float | None


class AlertRows(Repository[Connections]):
    """Reads and writes the rows; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def note(self, alerts: Sequence[Alert], now: float) -> int:
        """Note what is seen now, in one transaction; return how many occurrences are new."""
        new = 0
        async with self._connections.writing() as connection:
            await connection.execute(delete(_ALERTS).where(_COLUMNS.seen_at < now - KEPT))
            for alert in alerts:
                is_it = _COLUMNS.key == alert.key
                seen_at = await connection.scalar(select(_COLUMNS.seen_at).where(is_it))
                if seen_at is not None and seen_at >= now - alert.quiet:
                    await connection.execute(update(_ALERTS).where(is_it).values(seen_at=now))
                    continue
                await connection.execute(delete(_ALERTS).where(is_it))
                values = {
                    "key": alert.key,
                    "kind": alert.kind,
                    "details": dict(alert.details),
                    "since": now,
                    "seen_at": now,
                }
                await connection.execute(insert(_ALERTS).values(values))
                new += 1
        return new

    @run_to_completion
    async def untold(self, channels: Sequence[Channel], limit: int) -> list[Occurrence]:
        """Occurrences that were not told in one of these ways, the oldest first."""
        missing: list[ColumnElement[bool]] = [
            _COLUMNS[channel.value].is_(None) for channel in channels
        ]
        query = select(_ALERTS).where(and_(or_(*missing), _COLUMNS.tries < MOST_TRIES))
        async with self._connections.reading() as connection:
            rows = await connection.execute(query.order_by(_COLUMNS.since).limit(limit))
            return [Occurrence(**row) for row in rows.mappings()]

    @run_to_completion
    async def messaged_kinds(self, since: float) -> frozenset[str]:
        """The kinds of which a bot has told after a time."""
        query = select(_COLUMNS.kind).distinct().where(_COLUMNS.messaged_at > since)
        async with self._connections.reading() as connection:
            return frozenset(await connection.scalars(query))

    @run_to_completion
    async def told(self, key: str, channels: Sequence[Channel], now: float) -> None:
        """An attempt was made, and succeeded in these ways."""
        values: dict[str, Any] = {channel.value: now for channel in channels}
        values["tries"] = _COLUMNS.tries + 1
        async with self._connections.writing() as connection:
            await connection.execute(update(_ALERTS).where(_COLUMNS.key == key).values(values))

    @run_to_completion
    async def delivery(self, channel: Channel) -> Delivery:
        """How telling in one way goes, of the occurrences that are kept."""
        told_at = _COLUMNS[channel.value]
        is_missing = told_at.is_(None)
        query = select(
            func.max(told_at).label("last_at"),
            func.count().filter(is_missing).label("missing"),
            func.count().filter(is_missing, _COLUMNS.tries >= MOST_TRIES).label("given_up"),
            func.min(_COLUMNS.since).filter(is_missing).label("since"),
        )
        async with self._connections.reading() as connection:
            return Delivery(**(await connection.execute(query)).mappings().one())

    @run_to_completion
    async def latest(self, limit: int) -> list[Occurrence]:
        """The last occurrences, the newest first."""
        query = select(_ALERTS).order_by(_COLUMNS.since.desc()).limit(limit)
        async with self._connections.reading() as connection:
            return [Occurrence(**row) for row in (await connection.execute(query)).mappings()]
