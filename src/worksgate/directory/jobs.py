"""Bulk changes of people: the jobs, and what each did to whom.

A job goes by subject. The people of its next step are written down, with what they were before,
in the transaction that moves its position; then each is changed, and its outcome written. So a
process that is killed in between leaves nothing unknown: another one goes on with those who are
still waiting, and what they were before is not lost.

A row is kept for ``KEPT``: so long a job can be undone. The rows of a file that is imported are
rows of its job from the start.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    tuple_,
    update,
)

from worksgate.audit import AuditEvent
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX

KEPT: Final = 30 * 86_400.0
"""Seconds for which an ended job is kept."""
KEPT_DRAFT: Final = 86_400.0
"""Seconds for which an import is kept that was checked, and not begun."""

_JOBS, _ROWS = schema.jobs, schema.job_rows
_ACCOUNTS, _PEOPLE = schema.accounts.c, schema.people.c


class JobKind(StrEnum):
    """What a job does to each person."""

    DISABLE = auto()
    ENABLE = auto()
    SIGN_OUT = auto()
    """End everything that they hold; they can sign in again."""
    RESET_LINK = auto()
    """Send them a link with which they choose a password."""
    ADD_GROUP = auto()
    REMOVE_GROUP = auto()
    IMPORT = auto()
    """Add them, or change them, as a row of a file says; a row stands for a person."""


class JobState(StrEnum):
    """How far a job is."""

    DRAFT = auto()
    """An import that was checked, and not begun."""
    RUNNING = auto()
    DONE = auto()
    STOPPED = auto()
    """By an administrator; or before it began, since others matched by then than were shown."""
    REVOKED = auto()
    """Whoever started it may no longer do that."""


class RowOutcome(StrEnum):
    """What a job did to a person."""

    WAITING = auto()
    DONE = auto()
    UNCHANGED = auto()
    """They were like that already."""
    REFUSED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A bulk change; times are seconds since the epoch.

    ``arguments`` choose the people, and hold what is set. ``total`` is how many matched at the
    start, ``done`` how many were dealt with, ``failed`` how many of these are not as was wanted.
    ``position`` is the last subject whose row was written; ``undoes`` the job that this one undoes.
    ``session`` and ``request_id`` are those in which the job was made.
    """

    id: str
    kind: JobKind
    arguments: Mapping[str, Any]
    actor: str | None
    role: str | None
    state: JobState
    created_at: float
    ended_at: float | None = None
    total: int
    done: int = 0
    failed: int = 0
    position: str | None = None
    undoes: str | None = None
    session: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A person of a job: what they were ``before`` (None if they are gone), and the outcome."""

    subject_id: str
    outcome: RowOutcome = RowOutcome.WAITING
    before: Mapping[str, Any] | None = field(default=None, repr=False)
    detail: str | None = None


class JobRows(Repository[Connections]):
    """The jobs and their rows; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def add(self, job: Job, event: AuditEvent) -> None:
        """Keep a new job, with its audit record."""
        async with self._connections.writing() as connection:
            await connection.execute(insert(_JOBS).values(_job_values(job)))
            await write_events(connection, event)

    async def find(self, job_id: str) -> Job | None:
        found = await self._jobs(select(_JOBS).where(_JOBS.c.id == job_id))
        return found[0] if found else None

    async def newest(
        self, limit: int, actor: str | None = None, before: Job | None = None
    ) -> list[Job]:
        """The newest jobs before one, the newest first; of one administrator, or of all."""
        place = tuple_(_JOBS.c.created_at, _JOBS.c.id)
        query = select(_JOBS).order_by(_JOBS.c.created_at.desc(), _JOBS.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(place < tuple_(before.created_at, before.id))
        return await self._jobs(query if actor is None else query.where(_JOBS.c.actor == actor))

    async def running(self, limit: int) -> list[Job]:
        """Jobs that have not ended, the oldest first."""
        query = select(_JOBS).where(_JOBS.c.state == JobState.RUNNING.value)
        return await self._jobs(query.order_by(_JOBS.c.created_at).limit(limit))

    async def troubled(self, limit: int, actor: str | None = None) -> list[Job]:
        """The newest that have ended otherwise than wanted, at least for somebody."""
        ended = [JobState.STOPPED.value, JobState.REVOKED.value]
        is_troubled = or_(_JOBS.c.failed > 0, _JOBS.c.state.in_(ended))
        query = select(_JOBS).where(is_troubled, _JOBS.c.state != JobState.DRAFT.value)
        if actor is not None:
            query = query.where(_JOBS.c.actor == actor)
        newest = query.order_by(_JOBS.c.created_at.desc(), _JOBS.c.id.desc())
        return await self._jobs(newest.limit(limit))

    async def undone_by(self, job_id: str) -> Job | None:
        """The job that undoes another one."""
        found = await self._jobs(select(_JOBS).where(_JOBS.c.undoes == job_id).limit(1))
        return found[0] if found else None

    @run_to_completion
    async def begin(self, job_id: str, rows: Sequence[JobRow], position: str) -> None:
        """Write down who is next, and move the position there.

        Raises Conflict, and writes nothing, if another process has.
        """
        values = [_row_values(job_id, row) for row in rows]
        async with self._connections.writing() as connection:
            await connection.execute(insert(_ROWS), values)
            moved = update(_JOBS).where(_JOBS.c.id == job_id).values(position=position)
            await connection.execute(moved)

    @run_to_completion
    async def add_draft(self, job: Job) -> None:
        """Keep an import that was checked, in place of earlier ones of the same administrator.

        Its rows come with ``add_rows``.
        """
        earlier = (_JOBS.c.actor == job.actor, _JOBS.c.state == JobState.DRAFT.value)
        async with self._connections.writing() as connection:
            await connection.execute(delete(_JOBS).where(*earlier))  # and their rows with them
            await connection.execute(insert(_JOBS).values(_job_values(job)))

    @run_to_completion
    async def add_rows(self, job_id: str, rows: Sequence[JobRow]) -> bool:
        """Keep some rows of a draft; False if it was dropped, or begun, meanwhile."""
        is_draft = _in_state(job_id, JobState.DRAFT)
        held = update(_JOBS).where(*is_draft).values(state=JobState.DRAFT.value)  # until the commit
        async with self._connections.writing() as connection:
            if (await connection.execute(held)).rowcount != 1:
                return False
            await connection.execute(insert(_ROWS), [_row_values(job_id, row) for row in rows])
            return True

    @run_to_completion
    async def begin_draft(
        self,
        job_id: str,
        event: AuditEvent,
        session: str | None = None,
        request_id: str | None = None,
    ) -> bool:
        """Begin an import, with its audit record; False if it is no draft any more."""
        is_draft = _in_state(job_id, JobState.DRAFT)
        values = {
            "state": JobState.RUNNING.value,
            "created_at": event.at,
            "session": session,
            "request_id": request_id,
        }
        async with self._connections.writing() as connection:
            begun = await connection.execute(update(_JOBS).where(*is_draft).values(values))
            if begun.rowcount == 1:
                await write_events(connection, event)
            return begun.rowcount == 1

    @run_to_completion
    async def note_tried(self, job_id: str, rows: Sequence[JobRow]) -> None:
        """Note that rows are about to be imported."""
        async with self._connections.writing() as connection:
            for row in rows:
                before = {**(row.before or {}), "tried": True}
                same = (_ROWS.c.job_id == job_id, _ROWS.c.subject_id == row.subject_id)
                await connection.execute(update(_ROWS).where(*same).values(before=before))

    @run_to_completion
    async def settle(self, job_id: str, row: JobRow) -> bool:
        """Write the outcome of a person, once; False if the job does not run any more."""
        is_wrong = row.outcome in (RowOutcome.REFUSED, RowOutcome.FAILED)
        values = {"outcome": row.outcome.value, "before": row.before, "detail": row.detail}
        waiting = (
            *_with_outcome(job_id, RowOutcome.WAITING),
            _ROWS.c.subject_id == row.subject_id,
        )
        counted = {"done": _JOBS.c.done + 1, "failed": _JOBS.c.failed + int(is_wrong)}
        async with self._connections.writing() as connection:
            settled = await connection.execute(update(_ROWS).where(*waiting).values(values))
            if settled.rowcount == 1:
                statement = update(_JOBS).where(_JOBS.c.id == job_id).values(counted)
                await connection.execute(statement)
            state = select(_JOBS.c.state).where(_JOBS.c.id == job_id)
            return bool(await connection.scalar(state) == JobState.RUNNING.value)

    @run_to_completion
    async def end(
        self,
        job_id: str,
        state: JobState,
        event: AuditEvent,
        arguments: Mapping[str, Any] | None = None,
    ) -> bool:
        """End a job, with its audit record; False if it has ended by then.

        What people were who are still waiting, and their rows of a file, is kept no longer. With
        ``arguments`` it has these from then on.
        """
        is_running = _in_state(job_id, JobState.RUNNING)
        waiting = _with_outcome(job_id, RowOutcome.WAITING)
        values: dict[str, Any] = {"state": state.value, "ended_at": event.at}
        if arguments is not None:
            values["arguments"] = arguments
        async with self._connections.writing() as connection:
            ended = await connection.execute(update(_JOBS).where(*is_running).values(values))
            if ended.rowcount == 1:
                await connection.execute(update(_ROWS).where(*waiting).values(before=null()))
                await write_events(connection, event)
            return ended.rowcount == 1

    @run_to_completion
    async def rows(
        self,
        job_id: str,
        outcomes: Collection[RowOutcome],
        limit: int,
        after: str | None = None,
    ) -> list[JobRow]:
        """The next rows with one of these outcomes, by subject."""
        query = select(_ROWS).where(*_with_outcome(job_id, *outcomes))
        if after is not None:
            query = query.where(_ROWS.c.subject_id > after)
        async with self._connections.reading() as connection:
            rows = await connection.execute(query.order_by(_ROWS.c.subject_id).limit(limit))
            return [
                JobRow(
                    subject_id=row["subject_id"],
                    outcome=RowOutcome(row["outcome"]),
                    before=row["before"],
                    detail=row["detail"],
                )
                for row in rows.mappings()
            ]

    @run_to_completion
    async def count(self, job_id: str, outcome: RowOutcome) -> int:
        """How many people of a job had this outcome."""
        query = select(func.count()).where(*_with_outcome(job_id, outcome))
        async with self._connections.reading() as connection:
            return await connection.scalar(query) or 0

    @run_to_completion
    async def states(self, subject_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """What people are now: as much of it as a job may change. Unknown ones are left out."""
        ids = [each.removeprefix(SUBJECT_PREFIX) for each in subject_ids]
        accounts = select(
            _ACCOUNTS.id, _ACCOUNTS.username, _ACCOUNTS.enabled, _ACCOUNTS.groups, _ACCOUNTS.version
        ).where(_ACCOUNTS.id.in_(ids))
        people = select(
            _PEOPLE.subject_id, _PEOPLE.username, _PEOPLE.enabled, _PEOPLE.version
        ).where(_PEOPLE.subject_id.in_(list(subject_ids)))
        async with self._connections.reading() as connection:
            found: dict[str, dict[str, Any]] = {
                SUBJECT_PREFIX + row.id: {
                    "username": row.username,
                    "enabled": row.enabled,
                    "groups": row.groups,
                    "version": row.version,
                }
                for row in await connection.execute(accounts)
            }
            for row in await connection.execute(people):
                found[row.subject_id] = {
                    "username": row.username,
                    "enabled": row.enabled,
                    "version": row.version,
                }
        return found

    @run_to_completion
    async def purge(self, now: float, limit: int) -> int:
        """Remove jobs that ended before ``KEPT``, and at most ``limit`` of their rows.

        Returns the number of rows.
        """
        is_old_draft = and_(
            _JOBS.c.state == JobState.DRAFT.value, _JOBS.c.created_at < now - KEPT_DRAFT
        )
        old = select(_JOBS.c.id).where(or_(_JOBS.c.ended_at < now - KEPT, is_old_draft))
        some = select(_ROWS.c.job_id, _ROWS.c.subject_id).where(_ROWS.c.job_id.in_(old))
        key = tuple_(_ROWS.c.job_id, _ROWS.c.subject_id)
        async with self._connections.writing() as connection:
            removed = (
                await connection.execute(delete(_ROWS).where(key.in_(some.limit(limit))))
            ).rowcount
            if not removed:
                await connection.execute(delete(_JOBS).where(_JOBS.c.id.in_(old)))
            return removed

    @run_to_completion
    async def count_running(self) -> int:
        """How many have not ended."""
        is_running = (_is_known, _JOBS.c.state == JobState.RUNNING.value)
        query = select(func.count()).select_from(_JOBS).where(*is_running)
        async with self._connections.reading() as connection:
            return await connection.scalar(query) or 0

    @run_to_completion
    async def _jobs(self, query: Select[Any]) -> list[Job]:
        async with self._connections.reading() as connection:
            rows = (await connection.execute(query.where(_is_known))).mappings().all()
        return [
            Job(**{**row, "kind": JobKind(row["kind"]), "state": JobState(row["state"])})
            for row in rows
        ]


_is_known = _JOBS.c.kind.in_([each.value for each in JobKind])
"""A later version may have other kinds, and carries those out itself."""


def _in_state(job_id: str, state: JobState) -> tuple[ColumnElement[bool], ...]:
    """That a job is in a state."""
    return _JOBS.c.id == job_id, _JOBS.c.state == state.value


def _with_outcome(job_id: str, *outcomes: RowOutcome) -> tuple[ColumnElement[bool], ...]:
    """That a row of a job has one of these outcomes."""
    return _ROWS.c.job_id == job_id, _ROWS.c.outcome.in_([each.value for each in outcomes])


def _job_values(job: Job) -> dict[str, Any]:
    return {column.name: getattr(job, column.name) for column in _JOBS.c}


def _row_values(job_id: str, row: JobRow) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "subject_id": row.subject_id,
        "outcome": row.outcome.value,
        "before": row.before,
        "detail": row.detail,
    }
