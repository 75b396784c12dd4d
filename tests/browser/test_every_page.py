"""Every page of the console and of people: without JavaScript, by keyboard alone, at 360 px, dark,
and on paper. ``test_console.py`` and ``test_pages_accessibility.py`` have WCAG."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Page, expect
from tests.browser.servers import Premises, open_premises
from tests.browser.test_console import (
    GOING_LIVE,
    PAGES,
    PASSWORD,
    WIZARD,
    RealConsole,
    become_owner,
    go_live,
    name_oneself,
    real_console,
)
from tests.browser.usability import Usability
from tests.browser.windows import Window, submit_login
from tests.installation import PASSWORD as PERSONS_PASSWORD
from tests.installation import USERNAME
from tests.web.test_pages import every_page

from worksgate.settings.options import Settings
from worksgate.web.account.handlers import AccountHandlers
from worksgate.web.console.client_fields import PARTS
from worksgate.web.console.pages import ConsolePages
from worksgate.web.console.routes import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="session")

MORE_PAGES = (
    *("/trace", "/trace?q=09%3A00", "/client/branding?id={1}", "/client/branding/preview?id={1}"),
    *("/go-live/live", "/person?id=nobody", "/person/code?id={0}", "/settings"),
    *(f"/client/edit?id={{1}}&part={part.name}" for part in PARTS),
)
LEADS_ELSEWHERE = {"/find", "/wizard", "/go-live", "/sign-in/return", "/health/bundle"}
"""Routes without a page: they redirect, or are a file."""
BY_A_PROVIDER = {"onward.html"}
"""A page that leads on by itself; ``test_console_comfort.py`` sees it."""
FRAMES = {"page.html", "console.html", "gate.html", "wizard.html"}
"""Templates that others are made of."""

Deed = Callable[[Page, RealConsole], Awaitable[None]]


async def press(tab: Page, selector: str) -> None:
    async with tab.expect_navigation():
        await tab.locator(selector).first.click()


async def remove(tab: Page, console: RealConsole) -> None:
    """Somebody who is removed on their page, and is in the list of those who were."""
    added = await console.administration.users.add("kenji", name="佐藤 健二", external_key="K-7")
    await tab.goto(f"{console.url}/person?id={added.account.person.subject_id}")
    await tab.click(".help summary")
    await press(tab, "form[action='/person/remove'] button")
    await tab.goto(f"{console.url}/people/removed")
    await press(tab, "tbody a")


async def meanwhile(tab: Page, console: RealConsole) -> None:
    """Somebody is changed while their page is open."""
    users = console.administration.users
    added = await users.add("yoko", name="佐藤 洋子")
    await tab.goto(f"{console.url}/person?id={added.account.person.subject_id}")
    await users.change("yoko", name="佐藤 陽子")
    await tab.click(".help summary")
    await press(tab, "form[action='/person/remove'] button")


async def app(tab: Page, console: RealConsole) -> None:
    await tab.goto(f"{console.url}/me")
    await press(tab, "form[action='/me/app'] button")


async def bulk(tab: Page, console: RealConsole) -> None:
    await tab.goto(f"{console.url}/people")
    await tab.locator("tbody [type=checkbox]").first.check()
    await press(tab, ".bulk button")


async def job(tab: Page, console: RealConsole) -> None:
    await bulk(tab, console)
    await press(tab, ".decide .button")


async def import_preview(tab: Page, console: RealConsole) -> None:
    await tab.goto(f"{console.url}/people/import")
    data = "username,name\nhana,花子\n,\n".encode()
    file = FilePayload(name="people.csv", mimeType="text/csv", buffer=data)
    await tab.set_input_files("[type=file]", file)
    await press(tab, "form[enctype] .button")


async def passkey(tab: Page, console: RealConsole) -> None:
    await tab.goto(f"{console.url}/me")
    await press(tab, "form[action='/me/passkey'] button")


async def secret(tab: Page, console: RealConsole) -> None:
    client = await console.administration.clients.get("光製作所")
    await tab.goto(f"{console.url}/client?id={client.client_id}")
    await press(tab, "form[action='/client/secret'] button")


async def conflict(tab: Page, console: RealConsole) -> None:
    clients = console.administration.clients
    client = await clients.get("光製作所")
    await tab.goto(f"{console.url}/client/edit?id={client.client_id}&part=addresses")
    await clients.change(client.client_id, allowed_addresses=["192.0.2.0/24"])
    await tab.fill("[name=allowed_addresses]", "203.0.113.0/24")
    await press(tab, "form[action='/client/edit'] .button")


async def prove(tab: Page, console: RealConsole) -> None:
    """The second step was some time ago."""
    sessions = console.administration.people._directory.console_sessions
    owner = (await console.administration.users.get("naoko")).person.subject_id
    for each in await sessions.of(owner, time.time()):
        await sessions.prove(each.key, time.time() - 600)
    await passkey(tab, console)


async def sign_in(tab: Page, console: RealConsole) -> None:
    await tab.context.clear_cookies()
    await tab.goto(f"{console.url}/sign-in")


async def second_step(tab: Page, console: RealConsole) -> None:
    await sign_in(tab, console)
    await tab.fill("[name=username]", "naoko")
    await tab.fill("[name=password]", PASSWORD)
    await press(tab, "form .button")


DEEDS: tuple[Deed, ...] = (
    *(remove, meanwhile, app, bulk, job, import_preview, passkey, secret, conflict, prove),
    *(sign_in, second_step),  # the last ones: nobody is signed in any more
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def window(chromium: Browser) -> AsyncIterator[Window]:
    context = await chromium.new_context(
        locale="en-US", color_scheme="dark", java_script_enabled=False, reduced_motion="reduce"
    )
    window = await Window.of(context)
    yield window
    await window.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealConsole]:
    async with real_console(tmp_path_factory.mktemp("every-page")) as console:
        yield console


@pytest.fixture(scope="module")
def templates() -> Iterator[set[str]]:
    """The templates that were shown, from now on."""
    shown: set[str] = set()
    page = ConsolePages.page

    def noted(self: ConsolePages, template: str, *values: Any, **more: Any) -> Any:
        shown.add(template)
        return page(self, template, *values, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ConsolePages, "page", noted)
        yield shown


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def of_console(console: RealConsole, window: Window, templates: set[str]) -> Usability:
    """What is wrong on the pages of the console, seen by its first owner."""
    found, tab, link = Usability(), window.tab, await console.link()
    await tab.goto(link)
    await found.look_at("the first link", tab)
    await name_oneself(tab, link)
    await expect(tab.get_by_role("heading", level=1)).to_have_text("How will you sign in?")
    await found.look_at("the ways to sign in", tab)
    await become_owner(tab, link)
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Keep these recovery codes")
    await found.look_at("the recovery codes", tab)
    await go_live(console.administration)
    person = (await console.administration.users.get("tanaka")).person.subject_id
    client = (await console.administration.clients.get("光製作所")).client_id
    await tab.goto(f"{console.url}/")
    await found.look_at("the menu", tab)
    for path in (*PAGES, *WIZARD, *GOING_LIVE, *MORE_PAGES):
        await tab.goto(console.url + path.format(person, client))
        await found.look_at(path, tab, within="main" if "preview" not in path else "body")
    for deed in DEEDS:
        await deed(tab, console)
        await found.look_at(deed.__name__, tab, within="main")
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Premises]:
    async with open_premises(tmp_path_factory.mktemp("people"), "localhost") as premises:
        await premises.installation.change_client(imap_login=True)
        yield premises


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def of_people(house: Premises, window: Window) -> Usability:
    """What is wrong on the pages of people: those of a sign-in, and of their account."""
    found, tab = Usability(), window.tab
    pages = dict(every_page(Settings(company_name="光製作所"), "en"))
    del pages["leave"]  # it leads on by itself
    for name, page in pages.items():
        await tab.goto(house.other.url + house.other.shows_whole(page.html))
        await found.look_at(name, tab)
    await tab.goto(f"{house.url}/account")
    await submit_login(tab, USERNAME, PERSONS_PASSWORD)
    await tab.wait_for_url(f"{house.url}/account")
    for path in account_pages(house):
        await tab.goto(f"{house.url}/account{path}")
        await found.look_at(f"/account{path}", tab)
    reset = await house.installation.administration.users.issue_reset_link(USERNAME)
    for url in (reset, f"{house.url}/logout"):
        await tab.goto(url)
        await found.look_at(url.removeprefix(house.url)[:20], tab)
    return found


def account_pages(house: Premises) -> list[str]:
    """The paths below that of the account, as the application has them."""
    running = house.installation.application._running
    assert running is not None
    paths = [path for path, methods in running.routes.handlers.items() if "GET" in methods]
    found = [each.removeprefix("/account") for each in paths if each.startswith("/account")]
    assert len(found) >= len(vars(AccountHandlers)) // 10
    return found


async def test_each_page_of_the_console_is_walked() -> None:
    walked = {path.partition("?")[0] for path in (*PAGES, *WIZARD, *GOING_LIVE, *MORE_PAGES)}
    walked |= {"/first", "/sign-in", "/job"}
    assert walked == {each.path for each in ROUTES if each.method == "GET"} - LEADS_ELSEWHERE


async def test_each_template_of_the_console_is_walked(
    of_console: Usability, templates: set[str]
) -> None:
    import worksgate.web.console

    folder = Path(worksgate.web.console.__file__).parent / "templates"
    whole = {each.name for each in folder.glob("*.html") if "{% extends" in each.read_text("utf-8")}
    assert whole - FRAMES - BY_A_PROVIDER - templates == set()


async def test_the_console_works_without_javascript(of_console: Usability) -> None:
    assert of_console.script == [], "\n".join(of_console.script)


async def test_the_console_works_by_keyboard_alone(of_console: Usability) -> None:
    assert of_console.keyboard == [], "\n".join(of_console.keyboard)


async def test_the_console_fits_a_phone(of_console: Usability) -> None:
    assert of_console.phone == [], "\n".join(of_console.phone)


async def test_the_console_is_printed_black_on_white_without_what_cannot_be_pressed(
    of_console: Usability,
) -> None:
    assert of_console.paper == [], "\n".join(of_console.paper)


async def test_people_s_pages_work_without_javascript(of_people: Usability) -> None:
    assert of_people.script == [], "\n".join(of_people.script)


async def test_people_s_pages_work_by_keyboard_alone(of_people: Usability) -> None:
    assert of_people.keyboard == [], "\n".join(of_people.keyboard)


async def test_people_s_pages_fit_a_phone(of_people: Usability) -> None:
    assert of_people.phone == [], "\n".join(of_people.phone)


async def test_people_s_pages_are_printed_black_on_white_without_what_cannot_be_pressed(
    of_people: Usability,
) -> None:
    assert of_people.paper == [], "\n".join(of_people.paper)
