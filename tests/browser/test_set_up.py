"""From an empty database through the one-time link and the wizard to somebody who is signed in."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from tests.browser.servers import serving
from tests.browser.test_console import PASSWORD, become_owner
from tests.browser.windows import OpenWindow, submit_login
from tests.databases import url_of
from tests.unhurried import answer_deadline, long_deadlines_allowed

from worksgate.administration import Administration
from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.application import create_app
from worksgate.bootstrap.console import create_console
from worksgate.conformance.line_works import Credentials, Endpoints
from worksgate.conformance.simulator import SimulatorSettings, create_simulator
from worksgate.doctor.console_examiner import ConsoleExaminer
from worksgate.settings.options import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")


def listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def url_on(listener: socket.socket, host: str = "localhost") -> str:
    return f"http://{host}:{listener.getsockname()[1]}"


@dataclass
class NewCompany:
    """An installation in which nobody is, and the port at which LINE WORKS will be played."""

    console: str
    simulator: socket.socket
    administration: Administration


@asynccontextmanager
async def new_company(folder: Path) -> AsyncIterator[NewCompany]:
    people, console, simulator = listening(), listening(), listening()
    settings = Settings(
        public_url=url_on(people),
        company_name="光製作所",
        database_url=url_of(folder / "worksgate.db"),
        console_port=console.getsockname()[1],
        console_url=url_on(console),
        answer_deadline=answer_deadline(),
    )
    async with open_administration(settings) as administration:
        with long_deadlines_allowed():
            server = create_app(settings)
        pages = create_console(settings, examiner=ConsoleExaminer)
        async with serving(server, people), serving(pages, console):
            yield NewCompany(url_on(console), simulator, administration)
        await pages.close()


async def value(tab: Page, field: str) -> str:
    return await tab.locator(f"#v-{field}").inner_text()


async def heading(tab: Page, text: str) -> None:
    await expect(tab.get_by_role("heading", level=1)).to_contain_text(text)


async def set_up(tab: Page) -> None:
    """Every step of the wizard up to the values, as somebody would do it who is alone so far."""
    await tab.get_by_role("link", name="Begin the set-up").click()
    await heading(tab, "Where do your people sign in?")
    await tab.fill("#domain", "hikari.example")
    await tab.get_by_role("button", name="Keep this, and go on").click()
    await heading(tab, "Can LINE WORKS reach you from outside?")
    await tab.get_by_role("button", name="Check from this server").click()
    await expect(tab.locator(".findings")).to_contain_text("for this machine alone")
    await tab.get_by_role("link", name="User keys").click()
    await tab.get_by_role("button", name="Use this key").click()
    await tab.get_by_role("button", name="Count the keys of all sources").click()
    await heading(tab, "0 of 1 people have a usable key")
    await tab.get_by_role("link", name="Show them").click()
    await tab.locator("tbody th a").click()
    await tab.get_by_label("External Key").first.fill("H-0001")
    await tab.get_by_role("button", name="Set the key").click()
    await tab.get_by_role("link", name="Set-up steps").click()
    await tab.get_by_role("link", name="Who are your people?").click()
    await tab.fill("#username", "naoko")
    await tab.get_by_role("button", name="Ask the source").click()
    await heading(tab, "It works")
    await tab.get_by_role("link", name="Set-up steps").click()
    await tab.get_by_role("link", name="Tell LINE WORKS the keys").click()
    await tab.get_by_role("button", name="The keys are uploaded and saved").click()
    await heading(tab, "First register LINE WORKS here")
    await tab.get_by_role("button", name="Register it, and show the values").click()
    await heading(tab, "Put these 11 values into the console of LINE WORKS")


async def test_from_an_empty_database_to_somebody_who_is_signed_in(
    tmp_path: Path, open_window: OpenWindow
) -> None:
    window = await open_window(locale="en-US", java_script_enabled=False, reduced_motion="reduce")
    tab = window.tab
    async with new_company(tmp_path) as company:
        await become_owner(tab, await company.administration.first_owner.issue_link())
        codes = await tab.locator(".codes code").all_inner_texts()
        await tab.click("a.button")
        await set_up(tab)
        simulator = SimulatorSettings(
            public_url=url_on(company.simulator, "127.0.0.1"),
            endpoints=Endpoints(
                web_login=await value(tab, "login_url"),
                app_login=await value(tab, "login_url"),
                access_token=await value(tab, "access_token"),
                user_info=await value(tab, "user_info"),
                logout=await value(tab, "logout_url"),
            ),
            credentials=Credentials(
                await value(tab, "client_id"), await value(tab, "client_secret")
            ),
        )
        # The simulator is not at the address of LINE WORKS, to which alone a new client may send.
        (client,) = await company.administration.clients.all()
        await company.administration.clients.change(
            client.client_id, redirect_uris=(simulator.redirect_uri,)
        )
        async with serving(create_simulator(simulator), company.simulator):
            await tab.goto(simulator.public_url)
            await tab.click("button[value=browser]")
            await submit_login(tab, "naoko", PASSWORD)
            await heading(tab, "Confirm that it is you")
            await tab.locator("details summary").click()
            await tab.fill("#recovery", codes[0])
            await tab.locator("form:has(#recovery) [type=submit]").click()
            await heading(tab, "Signed in")
            await expect(tab.locator("#step-11 summary")).to_contain_text("H-0001")
        await tab.goto(f"{company.console}/wizard/values")
        used = tab.locator(".fields .state.good")
        await expect(used).to_have_count(5)
