"""Alerts to administrators: one for each occurrence, whichever node sees it.

A row is one occurrence. It continues as long as it is seen again within a quiet time; after that it
is a new one, and sent again. Only the holder of the lease writes here (``administration.alerts``).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update

from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion

KEPT: Final = 90 * 86_400.0
"""Seconds for which an occurrence is kept after it was last seen."""
MOST_TRIES: Final = 10
"""Attempts to send an occurrence."""

_ALERTS = schema.alerts
_COLUMNS = schema.alerts.c


class Channel(StrEnum):
    """How an alert is sent; the value is the column with the time at which it was."""

    MAIL = "mailed_at"
    WEBHOOK = "posted_at"
    BOT = "messaged_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something to send: ``subject`` distinguishes what is sent separately.

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
    """A row. Times are in seconds since the epoch; None if it was not sent on that channel."""

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
    """What one channel has delivered; times are in seconds since the epoch.

    ``last_at`` is when the last occurrence was sent. ``missing`` were not sent, the oldest of them
    since ``since``; ``given_up`` of these are not tried again.
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
    async def unsent(self, channels: Sequence[Channel], limit: int) -> list[Occurrence]:
        """Occurrences that were not sent on one of these channels, the oldest first."""
        missing: list[ColumnElement[bool]] = [
            _COLUMNS[channel.value].is_(None) for channel in channels
        ]
        query = select(_ALERTS).where(and_(or_(*missing), _COLUMNS.tries < MOST_TRIES))
        async with self._connections.reading() as connection:
            rows = await connection.execute(query.order_by(_COLUMNS.since).limit(limit))
            return [Occurrence(**row) for row in rows.mappings()]

    @run_to_completion
    async def messaged_kinds(self, since: float) -> frozenset[str]:
        """The kinds of which a bot has sent an alert after a time."""
        query = select(_COLUMNS.kind).distinct().where(_COLUMNS.messaged_at > since)
        async with self._connections.reading() as connection:
            return frozenset(await connection.scalars(query))

    @run_to_completion
    async def note_attempt(self, key: str, channels: Sequence[Channel], now: float) -> None:
        """An attempt was made, and succeeded on these channels."""
        values: dict[str, Any] = {channel.value: now for channel in channels}
        values["tries"] = _COLUMNS.tries + 1
        async with self._connections.writing() as connection:
            await connection.execute(update(_ALERTS).where(_COLUMNS.key == key).values(values))

    @run_to_completion
    async def delivery(self, channel: Channel) -> Delivery:
        """What one channel has delivered of the occurrences that are kept."""
        sent_at = _COLUMNS[channel.value]
        is_missing = sent_at.is_(None)
        query = select(
            func.max(sent_at).label("last_at"),
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
