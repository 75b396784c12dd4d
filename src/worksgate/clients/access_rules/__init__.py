"""Access rules: who may sign in from where and when, and which factors are required.

A client has rules, one line each; the first one that matches a sign-in decides. If none matches,
the client's ``second_factor`` applies:

    ACTION [CONDITION=VALUE,VALUE…] …

    allow network=192.0.2.0/24,2001:db8::/32
    require factor group="Sales Team",finance kind=web
    require passkey group=administrators
    deny kind=app days=sat-sun timezone=Asia/Tokyo
    deny network!=192.0.2.0/24 hours=20:00-06:00

``allow`` requires no second factor, ``require factor`` requires one of everybody, ``require
passkey`` a phishing-resistant one, ``deny`` refuses the sign-in. ``require factor`` is stored as
``second_factor``, the word of the first release, which is still accepted.

A rule matches if all its conditions hold. A condition holds if one of its values matches; with
``!=``, if none does.

kind      web, app or imap: where the person signs in.
network   An address or a network. For imap it is the address of LINE WORKS, which calls on behalf
          of a mail client that we never see.
group     A group, as the source names it; case-insensitive. A value with a blank, a comma or a
          quotation mark is quoted; inside, ``"`` and ``\\`` are escaped with a backslash.
source    The name of an identity source.
days      mon to sun, or a range such as mon-fri.
hours     A range such as 08:00-18:00, excluding its end; it may span midnight. The day is always
          that of the moment itself: Saturday at 02:00 is a Saturday.
timezone  Not a condition: the time zone of days and hours, such as Asia/Tokyo; default UTC.

An unknown address fails closed: a condition on networks, negated or not, then never holds for
``allow``, and always for other actions.

Before the password, the person's group and source are unknown. A condition on them is undecided
then, and so is a rule whose other conditions hold: ``decide_without_person`` returns a decision
only if it is the same for everybody.

    rules        a rule and its conditions, as values and as text
    parsing      from the text that an administrator writes to a rule
    conditions   each kind of condition: its values, and when it holds
    decisions    which rule decides about a sign-in, and why

Nothing here reads a clock or a network; the time is part of the situation.
"""

from worksgate.clients.access_rules.conditions import Situation
from worksgate.clients.access_rules.decisions import (
    Decision,
    Explanation,
    decide,
    decide_by_texts,
    decide_without_person,
    decide_without_person_by_texts,
    explain,
)
from worksgate.clients.access_rules.parsing import MAX_RULES, parse_rule, parse_rules
from worksgate.clients.access_rules.rules import Action, Condition, Rule

__all__ = [
    "MAX_RULES",
    "Action",
    "Condition",
    "Decision",
    "Explanation",
    "Rule",
    "Situation",
    "decide",
    "decide_by_texts",
    "decide_without_person",
    "decide_without_person_by_texts",
    "explain",
    "parse_rule",
    "parse_rules",
]
