"""From facts to an answer: the one sentence, the next step, and the text to hand on."""

from collections.abc import Mapping
from dataclasses import dataclass

from worksgate.administration.sign_in_trace import sentences
from worksgate.administration.sign_in_trace.facts import Facts
from worksgate.administration.sign_in_trace.gates import Gate, GateName, GateState, gates_of
from worksgate.administration.sign_in_trace.localized import (
    At,
    Speaker,
    Text,
    Value,
    without_addresses,
)
from worksgate.administration.sign_in_trace.next_steps import Action, NextStep, next_step
from worksgate.administration.sign_in_trace.outages import SourceOutage
from worksgate.administration.sign_in_trace.question import Kind
from worksgate.administration.sign_in_trace.sentences import Saying
from worksgate.administration.sign_in_trace.tries import Ending, Try
from worksgate.audit import Event, Reason
from worksgate.oauth.model import UserKey
from worksgate.settings.sources.common import BUILT_IN


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why somebody cannot get in, in texts that are not said yet.

    ``now`` is a second sentence: whether what stopped them has been put right, or what would stop
    them besides. ``summaries`` has a sentence for each try.
    """

    sentence: Text
    now: Text | None
    next: NextStep
    gates: tuple[Gate, ...]
    summaries: tuple[Text, ...]
    hand_on: tuple[Text, ...]

    def to_hand_on(self, speaker: Speaker) -> str:
        """The text for a ticket, one sentence on a line, without any address (R-147)."""
        return without_addresses("\n".join(map(speaker.say, self.hand_on)))


def verdict_of(facts: Facts) -> Verdict:
    """The verdict on these facts."""
    gates = gates_of(facts)
    sentence, action = _headline(facts, gates)
    now, action = _now(facts, gates), _action_now(facts, gates, action)
    summaries = tuple(_sentence(each, facts)[0] for each in facts.tries)
    return Verdict(
        sentence=sentence,
        now=now,
        next=next_step(action, facts),
        gates=gates,
        summaries=summaries,
        hand_on=_hand_on(facts, sentence, now, action),
    )


def _headline(facts: Facts, gates: tuple[Gate, ...]) -> tuple[Text, Action]:
    """The one sentence, and what to do."""
    if facts.tries and facts.outage is not None and facts.outage.lasted:
        return _of_outage(facts.outage), Action.TEST_SOURCE
    if facts.tries:
        return _sentence(facts.tries[0], facts)
    names: dict[str, Value] = {"names": ", ".join(facts.others)}
    if facts.others and facts.person is not None:
        return Text(sentences.SIMILAR_NAMES.sentence, names), sentences.SIMILAR_NAMES.action
    shut = _first_shut(gates)
    if shut is not None and facts.person is not None:
        action = _where_it_is_done(_ACTION_OF_GATE[shut.name], facts)
        return Text(sentences.GATE_SHUT, {"gate": _named(shut)}), action
    if facts.others:
        return Text(sentences.OTHER_NAMES.sentence, names), sentences.OTHER_NAMES.action
    if facts.were_pages_opened:
        return Text(sentences.PAGES_ONLY.sentence), sentences.PAGES_ONLY.action
    saying = sentences.ALL_OPEN if facts.question.kind is Kind.PERSON else sentences.NOTHING
    return Text(saying.sentence), saying.action


def _of_outage(outage: SourceOutage) -> Text:
    values: dict[str, Value] = {
        "source": outage.source,
        "since": At(outage.since),
        "until": At(outage.until),
    }
    return Text(sentences.OUTAGE, values)


def _sentence(each: Try, facts: Facts) -> tuple[Text, Action]:
    """What is said of a try, and what to do about it."""
    saying = _saying(each, facts)
    detail = next((step.detail for step in each.steps if step.detail), None)
    kind = UserKey.EXTERNAL_KEY if facts.client is None else facts.client.user_key
    values: dict[str, Value] = {
        "time": At(each.stopped_at),
        "kind": Text(sentences.KEY_KINDS[kind]),
        "detail": detail or str(each.stop if isinstance(each.stop, Ending) else each.stop[0]),
    }
    sentence = Text(saying.sentence, values)
    is_about_call = any(step.is_probable for step in each.steps)
    if is_about_call and each.is_probable:
        sentence = Text(sentences.PROBABLY, {"sentence": sentence})
    return sentence, _where_it_is_done(saying.action, facts)


def _saying(each: Try, facts: Facts) -> Saying:
    is_wrong = each.stop == (Event.LOGIN_FAILED, Reason.WRONG_PASSWORD)
    if is_wrong and each.subject_id is None and each.username in facts.unknown_names:
        return sentences.ENDINGS[Ending.UNKNOWN_NAME]
    return sentences.saying_of(each.stop)


def _where_it_is_done(action: Action, facts: Facts) -> Action:
    """The next step here, or the one at the person's source if that decides."""
    person = facts.person
    if person is None or person.source == BUILT_IN:
        return action
    if action is Action.ENABLE and person.enabled:
        return Action.ENABLE_AT_SOURCE
    return _AT_A_SOURCE.get(action, action)


