"""Periods of time as an administrator chooses them, and the parts into which a chart divides them.

A day is from midnight to midnight in the zone of whoever asks, whatever its length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum, auto
from itertools import takewhile
from typing import Final, Self

from worksgate.moments import in_zone, since_epoch

MINUTE: Final = 60.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0
MOST_DAYS: Final = 92
"""The longest period."""
_TYPED: Final = "%Y-%m-%dT%H:%M"


class Span(StrEnum):
    """A period that ends now."""

    HOUR = auto()
    TODAY = auto()
    WEEK = auto()
    MONTH = auto()


class Step(StrEnum):
    """What one column of a chart stands for."""

    MINUTES = auto()
    HOUR = auto()
    DAY = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``since`` until ``until``, in seconds since the epoch.

    ``edges`` are the times between which its sign-ins are counted, in ascending order; they may end
    after ``until``, in the future. ``span`` is None if somebody typed the times. Days and hours are
    those of ``zone``.
    """

    since: float
    until: float
    span: Span | None
    step: Step
    edges: tuple[float, ...]
    zone: tzinfo | None = None

    @classmethod
    def chosen(cls, values: Mapping[str, str], now: float, zone: tzinfo | None = None) -> Self:
        """The period of a page's address: two times that were typed, or a span; else today."""
        since, until = _typed(values.get("from", ""), zone), _typed(values.get("to", ""), zone)
        if since is not None:
            until = min(now, until or now)
            if since < until:
                return cls._between(max(since, until - MOST_DAYS * DAY), until, zone)
        name = values.get("range", "")
        return cls.of(Span(name) if name in list(Span) else Span.TODAY, now, zone)

    @classmethod
    def of(cls, span: Span, now: float, zone: tzinfo | None = None) -> Self:
        """A period that ends now, or with the part of it that is in progress."""
        until = now + 1.0
        if span is Span.HOUR:
            last = now - now % (5 * MINUTE) + 5 * MINUTE
            edges = tuple(last - 5 * MINUTE * index for index in range(12, -1, -1))
            return cls(
                since=edges[0], until=until, span=span, step=Step.MINUTES, edges=edges, zone=zone
            )
        if span is Span.TODAY:
            edges = _hours(midnight(now, 0, zone), midnight(now, 1, zone))
            return cls(
                since=edges[0], until=until, span=span, step=Step.HOUR, edges=edges, zone=zone
            )
        days = 7 if span is Span.WEEK else 31
        edges = tuple(midnight(now, offset, zone) for offset in range(1 - days, 2))
        return cls(since=edges[0], until=until, span=span, step=Step.DAY, edges=edges, zone=zone)

    @classmethod
    def _between(cls, since: float, until: float, zone: tzinfo | None) -> Self:
        length = until - since
        if length <= 2 * HOUR:
            first = since - since % (5 * MINUTE)
            edges = _steps(first, until, 5 * MINUTE)
            return cls(
                since=since, until=until, span=None, step=Step.MINUTES, edges=edges, zone=zone
            )
        if length <= 2 * DAY:
            edges = _hours(since - since % HOUR, until)
            return cls(since=since, until=until, span=None, step=Step.HOUR, edges=edges, zone=zone)
        ends = takewhile(lambda edge: edge < until, _midnights(since, zone))
        edges = (midnight(since, 0, zone), *ends, until)
        return cls(since=since, until=until, span=None, step=Step.DAY, edges=edges, zone=zone)

    @property
    def typed(self) -> tuple[str, str]:
        """Both times as a form has them."""
        return as_typed(self.since, self.zone), as_typed(self.until, self.zone)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """When something was recorded; either end may be open, and ``until`` is excluded."""

    since: float | None = None
    until: float | None = None
    zone: tzinfo | None = None

    @classmethod
    def chosen(cls, values: Mapping[str, str], zone: tzinfo | None) -> Self:
        """The times of a page's address; what is no time is none."""
        since, until = _typed(values.get("from", ""), zone), _typed(values.get("to", ""), zone)
        return cls(since, until, zone)

    @property
    def parameters(self) -> dict[str, str]:
        """Both times as an address and a form have them."""
        times = {"from": self.since, "to": self.until}
        return {name: "" if at is None else as_typed(at, self.zone) for name, at in times.items()}

    @property
    def is_asked(self) -> bool:
        return (self.since, self.until) != (None, None)


def midnight(at: float, days: int = 0, zone: tzinfo | None = None) -> float:
    """When the day of a time began in a zone, or a day so many days later."""
    day = in_zone(at, zone).date() + timedelta(days=days)
    return since_epoch(datetime(day.year, day.month, day.day), zone)


def as_typed(at: float, zone: tzinfo | None = None) -> str:
    """A time as a field for times has it."""
    return f"{in_zone(at, zone):{_TYPED}}"


def _midnights(since: float, zone: tzinfo | None) -> list[float]:
    return [midnight(since, days, zone) for days in range(1, MOST_DAYS + 2)]


def _hours(since: float, until: float) -> tuple[float, ...]:
    return _steps(since, until, HOUR)


def _steps(since: float, until: float, step: float) -> tuple[float, ...]:
    count = max(1, -int(-(until - since) // step))
    return tuple(since + step * index for index in range(count + 1))


def _typed(text: str, zone: tzinfo | None) -> float | None:
    """A local time, as a browser sends it; None if it is none."""
    try:
        return since_epoch(datetime.strptime(text[:16], _TYPED), zone)
    except (ValueError, OverflowError):
        return None
