"""What must hold for a sign-in, in its order, as it is now; no password is tried."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from worksgate.administration.sign_in_trace import sentences
from worksgate.administration.sign_in_trace.facts import (
    Facts,
    KeyState,
    LineWorksAnswer,
    SourceState,
)
from worksgate.administration.sign_in_trace.localized import At, Text
from worksgate.clients.access_rules import Action as RuleAction
from worksgate.clients.access_rules import Decision
from worksgate.oauth.model import UserKey


class GateName(StrEnum):
    """The gates, in the order in which a sign-in passes them."""

    CLIENT = auto()
    SOURCE = auto()
    KNOWN = auto()
    ENABLED = auto()
    NOT_WAITING = auto()
    PASSWORD = auto()
    FACTOR = auto()
    RULES = auto()
    USER_KEY = auto()
    SAME_KEY = auto()
    WORKS_ACCOUNT = auto()


class GateState(StrEnum):
    """Whether a gate lets the person through."""

    OPEN = auto()
    SHUT = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate, its state, and a short note."""

    name: GateName
    state: GateState
    note: Text


def gates_of(facts: Facts) -> tuple[Gate, ...]:
    """All gates, in order."""
    found = {
        GateName.CLIENT: _client(facts),
        GateName.SOURCE: _source(facts),
        GateName.KNOWN: _known(facts),
        GateName.ENABLED: _enabled(facts),
        GateName.NOT_WAITING: _not_waiting(facts),
        GateName.PASSWORD: _password(facts),
        GateName.FACTOR: _factor(facts),
        GateName.RULES: _rules(facts),
        GateName.USER_KEY: _user_key(facts),
        GateName.SAME_KEY: _same_key(facts),
        GateName.WORKS_ACCOUNT: _works_account(facts),
    }
    return tuple(Gate(name, *found[name]) for name in GateName)


_Found = tuple[GateState, Text]


def _open(english: str, **values: str | int | At) -> _Found:
    return GateState.OPEN, Text(english, values)


def _shut(english: str, **values: str | int | At | Text) -> _Found:
    return GateState.SHUT, Text(english, values)


def _unknown(english: str, **values: str) -> _Found:
    return GateState.UNKNOWN, Text(english, values)


def _client(facts: Facts) -> _Found:
    client, person = facts.client, facts.person
    if client is None:
        return _unknown(sentences.NO_CLIENT)
    if not client.enabled:
        return _shut(sentences.CLIENT_OFF, client=client.name)
    if person is not None and not client.takes(person.source):
        return _shut(sentences.CLIENT_WITHOUT_SOURCE, client=client.name, source=person.source)
    return _open("%(client)s", client=client.name)


def _source(facts: Facts) -> _Found:
    if facts.person is None:
        return _unknown(sentences.NOT_ASKED)
    answer = facts.source
    match answer.state:
        case SourceState.DOWN:
            return _shut(sentences.SOURCE_DOWN, source=facts.person.source)
        case SourceState.CANNOT_BE_ASKED:
            return _unknown(sentences.CANNOT_BE_ASKED)
        case SourceState.UNKNOWN:
            return _unknown(sentences.NOT_ASKED)
        case _:
            return _open("%(ms)s ms", ms=round(answer.took_ms or 0))


def _known(facts: Facts) -> _Found:
    if facts.person is None and facts.elsewhere:
        return _unknown(sentences.UNKNOWN_SO_FAR, sources=", ".join(facts.elsewhere))
    if facts.person is None:
        return _shut(sentences.UNKNOWN_HERE)
    return _open(sentences.KNOWN_SINCE, time=At(facts.person.known_since))


def _enabled(facts: Facts) -> _Found:
    person = facts.person
    if person is None:
        return _unknown(sentences.NOT_ASKED)
    if not person.enabled:
        changed = person.changed_by
        if changed is None or changed.actor is None:
            return _shut(sentences.DISABLED_HERE)
        actor = changed.actor.removeprefix("console:")
        return _shut(sentences.DISABLED_BY, actor=actor, time=At(changed.at))
    if facts.source.state is SourceState.GONE:
        return _shut(sentences.GONE, source=person.source)
    if facts.source.state is SourceState.DOWN:
        return _unknown(sentences.ENABLED_HERE)
    return _open(sentences.ENABLED_HERE)


def _not_waiting(facts: Facts) -> _Found:
    if not facts.is_waiting_known:
        return _unknown(sentences.NOT_ASKED)
    if facts.waiting is None:
        return _open(sentences.FREE)
    return _shut(sentences.FREE_AT, time=At(facts.waiting.until))


