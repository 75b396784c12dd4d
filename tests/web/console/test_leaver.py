"""The page of a person who leaves: what will end, and the proof that it has."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio
from tests.databases import query
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of

from worksgate.administration.departures.steps import DepartureSteps
from worksgate.administration.roles import Role
from worksgate.database import DatabaseUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = 86_400.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleUnderTest]:
    folder: Path = tmp_path_factory.mktemp("leaver")
    async with console_of(folder) as console:
        await console.make("owner", Role.OWNER)
        yield console


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(console: ConsoleUnderTest) -> AdminBrowser:
    return await console.signed_in("owner")


async def page_of(browser: AdminBrowser, subject: str) -> str:
    page = await browser.get(f"/person/leave?id={subject}")
    assert page.status_code == 200
    return page.text


async def follow(browser: AdminBrowser) -> str:
    assert browser.page.status_code == 303, browser.page.text
    return (await browser.get(browser.page.headers["location"])).text


async def test_what_ends_is_said_before_and_proved_after(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    subject = await console.make("hana", None, has_app=False)
    before = await page_of(browser, subject)
    assert "What ends when Hana leaves" in before
    assert "key-hana" in before
    await browser.post("/person/leave", id=subject, when="now")
    after = await follow(browser)
    assert "Hana can no longer get in. One step at LINE WORKS is left to you." in after
    records = re.findall(r"record (\d+)", after)
    assert len(records) == 3
    details = query(
        console.database, f"SELECT actor, detail FROM audit WHERE id IN ({','.join(records)})"
    )
    assert sorted(details) == [
        ("console:owner", "leaves: app passwords removed: 0"),
        ("console:owner", "leaves: disabled"),
        ("console:owner", "leaves: sessions, codes and tokens ended: 0"),
    ]
    await browser.post("/person/enable", id=subject, version=browser.hidden("version"))
    assert "What ends when Hana leaves" in await page_of(browser, subject)


async def test_a_step_that_has_failed_is_tried_again_alone(
    console: ConsoleUnderTest, browser: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> int:
        raise DatabaseUnavailable("the disk is full")

    subject = await console.make("kei", None, has_app=False)
    await page_of(browser, subject)
    with monkeypatch.context() as failing:
        failing.setattr(DepartureSteps, "_remove_app_passwords", fail)
        await browser.post("/person/leave", id=subject, when="now")
        page = await follow(browser)
        assert "Not every step is done yet" in page
        assert "It failed when it was last tried: the disk is full" in page.replace("</span>", "")
        assert page.count('action="/person/leave/step"') == 1
        form = {"id": subject, "step": browser.hidden("step")}
        assert form["step"] == "app_passwords"
        await browser.post("/person/leave/step", **form)
        assert "The step has failed again." in await follow(browser)
    await browser.post("/person/leave/step", **form)
    page = await follow(browser)
    assert "The step is done." in page
    assert "Kei can no longer get in." in page
    assert "/person/leave/step" not in page
    await browser.post("/person/leave/step", id=subject, step="none")
    assert browser.page.status_code == 404


async def test_a_departure_is_planned_for_a_day_and_dropped(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    subject = await console.make("jiro", None, has_app=False)
    day = datetime.fromtimestamp(console.clock() + 30 * DAY).strftime("%Y-%m-%d")
    await page_of(browser, subject)
    await browser.post("/person/leave", id=subject, when="date", day=day, time="18:30")
    assert "Jiro leaves at" in await follow(browser)
    (planned,) = await console.administration.departures.planned()
    assert planned.due_at == datetime.fromisoformat(f"{day}T18:30").timestamp()
    assert planned.actor == "console:owner"
    other = await console.make("saburo", None, has_app=False)
    assert f'/person/leave?id={subject.replace(":", "%3A")}"' in await page_of(browser, other)
    await page_of(browser, subject)
    await browser.post("/person/leave/cancel", id=subject)
    assert "no longer planned" in await follow(browser)
    assert await console.administration.departures.planned() == []


@pytest.mark.parametrize(("day", "time"), [("2001-01-01", "18:00"), ("", ""), ("x", "25:00")])
async def test_a_day_that_is_past_or_none_is_asked_again(
    console: ConsoleUnderTest, browser: AdminBrowser, day: str, time: str
) -> None:
    subject = (await console.administration.users.get("owner")).person.subject_id
    await page_of(browser, subject)
    await browser.post("/person/leave", id=subject, when="date", day=day, time=time)
    assert browser.page.status_code == 400
    assert "cannot be read, or are in the past" in browser.page.text
    assert await console.administration.departures.planned() == []


async def test_leaving_asks_for_the_second_factor_and_keeps_the_day(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    subject = await console.make("shiro", None, has_app=False)
    await page_of(browser, subject)
    console.clock.advance(301)
    await browser.post("/person/leave", id=subject, when="date", day="2099-01-01")
    assert "Is it you?" in browser.page.text
    assert browser.hidden("day") == "2099-01-01"
    assert await console.administration.departures.planned() == []
    kept = {name: browser.hidden(name) for name in ("id", "when", "day")}
    await browser.post("/person/leave", **kept, proof=console.code("owner"))
    assert browser.page.status_code == 303
    await console.administration.departures.cancel("shiro")


async def test_who_may_only_look_gets_no_form(console: ConsoleUnderTest) -> None:
    await console.make("auditor", Role.AUDITOR)
    auditor = await console.signed_in("auditor")
    page = await page_of(auditor, await console.make("goro", None, has_app=False))
    assert '<form class="decide"' not in page
    assert "Your role may look, and not change." in page
    await console.make("admin", Role.ADMIN)
    admin = await console.signed_in("admin")
    owner = (await console.administration.users.get("owner")).person.subject_id
    page = await page_of(admin, owner)
    assert '<form class="decide"' not in page
    await admin.post("/person/leave", id=owner, when="now")
    assert admin.page.status_code == 403
    assert await console.administration.departures.planned() == []
