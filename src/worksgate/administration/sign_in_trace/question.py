"""What an administrator asks about: a person, a sign-in by reference or ID, an address, a time."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum, auto

from worksgate.credentials.references import is_reference
from worksgate.limits.networks import address_in

_LOGIN_ID = re.compile(r"[0-9a-f]{11}[A-Za-z0-9_-]{14}")
_TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[T ].*")


class Kind(StrEnum):
    """What a text was taken for."""

    PERSON = auto()
    NAME = auto()
    """A name that nobody has here."""
    LOGIN_ID = auto()
    REFERENCE = auto()
    ADDRESS = auto()
    TIME = auto()


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and what it was taken for; ``at`` is in seconds since the epoch."""

    text: str
    kind: Kind
    at: float | None = None


def read_question(text: str, now: float, zone: tzinfo) -> Question:
    """What a text can only be by its form; else a person is meant.

    A time of day is the last one in ``zone``. Six letters without a hyphen can be a name or a
    reference: they are a person here, and the caller looks for a reference if there is none.
    """
    wanted = text.strip()
    if _LOGIN_ID.fullmatch(wanted):
        return Question(wanted, Kind.LOGIN_ID)
    if "-" in wanted and is_reference(wanted):
        return Question(wanted, Kind.REFERENCE)
    if (address := address_in(wanted)) is not None:
        return Question(address, Kind.ADDRESS)
    if (at := _time(wanted, now, zone)) is not None:
        return Question(wanted, Kind.TIME, at)
    return Question(wanted, Kind.PERSON)


def _time(text: str, now: float, zone: tzinfo) -> float | None:
    if found := _TIME_OF_DAY.fullmatch(text):
        present = datetime.fromtimestamp(now, zone)
        hour, minute = int(found[1]), int(found[2])
        when = present.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return (when if when <= present else when - timedelta(days=1)).timestamp()
    if not _DATE.fullmatch(text):
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
