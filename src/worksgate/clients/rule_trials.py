"""What the rules of a client would say of a sign-in, and why; nobody is signed in."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from worksgate.clients.access_rules import (
    Action,
    Decision,
    Explanation,
    Situation,
    decide,
    decide_without_person,
    explain,
    parse_rules,
)
from worksgate.oauth.model import SecondFactor


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """The decision, and each rule with its reasons.

    ``early`` is the decision about everybody, before the password; None if it depends on who.
    """

    decision: Decision
    explanations: tuple[Explanation, ...]
    early: Decision | None

    @property
    def is_refused_early(self) -> bool:
        """Whether everybody is refused, no matter who."""
        return self.early is not None and self.early.action is Action.DENY


def try_rules(texts: Iterable[str], second_factor: SecondFactor, situation: Situation) -> RuleTrial:
    """What rules say of a known person. Raises ValueError or OverflowError if they cannot."""
    rules = parse_rules(tuple(texts))
    unknown = replace(situation, groups=None, source=None)
    return RuleTrial(
        decide(rules, second_factor, situation),
        explain(rules, situation),
        decide_without_person(rules, second_factor, unknown),
    )
