"""Roles in the console that people of other sources have by a group there.

The settings of a source say which (``console_groups``); its people's groups are those of its last
word. A role that was assigned to a person counts alone. What a row of ``people`` has of it only
protects the person, and finds them: a right is always taken from the groups and the settings
(R-226).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from unicodedata import normalize

from sqlalchemy import ColumnElement, func, or_

from worksgate.database import schema
from worksgate.settings.sources.common import SourceSettings

ASKED_WITHIN: Final = 300.0
"""Seconds for which a source may be down."""
SIGNED_IN_WITHIN: Final = 3_600.0
"""Seconds after a sign-in at a source that perhaps cannot be asked at any other time."""

_PEOPLE = schema.people.c

ROLE_OF_PERSON: Final[ColumnElement[str | None]] = func.coalesce(_PEOPLE.role, _PEOPLE.group_role)
"""What others must respect: the role of a person of another source, however they have it."""
HAS_ROLE: Final = or_(_PEOPLE.role.is_not(None), _PEOPLE.group_role.is_not(None))


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and the group that gives it."""

    role: str
    group: str


@dataclass(frozen=True, slots=True)
class ConsoleGroups:
    """The groups of each source that have a role, in the order of the settings."""

    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    providers: frozenset[str] = frozenset()
    """The sources that perhaps vouch for somebody at a sign-in only."""

    @classmethod
    def of(cls, sources: Iterable[SourceSettings]) -> Self:
        """Those of the settings."""
        with_groups = [each for each in sources if each.console_groups]
        return cls(
            {
                each.name: tuple(Grant(role, group) for role, group in each.console_grants)
                for each in with_groups
            },
            frozenset(each.name for each in with_groups if not each.can_look_up),
        )

    @property
    def sources(self) -> frozenset[str]:
        """The sources with such groups."""
        return frozenset(self.grants)

    def grant(self, source: str, groups: Iterable[str]) -> Grant | None:
        """What the first group in the settings gives to somebody in these."""
        theirs = frozenset(map(_folded, groups))
        given = self.grants.get(source, ())
        return next((each for each in given if _folded(each.group) in theirs), None)

    def counts_until(self, source: str, asked_at: float | None, vouched_at: float | None) -> float:
        """Until when a right by a group counts without a new word of its source."""
        until = (asked_at or 0.0) + ASKED_WITHIN
        if source in self.providers:
            return min(until, (vouched_at or 0.0) + SIGNED_IN_WITHIN)
        return until


NO_GROUPS: Final = ConsoleGroups()


def _folded(group: str) -> str:
    """As access rules compare groups."""
    return normalize("NFC", normalize("NFC", group).casefold())
