"""What scripts add to the console, in a real Chromium, and that nothing hangs on them."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from tests.browser.authenticators import virtual_authenticator
from tests.browser.servers import PATIENCE, serving
from tests.browser.test_console import PASSWORD, RealConsole, real_console
from tests.browser.windows import (
    OpenWindow,
    Window,
    hold_timers,
    overflow,
    release_timers,
    violations,
)

from worksgate.administration.console.browsers import ConsoleBrowser
from worksgate.administration.jobs.operations import Selection
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.database.leases import JOBS, Turn
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.change_log import Author
from worksgate.directory.jobs import JobKind
from worksgate.provider.sources import SourcesInUse
from worksgate.sources import AuthorizationRedirect, Person

pytestmark = pytest.mark.asyncio(loop_scope="session")

SESSION = "__Host-wg_console"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealConsole]:
    async with real_console(tmp_path_factory.mktemp("console")) as console:
        users = console.administration.users
        await users.add("naoko", password=PASSWORD, name="小林 直子")
        await console.administration.administrators.set_role("naoko", Role.OWNER)
        yield console


async def signed_in(console: RealConsole, open_window: OpenWindow, **options: Any) -> Window:
    """A window of the owner, whose second factor was used a moment ago."""
    inside = await console.application.start()
    account = AdministratorAccount.of(await console.administration.users.get("naoko"))
    browser = ConsoleBrowser(address="127.0.0.1", name="test", secret="s" * 43)
    opened = await inside.sign_in.sessions.begin(account, browser, "test")
    window = await open_window(**{"locale": "en-US", "reduced_motion": "reduce", **options})
    cookie = {
        "name": SESSION,
        "value": opened.secret,
        "domain": "localhost",
        "path": "/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Strict",
    }
    await window.context.add_cookies([cookie])  # type: ignore[list-item]  # as Playwright wants it
    return window


async def focused(tab: Page) -> str:
    return str(await tab.evaluate("document.activeElement.id || document.activeElement.innerText"))


async def test_r190_a_passkey_is_made_signs_in_and_proves(
    console: RealConsole, open_window: OpenWindow
) -> None:
    window = await signed_in(console, open_window)
    tab = window.tab
    authenticator = await virtual_authenticator(window)
    await tab.goto(f"{console.url}/me")
    await tab.get_by_role("button", name="Add a passkey").click()
    assert await violations(tab) == []
    await tab.get_by_label("Name of the passkey").fill("office laptop")
    await tab.get_by_role("button", name="Create the passkey").click()
    await expect(tab.get_by_role("status")).to_contain_text("The passkey is added")
    await expect(tab.get_by_role("row", name="office laptop")).to_be_visible()
    await tab.set_viewport_size({"width": 360, "height": 800})
    assert await violations(tab) == []
    assert await overflow(tab) <= 0
    await authenticator.touched(yes=False)
    await tab.get_by_role("button", name="Sign out").click()
    await expect(tab.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    assert await violations(tab) == []
    await authenticator.touched(yes=True)
    await tab.get_by_role("button", name="Sign in with a passkey").click()
    await expect(tab.locator("nav .me")).to_contain_text("小林 直子")
    inside = await console.application.start()
    sessions = console.administration.people._directory.console_sessions
    for each in await sessions.of("directory:" + (await owner_id(console)), time.time()):
        await sessions.prove(each.key, inside.clock() - 600)
    await tab.goto(f"{console.url}/me")
    await tab.get_by_role("button", name="Add a passkey").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Is it you?")
    assert await violations(tab) == []
    await tab.get_by_role("button", name="Use a passkey").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Add a passkey")


async def owner_id(console: RealConsole) -> str:
    return (await console.administration.users.get("naoko")).id


async def test_r193_shortcuts_work_outside_of_fields_and_can_be_switched_off(
    console: RealConsole, open_window: OpenWindow
) -> None:
    tab = (await signed_in(console, open_window)).tab
    await tab.goto(f"{console.url}/")
    await tab.keyboard.press("g")
    await tab.keyboard.press("p")
    await expect(tab).to_have_url(f"{console.url}/people")
    await tab.wait_for_load_state()  # with its script
    rows = tab.locator("tbody tr")
    first, second = [await rows.nth(each).locator("a").first.inner_text() for each in (0, 1)]
    await tab.keyboard.press("j")
    await tab.keyboard.press("j")
    assert await focused(tab) == second
    await tab.keyboard.press("k")
    assert await focused(tab) == first
    await tab.keyboard.press("x")
    await expect(tab.get_by_label(f"Tick {first}")).to_be_checked()
    await tab.keyboard.press("/")
    assert await focused(tab) == "find"
    await tab.keyboard.type("gp?xj/")
    assert await tab.input_value("#find") == "gp?xj/"
    await expect(tab).to_have_url(f"{console.url}/people")
    await tab.get_by_role("heading", level=1).click()
    await tab.keyboard.press("?")
    dialog = tab.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog).to_be_visible()
    assert await violations(tab) == []
    await dialog.get_by_label("Use keyboard shortcuts").uncheck()
    await tab.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await tab.keyboard.press("/")
    assert await focused(tab) != "find"
    await tab.reload()
    await tab.keyboard.press("?")
    await expect(dialog).to_be_hidden()
    await tab.get_by_role("button", name="Keyboard shortcuts").click()
    await dialog.get_by_label("Use keyboard shortcuts").check()
    await dialog.get_by_role("button", name="Close").click()
    await tab.keyboard.press("/")
    assert await focused(tab) == "find"


async def test_r193_copy_buttons_say_that_they_have_copied(
    console: RealConsole, open_window: OpenWindow
) -> None:
    window = await signed_in(console, open_window)
    await window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = window.tab
    client = (await console.administration.clients.get("光製作所")).client_id
    await tab.goto(f"{console.url}/client?id={client}")
    await hold_timers(tab)
    await tab.get_by_role("button", name="Copy Client ID").click()
    await expect(tab.locator("#said")).to_have_text("Copied")
    assert await tab.evaluate("navigator.clipboard.readText()") == client
    await expect(tab.get_by_role("button", name="Copied Client ID")).to_be_visible()
    await release_timers(tab)
    await expect(tab.get_by_role("button", name="Copy Client ID")).to_be_visible()


async def test_r193_without_javascript_there_is_nothing_that_needs_it(
    console: RealConsole, open_window: OpenWindow
) -> None:
    tab = (await signed_in(console, open_window, java_script_enabled=False)).tab
    client = (await console.administration.clients.get("光製作所")).client_id
    for path in (f"/client?id={client}", "/me"):
        await tab.goto(console.url + path)
        for name in ("Copy", "Keyboard shortcuts", "Use a passkey"):
            await expect(tab.get_by_role("button", name=name)).to_have_count(0)
        await expect(tab.locator("#keys")).to_be_hidden()


# htmx: each of the four with JavaScript, and without


async def many_people(console: RealConsole) -> None:
    """More than a page of people, of another source."""
    people = console.administration.people._directory.people
    for number in range(60):
        name = f"p{number:02}"
        person = Person(subject_id=f"company:{name}", username=name, name=f"Person {number:02}")
        await people.remember("company", person, time.time())


@asynccontextmanager
async def held_job(console: RealConsole) -> AsyncIterator[str]:
    """A job that begins when the block ends, and its ID."""
    administration = console.administration
    jobs = administration.jobs
    emma = (await administration.users.get("emma.adams@example.com")).person.subject_id
    chosen = Selection(subjects=(emma,))
    turn = Turn(administration.people._directory.leases, 60.0, JOBS)
    async with asyncio.timeout(PATIENCE):  # the console has it as long as there is a job
        while not await turn.take():  # noqa: ASYNC110  # another task gives it back
            await asyncio.sleep(0.02)
    try:
        preview = await jobs.preview(chosen)
        yield (await jobs.start(JobKind.SIGN_OUT, chosen, preview.matching)).id
    finally:
        await turn.release()


async def came_in(console: RealConsole, name: str) -> None:
    """LINE WORKS has fetched somebody's user key."""
    subject = (await console.administration.users.get(name)).person.subject_id
    event = AuditEvent(event=Event.USER_INFO_RETURNED, at=time.time(), subject_id=subject)
    await console.administration.people._directory.record([event])


