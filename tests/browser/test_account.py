"""The account pages in a real Chromium: every page, with and without JavaScript, and a real passkey
of Chromium's virtual authenticator."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from tests.browser.authenticators import virtual_authenticator
from tests.browser.readers import Reader
from tests.browser.servers import Premises, open_premises
from tests.browser.windows import (
    Looks,
    OpenWindow,
    Window,
    overflow,
    submit_login,
    violations,
    violations_everywhere,
)
from tests.installation import PASSWORD, USERNAME

from worksgate.web.account.wording import LINK_NOT_VALID
from worksgate.web.pages.catalogues import LANGUAGES

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEW_PASSWORD = "seven green ladders sing"
WIDTHS = (360, 768, 1440)
NARROWEST = 320
ALONE_ON_A_LINE = """() => Object.values(Object.groupBy(
    document.querySelectorAll(".languages > li"), (found) => found.getBoundingClientRect().top
)).filter((line) => line.length === 1).map(([found]) => found.innerText)"""
SMALL_TARGETS = """() => [...document.querySelectorAll(
    "a:not(.skip), button, summary, input:not([type=hidden]):not(.visually-hidden)")]
    .filter((found) => found.checkVisibility() && found.getBoundingClientRect().height < 43.5)
    .map((found) => found.outerHTML)"""

TITLES = {
    "": "Your account",
    "/password": "Change your password",
    "/authenticator": "Set up an authenticator app",
    "/passkeys": "Add a passkey",
    "/app-passwords": "Create an app password",
    "/reset?token=x": LINK_NOT_VALID.title,
}


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[Premises]:
    """An installation that has a name, which passkeys need, and takes app passwords."""
    async with open_premises(tmp_path, "localhost") as premises:
        await premises.installation.change_client(imap_login=True)
        yield premises


async def heading(tab: Page, text: str) -> None:
    await expect(tab.get_by_role("heading", level=1)).to_have_text(text)


async def judged(tab: Page) -> None:
    """Nobody is shut out of this page, in any window and in light and dark."""
    assert await violations_everywhere(tab, [1280]) == []
    for width in WIDTHS:
        await tab.set_viewport_size({"width": width, "height": 800})
        assert await overflow(tab) <= 0, width
        assert await tab.evaluate(SMALL_TARGETS) == [], width


async def enter(house: Premises, window: Window, page: str = "") -> Page:
    """Sign in where an account page should be."""
    tab = window.tab
    await tab.goto(f"{house.url}/account{page}")
    await submit_login(tab, USERNAME, PASSWORD)
    await tab.wait_for_url(f"{house.url}/account{page}")
    return tab


async def test_a_passkey_is_added_by_hand_and_signs_in_from_then_on(
    house: Premises, window: Window
) -> None:
    await virtual_authenticator(window)
    tab = await enter(house, window)
    await heading(tab, "Your account")
    await judged(tab)
    await tab.get_by_role("link", name="Add a passkey").click()
    await heading(tab, "Add a passkey")
    await judged(tab)
    await tab.get_by_label("Name of the passkey").fill("my phone")
    await tab.get_by_role("button", name="Create a passkey").click()
    await heading(tab, "Keep your recovery codes")
    await judged(tab)
    await tab.get_by_role("link", name="I have kept them").click()
    await expect(tab.get_by_role("status")).to_contain_text("The passkey was added.")
    await expect(tab.get_by_role("heading", name="my phone")).to_be_visible()
    await tab.get_by_role("button", name="Sign out everywhere").click()
    await heading(tab, "You are signed out")
    await tab.goto(f"{house.url}/account")  # a finger is on it: the passkey answers at once
    await heading(tab, "Your account")
    await tab.get_by_text("Remove", exact=False).first.click()
    await judged(tab)
    await tab.get_by_role("button", name="Remove the passkey").click()
    await expect(tab.get_by_role("status")).to_contain_text("The passkey was removed.")


async def test_the_password_is_changed_without_javascript(
    house: Premises, open_window: OpenWindow
) -> None:
    window = await open_window(locale="en-US", java_script_enabled=False)
    tab = await enter(house, window, "/password")
    await tab.get_by_label("Current password").fill(PASSWORD)
    await tab.get_by_label("New password").fill("short")
    await tab.get_by_role("button", name="Change the password").click()
    await expect(tab.get_by_role("alert")).to_contain_text("Use at least 15 characters.")
    await tab.get_by_label("Current password").fill(PASSWORD)
    await tab.get_by_label("New password").fill(NEW_PASSWORD)
    await tab.get_by_role("button", name="Change the password").click()
    await expect(tab.get_by_role("status")).to_contain_text("Your password was changed.")


async def test_an_app_and_an_app_password_are_set_up_without_javascript(
    house: Premises, open_window: OpenWindow
) -> None:
    window = await open_window(locale="en-US", java_script_enabled=False)
    tab = await enter(house, window)
    await tab.get_by_role("link", name="Set up an app").click()
    await tab.get_by_text("I cannot scan it").click()
    key = await tab.locator("details .code").inner_text()
    app = pyotp.TOTP(key.replace(" ", ""))
    await tab.get_by_label("Code from the app").fill(app.at(int(house.installation.clock())))
    await tab.get_by_role("button", name="Turn on").click()
    await tab.get_by_role("link", name="I have kept them").click()
    await tab.get_by_role("link", name="Create an app password").click()
    await tab.get_by_label("Which program is it for?").fill("mail")
    await tab.get_by_role("button", name="Create an app password").click()
    await expect(tab.locator("#app-password")).to_have_text(re.compile(r"^(\w{4}-){5}\w{4}$"))
    await tab.get_by_role("link", name="I have copied it").click()
    await tab.get_by_text("Turn off").first.click()
    await tab.get_by_role("button", name="Turn off the app").click()
    await expect(tab.get_by_role("status")).to_contain_text("is turned off")


async def test_account_pages_meet_wcag_2_2_aa_and_fit_every_window(
    house: Premises, window: Window
) -> None:
    tab = await enter(house, window)
    for page in ("/password", "/authenticator", "/app-passwords", "/reset?token=x"):
        await tab.goto(f"{house.url}/account{page}")
        await heading(tab, TITLES[page])
        await judged(tab)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_account_pages_speak_every_language_and_fit_a_phone(
    house: Premises, open_window: OpenWindow, language: str
) -> None:
    reader = Reader(language)
    size = {"width": WIDTHS[0], "height": 740}
    tab = await enter(house, await open_window(locale=reader.locale, viewport=size))
    for page, title in TITLES.items():
        await tab.goto(f"{house.url}/account{page}")
        await reader.sees(tab, title)
        looks = Looks.ALL if language == "en" else Looks.WITHOUT_COLORS
        assert await violations(tab, looks) == [], page
        for width in (NARROWEST, WIDTHS[0]):
            await tab.set_viewport_size({"width": width, "height": 740})
            assert await overflow(tab) <= 0, (page, width)
            alone = await tab.evaluate(ALONE_ON_A_LINE)
            assert alone == [], (page, width)


async def test_a_new_password_counts_its_characters(house: Premises, window: Window) -> None:
    tab = await enter(house, window, "/password")
    count = tab.locator("[data-counts]")
    await tab.get_by_label("New password").fill("日本語で書く")
    await expect(count).to_have_text("6 / 15")
    await tab.get_by_label("New password").fill(NEW_PASSWORD)
    await expect(count).to_have_text("24 ✓")


async def test_times_are_those_of_the_readers_clock(
    house: Premises, open_window: OpenWindow
) -> None:
    shown = []
    for zone in ("UTC", "Asia/Tokyo"):
        window = await open_window(locale="en-US", timezone_id=zone)
        tab = await enter(house, window)
        shown.append(await tab.locator("#sessions ~ ul time").first.get_attribute("title"))
    assert None not in shown
    assert shown[0] != shown[1]


async def test_a_reset_link_leads_to_a_new_password(house: Premises, window: Window) -> None:
    link = await house.installation.administration.users.issue_reset_link(USERNAME)
    tab = window.tab
    await tab.goto(link)
    await heading(tab, "Choose your own password")
    await judged(tab)
    await tab.get_by_label("New password").fill(NEW_PASSWORD)
    await tab.get_by_role("button", name="Save and continue").click()
    await heading(tab, "Your password was changed")
    await judged(tab)
    await tab.get_by_role("link", name="Sign in").click()
    await submit_login(tab, USERNAME, NEW_PASSWORD)
    await heading(tab, "Your account")
