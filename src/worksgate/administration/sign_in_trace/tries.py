"""Records of sign-ins, grouped by sign-in: which steps it took, and where it stopped."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto

from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.references import reference_of

JOINED_WITHIN = 10.0
"""Seconds around a code in which a refused call of its client is probably about it."""


class Stage(StrEnum):
    """The steps of a sign-in, in order. What LINE WORKS does with the user key is never known."""

    PAGE = auto()
    PASSWORD = auto()
    FACTOR = auto()
    CODE = auto()
    TOKEN = auto()
    USER_INFO = auto()


class Passage(StrEnum):
    """Whether a step was passed."""

    PASSED = auto()
    STOPPED = auto()
    NOT_REACHED = auto()
    NOT_NEEDED = auto()
    """The sign-in went on without it, such as without a second factor."""


class Ending(StrEnum):
    """How a sign-in ended without a record of a refusal."""

    DONE = auto()
    """LINE WORKS has fetched the user key."""
    OWN_ACCOUNT = auto()
    MAIL_DONE = auto()
    NO_CALL = auto()
    """The code was issued, and nobody came for it."""
    NO_USER_INFO = auto()
    IN_PROGRESS = auto()
    UNKNOWN_NAME = auto()
    """A name was typed that nobody has here."""


Stop = tuple[Event, Reason | None] | Ending
"""Why it ended there: a record, or an ending without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; ``failures`` is how often it failed, ``elapsed_ms`` the time of its request."""

    stage: Stage
    passage: Passage = Passage.NOT_REACHED
    at: float | None = None
    elapsed_ms: float | None = None
    failures: int = 0
    detail: str | None = None
    is_probable: bool = False
    """Whether its record was found by client and time: it has no ID of a sign-in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One sign-in: ``login_id`` is its ID, ``at`` the time of its last record but those of calls.

    ``may_lack`` is whether records of that minute were counted and not kept one by one.
    """

    login_id: str
    at: float
    stop: Stop
    steps: tuple[Step, ...]
    stopped_at: float
    client_id: str | None = None
    subject_id: str | None = None
    username: str | None = None
    address: str | None = None
    browser: str | None = None
    is_mail: bool = False
    is_trial: bool = False
    """Whether the setup wizard's trial played LINE WORKS, as far as its times and name tell."""
    is_probable: bool = False
    may_lack: bool = False

    @property
    def reference(self) -> str | None:
        """What the person can read on an error page."""
        return reference_of(self.login_id)

    @property
    def was_throttled(self) -> bool:
        """Whether it ended since too many passwords had been wrong."""
        return isinstance(self.stop, tuple) and self.stop[0] is Event.LOGIN_THROTTLED

    @property
    def succeeded(self) -> bool:
        """Whether everything was right here."""
        return self.stop in (Ending.DONE, Ending.OWN_ACCOUNT, Ending.MAIL_DONE)


_PASSED: Mapping[Event, Stage] = {
    Event.LOGIN_REQUESTED: Stage.PAGE,
    Event.LOGIN_STEP_DUE: Stage.PASSWORD,
    Event.PASSWORD_CHANGED: Stage.FACTOR,
    Event.FACTOR_USED: Stage.FACTOR,
    Event.FACTOR_ADDED: Stage.FACTOR,
    Event.LOGIN_SUCCEEDED: Stage.PASSWORD,
    Event.IMAP_SUCCEEDED: Stage.PASSWORD,
    Event.CODE_ISSUED: Stage.CODE,
    Event.CODE_REDEEMED: Stage.TOKEN,
    Event.TOKEN_REFRESHED: Stage.TOKEN,
    Event.USER_INFO_RETURNED: Stage.USER_INFO,
}
_FAILED: Mapping[Event, Stage] = {
    Event.SESSION_KEY_REFUSED: Stage.PAGE,
    Event.LOGIN_FAILED: Stage.PASSWORD,
    Event.LOGIN_THROTTLED: Stage.PASSWORD,
    Event.IMAP_FAILED: Stage.PASSWORD,
    Event.IMAP_REFUSED: Stage.PASSWORD,
    Event.FACTOR_FAILED: Stage.FACTOR,
    Event.CLIENT_REFUSED: Stage.TOKEN,
    Event.CODE_REFUSED: Stage.TOKEN,
    Event.CODE_REPLAYED: Stage.TOKEN,
    Event.USER_INFO_REFUSED: Stage.USER_INFO,
}
_AT_THE_END = (
    *(Reason.NO_USER_KEY, Reason.KEY_OF_ANOTHER, Reason.REVOKED),
    *(Reason.RULE, Reason.PASSKEY_REQUIRED),
)
"""Reasons of a refusal that concern a known person, who has done everything right."""
_CALLS = frozenset(
    {
        *(Event.CODE_REDEEMED, Event.TOKEN_REFRESHED, Event.USER_INFO_RETURNED),
        *(Event.CODE_REPLAYED, Event.CODE_REFUSED, Event.CLIENT_REFUSED, Event.USER_INFO_REFUSED),
    }
)
_LATEST = (
    (Event.CODE_REDEEMED, Ending.NO_USER_INFO),
    (Event.CODE_ISSUED, Ending.NO_CALL),
    (Event.LOGIN_SUCCEEDED, Ending.OWN_ACCOUNT),
    (Event.IMAP_SUCCEEDED, Ending.MAIL_DONE),
)
"""How a sign-in has ended if nothing is recorded after this, from the last step to the first."""
_ANSWERED = (Event.CODE_REDEEMED, Event.CODE_ISSUED)
"""What LINE WORKS continues within seconds."""
_STOPPED_BEFORE: Mapping[Event | Ending, Stage] = {
    Event.LOGIN_STEP_DUE: Stage.FACTOR,
    Ending.NO_CALL: Stage.TOKEN,
    Ending.NO_USER_INFO: Stage.USER_INFO,
}
"""The step that never came."""
_ORDER = list(Stage)
_COMPLETE = frozenset({Event.CODE_ISSUED, Event.LOGIN_SUCCEEDED, Event.IMAP_SUCCEEDED})
"""Records after which no password and no factor is missing."""
_MAIL = frozenset({Event.IMAP_SUCCEEDED, Event.IMAP_FAILED, Event.IMAP_REFUSED})


