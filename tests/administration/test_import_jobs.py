"""Imports as jobs: what is checked and kept, and what is left of one that was interrupted."""

import pytest
from tests.administration.installation import Office
from tests.administration.test_jobs import _admin, _outcomes, _run, _runner
from tests.databases import NOW, query

from worksgate.administration import Refused
from worksgate.administration.errors import Forbidden
from worksgate.administration.jobs import imports
from worksgate.administration.roles import Role
from worksgate.directory.jobs import KEPT_DRAFT, JobRows, JobState


def rows(*names: str, **cells: str) -> list[dict[str | None, str]]:
    more: dict[str | None, str] = dict(cells.items())
    return [{"username": name, "external_key": f"key-{name}", **more} for name in names]


async def usernames(at_work: Office) -> list[str]:
    return [each.username async for each in at_work.administration.users.all()]


async def test_a_file_is_checked_first_and_changes_nobody(at_work: Office) -> None:
    await at_work.administration.users.add("b")
    file = [*rows("a", "b", "a"), *rows("c", email="no address")]
    job = await at_work.administration.import_jobs.check(file, update=False)
    assert (job.state, job.total, job.failed) == (JobState.DRAFT, 4, 3)
    assert job.arguments["counts"] == {"added": 1, "updated": 0, "unchanged": 0, "refused": 3}
    wrong = await at_work.administration.jobs.wrong(job, 10)
    assert [each.subject_id for each in wrong] == [
        "line:00000003",
        "line:00000004",
        "line:00000005",
    ]
    await _run(at_work)
    assert await usernames(at_work) == ["b"]
    await at_work.administration.import_jobs.begin(job.id)
    await _run(at_work)
    assert await usernames(at_work) == ["a", "b"]
    assert await _outcomes(at_work, job) == ["done", "refused", "refused", "refused"]
    done = await at_work.administration.jobs.find(job.id)
    assert (done.state, done.done, done.failed) == (JobState.DONE, 4, 3)
    with pytest.raises(Refused, match="begun already"):
        await at_work.administration.import_jobs.begin(job.id)


@pytest.mark.parametrize("column", ["password", "password_hash"])
async def test_r189_a_file_with_passwords_is_not_kept(at_work: Office, column: str) -> None:
    with pytest.raises(Refused, match="not imported here"):
        await at_work.administration.import_jobs.check(
            rows("a", **{column: "correct horse battery"}), update=False
        )
    assert query(at_work.file, "SELECT count(*) FROM job_rows") == [(0,)]


async def test_r189_an_import_is_bounded_and_begun_by_who_has_checked_it(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "MOST_ROWS", 2)
    check = at_work.administration.import_jobs.check
    with pytest.raises(Refused, match="more than 2 rows"):
        await check(rows("a", "b", "c"), update=False)
    with pytest.raises(Refused, match="no rows"):
        await check([], update=False)
    job = await check(rows("a"), update=False)
    administration = await _admin(at_work)
    with pytest.raises(Refused, match="somebody else"):
        await administration.import_jobs.begin(job.id)
    await at_work.administration.administrators.set_role("naoko", Role.AUDITOR)
    at_work.clock.now = NOW + KEPT_DRAFT + 1
    assert await at_work.directory.jobs.purge(at_work.clock.now, 10) == 1
    await at_work.directory.jobs.purge(at_work.clock.now, 10)
    assert await at_work.administration.jobs.newest(10) == []


async def test_r189_a_help_desk_imports_nobody(at_work: Office) -> None:
    administration = await _admin(at_work, Role.HELP_DESK)
    with pytest.raises(Forbidden):
        await administration.import_jobs.check(rows("a"), update=False)


@pytest.mark.parametrize("update", [False, True])
async def test_rows_that_were_imported_before_an_interruption_count_as_done(
    at_work: Office,
    monkeypatch: pytest.MonkeyPatch,
    update: bool,  # noqa: FBT001  # a parameter
) -> None:
    if update:
        await at_work.administration.users.add("a", external_key="old")
        await at_work.sign_in(await at_work.administration.users.get("a"))
    job = await at_work.administration.import_jobs.check(rows("a", "b"), update=update)
    await at_work.administration.import_jobs.begin(job.id)
    settle, calls = JobRows.settle, list[str]()

    async def interrupted(self: JobRows, job_id: str, row: object) -> bool:
        calls.append(job_id)
        if len(calls) == 1:
            raise ZeroDivisionError
        return await settle(self, job_id, row)  # type: ignore[arg-type]  # a row

    monkeypatch.setattr(JobRows, "settle", interrupted)
    await _run(at_work, _runner(at_work))
    assert len(calls) == 3
    assert await usernames(at_work) == ["a", "b"]
    assert await _outcomes(at_work, job) == ["done", "done"]
    if update:
        assert await at_work.holds_nothing(await at_work.administration.users.get("a"))