_AT_A_SOURCE: Mapping[Action, Action] = {
    Action.SEND_RESET_LINK: Action.CHANGE_AT_SOURCE,
    Action.SET_PASSWORD: Action.CHANGE_AT_SOURCE,
}
"""What is done where the password is kept."""

_ACTION_OF_GATE: Mapping[GateName, Action] = {
    GateName.CLIENT: Action.ENABLE_CLIENT,
    GateName.SOURCE: Action.TEST_SOURCE,
    GateName.KNOWN: Action.ASK_NAME,
    GateName.ENABLED: Action.ENABLE,
    GateName.NOT_WAITING: Action.WAIT,
    GateName.PASSWORD: Action.SET_PASSWORD,
    GateName.FACTOR: Action.ADD_PASSKEY,
    GateName.RULES: Action.EXPLAIN_RULES,
    GateName.USER_KEY: Action.SET_KEY,
    GateName.SAME_KEY: Action.COMPARE_AT_LINE_WORKS,
    GateName.WORKS_ACCOUNT: Action.COMPARE_AT_LINE_WORKS,
}

_GATE_OF: Mapping[Reason, GateName] = {
    Reason.DISABLED: GateName.ENABLED,
    Reason.SOURCE_UNAVAILABLE: GateName.SOURCE,
    Reason.SOURCE_NOT_ALLOWED: GateName.CLIENT,
    Reason.CLIENT_DISABLED: GateName.CLIENT,
    Reason.UNKNOWN_CLIENT: GateName.CLIENT,
    Reason.TEMPORARY_EXPIRED: GateName.PASSWORD,
    Reason.WAITING: GateName.NOT_WAITING,
    Reason.WAITING_NETWORK: GateName.NOT_WAITING,
    Reason.WAITING_STRANGERS: GateName.NOT_WAITING,
    Reason.RULE: GateName.RULES,
    Reason.NO_USER_KEY: GateName.USER_KEY,
    Reason.KEY_OF_ANOTHER: GateName.USER_KEY,
}
"""The gate at which a refusal would be repeated: if it is open now, that has been put right."""


def _now(facts: Facts, gates: tuple[Gate, ...]) -> Text | None:
    """Whether the last try would go otherwise now."""
    shut = _first_shut(gates)
    if not facts.tries:
        is_besides = shut is not None and facts.person is not None and bool(facts.others)
        return Text(sentences.ALSO_SHUT, {"gate": _named(shut)}) if shut and is_besides else None
    if shut is not None:
        is_said = _gate_of_last_try(facts) is shut.name or facts.person is None
        return None if is_said else Text(sentences.ALSO_SHUT, {"gate": _named(shut)})
    return Text(sentences.NOW_RIGHT) if _is_open_now(facts, gates) else None


def _action_now(facts: Facts, gates: tuple[Gate, ...], action: Action) -> Action:
    """What to do about the last try, unless what stopped it is gone: then what helps now."""
    shut, is_open = _first_shut(gates), _is_open_now(facts, gates)
    is_gone = is_open or (bool(facts.tries) and facts.tries[0].succeeded)
    if shut is not None and facts.person is not None and is_gone:
        return _where_it_is_done(_ACTION_OF_GATE[shut.name], facts)
    is_done = is_open and action in (Action.SET_KEY, Action.RELEASE_KEY, Action.ENABLE)
    return Action.TRY_AGAIN if is_done and shut is None else action


def _is_open_now(facts: Facts, gates: tuple[Gate, ...]) -> bool:
    """Whether the gate that stopped the last try is open."""
    gate = _gate_of_last_try(facts)
    return any(each.name is gate and each.state is GateState.OPEN for each in gates)


def _gate_of_last_try(facts: Facts) -> GateName | None:
    stop = facts.tries[0].stop if facts.tries else None
    reason = None if stop is None or isinstance(stop, Ending) else stop[1]
    return None if reason is None else _GATE_OF.get(reason)


def _first_shut(gates: tuple[Gate, ...]) -> Gate | None:
    return next((each for each in gates if each.state is GateState.SHUT), None)


def _named(gate: Gate) -> Text:
    return Text(sentences.NAMED, {"name": Text(sentences.GATES[gate.name]), "note": gate.note})


def _hand_on(facts: Facts, sentence: Text, now: Text | None, action: Action) -> tuple[Text, ...]:
    """Who, why, what next, and the reference."""
    is_right = now is not None and now.english == sentences.NOW_RIGHT
    lines = [sentence, *([now] if now and is_right else []), Text(sentences.ACTIONS[action])]
    if facts.person is not None and not is_right and not (facts.tries and facts.tries[0].succeeded):
        name = facts.person.person.username
        lines.insert(0, Text(sentences.CANNOT_GET_IN, {"name": name}))
    if facts.tries and (reference := facts.tries[0].reference):
        lines.append(Text(sentences.REFERENCE, {"reference": reference}))
    return tuple(lines)
