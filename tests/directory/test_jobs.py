"""Jobs and their rows: written down once, counted once, and removed in steps."""

from typing import Any

import pytest
from tests.databases import NOW

from worksgate.audit import AuditEvent, Event
from worksgate.database import Conflict
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.jobs import KEPT, Job, JobKind, JobRow, JobState, RowOutcome
from worksgate.sources import Person

EVENT = AuditEvent(event=Event.USER_CHANGED, at=NOW)


def job(**values: Any) -> Job:
    given: dict[str, Any] = {
        "id": "j1",
        "kind": JobKind.DISABLE,
        "arguments": {"subjects": ["directory:1"]},
        "actor": "console:naoko",
        "role": "admin",
        "state": JobState.RUNNING,
        "created_at": NOW,
        "total": 2,
        **values,
    }
    return Job(**given)


async def test_a_row_is_written_down_once_and_counted_once(directory: Directory) -> None:
    jobs = directory.jobs
    await jobs.add(job(), EVENT)
    rows = [JobRow(subject_id=each, before={"enabled": True}) for each in ("a", "b")]
    await jobs.begin("j1", rows, "b")
    with pytest.raises(Conflict):
        await jobs.begin("j1", [JobRow(subject_id="b"), JobRow(subject_id="c")], "c")
    settled = JobRow(subject_id="a", outcome=RowOutcome.FAILED, before=None, detail="why")
    assert await jobs.settle("j1", settled)
    assert await jobs.settle("j1", settled)
    found = await jobs.find("j1")
    assert found == job(done=1, failed=1, position="b")
    assert await jobs.rows("j1", list(RowOutcome), 10) == [settled, rows[1]]
    assert await jobs.rows("j1", list(RowOutcome), 10, "a") == [rows[1]]
    assert await jobs.count("j1", RowOutcome.WAITING) == 1


async def test_a_job_ends_once(directory: Directory) -> None:
    jobs = directory.jobs
    await jobs.add(job(), EVENT)
    assert await jobs.count_running() == 1
    assert await jobs.end("j1", JobState.STOPPED, EVENT)
    assert not await jobs.end("j1", JobState.DONE, EVENT)
    assert not await jobs.settle("j1", JobRow(subject_id="a", outcome=RowOutcome.DONE))
    assert await jobs.running(1) == []
    assert [each.state for each in await jobs.newest(5, "console:naoko")] == [JobState.STOPPED]
    assert await jobs.newest(5, "console:other") == []


async def test_jobs_of_one_moment_are_on_one_page_each(directory: Directory) -> None:
    jobs = directory.jobs
    for each in ("j0", "j2", "j1"):
        await jobs.add(job(id=each, state=JobState.DONE), EVENT)
    await jobs.add(job(id="j9", state=JobState.DONE, created_at=NOW - 1), EVENT)
    listed: list[str] = []
    last: Job | None = None
    while page := await jobs.newest(1, before=last):
        (last,) = page
        listed.append(last.id)
    assert listed == ["j2", "j1", "j0", "j9"]


async def test_what_people_are_is_read_of_every_source(directory: Directory) -> None:
    async with directory.changing() as transaction:
        await transaction.add_accounts([Account(id="1", username="aoi", groups=("x",))])
    await directory.people.remember(
        "company", Person(subject_id="ldap:1", username="hana", name=""), NOW
    )
    assert await directory.jobs.states(["directory:1", "ldap:1", "directory:2"]) == {
        "directory:1": {"username": "aoi", "enabled": True, "groups": ["x"], "version": 0},
        "ldap:1": {"username": "hana", "enabled": True, "version": 0},
    }


async def test_a_draft_is_begun_once(directory: Directory) -> None:
    jobs = directory.jobs
    await jobs.add_draft(job(kind=JobKind.IMPORT, state=JobState.DRAFT))
    await jobs.add_rows("j1", [JobRow(subject_id="line:1", before={"cells": {}})])
    assert await jobs.begin_draft("j1", EVENT)
    assert not await jobs.begin_draft("j1", EVENT)
    await jobs.note_tried("j1", await jobs.rows("j1", list(RowOutcome), 1))
    (row,) = await jobs.rows("j1", list(RowOutcome), 1)
    assert row.before == {"cells": {}, "tried": True}


async def test_old_jobs_are_removed_in_steps(directory: Directory) -> None:
    jobs = directory.jobs
    for number in (1, 2):
        await jobs.add(job(id=f"j{number}"), EVENT)
        rows = [JobRow(subject_id=each) for each in ("a", "b", "c")]
        await jobs.begin(f"j{number}", rows, "c")
    await jobs.end("j1", JobState.DONE, EVENT)
    assert await jobs.purge(NOW + KEPT, 10) == 0
    removed = [await jobs.purge(NOW + KEPT + 1, 2) for _ in range(3)]
    assert removed == [2, 1, 0]
    assert await jobs.find("j1") is None
    assert await jobs.count("j2", RowOutcome.WAITING) == 3
