"""Starts, stops and undoes bulk changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Forbidden, NotFound, Outdated, Refused, refusals
from worksgate.administration.jobs.kinds import PERMISSIONS, UNDONE_BY
from worksgate.administration.roles import Permission, may
from worksgate.audit import Event
from worksgate.credentials.secrets import new_ordered_id
from worksgate.directory.account_rules import check_groups
from worksgate.directory.database import Directory
from worksgate.directory.jobs import KEPT, Job, JobKind, JobRow, JobState, RowOutcome
from worksgate.directory.people_list import (
    MOST_MATCHING,
    Listed,
    Matching,
    PeopleFilter,
    PeopleState,
)

AT_ONCE: Final = 20
"""Jobs that may be running or waiting for their turn."""
MOST_TICKED: Final = 100
NAMED: Final = 10
"""People whose names are shown before a job is started."""

_GROUPED = (JobKind.ADD_GROUP, JobKind.REMOVE_GROUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Whom a job is about: these subjects, or everybody who matches a filter."""

    subjects: tuple[str, ...] = ()
    wanted: PeopleFilter | None = None

    def arguments(self) -> dict[str, Any]:
        """As a job keeps it: the filter, and not the people who match it now."""
        if self.wanted is None:
            return {"subjects": sorted(self.subjects)}
        wanted = self.wanted
        return {
            "filter": {
                "text": wanted.text,
                "state": wanted.state,
                "source": wanted.source,
                "group": wanted.group,
            }
        }

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Selection":
        """What ``arguments`` has made."""
        kept = arguments.get("filter")
        if kept is None:
            return cls(subjects=tuple(arguments.get("subjects", ())))
        state = None if kept["state"] is None else PeopleState(kept["state"])
        return cls(wanted=PeopleFilter(**{**kept, "state": state}))


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would be changed: how many, a digest of who they are, and the first of them."""

    matching: Matching
    first: list[Listed]


class JobAdministration:
    """Bulk changes; ``actor`` sees those of others only if they may read the audit log."""

    def __init__(self, directory: Directory, actor: Actor) -> None:
        self._directory = directory
        self._rows = directory.jobs
        self._actor = actor

    async def preview(self, selection: Selection) -> Preview:
        """Whom a job would be about, as of now. Raises Refused if they are too many."""
        if selection.wanted is None:
            return await self._preview_of(selection.subjects)
        people = self._directory.people_list
        matching = await people.matching(selection.wanted)
        if matching.count > MOST_MATCHING:
            raise Refused(f"more than {MOST_MATCHING:,} people match; choose fewer")
        return Preview(matching, await people.page(selection.wanted, limit=NAMED))

    async def start(
        self, kind: JobKind, selection: Selection, expected: Matching, *, group: str = ""
    ) -> Job:
        """Have people changed in the background.

        Raises Outdated if others than ``expected`` match by now, Refused or Forbidden. If others
        match by the time at which it begins, it ends and changes nobody (R-185).
        """
        self.check_may(kind)
        arguments: dict[str, Any] = selection.arguments() | {"digest": expected.digest}
        if kind in _GROUPED:
            with refusals():
                arguments["group"] = check_groups([group])[0]
        preview = await self.preview(selection)
        if preview.matching != expected:
            raise Outdated("others match by now")
        if not expected.count:
            raise Refused("nobody was chosen")
        return await self._begin(kind, arguments, expected.count)

    async def undo(self, job_id: str) -> Job:
        """Have a job undone for everybody it has changed, if they are as it left them.

        Raises NotFound, Refused or Forbidden.
        """
        job = await self.find(job_id)
        self.check_may(UNDONE_BY.get(job.kind, job.kind))
        if problem := await self.why_not_undone(job):
            raise Refused(problem)
        kept = {name: value for name, value in job.arguments.items() if name == "group"}
        kept["since"] = job.created_at
        changed = await self._rows.count(job.id, RowOutcome.DONE)
        return await self._begin(UNDONE_BY[job.kind], kept, changed, undoes=job.id)

    async def why_not_undone(self, job: Job) -> str:
        """Why a job cannot be undone now; an empty text if it can."""
        if job.kind not in UNDONE_BY:
            return "what has ended, or was sent, cannot be undone"
        if job.ended_at is None:
            return "it is still running: stop it first"
        if self._actor.now() - job.ended_at > KEPT:
            return "it ended more than 30 days ago"
        if await self._rows.undone_by(job.id) is not None:
            return "it has been undone"
        if not await self._rows.count(job.id, RowOutcome.DONE):
            return "it has changed nobody"
        return ""

    async def stop(self, job_id: str) -> Job:
        """Stop a job: whoever was changed stays so. Raises NotFound or Forbidden."""
        job = await self.find(job_id)
        self.check_may(job.kind)
        await self._rows.end(
            job.id,
            JobState.STOPPED,
            self._actor.event(
                Event.USER_CHANGED, f"job {job.id} stopped after {job.done} of {job.total}"
            ),
        )
        return await self.find(job_id)

    async def find(self, job_id: str) -> Job:
        """A job. Raises NotFound, also for one that this administrator may not see."""
        job = await self._rows.find(job_id)
        if job is None or (self._whose is not None and job.actor != self._whose):
            raise NotFound("there is no such job, or it is more than 30 days old")
        return job

    async def newest(self, limit: int, before: Job | None = None) -> list[Job]:
        """The newest jobs, or the newest before one, the newest first."""
        return await self._rows.newest(limit, self._whose, before)

    async def count_running(self) -> int:
        """How many have not ended, of everybody."""
        return await self._rows.count_running()

    async def troubled(self, limit: int) -> list[Job]:
        """The newest that have not done all that was wanted."""
        return await self._rows.troubled(limit, self._whose)

    async def wrong(self, job: Job, limit: int) -> list[JobRow]:
        """The first people who are not as was wanted."""
        return await self._rows.rows(job.id, (RowOutcome.REFUSED, RowOutcome.FAILED), limit)

    async def results(self, job: Job, limit: int, after: str | None = None) -> list[JobRow]:
        """What a job did to whom, the next rows by subject."""
        outcomes = [each for each in RowOutcome if each is not RowOutcome.WAITING]
        return await self._rows.rows(job.id, outcomes, limit, after)

    async def record_export(self, job: Job) -> None:
        """Record that somebody takes the results of a job away, before they get them (R-159)."""
        event = self._actor.event(Event.SYSTEM, f"the results of job {job.id} were exported")
        await self._directory.record([event])

    @property
    def _whose(self) -> str | None:
        """Whose jobs this administrator sees; None for everybody's."""
        role = self._actor.role
        return None if role is None or may(role, Permission.AUDIT) else self._actor.name

    def check_may(self, kind: JobKind) -> None:
        """Raise Forbidden if this administrator may not do this to many people."""
        role = self._actor.role
        if role is not None and not may(role, PERMISSIONS[kind]):
            raise Forbidden(f"the role {role.value} cannot do this to many people")

    async def _preview_of(self, subjects: tuple[str, ...]) -> Preview:
        if len(subjects) > MOST_TICKED:
            raise Refused(f"more than {MOST_TICKED} people are ticked")
        return Preview(
            Matching(len(subjects), ""), await self._directory.people_list.among(subjects[:NAMED])
        )

    async def _begin(
        self, kind: JobKind, arguments: dict[str, Any], total: int, *, undoes: str | None = None
    ) -> Job:
        if await self._rows.count_running() >= AT_ONCE:
            raise Refused(f"{AT_ONCE} jobs are running or waiting; try again later")
        actor = self._actor
        job = Job(
            id=new_ordered_id(),
            kind=kind,
            arguments={**arguments, "subject_id": actor.subject_id},
            actor=actor.name,
            role=None if actor.role is None else actor.role.value,
            state=JobState.RUNNING,
            created_at=actor.now(),
            total=total,
            undoes=undoes,
            session=actor.session,
            request_id=actor.request_id,
        )
        what = f"{kind.value.replace('_', ' ')}, {total} people"
        if undoes is not None:
            what += f", which undoes job {undoes}"
        await self._rows.add(job, actor.event(Event.USER_CHANGED, f"job {job.id}: {what}"))
        return job
