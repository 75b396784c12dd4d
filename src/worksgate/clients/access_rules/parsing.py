"""From the text that an administrator writes to a rule, or to a sentence about the wrong word."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache

from worksgate.catalogues import sentence_of
from worksgate.clients.access_rules.conditions import KINDS, zone_of
from worksgate.clients.access_rules.rules import Action, Condition, Rule, tells_time
from worksgate.clients.sentences import said, with_hint

MAX_RULES = 50
_LONGEST_RULE = 1_000
"""Maximum length of a rule in characters."""

_WORD = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\["\\])*")+')
_VALUE = re.compile(r'"(?P<quoted>(?:[^"\\]|\\["\\])*)"|(?P<plain>[^",]+)')
_CONDITION = re.compile(r"(?P<name>[^=!\s\"]+)(?P<sign>!?=)(?P<values>.*)", re.DOTALL)
_REQUIREMENTS: Mapping[str, Action] = {
    "factor": Action.REQUIRE,
    "passkey": Action.REQUIRE_PASSKEY,
}
"""The words that can follow ``require``."""


@lru_cache(maxsize=256)
def parse_rules(texts: tuple[str, ...]) -> tuple[Rule, ...]:
    """Parse the rules of a client. Raises ValueError that names the rule and the word."""
    if len(texts) > MAX_RULES:
        raise ValueError(
            said(
                "there are %(count)s rules; a client has at most %(most)s",
                count=len(texts),
                most=MAX_RULES,
            )
        )
    return tuple(_numbered(number, text) for number, text in enumerate(texts, 1))


def parse_rule(text: str, *, timezone: str = "UTC") -> Rule:
    """Parse one rule; ``timezone`` is the default for a rule that names none.

    Raises ValueError with a sentence that points at the wrong word.
    """
    if len(text) > _LONGEST_RULE:
        raise ValueError(said("a rule has at most %(most)s characters", most=_LONGEST_RULE))
    if not text.isprintable():
        raise ValueError(said("a rule is one line of printable characters"))
    action, words = _action(_words(text))
    conditions = [_condition(word) for word in words]
    zones = [each for each in conditions if each.name == "timezone"]
    kept = _in_order(each for each in conditions if each.name != "timezone")
    return Rule(action, kept, _zone_name(zones, kept, timezone))


def _numbered(number: int, text: str) -> Rule:
    try:
        return parse_rule(text)
    except ValueError as problem:
        raise ValueError(
            said("rule %(number)s: %(problem)s", number=number, problem=sentence_of(problem))
        ) from None


def _words(text: str) -> list[str]:
    words, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        found = _WORD.match(text, place)
        if found is None or (found.end() < len(text) and text[found.end()] == '"'):
            rest = text[place : place + 40]
            raise ValueError(
                said(
                    "the quotation mark in %(text)s is not closed, or a backslash in it stands "
                    'neither before " nor before \\',
                    text=repr(rest),
                )
            )
        words.append(found[0])
        place = found.end()
    return words


def _action(words: list[str]) -> tuple[Action, list[str]]:
    """The beginning of a rule, and the words that follow."""
    first, *others = words or [""]
    if first == "require":
        what = others[0] if others else ""
        if what not in _REQUIREMENTS:
            hint = _near_miss(what, list(_REQUIREMENTS))
            raise ValueError(
                with_hint(
                    said(
                        "'require %(word)s' is not an action: require factor or passkey", word=what
                    ),
                    hint,
                )
            )
        return _REQUIREMENTS[what], others[1:]
    if first in (Action.ALLOW, Action.REQUIRE, Action.DENY):
        return Action(first), others
    hint = _near_miss(first, [Action.ALLOW, "require", Action.REQUIRE, Action.DENY])
    raise ValueError(
        with_hint(
            said("%(word)s is not an action: begin with allow, require or deny", word=repr(first)),
            hint,
        )
    )


def _condition(word: str) -> Condition:
    found = _CONDITION.fullmatch(word)
    if found is None:
        raise ValueError(
            said("%(word)s is not a condition such as network=192.0.2.0/24", word=repr(word))
        )
    name, negated = found["name"], found["sign"] == "!="
    if name not in KINDS and name != "timezone":
        known = [*KINDS, "timezone"]
        raise ValueError(
            with_hint(
                said(
                    "%(word)s is not a condition: there are %(known)s",
                    word=repr(name),
                    known=", ".join(known),
                ),
                _near_miss(name, known),
            )
        )
    if name == "timezone":
        return Condition(name, _timezone(found["values"], negated=negated))
    try:
        values = [KINDS[name].read(value) for value in _values(found["values"])]
    except ValueError as problem:
        raise ValueError(
            said("%(word)s: %(problem)s", word=repr(word), problem=sentence_of(problem))
        ) from None
    return Condition(name, tuple(dict.fromkeys(values)), negated)


def _values(text: str) -> Iterator[str]:
    """The values between the commas, without their quotation marks."""
    place = 0
    while True:
        found = _VALUE.match(text, place)
        if found is None:
            raise ValueError(said("a value is missing, or there is an extra quotation mark"))
        quoted = found["quoted"]
        value = found["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if not value.strip():
            raise ValueError(said("a value must not be empty"))
        yield value
        if found.end() == len(text):
            return
        if text[found.end()] != ",":
            raise ValueError(
                said("values are separated by commas; quotation marks enclose a whole value")
            )
        place = found.end() + 1


def _in_order(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """The conditions in the order of the table. Raises ValueError for a duplicate."""
    given = list(conditions)
    kept = {(each.name, each.negated): each for each in given}
    if len(kept) < len(given):
        twice = next(each for each in given if kept[each.name, each.negated] is not each)
        raise ValueError(
            said(
                "%(word)s: there is another %(name)s condition; separate the values with commas",
                word=repr(str(twice)),
                name=twice.name,
            )
        )
    order = [(name, negated) for name in KINDS for negated in (False, True)]
    return tuple(kept[place] for place in order if place in kept)


def _timezone(text: str, *, negated: bool) -> tuple[str]:
    if negated:
        raise ValueError(
            said("'timezone!=' is not a condition: it sets the time zone of days and hours")
        )
    zone_of(text)
    return (text,)


def _zone_name(zones: list[Condition], conditions: tuple[Condition, ...], default: str) -> str:
    if len(zones) > 1:
        raise ValueError(said("%(word)s: a rule has only one time zone", word=repr(str(zones[1]))))
    if zones and not tells_time(conditions):
        raise ValueError(
            said("%(word)s has no effect without days or hours", word=repr(str(zones[0])))
        )
    if not tells_time(conditions):
        return "UTC"
    return zones[0].values[0] if zones else default


def _near_miss(word: str, known: Sequence[str]) -> str:
    """The word that may have been meant; empty without one."""
    close = get_close_matches(word.lower(), known, 1, 0.6)
    return close[0] if close else ""
