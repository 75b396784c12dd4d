"""Every way in that ``worksgate demo`` offers: a mail app, another provider, a code, a passkey."""

import base64
import re
from collections.abc import AsyncIterator
from itertools import count

import pytest
from playwright.async_api import Locator, Page, expect
from starlette.applications import Starlette
from tests.browser.servers import Demo
from tests.browser.windows import OpenWindow, Window, overflow, submit_login, violations_everywhere
from tests.conformance.simulator.fake_sso import served

from worksgate.cli.demo.people import COLLEAGUES, GUESTS, PASSWORD
from worksgate.conformance.line_works import Credentials, Endpoints
from worksgate.conformance.simulator import (
    DemoPerson,
    PresentCode,
    SimulatorSettings,
    create_simulator,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

AOI, _, _, HANA = GUESTS
SORA, EMMA = COLLEAGUES
WIDTHS = (360, 1440)


def title(tab: Page) -> Locator:
    return tab.get_by_role("heading", level=1)


async def connect_mail_app(demo: Demo, tab: Page, username: str, password: str) -> None:
    """Fill in the form of the simulator's first page, as if it were a mail app's settings."""
    await tab.goto(demo.simulator)
    await tab.fill("#email", username)
    await tab.fill("#mail-password", password)
    await tab.click("form[action='/mail'] button")
    await tab.wait_for_selector("#steps")


async def start(demo: Demo, tab: Page) -> None:
    await tab.goto(demo.simulator)
    await tab.click("button[value=browser]")
    await tab.wait_for_selector("#password")


# A mail app


async def test_a_mail_app_comes_in_and_all_eight_steps_are_shown(
    demo: Demo, window: Window
) -> None:
    tab = window.tab
    await connect_mail_app(demo, tab, AOI.username, PASSWORD)
    await expect(title(tab)).to_have_text("The mail app is signed in")
    await expect(tab.locator(".step.is-done .number")).to_have_text([str(n) for n in range(1, 9)])
    await expect(tab.locator("#step-8 summary")).to_contain_text(AOI.external_key)
    for number, limit in ((2, "1 s"), (3, "3 s"), (5, "3 s"), (7, "3 s")):
        shown = tab.locator(f"#step-{number} .meter-text").first
        await expect(shown).to_have_text(re.compile(rf"^\d+(\.\d+)? m?s of {limit}$"))


async def test_r59_the_password_of_a_mail_app_is_nowhere_on_the_page(
    demo: Demo, window: Window
) -> None:
    await connect_mail_app(demo, window.tab, AOI.username, PASSWORD)
    await window.tab.click("#step-2 summary")
    await expect(window.tab.locator("#step-2")).to_contain_text("password")
    page = await window.tab.content()
    assert PASSWORD not in page
    assert base64.b64encode(PASSWORD.encode()).decode() not in page
    assert base64.b64encode(AOI.username.encode()).decode() in page
    assert [request.url for request in window.requests if "password" in request.url] == []


@pytest.mark.parametrize(
    ("username", "password"),
    [(AOI.username, "wrong"), (HANA.username, PASSWORD), (EMMA.email, PASSWORD)],
)
async def test_a_mail_app_is_refused_in_one_way_whatever_is_wrong(
    demo: Demo, window: Window, username: str, password: str
) -> None:
    """A wrong password; a right one of somebody with a second factor (R-63); nobody of ours."""
    await connect_mail_app(demo, window.tab, username, password)
    await expect(title(window.tab)).to_have_text("The mail app was not let in")
    await expect(window.tab.locator("#step-3 summary")).to_contain_text("HTTP 401 · invalid_grant")
    await expect(window.tab.locator(".step.is-not-reached")).to_have_count(5)


async def test_the_page_of_a_mail_app_needs_no_script(demo: Demo, open_window: OpenWindow) -> None:
    tab = (await open_window(java_script_enabled=False, locale="en-US")).tab
    await connect_mail_app(demo, tab, AOI.username, PASSWORD)
    await expect(title(tab)).to_have_text("The mail app is signed in")
    await tab.click("#step-2 summary")
    await expect(tab.locator("#step-2 .panel")).to_be_visible()


# Another provider


async def test_somebody_of_the_partner_signs_in_over_the_bridge(demo: Demo, window: Window) -> None:
    tab = window.tab
    await start(demo, tab)
    await tab.get_by_role("button", name="Continue with Partner").click()
    await expect(title(tab)).to_have_text("Who are you?")
    await tab.get_by_role("button", name=SORA.name).click()
    await expect(title(tab)).to_have_text("Signed in")
    await expect(tab.locator("#step-11 summary")).to_contain_text(SORA.employee_number)


async def test_an_address_of_the_partner_leads_there_by_itself(demo: Demo, window: Window) -> None:
    tab = window.tab
    await start(demo, tab)
    await submit_login(tab, EMMA.email, "is not looked at")
    await expect(title(tab)).to_have_text("Who are you?")
    await expect(tab.get_by_role("button", name=EMMA.name)).to_be_focused()
    await tab.keyboard.press("Enter")
    await expect(title(tab)).to_have_text("Signed in")
    await expect(tab.locator("#step-11 summary")).to_contain_text(EMMA.employee_number)


async def test_who_cancels_at_the_partner_can_sign_in_in_another_way(
    demo: Demo, window: Window
) -> None:
    tab = window.tab
    await start(demo, tab)
    await tab.get_by_role("button", name="Continue with Partner").click()
    await tab.get_by_role("button", name="Cancel").click()
    await expect(tab.get_by_role("alert")).to_be_visible()
    await submit_login(tab, AOI.username, PASSWORD)
    await expect(title(tab)).to_have_text("Signed in")


# A code, a passkey


async def test_the_code_that_the_simulator_shows_is_asked_for_and_right(
    demo: Demo, window: Window
) -> None:
    tab = window.tab
    await tab.goto(demo.simulator)
    person = tab.locator(".people > li", has_text=HANA.name)
    await expect(person.locator(".badge")).to_have_text("Password and a code")
    async with window.context.expect_page() as opened:
        await person.get_by_role("link", name="Show the code in a tab of its own").click()
    phone = await opened.value
    await start(demo, tab)
    await submit_login(tab, HANA.username, PASSWORD)
    await expect(title(tab)).to_have_text("Confirm that it is you")
    await expect(phone.locator(".digits")).to_have_text(re.compile(r"^\d{3} \d{3}$"))
    await tab.fill("#code", await phone.locator(".digits").inner_text())
    await tab.keyboard.press("Enter")
    await expect(title(tab)).to_have_text("Signed in")
    await expect(tab.locator("#step-11 summary")).to_contain_text(HANA.external_key)


async def test_a_code_gives_way_to_the_next_without_a_reload(window: Window) -> None:
    numbers = count(100_001)

    def simulator(origin: str) -> Starlette:
        nowhere = Endpoints(*(f"{origin}/nowhere",) * 5)
        phone = DemoPerson("yuna", "password", code=lambda: PresentCode(str(next(numbers)), 1))
        settings = SimulatorSettings(origin, nowhere, Credentials("a", "b"), people=(phone,))
        return create_simulator(settings)

    with served(simulator) as origin:
        await window.tab.goto(f"{origin}/codes")
        first = await window.tab.locator(".digits").inner_text()
        await expect(window.tab.locator(".digits")).not_to_have_text(first)
        await window.tab.close()
    assert len(window.sent("GET", "/codes")) == 1


async def test_a_passkey_is_offered_since_the_demonstration_has_a_name(
    demo: Demo, window: Window
) -> None:
    await start(demo, window.tab)
    await expect(window.tab.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    await window.tab.goto(demo.simulator)
    await window.tab.get_by_role("link", name="Their account page at Worksgate").click()
    await expect(window.tab).to_have_url(re.compile(rf"^{re.escape(demo.url)}/"))


# How the new pages look


async def walk(demo: Demo, tab: Page) -> AsyncIterator[str]:
    await connect_mail_app(demo, tab, AOI.username, PASSWORD)
    for number in (1, 2, 3, 8):
        await tab.click(f"#step-{number} summary")
    yield "let in"
    await connect_mail_app(demo, tab, HANA.username, PASSWORD)
    yield "refused"
    await tab.goto(f"{demo.simulator}/codes")
    yield "codes"
    await start(demo, tab)
    await tab.click("button[name=source]")
    await tab.wait_for_selector(".choice")
    yield "the partner"
    await tab.goto(f"{tab.url.partition('?')[0]}?client_id=another")
    yield "the partner's refusal"


@pytest.mark.parametrize("language", ["en", "ja", "ko"])
async def test_the_new_pages_are_for_everybody_in_every_language(
    demo: Demo, open_window: OpenWindow, language: str
) -> None:
    tab = (await open_window(locale=language)).tab
    found: list[str] = []
    async for name in walk(demo, tab):
        await expect(tab.locator("html")).to_have_attribute("lang", language)
        wrong = await violations_everywhere(tab, WIDTHS, with_colors=language == "en")
        found += [f"{name}, {what}" for what in wrong]
        for width in WIDTHS:
            await tab.set_viewport_size({"width": width, "height": 900})
            if await overflow(tab) > 0:
                found.append(f"{name}, {width}: it is too wide")
    assert found == []