async def is_same_page(tab: Page) -> bool:
    """Whether the page is still the one that was marked."""
    return bool(await tab.evaluate("window.marked === true"))


async def mark(tab: Page) -> None:
    await tab.evaluate("window.marked = true")


async def test_r192_with_javascript_a_search_narrows_the_list_as_one_types(
    console: RealConsole, open_window: OpenWindow
) -> None:
    await many_people(console)
    tab = (await signed_in(console, open_window)).tab
    await tab.goto(f"{console.url}/people")
    await mark(tab)
    await tab.locator("#q").press_sequentially("person p4")
    await expect(tab.locator("#rows tr")).to_have_count(10)
    await expect(tab.locator("#count")).to_have_text("10 people")
    await expect(tab.locator("#chips")).to_contain_text("All 10")
    await expect(tab.locator("#chosen")).to_have_text("· person p4")
    await expect(tab.locator("#files [name=q]")).to_have_value("person p4")
    assert await focused(tab) == "q"
    await expect(tab).to_have_url(re.compile(r"q=person\+p4"))
    await tab.locator("#q").fill("nobody at all")
    await expect(tab.get_by_role("heading", name="Nobody matches")).to_be_visible()
    assert await is_same_page(tab)
    assert await violations(tab) == []
    await tab.get_by_role("link", name="All people").click()
    await expect(tab.locator("#rows tr")).to_have_count(50)
    await tab.go_back()
    await expect(tab.locator("#q")).to_have_value("nobody at all")


