"""A rule and its conditions, as values; their texts are canonical and can be parsed again."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """The decision about a sign-in, from the most lenient to the strictest.

    All but ``ASK`` are also the words that rules begin with.
    """

    ALLOW = "allow"
    """No second factor is required."""
    ASK = "ask"
    """People with a second factor are asked for it."""
    REQUIRE = "second_factor"
    """A second factor is required; people without one set one up."""
    REQUIRE_PASSKEY = "require passkey"
    """A passkey is required; people without one set one up."""
    DENY = "deny"
    """The sign-in is refused."""

    @property
    def shown(self) -> str:
        """The words with which a rule of this action begins."""
        return "require factor" if self is Action.REQUIRE else str(self)

    @property
    def strictness(self) -> int:
        """Its place in the order: of several decisions the strictest applies."""
        return list(Action).index(self)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule; its values are in canonical spelling."""

    name: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        sign = "!=" if self.negated else "="
        return f"{self.name}{sign}{','.join(map(_quoted, self.values))}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; its text is canonical and can be parsed again."""

    action: Action
    conditions: tuple[Condition, ...] = ()
    timezone: str = "UTC"

    def __str__(self) -> str:
        """The stored text, which the previous release can read too."""
        return self._beginning_with(str(self.action))

    @property
    def shown(self) -> str:
        """The text as an administrator writes it."""
        return self._beginning_with(self.action.shown)

    def _beginning_with(self, action: str) -> str:
        words = [action, *map(str, self.conditions)]
        if tells_time(self.conditions):
            words.append(f"timezone={self.timezone}")
        return " ".join(words)


def tells_time(conditions: Iterable[Condition]) -> bool:
    """Whether there is a condition on days or hours, so that the time zone matters."""
    return any(each.name in ("days", "hours") for each in conditions)


def _quoted(value: str) -> str:
    if not re.search(r'[\s",\\]', value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
