"""Carries bulk changes out, one at a time: of all processes on all nodes, one does it.

Each person is a few short transactions, followed by a pause: a sign-in or a call of LINE WORKS
never waits behind a job for longer than one of them. If the process is killed, another one goes on
with whoever is still waiting, as soon as the lease has expired; outages are waited out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from worksgate.administration.actor import Actor
from worksgate.administration.console.rights import right_of
from worksgate.administration.errors import Unfinished
from worksgate.administration.first_owner import AskSource, as_stored
from worksgate.administration.jobs.imports import import_rows, without_cells
from worksgate.administration.jobs.kinds import PERMISSIONS, Operations, outcome_for
from worksgate.administration.jobs.operations import AT_ONCE, Selection
from worksgate.administration.roles import may
from worksgate.audit import AuditEvent, Event
from worksgate.database import Conflict
from worksgate.database.leases import JOBS, SECONDS, Turn
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.database import Directory
from worksgate.directory.jobs import Job, JobKind, JobRow, JobState, RowOutcome
from worksgate.directory.people_list import Matching
from worksgate.limits.outages import Unavailable
from worksgate.sources import SourceUnavailable

STEP: Final = 500
"""People whose rows are written in one transaction."""
CHECKED: Final = 20
"""People after whom the right of the administrator is looked at again."""
ASKED_AGAIN: Final = 60.0
"""Seconds after which their source is asked again."""
PAUSE: Final = 0.01
"""Seconds between two people."""
INTERVAL: Final = 1.0
"""Seconds between two looks for a job."""
RETRY: Final = 10.0
"""Seconds until the next look after an outage, or an error."""

_log = structlog.get_logger("worksgate")

OperationsOf = Callable[[Actor], Operations]


class JobRunner:
    """Carries out jobs; ``operations`` makes those of an administrator.

    ``ask_source`` is asked for whoever has started one: it may have outlived their session (R-259).
    """

    def __init__(
        self,
        directory: Directory,
        operations: OperationsOf,
        clock: Callable[[], float],
        ask_source: AskSource = as_stored,
        *,
        pause: float = PAUSE,
    ) -> None:
        self._directory = directory
        self._rows = directory.jobs
        self._operations = operations
        self._clock = clock
        self._ask_source = ask_source
        self._asked: tuple[str, float] | None = None  # for which job, and when
        self._pause = pause
        self._last: tuple[str, str] | None = None  # job and subject: all before are over

    async def run_forever(
        self, *, interval: float = INTERVAL, lease: float = SECONDS, retry: float = RETRY
    ) -> None:
        """Carry out jobs as they come, if nobody else does; never returns."""
        turn = Turn(self._directory.leases, lease, JOBS)
        while True:
            try:
                if await self._rows.count_running() and await turn.take():
                    try:
                        await self._run_all(turn)
                    finally:
                        await turn.release()
                await asyncio.sleep(interval)
            except (Unavailable, Unfinished) as outage:
                _log.warning("job.postponed", detail=str(outage))
                await asyncio.sleep(retry)
            except Exception as error:  # the next job may fare better
                _log.error("job.crashed", kind=type(error).__name__)
                await asyncio.sleep(retry)

    async def _run_all(self, turn: Turn) -> None:
        outage: SourceUnavailable | None = None
        for job in await self._rows.running(AT_ONCE):
            try:
                while await turn.keep() and await self._advance(job.id, turn):
                    pass
            except SourceUnavailable as error:  # of its administrator; it holds up no other's
                outage = error
        if outage is not None:
            raise outage

    async def _advance(self, job_id: str, turn: Turn) -> bool:
        """Change the next few people of a job; False if it has ended, or the lease is lost."""
        job = await self._rows.find(job_id)
        if job is None or job.state is not JobState.RUNNING:
            return False
        actor = await self._actor(job)
        if actor is None:
            await self._end(job, JobState.REVOKED)
            return False
        last = self._last[1] if self._last is not None and self._last[0] == job.id else None
        waiting = await self._rows.rows(job.id, (RowOutcome.WAITING,), CHECKED, last)
        if not waiting:
            return await self._write_down(job)
        is_running = True
        async for settled in self._outcomes(self._operations(actor), job, waiting):
            is_running = await self._rows.settle(job.id, settled)
            if not is_running and job.kind is not JobKind.IMPORT:
                return False
            self._last = job.id, settled.subject_id
            await asyncio.sleep(self._pause)
            if not await turn.keep():
                return False
        return is_running

    async def _outcomes(
        self, operations: Operations, job: Job, waiting: Sequence[JobRow]
    ) -> AsyncIterator[JobRow]:
        if job.kind is not JobKind.IMPORT:
            for row in waiting:
                yield await self._outcome(operations, job, row)
            return
        try:
            settled = await import_rows(operations, self._rows, job, waiting)
        except (Unavailable, Unfinished):
            raise
        except Exception as error:  # as of one person
            settled = [without_cells(_failed(job, row, error)) for row in waiting]
        for row in settled:
            yield row

    async def _outcome(self, operations: Operations, job: Job, row: JobRow) -> JobRow:
        try:
            return await outcome_for(operations, job, row)
        except (Unavailable, Unfinished):
            raise
        except Exception as error:  # the others must be done; its text may be secret
            return _failed(job, row, error)

    async def _write_down(self, job: Job) -> bool:
        """Write down who is next; False if that is nobody: the job has ended."""
        if await self._is_outdated(job):
            await self._end(job, JobState.STOPPED)
            return False
        rows = await self._next(job)
        if not rows:
            await self._end(job, JobState.DONE)
            return False
        try:
            await self._rows.begin(job.id, rows, rows[-1].subject_id)
        except Conflict:
            return False  # a process that has lost its lease without knowing was faster
        return True

    async def _is_outdated(self, job: Job) -> bool:
        """Whether a job would begin with others than were shown to its administrator (R-185)."""
        wanted, digest = Selection.of(job.arguments).wanted, job.arguments.get("digest")
        if job.position is not None or wanted is None or digest is None:
            return False
        return await self._directory.people_list.matching(wanted) != Matching(job.total, digest)

    async def _next(self, job: Job) -> list[JobRow]:
        """The people after the position of a job, as they are now."""
        if job.kind is JobKind.IMPORT:
            return []  # its rows were there from the start
        expected: dict[str, Any] = {}
        if job.undoes is not None:
            done = await self._rows.rows(job.undoes, (RowOutcome.DONE,), STEP, job.position)
            expected = {each.subject_id: (each.before or {}).get("after") for each in done}
            subjects = [each.subject_id for each in done]
        else:
            selection = Selection.of(job.arguments)
            if selection.wanted is None:
                ticked = [each for each in selection.subjects if each > (job.position or "")]
                subjects = ticked[:STEP]
            else:
                people = self._directory.people_list
                left = min(STEP, job.total - job.done)  # whoever matches since then is none of them
                found = await people.after_subject(selection.wanted, job.position, left)
                subjects = [each.subject_id for each in found]
        states = await self._rows.states(subjects)
        return [
            JobRow(subject_id=each, before=_with(states.get(each), expected.get(each)))
            for each in subjects
        ]

    async def _actor(self, job: Job) -> Actor | None:
        """Whoever has started a job, if they are enabled and have the same role (R-186).

        A job outlives the session in which it was begun: it may take longer than one. It does not
        outlive the password, which is set anew where somebody else may have known it (R-197).
        """
        subject_id = job.arguments.get("subject_id")
        name = job.actor or ""
        if subject_id is None:
            return Actor(name, self._clock)
        account = await self._directory.administrators.by_subject(subject_id)
        if account is not None:
            account = await self._present(job, account)
        if account is None or not account.enabled:
            return None
        if (account.password_changed_at or 0.0) > job.created_at:
            return None
        role = right_of(account, self._directory.console_groups).role
        if role != job.role or not may(role, PERMISSIONS[job.kind]):
            return None
        return Actor(
            name,
            self._clock,
            subject_id=subject_id,
            role=role,
            session=job.session,
            request_id=job.request_id,
        )

    async def _present(
        self, job: Job, account: AdministratorAccount
    ) -> AdministratorAccount | None:
        """Whoever has started a job as their source has them; None if it does not know them.

        In between, what it has said last counts, as it is stored. Raises SourceUnavailable.
        """
        now = self._clock()
        about, at = self._asked or ("", now)
        if about == job.id and 0 <= now - at < ASKED_AGAIN:
            return account
        present = await self._ask_source(account)
        self._asked = job.id, now
        return present

    async def _end(self, job: Job, state: JobState) -> None:
        what = {
            JobState.REVOKED: "ended: its administrator may no longer do this",
            JobState.STOPPED: "stopped, others match by now",
        }
        detail = f"job {job.id} {what.get(state, 'done')}: {job.done} people, {job.failed} not"
        event = AuditEvent(
            event=Event.USER_CHANGED, at=self._clock(), actor=job.actor, detail=detail
        )
        why = {**job.arguments, "outdated": True} if state is JobState.STOPPED else None
        if await self._rows.end(job.id, state, event, why):
            _log.info("job.ended", job=job.id, state=state.value, done=job.done, failed=job.failed)


def _failed(job: Job, row: JobRow, error: Exception) -> JobRow:
    kind = type(error).__name__
    _log.error("job.failed", job=job.id, subject_id=row.subject_id, kind=kind)
    return replace(row, outcome=RowOutcome.FAILED, detail=f"an error of Worksgate: {kind}")


def _with(state: dict[str, Any] | None, expected: Any) -> dict[str, Any] | None:
    return state if state is None or expected is None else {**state, "expected": expected}
