"""What needs attention today, and the field that finds everything."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import partial
from typing import Final

from starlette.responses import Response

from worksgate.administration import NotFound
from worksgate.administration.roles import Permission
from worksgate.administration.sign_in_trace.question import Kind, read_question
from worksgate.audit import Event
from worksgate.credentials.references import is_reference
from worksgate.credentials.secrets import is_ordered_id, is_request_id
from worksgate.directory.audit.sign_in_counts import CountedPeople, SignInFilter, slowest_tenth
from worksgate.directory.console_sessions import is_session_name
from worksgate.directory.jobs import JobState
from worksgate.directory.people_list import PeopleFilter, PeopleState
from worksgate.web.console.charts import Chart
from worksgate.web.console.examination import Examined
from worksgate.web.console.periods import DAY, Period, Span
from worksgate.web.console.records_in_words import in_words
from worksgate.web.console.sign_ins import chart_of
from worksgate.web.console.trace import zone_of
from worksgate.web.console.visit import Visit

CHANGES: Final = 10
FINDINGS: Final = 5
"""Findings of an examination that are shown; the page of all of them is linked."""
JOBS: Final = 20
"""The newest jobs, among which those that run are counted."""
LONGEST: Final = 200
"""Characters of a search."""
PATIENCE: Final = 3_000.0
"""Milliseconds that LINE WORKS waits for an answer."""
_NEEDS: Final = (PeopleState.NO_KEY, PeopleState.DISABLED, PeopleState.NEVER)
_IN_A_BROWSER: Final = frozenset(
    (
        *(Event.LOGIN_SUCCEEDED, Event.LOGIN_FAILED, Event.LOGIN_THROTTLED, Event.LOGIN_REFUSED),
        *(Event.LOGIN_INTERRUPTED, Event.FACTOR_FAILED),
    )
)


class State(StrEnum):
    """How the day is, in one word."""

    BROKEN = auto()
    """Something does not work, says the examination."""
    SHUT = auto()
    """People were refused, and nobody has got in."""
    QUIET = auto()
    """Nobody has come yet."""
    OPEN = auto()
    """People get in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How long the slowest tenth of LINE WORKS' calls took, in milliseconds."""

    slowest_tenth: float | None

    @property
    def seconds(self) -> str:
        return "–" if self.slowest_tenth is None else f"{self.slowest_tenth / 1_000:.2f}"

    @property
    def is_slow(self) -> bool:
        """Whether it is near the time after which LINE WORKS gives up."""
        return self.slowest_tenth is not None and self.slowest_tenth > PATIENCE / 2


async def show(visit: Visit) -> Response:
    """The first page: how it is, what there is to do, and the last changes."""
    administration, today = visit.administration, Period.of(Span.TODAY, visit.now, visit.words.zone)
    people = await administration.people_list.counts(PeopleFilter())
    counts = {state.value: people.of(state) for state in _NEEDS}
    came = await administration.sign_ins.people(today.since, today.until)
    speed = await _speed(visit, today)
    examined = _examined(visit)
    findings = [] if examined is None else examined.bad
    may_change, may_audit = visit.may(Permission.CHANGE_CLIENTS), visit.may(Permission.AUDIT)
    return visit.page(
        "today.html",
        is_new=may_change and not await administration.set_up.has_client(),
        is_unused=may_change and counts["never"] == people.everybody,
        state=_state(came, examined),
        to_do=len(findings) + sum(map(bool, (came.kept_out, counts["no_key"], speed.is_slow))),
        counts=counts,
        everybody=people.everybody,
        came=came,
        usual=await _usual(visit, today) if came.is_complete else 0,
        speed=speed,
        chart=await _chart(visit, today),
        examined=examined,
        is_examining=visit.may(Permission.EXAMINE) and visit.console.examination.is_running,
        findings=findings[:FINDINGS],
        more_findings=len(findings[FINDINGS:]),
        running=await _running(visit),
        changes=await administration.audit_log.changes(CHANGES) if may_audit else [],
        in_words=partial(in_words, words=visit.words),
    )


