"""What a trial of rules says of somebody, and of everybody before the password."""

import pytest

from worksgate.clients.access_rules import Action, Situation
from worksgate.clients.rule_trials import try_rules
from worksgate.oauth.model import LoginKind, SecondFactor

HERE = Situation(
    kind=LoginKind.WEB, address="192.0.2.7", at=1_764_379_200.0, groups=("staff",), source="company"
)


@pytest.mark.parametrize(
    ("rules", "action", "early"),
    [
        (("deny kind=web",), Action.DENY, Action.DENY),
        (("deny group=staff",), Action.DENY, None),  # not everybody
        (("deny source=company",), Action.DENY, None),
        (("allow kind=web",), Action.ALLOW, Action.ALLOW),
        (("deny kind=app", "require passkey"), Action.REQUIRE_PASSKEY, Action.REQUIRE_PASSKEY),
        ((), Action.ASK, Action.ASK),
    ],
)
def test_a_trial_says_what_holds_here_and_what_holds_for_everybody(
    rules: tuple[str, ...], action: Action, early: Action | None
) -> None:
    trial = try_rules(rules, SecondFactor.ALLOWED, HERE)
    assert trial.decision.action is action
    assert (None if trial.early is None else trial.early.action) is early
    assert trial.is_refused_early is (early is Action.DENY)
    assert [str(each.rule) for each in trial.explanations] == [*rules]


def test_a_rule_that_cannot_be_read_is_no_trial() -> None:
    with pytest.raises(ValueError, match="rule 1"):
        try_rules(("deny everybody",), SecondFactor.ALLOWED, HERE)
