"""Many people at once: what is asked first, who may, and what is left to look at."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.databases import query
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of

from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent
from worksgate.database.leases import JOBS, Turn
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.jobs import Job, JobRows, JobState
from worksgate.web.console import help_limit

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_BYTES = 60_000
TEAM = "team"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleUnderTest]:
    async with console_of(tmp_path_factory.mktemp("bulk")) as console:
        await console.make("owner", Role.OWNER)
        await console.make("desk", Role.HELP_DESK)
        yield console


@pytest_asyncio.fixture(loop_scope="module")
async def browser(console: ConsoleUnderTest) -> AdminBrowser:
    """Of an owner who has just shown the second factor, whichever test moved the clock before."""
    return await console.signed_in("owner")


def directory_of(console: ConsoleUnderTest) -> Directory:
    return console.administration.people._directory


async def people(console: ConsoleUnderTest, prefix: str, count: int, name: str = "") -> list[str]:
    """Accounts without a password, in a group; their subjects."""
    accounts = [
        Account(
            id=f"{prefix}-{number:03}",
            username=f"{prefix}-{number:03}",
            name=name,
            groups=(prefix,),
            created_at=console.clock(),
        )
        for number in range(count)
    ]
    async with directory_of(console).changing() as transaction:
        await transaction.add_accounts(accounts)
    return [each.person.subject_id for each in accounts]


def ticks(subjects: list[str]) -> dict[str, str]:
    return {f"p.{number}": subject for number, subject in enumerate(subjects, 1)}


async def follow(browser: AdminBrowser) -> str:
    assert browser.page.status_code == 303, browser.page.text
    return (await browser.get(browser.page.headers["location"])).text


async def choose(browser: AdminBrowser, do: str, **chosen: str) -> dict[str, str]:
    """The fields of the page that says whom it is about."""
    await browser.get("/people")
    await browser.post("/people/bulk", do=do, **chosen)
    assert browser.page.status_code == 200, browser.page.text
    names = ["do", "count", "digest", "all", "q", "state", "source", "group"]
    kept = {name: value for name in names if (value := browser.hidden(name))}
    ticked = {name: value for name, value in chosen.items() if name.startswith("p.")}
    return kept | ticked


async def is_over(console: ConsoleUnderTest, browser: AdminBrowser) -> str:
    """The page of the job that was just started, as soon as it has ended."""
    path = browser.page.headers["location"]
    async with asyncio.timeout(60):
        while await directory_of(console).jobs.count_running():  # noqa: ASYNC110  # another task changes it
            await asyncio.sleep(0.05)
    return (await browser.get(path)).text


async def enabled(console: ConsoleUnderTest, prefix: str) -> int:
    sql = f"SELECT count(*) FROM accounts WHERE enabled AND username LIKE '{prefix}-%'"
    return int(query(console.database, sql)[0][0])


async def test_ticked_people_are_disabled_and_that_is_undone(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    subjects = await people(console, "ticked", 3)
    kept = await choose(browser, "disable", **ticks(subjects[:2]))
    assert "Disable 2 people?" in browser.page.text
    assert "For 30 days this can be undone" in browser.page.text
    assert await enabled(console, "ticked") == 3
    await browser.post("/jobs/start", **kept)
    page = await is_over(console, browser)
    assert "Disable: done for 2 people" in page
    assert "http-equiv" not in page
    assert await enabled(console, "ticked") == 1
    job_id = browser.hidden("id")
    await browser.post("/job/undo", id=job_id)
    assert "This undoes another change." in await is_over(console, browser)
    assert await enabled(console, "ticked") == 3
    await browser.get(f"/job?id={job_id}")
    assert "/job/undo" not in browser.page.text
    listed = (await browser.get("/jobs")).text
    assert "Undo: Enable" in listed


async def test_all_that_match_are_disabled_by_their_filter(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    subjects = await people(console, "filter", 14)
    await people(console, "beside", 2)
    first = ticks(subjects[:1])
    kept = await choose(browser, "disable", group="filter", all="1", **first)
    assert "Disable 14 people?" in browser.page.text
    assert "and 4 more" in browser.page.text
    assert "p.1" not in kept | {"": browser.hidden("p.1")} or browser.hidden("p.1") == ""
    await browser.post("/jobs/start", **kept)
    assert "Disable: done for 14 people" in await is_over(console, browser)
    assert (await enabled(console, "filter"), await enabled(console, "beside")) == (0, 2)
    stored = query(console.database, "SELECT arguments FROM jobs WHERE total = 14")[0][0]
    assert "filter-001" not in stored


async def test_r185_if_others_match_by_then_it_is_asked_again(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    await people(console, "moving", 4)
    kept = await choose(browser, "disable", group="moving", all="1")
    await console.administration.users.change("moving-001", groups=())
    await browser.post("/jobs/start", **kept)
    assert browser.page.status_code == 409
    assert "Disable 3 people?" in browser.page.text
    assert "The list has changed in the meantime" in browser.page.text
    assert await enabled(console, "moving") == 4


async def test_r185_a_job_says_that_others_matched_when_its_turn_came(
    console: ConsoleUnderTest, browser: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people(console, "waited", 3)
    kept = await choose(browser, "enable", group="waited", all="1")
    add = JobRows.add

    async def add_late(self: JobRows, job: Job, event: AuditEvent) -> None:
        await console.administration.users.change("waited-001", groups=())
        await add(self, job, event)

    monkeypatch.setattr(JobRows, "add", add_late)
    await browser.post("/jobs/start", **kept)
    page = await is_over(console, browser)
    assert "The list has changed in the meantime" in page
    assert "0 of 3" in page


async def test_r185_more_than_ten_are_disabled_after_the_second_factor_only(
    console: ConsoleUnderTest,
) -> None:
    await console.make("careful", Role.OWNER)
    browser = await console.signed_in("careful")
    subjects = await people(console, "many", 11)
    many = ticks(subjects)
    kept = await choose(browser, "disable", **many)
    console.clock.advance(301)
    await browser.post("/jobs/start", **kept)
    assert "Is it you?" in browser.page.text
    assert browser.hidden("p.11") == subjects[10]
    for lie in ("0", "", "x"):  # a count that would not need it starts nothing
        await browser.post("/jobs/start", **{**kept, "count": lie})
        assert browser.page.status_code == 409, lie
    await browser.post("/jobs/start", **{**kept, "count": "10"})
    assert "Is it you?" in browser.page.text
    assert await enabled(console, "many") == 11
    kept = await choose(browser, "disable", **many)
    await browser.post("/jobs/start", **kept, proof=console.code("careful"))
    await is_over(console, browser)
    assert await enabled(console, "many") == 0


async def test_r185_a_help_desk_disables_a_few_and_nothing_else(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(help_limit, "HELPED", 3)
    desk = await console.signed_in("desk")
    subjects = await people(console, "helped", 4)
    page = (await desk.get("/people")).text
    assert 'value="disable"' in page
    for other in ("enable", "sign_out", "group", "reset_link"):
        assert f'name="do" value="{other}"' not in page
        await desk.post("/people/bulk", do=other, **ticks(subjects[:1]))
        assert desk.page.status_code == 403
        await desk.get("/people")
        await desk.post("/jobs/start", do=other, count="1", group_name="x", **ticks(subjects[:1]))
        assert desk.page.status_code == 403
        await desk.get("/people")
    for path in ("/people/bulk", "/jobs/start"):
        await desk.get("/people")
        await desk.post(path, do="disable", all="1", group="helped", count="4", digest="x")
        assert desk.page.status_code == 403, path
    kept = await choose(desk, "disable", **ticks(subjects))
    await desk.post("/jobs/start", **kept)
    assert desk.page.status_code == 429
    owner = (await console.administration.users.get("owner")).person.subject_id
    kept = await choose(desk, "disable", **ticks([owner, subjects[0]]))
    await desk.post("/jobs/start", **kept)
    assert "but for 1 person" in await is_over(console, desk)
    assert "is an administrator" in desk.page.text
    assert await enabled(console, "helped") == 3
    assert (await console.administration.users.get("owner")).enabled


async def test_r159_the_result_is_recorded_and_runs_in_no_spreadsheet(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    added = await console.administration.users.add("=cmd", password="purple lantern by the bay")
    kept = await choose(browser, "enable", **ticks([added.account.person.subject_id]))
    await browser.post("/jobs/start", **kept)
    await is_over(console, browser)
    job_id = browser.hidden("id")
    await browser.post("/job/result", id=job_id, proof=console.code("owner"))
    assert browser.page.headers["content-type"].startswith("text/csv")
    header, row = csv.reader(io.StringIO(browser.page.text))
    assert header == ["subject_id", "username", "outcome", "detail"]
    assert row[1:] == ["'=cmd", "unchanged", ""]
    exported = f"the results of job {job_id} were exported"
    assert query(console.database, "SELECT actor FROM audit WHERE detail = ?", exported) == [
        ("console:owner",)
    ]


async def test_groups_are_changed_for_many(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    subjects = await people(console, "grouped", 2)
    kept = await choose(browser, "group", **ticks(subjects))
    await browser.post("/jobs/start", **kept, mode="add", group_name="新人")
    assert "新人" in await is_over(console, browser)
    account = await console.administration.users.get("grouped-001")
    assert account.groups == ("grouped", "新人")
    page = (await browser.get("/people?group=新人")).text
    assert "2 people" in page
    kept = await choose(browser, "group", **ticks(subjects))
    await browser.post("/jobs/start", **kept, mode="remove", group_name="新人")
    await is_over(console, browser)
    assert (await console.administration.users.get("grouped-001")).groups == ("grouped",)


async def test_a_job_that_runs_is_read_again_and_stopped(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    await people(console, "stopped", 40)
    kept = await choose(browser, "disable", group="stopped", all="1")
    await browser.post("/jobs/start", **kept, proof=console.code("owner"))
    page = await follow(browser)
    assert '<meta http-equiv="refresh"' in page
    await browser.post("/job/stop", id=browser.hidden("id"))
    page = await follow(browser)
    assert "http-equiv" not in page
    assert JobState.STOPPED.value in page


async def test_today_says_how_many_jobs_are_running(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    await people(console, "held", 2)
    said = "1 change of many people is running"
    assert said not in (await browser.get("/")).text
    turn = Turn(console.administration.people._directory.leases, 60.0, JOBS)
    assert await turn.take()  # so that the job waits
    try:
        kept = await choose(browser, "sign_out", group="held", all="1")
        await browser.post("/jobs/start", **kept, proof=console.code("owner"))
        assert said in (await browser.get("/")).text
    finally:
        await turn.release()


async def test_a_page_of_people_with_long_names_is_light(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    await people(console, "long", 60, name="長" * 60)
    for path in ("/people?group=long", "/people?q=長"):
        page = await browser.get(path)
        assert page.text.count('type="checkbox" name="p.') == 50
        assert len(page.content) <= MOST_BYTES


@pytest.mark.parametrize("sort", ["last", "made"])
async def test_people_are_sorted_and_paged_by_a_time(
    console: ConsoleUnderTest, browser: AdminBrowser, sort: str
) -> None:
    group = f"paged-{sort}"
    await people(console, group, 55)
    seen: list[str] = []
    path = f"/people?group={group}&sort={sort}"
    for _ in range(2):
        page = (await browser.get(path)).text
        seen += [each for each in (f"{group}-{n:03}" for n in range(55)) if f">{each}</td>" in page]
        path = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 55
    assert path == ""
    wrong = await browser.get(f"/people?group={group}&sort={sort}&after=somebody&id=x")
    assert wrong.status_code == 200


@pytest.mark.parametrize("do", ["enable", "sign_out", "group"])
async def test_r185_more_than_ten_are_changed_after_the_second_factor_only(
    console: ConsoleUnderTest, do: str
) -> None:
    await console.make(f"changes-{do}", Role.ADMIN)
    browser = await console.signed_in(f"changes-{do}")
    subjects = await people(console, f"of-{do}", 11)
    console.clock.advance(301)
    for chosen in (ticks(subjects), {"group": f"of-{do}", "all": "1"}):
        kept = await choose(browser, do, **chosen)
        await browser.post("/jobs/start", **kept, group_name="x", mode="add")
        assert "Is it you?" in browser.page.text, chosen
    kept = await choose(browser, do, **ticks(subjects[:10]))
    await browser.post("/jobs/start", **kept, group_name="x", mode="add")
    await is_over(console, browser)


async def test_r185_ten_at_a_time_are_disabled_after_the_second_factor_too(
    console: ConsoleUnderTest,
) -> None:
    await console.make("by-tens", Role.ADMIN)
    browser = await console.signed_in("by-tens")
    subjects = await people(console, "tens", 12)
    console.clock.advance(301)
    kept = await choose(browser, "disable", **ticks(subjects[:10]))
    await browser.post("/jobs/start", **kept)
    await is_over(console, browser)
    assert await enabled(console, "tens") == 2
    kept = await choose(browser, "disable", **ticks(subjects[10:11]))
    await browser.post("/jobs/start", **kept)
    assert "Is it you?" in browser.page.text
    await browser.post("/jobs/start", **kept, proof=console.code("by-tens"))
    await is_over(console, browser)
    assert await enabled(console, "tens") == 1
    console.clock.advance(301)  # and the code is good for what was proved only, not for the hour
    kept = await choose(browser, "disable", **ticks(subjects[11:]))
    await browser.post("/jobs/start", **kept)
    assert "Is it you?" in browser.page.text
    assert await enabled(console, "tens") == 1
