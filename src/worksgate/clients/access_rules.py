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

Nothing here reads a clock or a network; the time is part of the situation.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from unicodedata import normalize
from zoneinfo import ZoneInfo

from worksgate.catalogues import sentence_of
from worksgate.clients.sentences import said
from worksgate.limits.networks import is_within
from worksgate.oauth.model import LoginKind, SecondFactor

MAX_RULES = 50
MAX_LENGTH = 1_000
"""Maximum length of a rule in characters."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL_ADDRESSES = ("0.0.0.0/0", "::/0")
_WORD = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\["\\])*")+')
_VALUE = re.compile(r'"(?P<quoted>(?:[^"\\]|\\["\\])*)"|(?P<plain>[^",]+)')
_CONDITION = re.compile(r"(?P<name>[^=!\s\"]+)(?P<sign>!?=)(?P<values>.*)", re.DOTALL)
_RANGE_OF_HOURS = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")


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


_REQUIREMENTS: Mapping[str, Action] = {
    "factor": Action.REQUIRE,
    "passkey": Action.REQUIRE_PASSKEY,
}
"""The words that can follow ``require``."""

_WITHOUT_A_RULE: Mapping[SecondFactor, Action] = {
    SecondFactor.OFF: Action.ALLOW,
    SecondFactor.ALLOWED: Action.ASK,
    SecondFactor.REQUIRED: Action.REQUIRE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A sign-in to decide about; ``at`` is in seconds since the epoch.

    ``address`` is empty if unknown. ``groups`` and ``source`` are None until the person is known.
    """

    kind: LoginKind
    address: str
    at: float
    groups: tuple[str, ...] | None = None
    source: str | None = None


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
        if _tells_time(self.conditions):
            words.append(f"timezone={self.timezone}")
        return " ".join(words)


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
    if len(text) > MAX_LENGTH:
        raise ValueError(said("a rule has at most %(most)s characters", most=MAX_LENGTH))
    if not text.isprintable():
        raise ValueError(said("a rule is one line of printable characters"))
    action, words = _action(_words(text))
    conditions = [_condition(word) for word in words]
    zones = [each for each in conditions if each.name == "timezone"]
    kept = _in_order(each for each in conditions if each.name != "timezone")
    return Rule(action, kept, _zone_name(zones, kept, timezone))


