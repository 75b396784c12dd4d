"""The plan of the day: who does what at which hour, as an administrator typed it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from typing import Any, Final, Self

import msgspec

LONGEST: Final = 100
"""Characters of a value."""


class Hour(StrEnum):
    """What is done on the day, in this order."""

    SUPER_ADMINS = auto()
    """Both sign in with their LINE WORKS passwords."""
    MAIL = auto()
    """The mail to all."""
    OUTSIDE = auto()
    """The check from outside."""
    APPLY = auto()
    SILENCE = auto()
    """Nobody has come: look at the Web Login URL, then go back."""
    HELP_DESK = auto()
    DECIDE = auto()
    """Stay, or go back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """When, who, and their telephone number; all as typed."""

    when: str = ""
    who: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperAdmin:
    """A Super Admin of LINE WORKS: whoever can go back.

    ``tested_at`` is when ``told_by`` said that their LINE WORKS password works.
    """

    name: str = ""
    tested_at: float | None = None
    told_by: str | None = None

    def named(self, name: str) -> "SuperAdmin":
        """Another name is another person, whose password nobody has tested."""
        return self if name == self.name else SuperAdmin(name=name)

    def tested(self, at: float, told_by: str) -> "SuperAdmin":
        """With a password that has just been tested."""
        return replace(self, tested_at=at, told_by=told_by) if self.name else self


def _no_hours() -> Mapping[Hour, Planned]:
    return {each: Planned() for each in Hour}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan; ``date`` is as typed, ``contact`` is whom people ask for help."""

    date: str = ""
    contact: str = ""
    decides: str = ""
    leads: str = ""
    super_admins: tuple[SuperAdmin, SuperAdmin] = (SuperAdmin(), SuperAdmin())
    hours: Mapping[Hour, Planned] = field(default_factory=_no_hours)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """A plan as it was kept."""
        kept = msgspec.convert(document, cls)
        return replace(kept, hours={**_no_hours(), **kept.hours})

    def document(self) -> dict[str, Any]:
        """The plan as it is kept."""
        kept: dict[str, Any] = msgspec.to_builtins(self)
        return kept

    def phones(self) -> list[tuple[str, str]]:
        """Names with their telephone numbers, each once."""
        listed = ((each.who, each.phone) for each in self.hours.values() if each.phone)
        return list(dict.fromkeys(listed))