def _password(facts: Facts) -> _Found:
    person = facts.person
    if person is None:
        return _unknown(sentences.NOT_ASKED)
    if person.has_password is None:
        return _unknown(sentences.KEPT_BY_SOURCE)
    if not person.has_password:
        return _shut(sentences.NO_PASSWORD)
    ends = person.password_expires_at
    if ends is None:
        return _open(sentences.PASSWORD_SET)
    if ends <= facts.now:
        return _shut(sentences.TEMPORARY_OVER, time=At(ends))
    return _open(sentences.TEMPORARY_UNTIL, time=At(ends))


def _factor(facts: Facts) -> _Found:
    decision, enrolled = facts.decision, facts.enrolled
    if decision is None or enrolled is None:
        return _unknown(sentences.NOT_ASKED)
    match decision.action:
        case RuleAction.REQUIRE_PASSKEY if enrolled.passkeys:
            return _open(sentences.HAS_PASSKEY)
        case RuleAction.REQUIRE_PASSKEY if facts.can_add_passkey:
            return _open(sentences.WILL_SET_UP)
        case RuleAction.REQUIRE_PASSKEY:
            return _shut(sentences.NEEDS_PASSKEY)
        case RuleAction.REQUIRE if not enrolled.any:
            return _open(sentences.WILL_SET_UP)
        case _ if enrolled.passkeys:
            return _open(sentences.HAS_PASSKEY)
        case _ if enrolled.totp:
            return _open(sentences.HAS_APP)
        case _:
            return _open(sentences.NOT_NEEDED)


def _rules(facts: Facts) -> _Found:
    decision = facts.decision
    if decision is None:
        return _unknown(sentences.NOT_ASKED)
    if decision.action is not RuleAction.DENY:
        return _open(sentences.NO_RULE_REFUSES)
    if facts.address is None:  # an unknown address is refused to be on the safe side
        return _unknown(sentences.DEPENDS_ON_ADDRESS)
    return _shut(sentences.RULE_REFUSES, rule=rule_of(decision))


def rule_of(decision: Decision) -> str:
    """The rule that decided, as an administrator writes it."""
    return decision.rule.shown if decision.rule is not None else "; ".join(decision.reasons)


def _user_key(facts: Facts) -> _Found:
    key, client = facts.key, facts.client
    if key is None:
        return _unknown(sentences.NOT_ASKED)
    kind = Text(sentences.KEY_KINDS[UserKey.EXTERNAL_KEY if client is None else client.user_key])
    match key.state:
        case KeyState.PRESENT:
            return _open("%(key)s", key=key.value or "")
        case KeyState.MISSING:
            return _shut(sentences.NO_KEY, kind=kind)
        case KeyState.ANOTHERS:
            return _shut(sentences.KEY_ANOTHERS, kind=kind)
        case KeyState.MALFORMED:
            return _shut(sentences.KEY_MALFORMED, kind=kind)


def _same_key(facts: Facts) -> _Found:
    """Whether LINE WORKS takes the key for this person's."""
    matched = facts.there.matched
    if matched is None:
        return _unknown(_WHY_UNKNOWN[facts.there.state])
    by_key, by_account = matched.by_key, matched.by_account
    if by_key is None and by_account is None:
        return _shut(sentences.NOBODY_THERE)
    if by_key is None and by_account is not None:
        if by_account.external_key is None:
            return _shut(sentences.NO_KEY_THERE)
        return _shut(sentences.OTHER_KEY_THERE, key=by_account.external_key)
    if matched.is_split and by_key is not None:
        return _shut(sentences.KEY_OF_OTHER_THERE, account=by_key.account)
    return _open("%(account)s", account=by_key.account if by_key is not None else "")


def _works_account(facts: Facts) -> _Found:
    """Whether LINE WORKS itself keeps the member out whom the key leads to."""
    matched = facts.there.matched
    if matched is None:
        return _unknown(_WHY_UNKNOWN[facts.there.state])
    member = matched.by_key or matched.by_account
    if member is None:
        return _unknown(sentences.NOT_ASKED)
    if member.is_suspended:
        is_locked = member.suspended_reason == "LOGIN_FAIL"
        return _shut(sentences.LOCKED_THERE if is_locked else sentences.SUSPENDED_THERE)
    if member.is_awaiting:
        return _shut(sentences.AWAITING_THERE)
    if member.is_pending:
        return _open(sentences.PENDING_THERE)
    return _open(sentences.ON_LEAVE_THERE if member.is_on_leave else sentences.IN_USE_THERE)


_WHY_UNKNOWN: Mapping[LineWorksAnswer, str] = {
    LineWorksAnswer.NOT_ASKED: sentences.NOT_COMPARED,
    LineWorksAnswer.NOT_SET_UP: sentences.NOT_SET_UP,
    LineWorksAnswer.NO_ANSWER: sentences.NO_ANSWER_THERE,
    LineWorksAnswer.REFUSED: sentences.REFUSED_THERE,
    LineWorksAnswer.ANSWERS: sentences.NOT_ASKED,
}
