"""The demonstration on the narrowest phone: nothing is clipped or out of reach."""

import pytest
from playwright.async_api import Locator, Page, expect
from tests.browser.servers import Demo
from tests.browser.windows import OpenWindow, hold_timers, overflow, release_timers

from worksgate.cli.demo.people import GUESTS, PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")

NARROWEST = 360
GUEST = GUESTS[0]


async def on_the_narrowest(open_window: OpenWindow, locale: str) -> Page:
    window = await open_window(
        locale=locale,
        viewport={"width": NARROWEST, "height": 800},
        permissions=["clipboard-read", "clipboard-write"],
    )
    return window.tab


async def torn(found: Locator) -> list[str]:
    """The texts that stand on more than one line."""
    return list(
        await found.evaluate_all(
            """(all) => all.filter((each) => {
                const range = document.createRange();
                range.selectNodeContents(each);
                const lines = [...range.getClientRects()].map(({top}) => Math.round(top));
                return new Set(lines).size > 1;
            }).map((each) => each.textContent)"""
        )
    )


@pytest.mark.parametrize("locale", ["en-US", "ja-JP", "ko-KR"])
async def test_whom_to_sign_in_as_is_next_to_the_button(
    demo: Demo, open_window: OpenWindow, locale: str
) -> None:
    tab = await on_the_narrowest(open_window, locale)
    await tab.goto(demo.simulator)
    titles = [await each.get_attribute("id") for each in await tab.locator("h2").all()]
    assert titles[:3] == ["start", "people", "mail"]
    assert await torn(tab.locator(".people code")) == []
    assert await overflow(tab) == 0


async def test_what_is_copied_is_reported(demo: Demo, open_window: OpenWindow) -> None:
    tab = await on_the_narrowest(open_window, "en-US")
    await tab.goto(demo.simulator)
    await hold_timers(tab)
    await tab.get_by_role("button", name=f"Copy the user name {GUEST.username}").click()
    await expect(tab.get_by_role("status")).to_have_text("Copied")
    assert await tab.evaluate("navigator.clipboard.readText()") == GUEST.username
    await release_timers(tab)
    await expect(tab.get_by_role("status")).to_have_text("")


@pytest.mark.parametrize("locale", ["en-US", "ja-JP", "ko-KR"])
async def test_all_misbehaviours_are_summed_up(
    demo: Demo, open_window: OpenWindow, locale: str
) -> None:
    tab = await on_the_narrowest(open_window, locale)
    await tab.goto(f"{demo.simulator}/misbehave")
    assert await torn(tab.locator(".outcomes .mono")) == []
    await tab.locator("form[action='/misbehave'] button").click()
    await expect(tab.locator(".alert.good")).to_contain_text("17")
    assert await torn(tab.locator(".outcomes .mono")) == []
    assert await overflow(tab) == 0


@pytest.mark.parametrize("locale", ["en-US", "ja-JP", "ko-KR"])
async def test_the_user_key_stays_whole(demo: Demo, open_window: OpenWindow, locale: str) -> None:
    tab = await on_the_narrowest(open_window, locale)
    await tab.goto(demo.simulator)
    await tab.click("button[value=browser]")
    await tab.fill("#username", GUEST.username)
    await tab.fill("#password", PASSWORD)
    await tab.keyboard.press("Enter")
    key = tab.locator(".user-key")
    await expect(key).to_have_text(GUEST.external_key)
    assert await torn(key) == []
