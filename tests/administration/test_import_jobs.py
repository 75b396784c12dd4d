"""Imports as jobs: what is checked and kept, and what is left of one that was interrupted."""

from collections.abc import Sequence

import pytest
from tests.administration.installation import Office
from tests.administration.test_jobs import _admin, _outcomes, _run, _runner
from tests.databases import NOW, query

from worksgate.administration import Refused
from worksgate.administration.errors import Forbidden
from worksgate.administration.jobs import imports
from worksgate.administration.roles import Role
from worksgate.directory.jobs import KEPT_DRAFT, JobRow, JobRows, JobState


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


async def test_r189_one_file_of_each_administrator_is_kept_unbegun(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = at_work.administration.import_jobs.check
    others = await (await _admin(at_work)).import_jobs.check(rows("other"), update=False)
    begun = await check(rows("begun"), update=False)
    await at_work.administration.import_jobs.begin(begun.id)
    for number in range(5):
        last = await check(rows(f"a{number}", f"b{number}"), update=False)
    kept = query(at_work.file, "SELECT job_id, count(*) FROM job_rows GROUP BY job_id")
    assert sorted(kept) == sorted([(others.id, 1), (begun.id, 1), (last.id, 2)])
    add_rows = JobRows.add_rows

    async def overtaken(self: JobRows, job_id: str, of: Sequence[JobRow]) -> bool:
        monkeypatch.setattr(JobRows, "add_rows", add_rows)
        await check(rows("second"), update=False)
        return await add_rows(self, job_id, of)

    monkeypatch.setattr(JobRows, "add_rows", overtaken)
    with pytest.raises(Refused, match="another file"):
        await check(rows("first"), update=False)
    assert "first" not in str(query(at_work.file, "SELECT * FROM job_rows"))
    assert "second" in str(query(at_work.file, "SELECT * FROM job_rows"))


async def test_r189_the_cells_of_a_row_are_kept_until_it_is_settled(
    at_work: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one that is refused, that fails, or that a stopped job has not come to."""

    def cells() -> int:
        kept = query(at_work.file, "SELECT before FROM job_rows")
        return sum("key-" in str(row) for row in kept)

    imported = at_work.administration.import_jobs
    refused = rows("refused", email="no address")
    job = await imported.check([*rows("a", "b"), *refused], update=False)
    assert cells() == 2
    await imported.begin(job.id)
    await _run(at_work)
    assert cells() == 0
    assert await _outcomes(at_work, job) == ["done", "done", "refused"]
    results = await at_work.administration.jobs.results(job, 10)
    assert [(each.before or {}).get("username") for each in results] == ["a", "b", "refused"]

    stopped = await imported.check(rows("c", "d"), update=False)
    await imported.begin(stopped.id)
    await at_work.administration.jobs.stop(stopped.id)
    assert cells() == 0

    failing = await imported.check(rows("e"), update=False)
    await imported.begin(failing.id)

    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("worksgate.administration.jobs.runner.import_rows", fails)
    await _run(at_work)
    assert await _outcomes(at_work, failing) == ["failed"]
    assert cells() == 0


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