# Parsing


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
                _with_hint(
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
        _with_hint(
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
    if name not in _KINDS and name != "timezone":
        known = [*_KINDS, "timezone"]
        raise ValueError(
            _with_hint(
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
        values = [_KINDS[name].read(value) for value in _values(found["values"])]
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
    order = [(name, negated) for name in _KINDS for negated in (False, True)]
    return tuple(kept[place] for place in order if place in kept)


def _timezone(text: str, *, negated: bool) -> tuple[str]:
    if negated:
        raise ValueError(
            said("'timezone!=' is not a condition: it sets the time zone of days and hours")
        )
    _zone(text)
    return (text,)


def _zone_name(zones: list[Condition], conditions: tuple[Condition, ...], default: str) -> str:
    if len(zones) > 1:
        raise ValueError(said("%(word)s: a rule has only one time zone", word=repr(str(zones[1]))))
    if zones and not _tells_time(conditions):
        raise ValueError(
            said("%(word)s has no effect without days or hours", word=repr(str(zones[0])))
        )
    if not _tells_time(conditions):
        return "UTC"
    return zones[0].values[0] if zones else default


def _tells_time(conditions: Iterable[Condition]) -> bool:
    return any(each.name in ("days", "hours") for each in conditions)


def _zone(name: str) -> tzinfo:
    """Raises ValueError if this machine does not know the time zone."""
    if name == "UTC":
        return UTC
    if re.fullmatch(r"[A-Za-z0-9_+/-]{1,64}", name):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # OSError: "Asia" is a folder
            pass
    raise ValueError(
        said(
            "'timezone=%(name)s': there is no time zone of that name, such as Asia/Tokyo", name=name
        )
    )


def _near_miss(word: str, known: Sequence[str]) -> str:
    """The word that may have been meant; empty without one."""
    close = get_close_matches(word.lower(), known, 1, 0.6)
    return close[0] if close else ""


def _with_hint(problem: str, meant: str) -> str:
    if not meant:
        return problem
    return said("%(problem)s; did you mean %(word)s?", problem=problem, word=meant)


def _quoted(value: str) -> str:
    if not re.search(r'[\s",\\]', value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# Matching


def _explained(rule: Rule, situation: Situation) -> Explanation:
    """All reasons if the rule matches, else those why it does not, or is undecided."""
    now = datetime.fromtimestamp(situation.at, _zone(rule.timezone))
    answers = [_answer(each, rule.action, situation, now) for each in rule.conditions]
    fits = _all(holds for holds, _ in answers)
    reasons = tuple(reason for holds, reason in answers if holds is fits)
    return Explanation(rule, fits, reasons or ("it has no conditions",))


def _all(answers: Iterable[bool | None]) -> bool | None:
    """Whether all hold: False if one does not, else None if one is undecided."""
    found = set(answers)
    if False in found:
        return False
    return None if None in found else True


def _answer(
    condition: Condition, action: Action, situation: Situation, now: datetime
) -> tuple[bool | None, str]:
    """Whether a condition holds, and a sentence that says so; None if still unknown."""
    kind = _KINDS[condition.name]
    if kind.is_unknown(situation):
        return None, f"the {condition.name} is unknown until the person is"
    listed = " or ".join(condition.values)
    if condition.name == "network" and not is_within(situation.address, _ALL_ADDRESSES):
        holds = action is not Action.ALLOW
        return holds, "the address is unknown, which never grants access"
    is_one = any(kind.fits(value, situation, now) for value in condition.values)
    verb = "is" if is_one else "is not"
    reason = f"{kind.describe(situation, now)} {verb} {kind.preposition}{listed}"
    return is_one is not condition.negated, reason


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of condition: how a value is parsed, when it holds, and how it is described."""

    read: Callable[[str], str]
    fits: Callable[[str, Situation, datetime], bool]
    describe: Callable[[Situation, datetime], str]
    preposition: str = ""
    is_unknown: Callable[[Situation], bool] = lambda _: False


def _read_kind(value: str) -> str:
    if value not in set(LoginKind):
        raise ValueError(
            said("%(value)s is not one of %(known)s", value=repr(value), known=", ".join(LoginKind))
        )
    return value


def _read_network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(_not_a_network(value)) from None
    mapped = network.network_address
    if isinstance(mapped, ipaddress.IPv6Address) and mapped.ipv4_mapped and network.prefixlen >= 96:
        return str(ipaddress.ip_network((mapped.ipv4_mapped, network.prefixlen - 96)))
    return str(network)


def _not_a_network(value: str) -> str:
    try:
        meant = str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return said(
            "%(value)s is not a network such as 192.0.2.0/24 or 2001:db8::/32", value=repr(value)
        )
    return _with_hint(said("%(value)s is not a network", value=repr(value)), meant)


def _read_group(value: str) -> str:
    return value


def _read_source(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", value):
        raise ValueError(said("%(value)s is not a valid name of a source", value=repr(value)))
    return value


def _read_days(value: str) -> str:
    first, dash, last = value.lower().partition("-")
    if first not in _DAYS or (dash and last not in _DAYS):
        raise ValueError(
            said(
                "%(value)s is neither a day such as mon nor a range such as mon-fri",
                value=repr(value),
            )
        )
    return f"{first}-{last}" if dash and first != last else first


def _read_hours(value: str) -> str:
    found = _RANGE_OF_HOURS.fullmatch(value)
    if found is None or any(minutes > 1_440 for minutes in _minutes(value)):
        raise ValueError(
            said("%(value)s is not a range of hours such as 08:00-18:00", value=repr(value))
        )
    begin, end = _minutes(value)
    if begin == end or begin == 1_440:
        raise ValueError(
            said(
                "%(value)s lacks a beginning or an end; 00:00-24:00 is the whole day",
                value=repr(value),
            )
        )
    return value


def _minutes(hours: str) -> tuple[int, int]:
    begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in hours.split("-"))
    return begin, end


def _fits_days(value: str, _situation: Situation, now: datetime) -> bool:
    first, _, last = value.partition("-")
    length = (_DAYS.index(last or first) - _DAYS.index(first)) % 7
    return (now.weekday() - _DAYS.index(first)) % 7 <= length


def _fits_hours(value: str, _situation: Situation, now: datetime) -> bool:
    begin, end = _minutes(value)
    minute = now.hour * 60 + now.minute
    if begin < end:
        return begin <= minute < end
    return minute >= begin or minute < end


def _fits_group(value: str, situation: Situation, _now: datetime) -> bool:
    return _folded(value) in map(_folded, situation.groups or ())


def _folded(group: str) -> str:
    return normalize("NFC", normalize("NFC", group).casefold())


def _describe_groups(situation: Situation, _now: datetime) -> str:
    return f"the person (groups: {', '.join(situation.groups or ()) or 'none'})"


def _describe_day(_situation: Situation, now: datetime) -> str:
    return f"the day ({_DAYS[now.weekday()]}, {now.tzinfo})"


def _describe_hour(_situation: Situation, now: datetime) -> str:
    return f"the time ({now:%H:%M}, {now.tzinfo})"


_KINDS: Mapping[str, _Kind] = {
    "kind": _Kind(
        _read_kind,
        lambda value, situation, _: value == situation.kind,
        lambda situation, _: f"the kind ({situation.kind})",
    ),
    "network": _Kind(
        _read_network,
        lambda value, situation, _: is_within(situation.address, (value,)),
        lambda situation, _: f"the address ({situation.address})",
        "in ",
    ),
    "group": _Kind(
        _read_group,
        _fits_group,
        _describe_groups,
        "in ",
        lambda situation: situation.groups is None,
    ),
    "source": _Kind(
        _read_source,
        lambda value, situation, _: value == situation.source,
        lambda situation, _: f"the source ({situation.source})",
        is_unknown=lambda situation: situation.source is None,
    ),
    "days": _Kind(_read_days, _fits_days, _describe_day, "in "),
    "hours": _Kind(_read_hours, _fits_hours, _describe_hour, "in "),
}