async def test_r192_with_javascript_more_rows_come_below_and_can_be_ticked(
    console: RealConsole, open_window: OpenWindow
) -> None:
    await many_people(console)
    tab = (await signed_in(console, open_window)).tab
    await tab.goto(f"{console.url}/people?source=company")
    await mark(tab)
    await tab.get_by_label("Tick Person 00").check()
    await tab.get_by_role("button", name="More rows").click()
    await expect(tab.locator("#rows tr")).to_have_count(60)
    await expect(tab.get_by_role("button", name="More rows")).to_have_count(0)
    assert await is_same_page(tab)
    await tab.get_by_label("Tick Person 59").check()
    assert await violations(tab) == []
    await tab.get_by_role("button", name="Disable").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Disable 2 people?")


async def test_r192_with_javascript_a_job_moves_on_its_page(
    console: RealConsole, open_window: OpenWindow
) -> None:
    tab = (await signed_in(console, open_window)).tab
    async with held_job(console) as job:
        await tab.goto(f"{console.url}/job?id={job}")
        await expect(tab.locator("progress")).to_be_visible()
        await mark(tab)
    await expect(tab.get_by_role("heading", level=1)).to_have_text(
        "End sessions: done for 1 person"
    )
    await expect(tab.locator("progress")).to_have_count(0)
    await expect(tab.locator("#poll")).to_have_count(0)
    assert await is_same_page(tab)


async def test_r192_with_javascript_the_live_view_counts_and_leaves_what_is_open(
    console: RealConsole, open_window: OpenWindow
) -> None:
    await console.administration.going_live.start(time.time() - 60)
    window = await signed_in(console, open_window)
    tab = window.tab
    await tab.goto(f"{console.url}/go-live/wall")
    await tab.get_by_text("The numbers", exact=True).click()
    await mark(tab)
    before = int(await tab.locator(".wall .n").inner_text())
    await came_in(console, "tanaka")
    await expect(tab.locator(".wall .n")).to_have_text(str(before + 1))
    window.tolerated = ("Failed to load resource", "Failed to fetch")
    await tab.route("**/go-live/wall**", lambda route: route.abort())
    await expect(tab.get_by_text("These are the numbers of")).to_be_visible()
    await expect(tab.locator(".wall .n")).to_have_text(str(before + 1))
    await tab.unroute("**/go-live/wall**")
    await expect(tab.get_by_text("These are the numbers of")).to_be_hidden()
    assert await is_same_page(tab)
    assert await tab.evaluate("document.querySelector('details').open")
    await tab.get_by_role("link", name="Pause").click()
    await expect(tab.locator("#poll")).to_have_count(0)