def tries_of(
    records: Iterable[AuditEvent],
    *,
    now: float,
    refused_calls: Sequence[AuditEvent] = (),
    counted: Sequence[AuditEvent] = (),
) -> tuple[Try, ...]:
    """The sign-ins in these records, the newest first; records without an ID are left out.

    Records of one moment are in the order in which they were written, the oldest first.
    ``refused_calls`` are joined to the sign-in whose code was issued just before, ``counted`` are
    the records of how much was not kept one by one.
    """
    grouped: defaultdict[str, list[AuditEvent]] = defaultdict(list)
    for each in records:
        if each.login_id is not None:
            grouped[each.login_id].append(each)
    found = [_try(each, events, now, refused_calls) for each, events in grouped.items()]
    tries = [replace(each, may_lack=_may_lack(each, counted)) for each in found if each]
    return tuple(sorted(tries, key=lambda each: (each.at, each.login_id), reverse=True))


def unanswered(tries: Iterable[Try]) -> list[Try]:
    """Sign-ins with a code of which it is not known what became: refused calls may tell."""
    open_ends = (Ending.NO_CALL, Ending.NO_USER_INFO, Ending.IN_PROGRESS)
    return [each for each in tries if each.stop in open_ends]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A record, and the step that it is about."""

    stage: Stage
    event: AuditEvent


def _try(
    login_id: str, events: Sequence[AuditEvent], now: float, refused_calls: Sequence[AuditEvent]
) -> Try | None:
    own = [each for each in events if each.event not in _CALLS]
    if not own:
        return None
    code = next((each for each in own if each.event is Event.CODE_ISSUED), None)
    has_answer = any(each.event is Event.USER_INFO_RETURNED for each in events)
    joined = [] if code is None or has_answer else _joined(code, refused_calls)
    placed = _placed([*events, *joined])
    stop, stopped_at = _stop(placed, now)
    own = [each.event for each in placed if each.event.event not in _CALLS]
    known = [each for each in own if each.subject_id is not None]
    named = [each for each in own if each.username]
    return Try(
        login_id=login_id,
        at=max(each.at for each in own),
        stop=stop,
        steps=tuple(_step(stage, placed, stop, joined) for stage in Stage),
        stopped_at=stopped_at,
        client_id=next((each.client_id for each in own if each.client_id), None),
        subject_id=known[-1].subject_id if known else None,
        username=named[-1].username if named else None,
        address=next((each.address for each in reversed(own) if each.address), None),
        browser=next((each.detail for each in own if each.event is Event.LOGIN_SUCCEEDED), None),
        is_mail=any(each.event in _MAIL for each in own),
        is_probable=bool(joined),
    )


def _joined(code: AuditEvent, refused: Iterable[AuditEvent]) -> list[AuditEvent]:
    """The refused calls that are probably about this code."""
    return [
        each
        for each in refused
        if each.client_id == code.client_id and abs(each.at - code.at) <= JOINED_WITHIN
    ]


def _placed(events: Sequence[AuditEvent]) -> list[_Placed]:
    """The records in the order of a sign-in; those of one moment were written together."""
    due = [each.at for each in events if each.event is Event.LOGIN_STEP_DUE]
    identified_at = min(due, default=math.inf)
    placed = [_Placed(_stage(each, identified_at), each) for each in events]
    return sorted(placed, key=lambda each: (each.event.at, _ORDER.index(each.stage)))


def _stage(event: AuditEvent, identified_at: float) -> Stage:
    """The step that a record is about; after ``identified_at`` the password was right."""
    if event.event in _PASSED:
        return _PASSED[event.event]
    if event.event in _FAILED:
        return _FAILED[event.event]
    if event.subject_id is not None and event.reason in (*_AT_THE_END, None):
        return Stage.CODE
    if event.at >= identified_at:
        return Stage.FACTOR
    return Stage.PASSWORD if event.username else Stage.PAGE


def _is_failure(event: AuditEvent) -> bool:
    interrupted = (Event.LOGIN_REFUSED, Event.LOGIN_INTERRUPTED)
    return event.event in _FAILED or event.event in interrupted


def _step(
    stage: Stage, placed: Sequence[_Placed], stop: Stop, joined: Sequence[AuditEvent]
) -> Step:
    about = [each.event for each in placed if each.stage is stage]
    if any(each.event is Event.LOGIN_STEP_DUE for each in about):  # the end is another request
        about = [each for each in about if each.event is not Event.LOGIN_SUCCEEDED]
    if not about:
        return Step(stage=stage, passage=_unrecorded(stage, placed, stop))
    last = about[-1]
    failures = sum(map(_is_failure, about))
    if _is_failure(last) and _went_on(stage, placed):  # a right answer leaves no record of its own
        return Step(stage=stage, passage=Passage.PASSED, failures=failures)
    return Step(
        stage=stage,
        passage=Passage.STOPPED if _is_failure(last) else Passage.PASSED,
        at=last.at,
        elapsed_ms=last.elapsed_ms,
        failures=failures,
        detail=last.detail if _is_failure(last) else None,
        is_probable=last in joined,
    )


def _unrecorded(stage: Stage, placed: Sequence[_Placed], stop: Stop) -> Passage:
    """What is known of a step without a record of its own.

    A factor is recorded only if one was needed, a password only without a session; an opened page
    is recorded with the code, and mail programs see none.
    """
    if stage is _STOPPED_BEFORE.get(stop if isinstance(stop, Ending) else stop[0]):
        return Passage.STOPPED
    events = {each.event.event for each in placed}
    if stage is Stage.PAGE and events & _MAIL:
        return Passage.NOT_NEEDED
    if stage in (Stage.PASSWORD, Stage.FACTOR) and events & _COMPLETE:
        return Passage.NOT_NEEDED
    is_implied = _went_on(stage, placed) and stage in (Stage.PAGE, Stage.PASSWORD)
    return Passage.PASSED if is_implied else Passage.NOT_REACHED


def _went_on(stage: Stage, placed: Sequence[_Placed]) -> bool:
    """Whether a later step was reached."""
    return any(_ORDER.index(each.stage) > _ORDER.index(stage) for each in placed)


def _stop(placed: Sequence[_Placed], now: float) -> tuple[Stop, float]:
    """Why the sign-in ended, and when."""
    events = [each.event for each in placed]
    by_event = {each.event: each for each in events}
    if replayed := by_event.get(Event.CODE_REPLAYED):
        return (Event.CODE_REPLAYED, Reason.CODE_REPLAYED), replayed.at
    if returned := by_event.get(Event.USER_INFO_RETURNED):
        return Ending.DONE, returned.at
    decisive = [each for each in events if each.reason is Reason.REVOKED]
    decisive += [each for each in events if each.event in _CALLS and _is_failure(each)]
    if decisive:
        return (decisive[-1].event, decisive[-1].reason), decisive[-1].at
    for passed, ending in _LATEST:
        if each := by_event.get(passed):
            is_fresh = passed in _ANSWERED and now - each.at < JOINED_WITHIN
            return (Ending.IN_PROGRESS if is_fresh else ending), each.at
    return (events[-1].event, events[-1].reason), events[-1].at


def _may_lack(each: Try, counted: Iterable[AuditEvent]) -> bool:
    """Whether records were counted in the minute around it.

    Opened pages always are, until the sign-in is complete.
    """
    return any(
        summary.event is not Event.LOGIN_REQUESTED and each.at <= summary.at <= each.at + 2 * MINUTE
        for summary in counted
    )


MINUTE = 60.0
"""Seconds that one record of counted ones is about, before its time."""
