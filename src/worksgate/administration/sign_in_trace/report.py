"""A trace in the words of one language: what a page shows and the command line prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from worksgate.administration.sign_in_trace import sentences
from worksgate.administration.sign_in_trace.facts import Facts
from worksgate.administration.sign_in_trace.gates import Gate, GateState
from worksgate.administration.sign_in_trace.localized import Speaker, Text
from worksgate.administration.sign_in_trace.tries import Passage, Step, Try
from worksgate.administration.sign_in_trace.verdict import Verdict
from worksgate.moments import in_zone


@dataclass(frozen=True, slots=True)
class SpokenGate:
    """A gate: its state, name and note."""

    state: GateState
    name: str
    note: str

    @classmethod
    def of(cls, gate: Gate, speaker: Speaker) -> Self:
        name = speaker.say(Text(sentences.GATES[gate.name]))
        return cls(gate.state, name, speaker.say(gate.note))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenStep:
    """A step of a sign-in. ``times`` are when it was and how long it took, as far as is known.

    ``detail`` is what its record says, in English.
    """

    state: Passage
    name: str
    passage: str
    times: tuple[str, ...]
    notes: tuple[str, ...]
    detail: str

    @classmethod
    def of(cls, step: Step, speaker: Speaker) -> Self:
        times, notes = [], []
        if step.at is not None:
            times.append(f"{in_zone(step.at, speaker.zone):%H:%M:%S}")
        if step.elapsed_ms is not None:
            times.append(f"{step.elapsed_ms:.0f} ms")
        # Where a sign-in stopped, one failure goes without saying.
        if step.failures > int(step.passage is Passage.STOPPED):
            notes.append(speaker.say(Text(sentences.FAILED_TIMES, {"times": step.failures})))
        if step.is_probable:
            notes.append(speaker.say(Text(sentences.PROBABLE)))
        return cls(
            state=step.passage,
            name=speaker.say(Text(sentences.STAGES[step.stage])),
            passage=speaker.say(Text(sentences.PASSAGES[step.passage])),
            times=tuple(times),
            notes=tuple(notes),
            detail=step.detail or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenTry:
    """A sign-in. ``about`` is by what it was, without the browser and the address."""

    at: float
    summary: str
    about: tuple[str, ...]
    browser: str | None
    address: str | None
    succeeded: bool
    steps: tuple[SpokenStep, ...]
    may_lack: str

    @property
    def reached_line_works(self) -> bool:
        """Whether all that happens here did: what LINE WORKS made of it is not known."""
        return self.steps[-1].state is Passage.PASSED

    @classmethod
    def of(cls, each: Try, summary: Text, speaker: Speaker) -> Self:
        mail = speaker.say(Text(sentences.MAIL_PROGRAM)) if each.is_mail else None
        trial = speaker.say(Text(sentences.TRIAL)) if each.is_trial else None
        about: Sequence[str | None] = (each.reference, each.username, mail, trial)
        return cls(
            at=each.at,
            summary=speaker.say(summary),
            about=tuple(filter(None, about)),
            browser=each.browser,
            address=each.address,
            succeeded=each.succeeded,
            steps=tuple(SpokenStep.of(step, speaker) for step in each.steps),
            may_lack=speaker.say(Text(sentences.MAY_LACK)) if each.may_lack else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenTrace:
    """All of a trace; ``hand_on`` is the text for a ticket."""

    sentence: str
    now: str
    next: str
    command: str
    gates: tuple[SpokenGate, ...]
    tries: tuple[SpokenTry, ...]
    hand_on: str

    @classmethod
    def of(cls, facts: Facts, verdict: Verdict, speaker: Speaker) -> Self:
        return cls(
            sentence=speaker.say(verdict.sentence),
            now="" if verdict.now is None else speaker.say(verdict.now),
            next=speaker.say(Text(sentences.ACTIONS[verdict.next.action])),
            command=verdict.next.command or "",
            gates=tuple(SpokenGate.of(gate, speaker) for gate in verdict.gates),
            tries=tuple(
                SpokenTry.of(each, summary, speaker)
                for each, summary in zip(facts.tries, verdict.summaries, strict=True)
            ),
            hand_on=verdict.to_hand_on(speaker),
        )
