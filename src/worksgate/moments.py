"""Moments as people read them: by the conventions of their language, in their zone.

Logs, files for programs and ``datetime`` attributes have ``machine`` instead. A zone of None is
that of this machine, with the offset that it had or will have at the moment.
"""

import re
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

_ZONE_NAME: Final = re.compile(r"[A-Za-z0-9_+/-]{1,64}")


def in_zone(at: float, zone: tzinfo | None = None) -> datetime:
    """A moment in seconds since the epoch, by the clock of a zone."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone)


def since_epoch(local: datetime, zone: tzinfo | None = None) -> float:
    """When a clock of a zone shows this. Raises OverflowError for years without a moment."""
    return local.replace(tzinfo=zone).timestamp()


def zone_named(name: str) -> tzinfo | None:
    """The time zone of a name such as Asia/Tokyo, or None if this machine does not know it."""
    if _ZONE_NAME.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # OSError: "Asia" is a folder
            return None
    return None


def machine(at: float) -> str:
    """A moment for programs: ISO 8601, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def utc(at: float) -> str:
    """A moment to the minute in UTC, which is the same in each language."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def day(when: datetime, locale: str) -> str:
    """A date with its year, such as 2026年11月30日; ``locale`` is spelled as gettext does."""
    from babel.dates import format_skeleton  # here: most processes never need it

    return str(format_skeleton("yMMMd", when, locale=locale))


def day_of_year(when: datetime, locale: str) -> str:
    """A date without its year."""
    from babel.dates import format_skeleton

    return str(format_skeleton("MMMd", when, locale=locale))


def moment(when: datetime, now: datetime, locale: str) -> str:
    """A time to the minute, with as much of its date as is not that of ``now``."""
    minute = f"{when:%H:%M}"
    if when.date() == now.date():
        return minute
    date = day_of_year if when.year == now.year else day
    return f"{date(when, locale)}{_before_time(locale)}{minute}"


def with_offset(when: datetime, locale: str) -> str:
    """A time to the minute with its whole date, and how far its zone is from UTC."""
    offset = f"{when:%z}"
    zone = "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{day(when, locale)}{_before_time(locale)}{when:%H:%M} ({zone})"


def _before_time(locale: str) -> str:
    """What stands between a date and a time."""
    return ", " if locale == "en" else " "
