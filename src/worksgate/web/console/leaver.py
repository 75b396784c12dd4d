"""A person who leaves: what will happen, at once or on a date; then, what has, with its records."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum, auto
from typing import Final

from starlette.responses import Response

from worksgate.administration import NotFound, Outdated
from worksgate.administration.departures.operations import Seen
from worksgate.administration.roles import Permission, may_act_on
from worksgate.directory.departures import TRIED, Departure, Failure, Proof, Step
from worksgate.moments import since_epoch
from worksgate.settings.sources.common import BUILT_IN
from worksgate.web.console.person import ShownPerson, find_person, person_changed_meanwhile
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

NO_PLAN: Final = text("No departure is planned now.")
PLANNED: Final = text("The departure is planned for %(time)s now.")
NEXT = 5
"""Other people who leave, on the page of one."""


class LeaverState(StrEnum):
    """How far a departure is."""

    HERE = auto()
    PLANNED = auto()
    UNFINISHED = auto()
    """It is due, and a step has failed: the servers try again."""
    LEFT = auto()


@dataclass(frozen=True, slots=True)
class LeaverStep:
    """A step, with the proof that it was done, or why it failed when it was last tried."""

    step: Step
    proof: Proof | None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLineWorks:
    """What LINE WORKS does, or has: accepting a sign-out is not yet being signed out (R-212)."""

    is_set_up: bool
    suspends: bool
    suspended: LeaverStep
    signed_out: LeaverStep
    left_over: tuple[LeaverStep, ...]

    @property
    def is_told(self) -> bool:
        """Whether LINE WORKS is told, or was, so that nothing has to be done there by hand."""
        return self.is_set_up or self.signed_out.proof is not None or bool(self.left_over)

    @property
    def is_sign_out_left_over(self) -> bool:
        """Whether LINE WORKS has refused to sign them out."""
        return any(each.step is Step.SIGNED_OUT_THERE for each in self.left_over)

    @property
    def is_suspending_left_over(self) -> bool:
        """Whether LINE WORKS has refused to suspend them."""
        return any(each.step is Step.SUSPENDED_THERE for each in self.left_over)

    @property
    def is_done(self) -> bool:
        return self.signed_out.proof is not None and not self.left_over


async def show(visit: Visit) -> Response:
    """What will happen when somebody leaves, or what has."""
    return await _page(visit, await find_person(visit, visit.query.get("id", "")))


async def leave(visit: Visit) -> Response:
    """Have somebody leave now or on a date; what has failed is tried again.

    What is decided is decided on the person and the plan that the page has shown.
    """
    form = visit.form
    shown = await find_person(visit, form.get("id", ""))
    departures = visit.administration.departures
    departure = await departures.of(shown.person.subject_id)
    is_again = "when" not in form and departure is not None and departure.due_at <= visit.now
    if not is_again and form.get("version") != version_of(shown, departure):
        return await _changed_meanwhile(visit, shown, departure)
    seen = None if is_again else Seen(_planned_at(departure), shown.version)
    name, source = _named(shown)
    suspends = await _suspends(visit, shown)
    is_now = form.get("when") != "date"
    due_at = _moment(form.get("day", ""), form.get("time", ""), visit.words.zone)
    if not is_now and (due_at is None or due_at <= visit.now):
        return await _page(visit, shown, problem="time")
    try:
        if is_now or due_at is None:
            await departures.leave(name, source, suspends=suspends, seen=seen)
        else:
            await departures.plan(name, due_at, source, suspends=suspends, seen=seen)
    except Outdated:
        return await _overtaken(visit, shown)
    done = "left" if is_now else "planned"
    return visit.to("/person/leave", id=shown.person.subject_id, done=done)


async def try_step(visit: Visit) -> Response:
    """Try one step of a departure again."""
    shown = await find_person(visit, visit.form.get("id", ""))
    steps = {step.name.lower(): step for step in TRIED}
    step = steps.get(visit.form.get("step", ""))
    if step is None:
        raise NotFound("there is no such step")
    name, source = _named(shown)
    _, outcome = await visit.administration.departures.try_step(name, step, source)
    done = "failed" if outcome.problem else "tried"
    return visit.to("/person/leave", id=shown.person.subject_id, done=done)


async def cancel(visit: Visit) -> Response:
    """Drop the plan of a departure that the page has shown, or what is left of it."""
    shown = await find_person(visit, visit.form.get("id", ""))
    departures = visit.administration.departures
    departure = await departures.of(shown.person.subject_id)
    _, _, seen = visit.form.get("version", "").partition(" ")
    if departure is not None and seen != _plan_of(departure):
        return await _changed_meanwhile(visit, shown, departure)
    try:
        await departures.cancel(*_named(shown), seen=Seen(_planned_at(departure)))
    except Outdated:
        return await _overtaken(visit, shown)
    return visit.to("/person/leave", id=shown.person.subject_id, done="cancelled")


def version_of(shown: ShownPerson, departure: Departure | None) -> str:
    """What the forms of this page are made from: the person, and the plan."""
    return f"{shown.version} {_plan_of(departure)}"


def _plan_of(departure: Departure | None) -> str:
    return "" if departure is None else repr(departure.planned_at)


def _planned_at(departure: Departure | None) -> float | None:
    return None if departure is None else departure.planned_at


async def _overtaken(visit: Visit, shown: ShownPerson) -> Response:
    """Somebody was faster than this request: how it is now."""
    subject_id = shown.person.subject_id
    departure = await visit.administration.departures.of(subject_id)
    return await _changed_meanwhile(visit, await find_person(visit, subject_id), departure)


async def _changed_meanwhile(
    visit: Visit, shown: ShownPerson, departure: Departure | None
) -> Response:
    now = visit.words.said(NO_PLAN)
    if departure is not None:
        now = visit.words.said(PLANNED, time=visit.words.time(departure.due_at))
    return await person_changed_meanwhile(
        visit,
        shown,
        version=version_of(shown, departure),
        back="/person/leave",
        now=now,
    )


async def _suspends(visit: Visit, shown: ShownPerson) -> bool:
    """Whether they are suspended at LINE WORKS, too; trying again leaves it as it was."""
    if "when" in visit.form:
        return visit.form.get("suspend") == "yes"
    before = await visit.administration.departures.of(shown.person.subject_id)
    return before is not None and bool(before.suspends)


def _named(shown: ShownPerson) -> tuple[str, str | None]:
    """Name and source, as the operations of the administration want them."""
    if shown.account is not None:
        return shown.person.username, None
    return shown.person.subject_id, shown.source


def _moment(day: str, time: str, zone: tzinfo | None) -> float | None:
    """Seconds since the epoch, of a day and a time in a zone on that day."""
    try:
        return since_epoch(datetime.fromisoformat(f"{day}T{time or '18:00'}"), zone)
    except (ValueError, OverflowError):
        return None


async def _page(visit: Visit, shown: ShownPerson, *, problem: str = "") -> Response:
    departures, subject_id = visit.administration.departures, shown.person.subject_id
    departure = await departures.of(subject_id)
    proofs = await departures.proofs(subject_id)
    failures: Mapping[Step, Failure] = {}
    if departure is not None:  # an earlier one proves nothing
        proofs = [each for each in proofs if each.at >= departure.planned_at]
        failures = await departures.failures(subject_id, departure.planned_at)
    elif proofs:
        failures = await departures.failures(subject_id, proofs[0].at)
    state = _state(visit, shown, departure, proofs)
    return visit.page(
        "leaver.html",
        400 if problem else 200,
        shown=shown,
        state=state,
        departure=departure,
        version=version_of(shown, departure),
        steps=[each for each in _steps(proofs, failures) if not each.step.is_there],
        there=await _at_line_works(visit, shown, state, departure, proofs, failures),
        may_change=visit.may(Permission.CHANGE_PEOPLE),
        may_enable=visit.may(Permission.HELP),
        may_act=may_act_on(visit.administrator.role, shown.role),
        others=[each for each in await departures.next(NEXT + 1) if each.subject_id != subject_id][
            :NEXT
        ],
        problem=problem,
        done=visit.query.get("done", ""),
        typed=visit.form,
    )


def _state(
    visit: Visit, shown: ShownPerson, departure: Departure | None, proofs: list[Proof]
) -> LeaverState:
    if departure is not None:
        is_due = departure.due_at <= visit.now
        return LeaverState.UNFINISHED if is_due else LeaverState.PLANNED
    return LeaverState.LEFT if proofs and not shown.enabled else LeaverState.HERE


def _steps(proofs: list[Proof], failures: Mapping[Step, Failure]) -> list[LeaverStep]:
    """Every step; one that was done again counts all that it has ended."""
    done: dict[Step, Proof] = {}
    for proof in proofs:
        before = done.get(proof.step)
        count = proof.count + (0 if before is None else before.count)
        done[proof.step] = replace(proof, count=count)
    return [LeaverStep(step, done.get(step), failures.get(step)) for step in TRIED]


async def _at_line_works(
    visit: Visit,
    shown: ShownPerson,
    state: LeaverState,
    departure: Departure | None,
    proofs: list[Proof],
    failures: Mapping[Step, Failure],
) -> AtLineWorks:
    members, source = visit.administration.line_works_members, shown.source or BUILT_IN
    steps = {each.step: each for each in _steps(proofs, failures)}
    return AtLineWorks(
        is_set_up=state is not LeaverState.LEFT and await members.can_tell(source),
        suspends=departure is not None and bool(departure.suspends),
        suspended=steps[Step.SUSPENDED_THERE],
        signed_out=steps[Step.SIGNED_OUT_THERE],
        left_over=_left_over(proofs, failures),
    )


def _left_over(proofs: list[Proof], failures: Mapping[Step, Failure]) -> tuple[LeaverStep, ...]:
    """What LINE WORKS has refused, unless it was done since: the last refusal of each step."""
    last: dict[Step, LeaverStep] = {}
    for proof in proofs:
        if (step := proof.left_over) is not None:
            failure = failures.get(step)
            is_later = failure is not None and failure.record > proof.record
            last[step] = LeaverStep(step, proof, failure if is_later else None)
        else:
            last.pop(proof.step, None)
    return tuple(last.values())
