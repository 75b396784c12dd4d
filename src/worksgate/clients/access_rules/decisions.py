"""Which rule decides about a sign-in, and why."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from worksgate.clients.access_rules.conditions import Situation, answer, zone_of
from worksgate.clients.access_rules.parsing import parse_rules
from worksgate.clients.access_rules.rules import Action, Rule
from worksgate.oauth.model import SecondFactor

_WITHOUT_A_RULE: Mapping[SecondFactor, Action] = {
    SecondFactor.OFF: Action.ALLOW,
    SecondFactor.ALLOWED: Action.ASK,
    SecondFactor.REQUIRED: Action.REQUIRE,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, the rule that decided (None: the client's ``second_factor``), and why."""

    action: Action
    rule: Rule | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a rule matches a situation, and why: a sentence per condition that decided it.

    ``fits`` is None if that depends on the person, who is not known yet.
    """

    rule: Rule
    fits: bool | None
    reasons: tuple[str, ...]


def decide(rules: Iterable[Rule], second_factor: SecondFactor, situation: Situation) -> Decision:
    """The action for a sign-in: that of the first matching rule, or the client's ``second_factor``.

    Requires a known person; raises ValueError if a rule cannot be decided otherwise.
    """
    (decision, *others) = _possible(rules, second_factor, situation)
    if others:
        raise ValueError("it depends on the person, who is not known")
    return decision


def decide_without_person(
    rules: Iterable[Rule], second_factor: SecondFactor, situation: Situation
) -> Decision | None:
    """The action for a sign-in by anybody, or None if it depends on the person."""
    possible = list(_possible(rules, second_factor, situation))
    return possible[-1] if len({each.action for each in possible}) == 1 else None


def _possible(
    rules: Iterable[Rule], second_factor: SecondFactor, situation: Situation
) -> Iterator[Decision]:
    """The possible decisions, up to the first that nothing unknown can change."""
    for rule in rules:
        explanation = _explained(rule, situation)
        if explanation.fits is not False:
            yield Decision(rule.action, rule, explanation.reasons)
        if explanation.fits:
            return
    reason = f"no rule matches, and the client's second_factor is {second_factor}"
    yield Decision(_WITHOUT_A_RULE[second_factor], None, (reason,))


def decide_by_texts(
    texts: tuple[str, ...], second_factor: SecondFactor, situation: Situation
) -> Decision:
    """``decide`` with a client's stored rules.

    If one is invalid, nobody gets in: it might have been the one that keeps people out.
    """
    try:
        rules = parse_rules(texts)
    except ValueError as problem:
        return _unreadable(problem)
    return decide(rules, second_factor, situation)


def decide_without_person_by_texts(
    texts: tuple[str, ...], second_factor: SecondFactor, situation: Situation
) -> Decision | None:
    """``decide_without_person`` with a client's stored rules.

    If one is invalid, nobody gets in.
    """
    try:
        rules = parse_rules(texts)
    except ValueError as problem:
        return _unreadable(problem)
    return decide_without_person(rules, second_factor, situation)


def _unreadable(problem: ValueError) -> Decision:
    return Decision(Action.DENY, None, (f"a rule of the client is invalid: {problem}",))


def explain(rules: Iterable[Rule], situation: Situation) -> tuple[Explanation, ...]:
    """Each rule and whether it matches, also those after the first match."""
    return tuple(_explained(rule, situation) for rule in rules)


def _explained(rule: Rule, situation: Situation) -> Explanation:
    """All reasons if the rule matches, else those why it does not, or is undecided."""
    now = datetime.fromtimestamp(situation.at, zone_of(rule.timezone))
    answers = [answer(each, rule.action, situation, now) for each in rule.conditions]
    fits = _all(holds for holds, _ in answers)
    reasons = tuple(reason for holds, reason in answers if holds is fits)
    return Explanation(rule, fits, reasons or ("it has no conditions",))


def _all(answers: Iterable[bool | None]) -> bool | None:
    """Whether all hold: False if one does not, else None if one is undecided."""
    found = set(answers)
    if False in found:
        return False
    return None if None in found else True
