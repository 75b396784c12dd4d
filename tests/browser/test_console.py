"""The console in a real Chromium: without JavaScript from the first link to a person, and WCAG."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from tests.browser.authenticators import virtual_authenticator
from tests.browser.servers import serving
from tests.browser.windows import (
    IN_LIGHT,
    IN_LIGHT_AND_DARK,
    Looks,
    OpenWindow,
    Scheme,
    overflow,
    violations,
)
from tests.databases import url_of

from worksgate.administration import Administration
from worksgate.administration.set_up import Step
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.console import create_console
from worksgate.doctor.console_examiner import ConsoleExaminer
from worksgate.settings.options import Settings
from worksgate.web.console.application import ConsoleApplication

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "purple lantern over the bay"
PAGES = (
    *("/", "/people", "/people?q=nobody", "/person?id={0}", "/audit", "/administrators", "/me"),
    *("/sign-ins", "/health"),
    *("/clients", "/client?id={1}", "/client/edit?id={1}&part=sign-in", "/client/new"),
    *("/client/rules?id={1}&who=tanaka&address=192.0.2.1", "/audit/changes"),
    *("/person/leave?id={0}", "/jobs"),
    *("/sources", "/source?name=directory", "/people/import", "/people/removed"),
)
WIZARD = tuple(f"/wizard/{step.value}" for step in Step)
GOING_LIVE = (
    "/go-live/rehearsal",
    "/go-live/plan",
    "/go-live/live?pause=1",
    "/go-live/wall?pause=1",
)
AS_OWNER = "form:has(#code) .button"


@dataclass
class RealConsole:
    """The console at a port of this machine, and the operations of the command line."""

    url: str
    administration: Administration
    application: ConsoleApplication

    async def link(self) -> str:
        return await self.administration.first_owner.issue_link()


@asynccontextmanager
async def real_console(folder: Path) -> AsyncIterator[RealConsole]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    settings = Settings(
        public_url="https://sso.example.com",
        company_name="光製作所",
        database_url=url_of(folder / "worksgate.db"),
        console_port=port,
        console_url=f"http://localhost:{port}",
    )
    async with open_administration(settings) as administration:
        await administration.users.add("tanaka", password=PASSWORD, name="田中 美咲")
        await administration.users.add(
            "emma.adams@example.com", password=PASSWORD, name="Emma Adams", external_key="H-0231"
        )
        await administration.clients.add(
            "光製作所", domain="hikari.example", allowed_addresses=["198.51.100.0/24"]
        )
        await administration.clients.change("光製作所", rules=["deny kind=app days=sat-sun"])
        application = create_console(settings, examiner=ConsoleExaminer)
        async with serving(application, listener):
            yield RealConsole(settings.console_address, administration, application)
        await application.close()


@pytest_asyncio.fixture(loop_scope="session")
async def console(tmp_path: Path) -> AsyncIterator[RealConsole]:
    async with real_console(tmp_path) as console:
        yield console


async def become_owner(tab: Page, link: str) -> None:
    await name_oneself(tab, link)
    await choose_password_and_app(tab)
    await tab.click(AS_OWNER)


async def choose_password_and_app(tab: Page) -> None:
    """Fill in the form of which ``AS_OWNER`` is the button."""
    secret = (await tab.locator(".hint code").inner_text()).replace(" ", "")
    await tab.fill("#password", PASSWORD)
    await tab.fill("#again", PASSWORD)
    await tab.fill("#code", pyotp.TOTP(secret).now())


async def name_oneself(
    tab: Page, link: str, username: str = "naoko", name: str = "小林 直子"
) -> None:
    await tab.goto(link)
    await tab.fill("#name", name)
    await tab.fill("#username", username)
    await tab.click("button.large")


async def test_from_the_first_link_to_a_person_without_javascript(
    console: RealConsole, open_window: OpenWindow
) -> None:
    window = await open_window(locale="en-US", java_script_enabled=False, reduced_motion="reduce")
    tab = window.tab
    await become_owner(tab, await console.link())
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Keep these recovery codes")
    await tab.click("a.button")
    await expect(tab.locator("nav .me")).to_contain_text("小林 直子")
    await tab.fill("#find", "tanaka")
    await tab.press("#find", "Enter")
    heading = tab.get_by_role("heading", level=1)
    await expect(heading).to_contain_text("One would be stopped now: User key")
    await tab.get_by_label("External Key").fill("H-0500")
    await tab.get_by_role("button", name="Set the key").click()
    await expect(heading).to_contain_text("nothing here would stop one now")
    await tab.get_by_role("button", name="Disable").click()
    await expect(heading).to_contain_text("One would be stopped now: Enabled")
    account = await console.administration.users.get("tanaka")
    assert (account.external_key, account.enabled) == ("H-0500", False)


async def test_r153_the_first_link_makes_an_owner_with_a_passkey(
    console: RealConsole, open_window: OpenWindow
) -> None:
    window = await open_window(locale="en-US", reduced_motion="reduce")
    tab = window.tab
    await virtual_authenticator(window)
    await name_oneself(tab, await console.link())
    await expect(tab.get_by_text("Passkeys need JavaScript")).to_be_hidden()
    await tab.set_viewport_size({"width": 360, "height": 800})
    assert await violations(tab) == []
    assert await overflow(tab) <= 0
    await tab.get_by_role("button", name="Create the passkey").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Keep these recovery codes")
    assert await violations(tab) == []
    assert await overflow(tab) <= 0
    await tab.get_by_role("link", name="I have kept them").click()
    await tab.goto(f"{console.url}/me")
    await tab.get_by_role("button", name="Sign out").click()
    await expect(tab.locator("nav .me")).to_contain_text("小林 直子")  # offered, and touched
    assert (await console.administration.users.get("naoko")).password_hash is None


async def test_r153_of_two_browsers_with_the_first_link_at_once_one_becomes_the_owner(
    console: RealConsole, open_window: OpenWindow
) -> None:
    link, names = await console.link(), {"naoko": "小林 直子", "emma": "Emma Adams"}
    tabs = [(await open_window(locale="en-US", reduced_motion="reduce")).tab for _ in names]
    for tab, (username, name) in zip(tabs, names.items(), strict=True):
        await name_oneself(tab, link, username, name)
        await choose_password_and_app(tab)
    await asyncio.gather(*(tab.click(AS_OWNER) for tab in tabs))
    headings = [tab.get_by_role("heading", level=1) for tab in tabs]
    for heading in headings:
        await expect(heading).not_to_have_text("How will you sign in?")
    said = {await heading.inner_text(): tab for heading, tab in zip(headings, tabs, strict=True)}
    assert set(said) == {"Keep these recovery codes", "This link does not work any more"}
    assert await violations(said["This link does not work any more"]) == []
    (owner,) = await console.administration.administrators.all()
    tab = said["Keep these recovery codes"]
    await tab.get_by_role("link", name="I have kept them").click()
    await expect(tab.locator("nav .me")).to_contain_text(owner.name)
    added = [each.username async for each in console.administration.users.all()]
    assert set(added) - names.keys() == {"tanaka", "emma.adams@example.com"}
    assert len(added) == 3


async def test_ticked_people_are_disabled_on_a_phone_without_javascript(
    console: RealConsole, open_window: OpenWindow
) -> None:
    phone = {"width": 360, "height": 740}
    window = await open_window(
        locale="en-US", java_script_enabled=False, reduced_motion="reduce", viewport=phone
    )
    tab = window.tab
    await become_owner(tab, await console.link())
    await tab.goto(f"{console.url}/people")
    await expect(tab.locator(".bulk")).to_be_hidden()
    await tab.get_by_label("Tick 田中 美咲").check()
    await tab.get_by_role("button", name="Disable").click()
    heading = tab.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Disable 1 person?")
    await tab.get_by_role("button", name="Disable").click()
    await expect(heading).to_contain_text("Disable: done for 1 person")  # it reads itself again
    assert not (await console.administration.users.get("tanaka")).enabled


ACCESSIBLE: Mapping[str, Sequence[tuple[Scheme, Looks]]] = {
    "en": IN_LIGHT_AND_DARK,
    "ja": (),
    "ko": IN_LIGHT,
}
"""By language; colors are the same in each."""


@pytest.mark.parametrize("language", ACCESSIBLE)
async def test_every_page_is_accessible_and_fits(
    console: RealConsole, open_window: OpenWindow, language: str
) -> None:
    async def found() -> list[str]:
        await tab.wait_for_load_state()
        found = []
        for scheme, looks in ACCESSIBLE[language]:
            await tab.emulate_media(color_scheme=scheme)
            found += [f"{scheme}: {what}" for what in await violations(tab, looks)]
        return found

    window = await open_window(locale=language, reduced_motion="reduce")
    tab = window.tab
    link = await console.link()
    await tab.goto(link)
    assert await found() == []
    await name_oneself(tab, link)
    assert await found() == []
    await become_owner(tab, link)
    person = (await console.administration.users.get("tanaka")).person.subject_id
    client = (await console.administration.clients.get("光製作所")).client_id
    await go_live(console.administration)
    for path in (*PAGES, *WIZARD, *GOING_LIVE):
        await tab.goto(console.url + path.format(person, client))
        assert await found() == [], path
        for width in (1440, 360):
            await tab.set_viewport_size({"width": width, "height": 800})
            assert await overflow(tab) <= 0, (path, width)


async def test_r163_two_browsers_change_one_client_and_neither_loses_anything(
    console: RealConsole, open_window: OpenWindow
) -> None:
    first = await open_window(locale="en-US", java_script_enabled=False, reduced_motion="reduce")
    await become_owner(first.tab, await console.link())
    second = await open_window(locale="en-US", reduced_motion="reduce")
    state = await first.tab.context.storage_state()
    await second.tab.context.add_cookies(state["cookies"])  # type: ignore[arg-type]  # the same keys
    client = (await console.administration.clients.get("光製作所")).client_id
    for tab in (first.tab, second.tab):
        await tab.goto(f"{console.url}/client/edit?id={client}&part=addresses")
    networks = first.tab.get_by_label("Who may call")
    await networks.fill("192.0.2.0/24")
    await first.tab.get_by_role("button", name="Save").click()
    await expect(first.tab.get_by_role("status")).to_contain_text("The settings are saved.")
    tab = second.tab
    await tab.get_by_label("Who may call").fill("203.0.113.0/24")
    await tab.get_by_label("Where signing out may lead").fill("https://example.com/bye")
    await tab.get_by_role("button", name="Save").click()
    await expect(tab.get_by_role("heading", level=1)).to_contain_text("while you had it open")
    assert await violations(tab) == []
    await tab.set_viewport_size({"width": 360, "height": 800})
    assert await overflow(tab) <= 0
    await tab.get_by_label("both").check()
    await tab.get_by_role("button", name="Save this together").click()
    await expect(tab.get_by_role("status")).to_contain_text("The settings are saved.")
    saved = await console.administration.clients.get(client)
    assert saved.allowed_addresses == ("192.0.2.0/24", "203.0.113.0/24")
    assert saved.logout_redirect_uris == ("https://example.com/bye",)


async def go_live(administration: Administration) -> None:
    """A rehearsal with findings, a plan, and the day with somebody in and somebody outside."""
    going_live, now = administration.going_live, time.time()
    await going_live.read_members(
        "氏名,ID,外部キー\n田中 美咲,tanaka,H-1\nEmma Adams,emma.adams@example.com,H-231\n".encode()
    )
    await going_live.rehearse("光製作所")
    await going_live.start(now - 600)
    tanaka = (await administration.users.get("tanaka")).person.subject_id
    failed = AuditEvent(
        event=Event.LOGIN_FAILED, at=now - 60, username="emma", reason=Reason.WRONG_PASSWORD
    )
    came = AuditEvent(event=Event.USER_INFO_RETURNED, at=now - 300, subject_id=tanaka)
    await going_live._directory.record([failed, came])


async def test_keyboard_alone_reaches_everything(
    console: RealConsole, open_window: OpenWindow
) -> None:
    window = await open_window(locale="en-US", reduced_motion="reduce")
    tab = window.tab
    await become_owner(tab, await console.link())
    await tab.goto(f"{console.url}/administrators")
    reached: set[str] = set()
    for _ in range(40):
        await tab.keyboard.press("Tab")
        reached.add(
            await tab.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert {"find", "username", "role", "Skip to the content", "People"} <= {
        each.strip() for each in reached
    }