async def find(visit: Visit) -> Response:
    """A person, if exactly one is meant; a trace of what is no name; or the list.

    It takes every ID that the console and its commands print: that of a job, and for those who may
    see changes that of a request or a session, find what was done.
    """
    text = visit.query.get("q", "").strip()[:LONGEST]
    if not text:
        return visit.to("/people")
    if await _is_job(visit, text):
        return visit.to("/job", id=text)
    if is_request_id(text) and await _has_changed(visit, request_id=text):
        return visit.to("/audit/changes", request=text)
    if is_session_name(text) and await _has_changed(visit, session=text):
        return visit.to("/audit/changes", session=text)
    if read_question(text, visit.now, zone_of(visit)).kind is not Kind.PERSON:
        return visit.to("/trace", q=text)
    found = await visit.administration.sign_in_trace.find(text)
    if len(found) == 1:
        return visit.to("/person", id=found[0].subject_id)
    return visit.to("/people", q=text) if found else await _nobody(visit, text)


async def _nobody(visit: Visit, text: str) -> Response:
    """What else a text may be: a client, somebody removed, a reference without its hyphen."""
    if visit.may(Permission.SEE_CLIENTS):
        clients = await visit.administration.clients.page(text, limit=1)
        if clients and text in (clients[0].client_id, clients[0].name):
            return visit.to("/client", id=clients[0].client_id)
    removals = visit.administration.removals
    by_subject = await removals.by_subject(text)
    removed = [by_subject] if by_subject else await removals.page(text, limit=2)
    if len(removed) == 1:
        return visit.to("/person", id=removed[0].account.person.subject_id)
    if is_reference(text) and not removed:
        return visit.to("/trace", q=text)
    return visit.to("/people/removed" if removed else "/people", q=text)


async def _is_job(visit: Visit, text: str) -> bool:
    """Whether a text is the ID of a change of many people that this administrator sees."""
    if not is_ordered_id(text):
        return False
    with suppress(NotFound):
        await visit.administration.jobs.find(text)
        return True
    return False


async def _has_changed(
    visit: Visit, *, request_id: str | None = None, session: str | None = None
) -> bool:
    """Whether something was changed by a request or in a session, for those who may see that."""
    if not visit.may(Permission.AUDIT):
        return False
    changes = visit.administration.changes
    return bool(await changes.page(request_id=request_id, session=session, limit=1))


async def _usual(visit: Visit, today: Period) -> int:
    """How many had got in at this hour a week ago; 0 if there are too many to count."""
    since, until = today.since - 7 * DAY, today.until - 7 * DAY
    came = await visit.administration.sign_ins.people(since, until)
    return came.let_in if came.is_complete else 0


async def _running(visit: Visit) -> int:
    """How many changes of many people are running, of those that this administrator sees."""
    newest = await visit.administration.jobs.newest(JOBS)
    return sum(job.state is JobState.RUNNING for job in newest)


async def _speed(visit: Visit, today: Period) -> Speed:
    answers = await visit.administration.sign_ins.answers(today.since, today.until)
    return Speed(slowest_tenth=slowest_tenth([took for _, took in answers]))


async def _chart(visit: Visit, today: Period) -> Chart:
    """The sign-ins of today in a browser, hour by hour."""
    wanted = SignInFilter(since=today.since, until=today.until, events=_IN_A_BROWSER)
    counted = await visit.administration.sign_ins.counted(wanted, today.edges)
    return chart_of(counted, today, visit.words, visit.now)


def _examined(visit: Visit) -> Examined | None:
    """What the last examination found, for those who may see it; an old one is made again."""
    if not visit.may(Permission.EXAMINE):
        return None
    examination = visit.console.examination
    examination.refresh()
    return examination.latest


def _state(came: CountedPeople, examined: Examined | None) -> State:
    if examined is not None and examined.of("fail"):
        return State.BROKEN
    if came.let_in:
        return State.OPEN
    return State.SHUT if came.refused else State.QUIET
