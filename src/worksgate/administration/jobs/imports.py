"""Imports of people from a file, as jobs: checked first, and begun after somebody has looked.

The rows of the file are kept with the job, so that another process can go on with them, each until
it is settled. So a file with passwords or hashes is refused here (R-189): they would be in the
database, in clear text. Of each administrator one file is kept that was checked and not begun.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Forbidden, NotFound, Refused
from worksgate.administration.jobs.kinds import Operations
from worksgate.administration.jobs.operations import JobAdministration
from worksgate.administration.people_import.columns import (
    SECRETS,
    Entry,
    ImportOutcome,
    ImportRow,
    Reader,
)
from worksgate.administration.people_import.operations import ImportAdministration
from worksgate.audit import Event
from worksgate.credentials.secrets import new_ordered_id
from worksgate.directory.database import Directory
from worksgate.directory.jobs import Job, JobKind, JobRow, JobRows, JobState, RowOutcome

MOST_ROWS: Final = 10_000
"""Rows of one file; ``worksgate user import`` has no limit."""
_AT_ONCE: Final = 500

Cells = Mapping[str | None, str]


class ImportJobs:
    """Imports that are carried out in the background."""

    def __init__(
        self,
        directory: Directory,
        people_import: ImportAdministration,
        jobs: JobAdministration,
        actor: Actor,
    ) -> None:
        self._rows = directory.jobs
        self._import = people_import
        self._jobs = jobs
        self._actor = actor

    async def check(self, rows: Sequence[Cells], *, update: bool) -> Job:
        """Keep the rows of a file with what would happen to each; nobody is changed.

        With ``update`` people who exist are changed. What this administrator has checked before
        and not begun is dropped. Raises Refused or Forbidden.
        """
        self._jobs.check_may(JobKind.IMPORT)
        if not rows:
            raise Refused("the file has no rows")
        if len(rows) > MOST_ROWS:
            raise Refused(
                f"the file has more than {MOST_ROWS:,} rows; on the server: worksgate user import"
            )
        if SECRETS & rows[0].keys():
            raise Refused(
                "passwords and hashes are not imported here; leave the column out, or on the "
                "server: worksgate user import"
            )
        report = await self._import.run(rows, dry_run=True, update=update)
        counts = {each.value: report.count(each) for each in ImportOutcome}
        refused = counts[ImportOutcome.REFUSED]
        job = Job(
            id=new_ordered_id(),
            kind=JobKind.IMPORT,
            arguments={
                "update": update,
                "counts": counts,
                "subject_id": self._actor.subject_id,
            },
            actor=self._actor.name,
            role=None if self._actor.role is None else self._actor.role.value,
            state=JobState.DRAFT,
            created_at=self._actor.now(),
            total=len(rows),
            done=refused,
            failed=refused,
        )
        await self._rows.add_draft(job)
        checked = [_kept(cells, row) for cells, row in zip(rows, report.rows, strict=True)]
        for start in range(0, len(checked), _AT_ONCE):
            if not await self._rows.add_rows(job.id, checked[start : start + _AT_ONCE]):
                raise Refused("you have had another file checked meanwhile")
        return job

    async def begin(self, job_id: str) -> Job:
        """Import the rows that were not refused. Raises NotFound, Refused or Forbidden."""
        self._jobs.check_may(JobKind.IMPORT)
        job = await self._jobs.find(job_id)
        if job.actor != self._actor.name:
            raise Refused("somebody else has checked this file; check it yourself")
        event = self._actor.event(
            Event.USER_CHANGED, f"job {job.id}: import, {job.total - job.failed} people"
        )
        actor = self._actor
        if not await self._rows.begin_draft(job.id, event, actor.session, actor.request_id):
            raise Refused("this import has begun already")
        return await self._jobs.find(job_id)

    async def first(self, job: Job, limit: int) -> list[JobRow]:
        """The first rows of a file, in its order."""
        return await self._rows.rows(job.id, list(RowOutcome), limit)


async def import_rows(
    operations: Operations, rows: JobRows, job: Job, waiting: Sequence[JobRow]
) -> list[JobRow]:
    """Import some rows; each with its outcome.

    A row that was tried before, in a process that was killed or in an outage, may have been
    imported by that. Raises Unavailable or Unfinished: then they are to be tried again.
    """
    await rows.note_tried(job.id, waiting)
    report = await operations.people_import.run(
        [_cells(row) for row in waiting], dry_run=False, update=bool(job.arguments["update"])
    )
    return [
        without_cells(await _settled(operations, row, imported))
        for row, imported in zip(waiting, report.rows, strict=True)
    ]


def without_cells(row: JobRow) -> JobRow:
    """A row as it is kept once it is settled."""
    before = row.before or {}
    return replace(row, before={name: each for name, each in before.items() if name != "cells"})


async def _settled(operations: Operations, row: JobRow, imported: ImportRow) -> JobRow:
    outcome = {
        ImportOutcome.ADDED: RowOutcome.DONE,
        ImportOutcome.UPDATED: RowOutcome.DONE,
        ImportOutcome.UNCHANGED: RowOutcome.UNCHANGED,
        ImportOutcome.REFUSED: RowOutcome.REFUSED,
    }[imported.outcome]
    is_tried = bool((row.before or {}).get("tried"))
    if is_tried and outcome is not RowOutcome.DONE and await _is_imported(operations, row):
        with suppress(Forbidden, NotFound):
            await operations.users.sign_out(imported.username)  # which may have been missed
        return replace(row, outcome=RowOutcome.DONE)
    return replace(row, outcome=outcome, detail=imported.reason)


async def _is_imported(operations: Operations, row: JobRow) -> bool:
    """Whether a person is as the row says."""
    (entry,) = Reader().read([_cells(row)])
    if not isinstance(entry, Entry):
        return False
    try:
        account = await operations.users.get(entry.username)
    except NotFound:
        return False
    return entry.onto(account) == account


def _cells(row: JobRow) -> dict[str | None, str]:
    kept: dict[str | None, str] = (row.before or {})["cells"]
    return kept


def _kept(cells: Cells, row: ImportRow) -> JobRow:
    """A row of a file as it is kept; one that was refused is over."""
    before: dict[str, Any] = {
        "username": row.username,
        "cells": {name: cell for name, cell in cells.items() if name is not None},
        "will": row.outcome.value,
        "lacks": list(row.lacks),
    }
    is_refused = row.outcome is ImportOutcome.REFUSED
    kept = JobRow(
        subject_id=f"line:{row.line:08}",
        outcome=RowOutcome.REFUSED if is_refused else RowOutcome.WAITING,
        before=before,
        detail=row.reason,
    )
    return without_cells(kept) if is_refused else kept
