"""What the console asks of LINE WORKS, and tells it: on three pages, and only if that is wanted."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.administration.external_keys.line_works import (
    LineWorks,
    api_app,
    member,
    served,
)
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of

from worksgate.administration import line_works_members
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.conformance.directory_api import Fault, Operation, Rank
from worksgate.credentials.master_key import MasterKey
from worksgate.credentials.secrets import new_ordered_id
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.people import MemberKey
from worksgate.web.console import rehearsal
from worksgate.web.console.trace import ASKED, WINDOW

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def line_works() -> AsyncIterator[LineWorks]:
    with served() as line_works:
        yield line_works


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def console(
    tmp_path_factory: pytest.TempPathFactory, line_works: LineWorks
) -> AsyncIterator[ConsoleUnderTest]:
    folder: Path = tmp_path_factory.mktemp("line-works")
    async with console_of(
        folder,
        master_key=MasterKey.new().text,
        line_works_api_urls=(f"line_works={line_works.hosts.api}",),
        line_works_auth_urls=(f"line_works={line_works.hosts.auth}",),
    ) as console:
        await console.administration.people._directory.signing_key()  # puts the key in force
        await console.make("owner", Role.OWNER)
        await console.administration.clients.add("Acme")
        await console.administration.line_works_api.set("Acme", api_app())
        yield console


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(console: ConsoleUnderTest) -> AdminBrowser:
    return await console.signed_in("owner")


async def follow(browser: AdminBrowser) -> str:
    assert browser.page.status_code == 303, browser.page.text
    return (await browser.get(browser.page.headers["location"])).text


async def test_r212_leaver_page_says_accepted_and_never_signed_out(
    console: ConsoleUnderTest, browser: AdminBrowser, line_works: LineWorks
) -> None:
    line_works.holds({"hana": "key-hana"})
    subject = await console.make("hana", None, has_app=False)
    before = (await browser.get(f"/person/leave?id={subject}")).text
    assert "LINE WORKS is asked to sign them out" in before
    assert "LINE WORKS is not informed" not in before
    await browser.post("/person/leave", id=subject, when="now", suspend="yes")
    after = await follow(browser)
    assert "Hana can no longer get in.</h1>" in after
    assert "LINE WORKS has accepted the request to sign them out" in after
    assert "Devices are signed out within 5 minutes" in after
    assert not re.search(r"signed out (at|of) LINE WORKS", after)
    assert line_works.simulator.state().person("hana@example.com").is_suspended


async def test_leaver_page_leaves_what_line_works_refuses_to_the_administrator(
    console: ConsoleUnderTest, browser: AdminBrowser, line_works: LineWorks
) -> None:
    line_works.holds([member("jiro", "key-jiro", rank=Rank.SUPER_ADMIN)])
    subject = await console.make("jiro", None, has_app=False)
    await browser.get(f"/person/leave?id={subject}")
    await browser.post("/person/leave", id=subject, when="now", suspend="yes")
    after = await follow(browser)
    assert "One step at LINE WORKS is left to you" in after
    assert "suspend: LINE WORKS refused to suspend somebody" in after
    assert "LINE WORKS has accepted the request" in after


async def test_r210_leaver_page_does_not_wait_for_a_line_works_that_is_down(
    console: ConsoleUnderTest,
    browser: AdminBrowser,
    line_works: LineWorks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_works_members, "PATIENCE", 0.2)
    line_works.holds({"ken": "key-ken"}).faults.plan(Fault.NO_ANSWER, times=99)
    subject = await console.make("ken", None, has_app=False)
    await browser.get(f"/person/leave?id={subject}")
    await browser.post("/person/leave", id=subject, when="now", suspend="yes")
    after = await follow(browser)
    assert "Ken is leaving. Not every step is done yet." in after
    assert "It failed when it was last tried" in after
    assert not (await console.administration.users.get("ken")).enabled
    line_works.simulator.faults.clear()
    monkeypatch.undo()
    await browser.post("/person/leave", id=subject)
    assert "Ken can no longer get in.</h1>" in await follow(browser)
    assert line_works.simulator.state().person("ken@example.com").is_suspended


async def test_rehearsal_tells_how_many_line_works_named_twice(
    browser: AdminBrowser, line_works: LineWorks, monkeypatch: pytest.MonkeyPatch
) -> None:
    line_works.holds({"owner": "key-owner"})
    members = DirectoryApi.members

    async def changing(api: DirectoryApi) -> AsyncIterator[MemberKey]:
        async for each in members(api):
            yield each
        api.met_twice += 3

    monkeypatch.setattr(DirectoryApi, "members", changing)
    await browser.get("/go-live/rehearsal")
    await browser.post("/go-live/members/ask")
    await follow(browser)
    await browser.post("/go-live/rehearsal")
    assert "It named 3 of them twice" in await follow(browser)


async def test_rehearsal_asks_line_works_and_its_refusal_is_said(
    console: ConsoleUnderTest, browser: AdminBrowser, line_works: LineWorks
) -> None:
    line_works.holds({"owner": "key-owner", "stranger": "key-x"})
    page = (await browser.get("/go-live/rehearsal")).text
    assert 'action="/go-live/members/ask"' in page
    await browser.post("/go-live/members/ask")
    assert "2 members, read at" in await follow(browser)
    await browser.post("/go-live/rehearsal")
    rehearsed = await follow(browser)
    assert "The members are those that LINE WORKS named at" in rehearsed
    assert "twice" not in rehearsed
    old = api_app("bot.message")
    await console.administration.line_works_api.set("Acme", old)
    await browser.get("/go-live/rehearsal")
    await browser.post("/go-live/members/ask")
    assert browser.page.status_code in (409, 422)
    assert "lacks the scope directory.read" in browser.page.text
    await console.administration.line_works_api.set("Acme", api_app())


async def test_rehearsal_says_that_there_are_too_many_members_for_a_page(
    browser: AdminBrowser, line_works: LineWorks, monkeypatch: pytest.MonkeyPatch
) -> None:
    line_works.holds({}).faults.plan(Fault.NO_ANSWER, Operation.LIST_KEYS)
    monkeypatch.setattr(rehearsal, "ASKED_WITHIN", 0.2)
    await browser.get("/go-live/rehearsal")
    await browser.post("/go-live/members/ask")
    assert browser.page.status_code == 502
    assert "worksgate rehearse --line-works" in browser.page.text


async def test_r213_page_of_a_person_asks_line_works_only_by_its_link(
    console: ConsoleUnderTest, browser: AdminBrowser, line_works: LineWorks
) -> None:
    line_works.holds([member("mei", "key-mei", is_suspended=True)])
    subject = await console.make("mei", None, has_app=False)
    page = (await browser.get(f"/person?id={subject}")).text
    assert line_works.simulator.calls == ()
    link = re.search(r'href="(/person\?[^"]*ask=line-works)#g"', page)
    assert link is not None
    asked = (await browser.get(link[1].replace("&amp;", "&"))).text
    assert "suspended by an administrator of LINE WORKS" in asked
    assert "ask=line-works" not in asked


async def test_pages_say_that_the_api_is_not_set_up(
    console: ConsoleUnderTest, browser: AdminBrowser, line_works: LineWorks
) -> None:
    simulator = line_works.holds({"aya": "key-aya"})
    subject = await console.make("aya", None, has_app=False)
    await console.administration.line_works_api.remove("Acme")
    for path, text in (
        (f"/person?id={subject}", "the Directory API is not set up"),
        ("/go-live/rehearsal", "The Directory API is not set up"),
        (f"/person/leave?id={subject}", "since the Directory API is not set up"),
    ):
        assert text in (await browser.get(path)).text, path
    await browser.post("/person/leave", id=subject, when="now")
    assert "One step at LINE WORKS is left to you" in await follow(browser)
    assert simulator.calls == ()
    await console.administration.line_works_api.set("Acme", api_app())


async def test_r262_nobody_uses_up_the_calls_that_line_works_answers(
    console: ConsoleUnderTest, line_works: LineWorks
) -> None:
    line_works.holds({"aki": "key-aki"})
    subject = await console.make("aki", None, has_app=False)
    await console.make("helper", Role.HELP_DESK)
    helper, page = await console.signed_in("helper"), f"/person?id={subject}"
    asked = [(await helper.get(f"{page}&ask=line-works")).status_code for _ in range(ASKED + 1)]
    assert asked == [200] * ASKED + [429]
    assert (await helper.get(page)).status_code == 200
    console.clock.advance(WINDOW)
    assert (await helper.get(f"{page}&ask=line-works")).status_code == 200


async def test_what_line_works_made_of_a_right_sign_in_is_asked_by_the_next_step(
    console: ConsoleUnderTest, browser: AdminBrowser
) -> None:
    subject, login_id = await console.make("right", None), new_ordered_id()
    page = f"/person?id={subject}"
    button = '<a class="button large" href="/person?id='
    assert button not in (await browser.get(page)).text
    passed = (
        *(Event.LOGIN_SUCCEEDED, Event.CODE_ISSUED),
        *(Event.CODE_REDEEMED, Event.USER_INFO_RETURNED),
    )
    await console.administration.audit_log._directory.record(
        [
            AuditEvent(event=each, at=console.clock() - 9, login_id=login_id, subject_id=subject)
            for each in passed
        ]
    )
    assert button in (await browser.get(page)).text
