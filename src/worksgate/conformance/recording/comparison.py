"""What is different between the recorded answer and that of the target, and the report."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from worksgate.conformance.recording.calls import Answer, Call
from worksgate.conformance.recording.observed import Kind
from worksgate.conformance.recording.plans import Reason

LINE_WORKS_WAITS: Final = 3.0
"""Seconds after which LINE WORKS gives up a call of its servers."""
_PATIENT: Final = (Kind.LOGIN, Kind.LOGOUT)
"""A browser waits longer."""
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is different; calls that differ in the same way have equal ones."""

    kind: Kind
    what: str
    recorded: str
    now: str


def differences(call: Call, answer: Answer, seconds: float) -> Iterator[Difference]:
    """All differences between what was recorded and what the target answered."""
    before = call.answer
    for what, recorded, now in (
        ("status", before.status, answer.status),
        ("content type", before.content, answer.content),
        ("redirect", before.goes_to, answer.goes_to),
        ("no-store", before.is_uncached, answer.is_uncached),
        *_pairs("type of", before.members, answer.members),
        *_pairs("value of", before.values, answer.values),
    ):
        if recorded != now:
            yield Difference(call.kind, what, _shown(recorded), _shown(now))
    if call.kind not in _PATIENT and seconds > LINE_WORKS_WAITS >= call.seconds:
        yield Difference(call.kind, "time", "in time", "too late for LINE WORKS")


def _pairs(what: str, before: Any, after: Any) -> Iterator[tuple[str, object, object]]:
    for name in dict.fromkeys((*before, *after)):
        yield f"{what} {name}", before.get(name), after.get(name)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@dataclass(slots=True)
class Times:
    """How long answers of one kind took, in seconds, recorded and now."""

    recorded: list[float] = field(default_factory=list)
    now: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """The outcome of a replay: every call is the same, different or not replayed.

    Sign-ins are no calls: they are re-enacted to earn codes, so they are neither.
    """

    calls: int = 0
    same: int = 0
    different: int = 0
    not_replayed: Counter[Reason] = field(default_factory=Counter)
    differences: Counter[Difference] = field(default_factory=Counter)
    lines: dict[Difference, list[str]] = field(default_factory=dict)
    times: dict[Kind, Times] = field(default_factory=dict)
    sign_ins: int = 0
    failed_sign_ins: Counter[str] = field(default_factory=Counter)
    people: int = 0
    seconds: float = 0.0
    recorded_seconds: float = 0.0
    is_whole: bool = True
    dropped: int = 0

    @property
    def is_same(self) -> bool:
        """Whether something was replayed, and nothing was different."""
        return bool(self.same) and not self.different and not self.failed_sign_ins

    def note(self, call: Call, answer: Answer, seconds: float) -> None:
        """Add the answer to a call."""
        found = tuple(differences(call, answer, seconds))
        if answer.status is not None:
            times = self.times.setdefault(call.kind, Times())
            times.recorded.append(call.seconds)
            times.now.append(seconds)
        self._count(call, found)

    def note_silence(self, call: Call, why: str) -> None:
        """Add that the target did not answer a call."""
        recorded = _shown(call.answer.status)
        self._count(call, (Difference(call.kind, "status", recorded, f"no answer ({why})"),))

    def _count(self, call: Call, found: Sequence[Difference]) -> None:
        if not found:
            self.same += 1
            return
        self.different += 1
        for each in found:
            self.differences[each] += 1
            lines = self.lines.setdefault(each, [])
            if len(lines) < _EXAMPLES:
                lines.append(call.place)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them is; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
