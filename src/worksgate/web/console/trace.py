"""“Why can’t she get in?”: the trace of a person, a reference, an address or a time, as a page."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from ipaddress import ip_address, ip_network
from typing import Self

from starlette.responses import Response

from worksgate.administration.roles import Role, Verb, may
from worksgate.administration.sign_in_trace import Ambiguous, Speaker, Trace, wording
from worksgate.administration.sign_in_trace.gates import Gate, GateState
from worksgate.administration.sign_in_trace.say import Text
from worksgate.administration.sign_in_trace.tries import Passage, Step, Try
from worksgate.web.console.visit import Visit

LONGEST = 200
"""Characters of a question."""


@dataclass(frozen=True, slots=True)
class ShownGate:
    """A gate in words; ``state`` is open, shut or unknown."""

    state: str
    name: str
    note: str
    is_after: bool
    """Whether it comes after the first gate that is shut."""


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step of a try in words; ``state`` is passed, stopped or not_reached."""

    state: str
    name: str
    note: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTry:
    """A sign-in in words."""

    at: float
    summary: str
    about: str
    succeeded: bool
    steps: tuple[ShownStep, ...]
    may_lack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTrace:
    """A trace in the language of the administrator, with no more addresses than they may see."""

    subject_id: str | None
    sentence: str
    now: str
    next: str
    command: str
    gates: tuple[ShownGate, ...]
    tries: tuple[ShownTry, ...]
    hand_on: str

    @classmethod
    def of(cls, trace: Trace, speaker: Speaker, role: Role | None) -> Self:
        verdict, facts = trace.verdict, trace.facts
        return cls(
            subject_id=None if facts.person is None else facts.person.person.subject_id,
            sentence=speaker.say(verdict.sentence),
            now="" if verdict.now is None else speaker.say(verdict.now),
            next=speaker.say(Text(wording.ACTIONS[verdict.next.action])),
            # Whoever has a shell on the server has it; others would only learn addresses from it.
            command=(verdict.next.command or "") if may(role, Verb.CHANGE_CLIENTS) else "",
            gates=_gates(verdict.gates, speaker),
            tries=tuple(
                _try(each, speaker.say(summary), speaker, role)
                for each, summary in zip(facts.tries, verdict.summaries, strict=True)
            ),
            hand_on=verdict.to_hand_on(speaker),
        )


async def show(visit: Visit) -> Response:
    """The trace of whatever was typed; of one person it is on their page."""
    asked = visit.query.get("q", "").strip()[:LONGEST]
    if not asked:
        return visit.page("trace.html", asked="", trace=None)
    try:
        shown = await trace_of(visit, asked)
    except Ambiguous:
        return visit.to("/people", q=asked)
    if shown.subject_id is not None:
        return visit.to("/person", id=shown.subject_id)
    return visit.page("trace.html", asked=asked, trace=shown)


async def trace_of(visit: Visit, asked: str) -> ShownTrace:
    """The trace in the language of the page. Raises Ambiguous."""
    zone = local_zone()
    trace = await visit.administration.sign_in_trace.of(asked, zone=zone)
    return ShownTrace.of(trace, Speaker(visit.words.language, zone, visit.now), visit.role)


def local_zone() -> tzinfo:
    """The zone of this machine, in which the console says all times."""
    return datetime.now(UTC).astimezone().tzinfo or UTC


def _gates(gates: tuple[Gate, ...], speaker: Speaker) -> tuple[ShownGate, ...]:
    shown, is_after = [], False
    for gate in gates:
        is_after |= gate.state is GateState.SHUT
        name = speaker.say(Text(wording.GATES[gate.name]))
        shown.append(ShownGate(str(gate.state), name, speaker.say(gate.note), is_after))
    return tuple(shown)


def _try(each: Try, summary: str, speaker: Speaker, role: Role | None) -> ShownTry:
    address = each.address
    if address and role is Role.HELP_DESK:
        address = _network_of(address)
    mail = speaker.say(Text(wording.MAIL_PROGRAM)) if each.is_mail else None
    about = (each.reference, each.username, each.browser, mail, address)
    return ShownTry(
        at=each.at,
        summary=summary,
        about=" · ".join(filter(None, about)),
        succeeded=each.succeeded,
        steps=tuple(_step(step, speaker) for step in each.steps),
        may_lack=speaker.say(Text(wording.MAY_LACK)) if each.may_lack else "",
    )


def _network_of(address: str) -> str:
    """As much of an address as the help desk needs: whether it is the office's."""
    try:
        bits = 24 if ip_address(address).version == 4 else 48
    except ValueError:
        return ""
    return str(ip_network((address, bits), strict=False))


def _step(step: Step, speaker: Speaker) -> ShownStep:
    notes = (
        []
        if step.passage is Passage.PASSED
        else [speaker.say(Text(wording.PASSAGES[step.passage]))]
    )
    if step.failures > 1:
        notes.append(speaker.say(Text(wording.FAILED_TIMES, {"times": step.failures})))
    if step.is_probable:
        notes.append(speaker.say(Text(wording.PROBABLE)))
    if step.detail:
        notes.append(step.detail)
    times = []
    if step.at is not None:
        times.append(datetime.fromtimestamp(step.at, speaker.zone).strftime("%H:%M:%S"))
    if step.elapsed_ms is not None:
        times.append(f"{step.elapsed_ms:.0f} ms")
    return ShownStep(
        str(step.passage),
        speaker.say(Text(wording.STAGES[step.stage])),
        ", ".join(notes),
        " · ".join(times),
    )
