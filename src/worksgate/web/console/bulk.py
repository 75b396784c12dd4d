"""Many people at once: whom it is about, what will happen, and how far it is.

What was ticked, or the filter, travels in the form; who matches is counted again when the job is
started, and asked again if that has changed.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from starlette.responses import Response, StreamingResponse

from worksgate.administration.errors import Forbidden, Outdated, Refused
from worksgate.administration.jobs.kinds import PERMISSIONS, UNDONE_BY
from worksgate.administration.jobs.operations import Preview, Selection
from worksgate.administration.roles import Permission, may
from worksgate.directory.jobs import Job, JobKind, JobRow, JobState
from worksgate.directory.people_list import Matching
from worksgate.moments import machine
from worksgate.web.console.csv_files import csv_lines
from worksgate.web.console.exports import Export, Layout, layout_of
from worksgate.web.console.help_limit import WINDOW, count_help
from worksgate.web.console.people import GROUP, filter_fields, people_filter
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.pages.wording import text

LISTED: Final = 50
"""Jobs in the list, and people in that of a job."""
UNPROVED: Final = 10
"""People who may be changed without using the second factor again; in an hour, be disabled."""
REFRESH: Final = 3
"""Seconds after which the page of a running job is read again."""
_EXPORTED_AT_ONCE: Final = 1_000
_JOBS_AT_ONCE: Final = 100

NAMES: Final[Mapping[JobKind, str]] = {
    JobKind.DISABLE: text("Disable"),
    JobKind.ENABLE: text("Enable"),
    JobKind.SIGN_OUT: text("End sessions"),
    JobKind.RESET_LINK: text("Send a reset link"),
    JobKind.ADD_GROUP: text("Add to a group"),
    JobKind.REMOVE_GROUP: text("Remove from a group"),
    JobKind.IMPORT: text("Import people"),
}

STATES: Final[Mapping[JobState, str]] = {
    JobState.DRAFT: text("checked, not begun"),
    JobState.RUNNING: text("running"),
    JobState.DONE: text("done"),
    JobState.STOPPED: text("stopped"),
    JobState.REVOKED: text("ended: its administrator may no longer do this"),
}


async def confirm(visit: Visit) -> Response:
    """Whom a change is about and what it does; nothing happens yet."""
    return await _confirmation(visit)


async def start(visit: Visit) -> Response:
    """Start a job, if those who were shown are those who match."""
    form = visit.form
    expected = Matching(_count(form), form.get("digest", ""))
    selection, kind = _selection(form), _kind(form)
    _check_may(visit, kind, selection)
    jobs = visit.administration.jobs
    await count_help(visit, expected.count)
    try:
        group = form.get("group_name", "").strip()
        job = await jobs.start(kind, selection, expected, group=group)
    except Outdated:
        return await _confirmation(visit, has_changed=True)
    return visit.to("/job", id=job.id)


async def needs_proof(visit: Visit) -> bool:
    """Whether a form would change more than a few people, or disable them with those before it.

    The number is that of the form: with another one, nothing is started. It counts before anything
    is done, so that many forms at the same time are no way around.
    """
    people, disabled = _count(visit.form), 0
    if visit.form.get("do") == JobKind.DISABLE:
        counter = f"disabled by {visit.administrator.account.subject_id}"
        for _ in range(min(people, UNPROVED + 1)):
            disabled = await visit.console.store.bump(counter, WINDOW, visit.now)
    return max(people, disabled) > UNPROVED


async def show_all(visit: Visit) -> Response:
    """The newest jobs."""
    return visit.page(
        "jobs.html",
        jobs=await visit.administration.jobs.newest(LISTED),
        names=NAMES,
        states=STATES,
    )


async def export_all(visit: Visit) -> Response:
    """All jobs that are kept, as a file."""
    return await Export(
        name="changes of many people", chosen={}, pages=_pages(visit), layout=_LAYOUT
    ).response(visit)


async def _pages(visit: Visit) -> AsyncIterator[Sequence[Job]]:
    last: Job | None = None
    while page := await visit.administration.jobs.newest(_JOBS_AT_ONCE, last):
        yield page
        last = page[-1]


def _document(job: Job) -> dict[str, object]:
    values = {name: getattr(job, name) for name in _JOB_COLUMNS}
    ended = None if job.ended_at is None else machine(job.ended_at)
    return {**values, "created_at": machine(job.created_at), "ended_at": ended}


_JOB_COLUMNS: Final = (
    *("id", "kind", "state", "created_at", "ended_at", "actor", "role"),
    *("total", "done", "failed", "undoes"),
)
_LAYOUT: Final[Layout[Job]] = layout_of(_JOB_COLUMNS, _document)


async def show(visit: Visit) -> Response:
    """How far a job is, who is not as was wanted, and its undoing."""
    jobs = visit.administration.jobs
    job = await jobs.find(visit.query.get("id", ""))
    if job.state is JobState.DRAFT:
        return visit.to("/people/import", id=job.id)
    is_running = job.state is JobState.RUNNING
    return visit.page(
        "job.html",
        job=job,
        is_running=is_running,
        refresh=REFRESH if is_running and "still" not in visit.query else None,
        group=job.arguments.get("group", ""),
        has_changed=job.arguments.get("outdated", False),
        wrong=await jobs.wrong(job, LISTED) if job.failed else [],
        listed=LISTED,
        may_stop=visit.may(PERMISSIONS[job.kind]),
        may_undo=_may_undo(visit, job) and not await jobs.why_not_undone(job),
        names=NAMES,
        states=STATES,
    )


async def stop(visit: Visit) -> Response:
    """Stop a job; whoever was changed stays so."""
    job = await visit.administration.jobs.stop(visit.form.get("id", ""))
    return visit.to("/job", id=job.id)


async def undo(visit: Visit) -> Response:
    """Start the job that undoes another one."""
    job = await visit.administration.jobs.undo(visit.form.get("id", ""))
    return visit.to("/job", id=job.id)


async def export(visit: Visit) -> Response:
    """What a job did to whom, as CSV, with a record of that."""
    jobs = visit.administration.jobs
    job = await jobs.find(visit.form.get("id", ""))
    await jobs.record_export(job)
    headers = {"Content-Disposition": f'attachment; filename="job-{job.created_at:.0f}.csv"'}
    return StreamingResponse(_lines(visit, job), 200, headers, "text/csv; charset=utf-8")


async def _lines(visit: Visit, job: Job) -> AsyncIterator[str]:
    yield csv_lines([("subject_id", "username", "outcome", "detail")])
    after: str | None = None
    while rows := await visit.administration.jobs.results(job, _EXPORTED_AT_ONCE, after):
        yield csv_lines(
            [(each.subject_id, name_of(each), each.outcome, each.detail) for each in rows]
        )
        after = rows[-1].subject_id


def name_of(row: JobRow) -> str:
    """The username of a person of a job, as it was then."""
    return str((row.before or {}).get("username", ""))


async def _confirmation(visit: Visit, *, has_changed: bool = False) -> Response:
    form = visit.form
    kind, selection = _kind(form), _selection(form)
    _check_may(visit, kind, selection)
    preview = await visit.administration.jobs.preview(selection)
    if not preview.matching.count:
        raise Refused("nobody was chosen")
    return visit.page(
        "bulk.html",
        409 if has_changed else 200,
        kind=kind,
        is_group=form.get("do") == GROUP,
        preview=preview,
        kept=_kept(form, selection, preview),
        group_name=form.get("group_name", ""),
        mode=form.get("mode", "add"),
        can_be_undone=kind in UNDONE_BY,
        has_changed=has_changed,
        names=NAMES,
    )


def _check_may(visit: Visit, kind: JobKind, selection: Selection) -> None:
    """A help desk names whom it disables, one by one (R-185)."""
    if not visit.may(PERMISSIONS[kind]):
        raise Forbidden("your role cannot do this to many people")
    if selection.wanted is not None and not visit.may(Permission.CHANGE_PEOPLE):
        raise Forbidden("your role can only do this to people who are ticked")


def _kept(form: Mapping[str, str], selection: Selection, preview: Preview) -> dict[str, str]:
    """What the next form has to say again."""
    kept = {"do": form.get("do", ""), "count": str(preview.matching.count)}
    if selection.wanted is None:
        return kept | {f"p.{number}": each for number, each in enumerate(selection.subjects)}
    return kept | {"all": "1", "digest": preview.matching.digest, **filter_fields(selection.wanted)}


def _selection(form: Mapping[str, str]) -> Selection:
    if form.get("all"):
        return Selection(wanted=people_filter(form))
    ticked = dict.fromkeys(each for name, each in form.items() if name.startswith("p."))
    return Selection(subjects=tuple(ticked))


def _kind(form: Mapping[str, str]) -> JobKind:
    do = form.get("do", "")
    if do == GROUP:
        return JobKind.REMOVE_GROUP if form.get("mode") == "remove" else JobKind.ADD_GROUP
    if do not in list(JobKind) or do == JobKind.IMPORT:
        raise Refused("there is no such change")
    return JobKind(do)


def _count(form: Mapping[str, str]) -> int:
    """How many people a form is about."""
    return max(0, number_of(form.get("count", "")))


def _may_undo(visit: Visit, job: Job) -> bool:
    undoing = UNDONE_BY.get(job.kind)
    return undoing is not None and may(visit.role, Permission.CHANGE_PEOPLE)