async def test_r192_without_javascript_all_four_are_pages(
    console: RealConsole, open_window: OpenWindow
) -> None:
    await many_people(console)
    await console.administration.going_live.start(time.time() - 60)
    tab = (await signed_in(console, open_window, java_script_enabled=False)).tab
    await tab.goto(f"{console.url}/people?source=company")
    await expect(tab.get_by_role("button", name="More rows")).to_have_count(0)
    await tab.get_by_role("link", name="Next page").click()
    await expect(tab.locator("#rows tr")).to_have_count(10)
    await tab.fill("#q", "person p4")
    await tab.press("#q", "Enter")
    await expect(tab.locator("#rows tr")).to_have_count(10)
    await expect(tab.locator("#count")).to_have_text("10 people")
    async with held_job(console) as job:
        await tab.goto(f"{console.url}/job?id={job}")
        await expect(tab.locator("progress")).to_be_visible()
    await expect(tab.get_by_role("heading", level=1)).to_have_text(
        "End sessions: done for 1 person"
    )
    await tab.goto(f"{console.url}/go-live/wall")
    before = int(await tab.locator(".wall .n").inner_text())
    await came_in(console, "emma.adams@example.com")
    await expect(tab.locator(".wall .n")).to_have_text(str(before + 1))


async def test_r191_a_browser_comes_back_from_another_site_with_its_cookies(
    console: RealConsole, open_window: OpenWindow
) -> None:
    people = console.administration.people._directory.people
    person = Person(subject_id="entra:mei", username="mei", name="Mei")
    now = time.time()
    await people.remember("entra", person, now)
    event = AuditEvent(event=Event.USER_CHANGED, at=now, subject_id=person.subject_id)
    await people.set_role(person.subject_id, Role.ADMIN.value, event, Author("test", now))
    inside = await console.application.start()
    opened = inside.sign_in.sources._sources
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    provider = Elsewhere(f"http://127.0.0.1:{listener.getsockname()[1]}")

    async def with_provider(names: frozenset[str]) -> SourcesInUse:
        return replace(await opened(names), redirects={provider.name: provider})

    inside.sign_in.sources._sources = with_provider
    try:
        async with serving(Starlette(routes=[Route("/", provider.sign_in)]), listener):
            for java_script in (True, False):
                options = {"locale": "en-US", "reduced_motion": "reduce"}
                window = await open_window(java_script_enabled=java_script, **options)
                tab = window.tab
                await tab.goto(f"{console.url}/sign-in")
                await tab.get_by_role("button", name="Sign in with Elsewhere").click()
                # Mei has no app: only a browser with all of its cookies is told so.
                await expect(tab.get_by_role("alert")).to_contain_text("authenticator app")
    finally:
        inside.sign_in.sources._sources = opened


@dataclass
class Elsewhere:
    """A provider on another site, which signs Mei in without a question."""

    url: str
    name: str = "entra"
    label: str = "Elsewhere"

    async def sign_in(self, request: Request) -> Response:
        return RedirectResponse(f"{request.query_params['back']}?state=s&code=mei")

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, reauthenticate: bool = False
    ) -> AuthorizationRedirect:
        return AuthorizationRedirect(url=f"{self.url}/?back={return_url}", state="s", kept="kept")

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        assert (kept, query["code"]) == ("kept", "mei")
        return Person(subject_id="entra:mei", username="mei", name="Mei")

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return last_seen

    async def logout_url(self, return_url: str) -> str | None:
        return None
