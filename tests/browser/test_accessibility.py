"""All pages of a sign-in, as they are served: WCAG 2.2 AA, the keyboard, narrow windows, weight."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from tests.browser.servers import Demo
from tests.browser.windows import Window, css, overflow, submit_login, violations_everywhere

from worksgate.cli.demo.people import GUESTS, PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")

AOI, MINJUN, *_ = GUESTS
WIDTHS = (360, 1440)
NARROWEST = 320
HEAVIEST = 30_000

LOGIN_PAGES = ("login", "wrong-password", "choice", "notice", "signed-out")
SIMULATOR_PAGES = ("home", "session", "steps", "misbehave", "trial", "signed-out-here")


async def walk(demo: Demo, tab: Page) -> AsyncIterator[str]:
    """Go through a whole sign-in and stop at each page; yields its name."""
    await tab.goto(demo.simulator)
    yield "home"
    await tab.click("button[value=browser]")
    await tab.wait_for_selector("#password")
    yield "login"
    await submit_login(tab, AOI.username, "wrong")
    await tab.wait_for_selector("#problem")
    yield "wrong-password"
    await submit_login(tab, AOI.username, PASSWORD)
    await tab.wait_for_selector("#steps")
    for number in (2, 7, 8):
        await tab.click(f"#step-{number} summary")
    yield "steps"
    await tab.goto(demo.simulator)
    yield "session"
    await tab.fill("#worksId", MINJUN.works_account)
    await tab.click("button[value=browser]")
    await tab.wait_for_selector(".choice")
    yield "choice"
    await tab.goto(f"{demo.simulator}/misbehave")
    await tab.click("form[action='/misbehave'] button")
    await tab.wait_for_selector(".result")
    yield "misbehave"
    link = tab.locator(f".scenario a[href^='{demo.url}']").first
    notice = await link.get_attribute("href")
    await tab.locator(".result").last.click()
    await tab.wait_for_selector(".versus")
    yield "trial"
    await tab.goto(str(notice))
    await tab.click("summary")
    yield "notice"
    await tab.goto(f"{demo.url}/logout")
    yield "signed-out"
    await tab.goto(f"{demo.simulator}/signed-out")
    yield "signed-out-here"


@dataclass
class Tour:
    """What was seen on a walk in one language."""

    has_colors: bool
    """Whether they are looked at: they are the same in all languages."""
    pages: set[str] = field(default_factory=set)
    languages: set[str | None] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    too_wide: list[str] = field(default_factory=list)

    async def look_at(self, name: str, tab: Page) -> None:
        self.pages.add(name)
        self.languages.add(await tab.locator("html").get_attribute("lang"))
        found = await violations_everywhere(tab, WIDTHS, with_colors=self.has_colors)
        self.violations += [f"{name}, {what}" for what in found]
        await tab.set_viewport_size({"width": NARROWEST, "height": 900})
        if (pixels := await overflow(tab)) > 0:
            self.too_wide.append(f"{name}: {pixels} pixels")


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["en", "ja", "ko"])
async def tour(request: pytest.FixtureRequest, demo: Demo, chromium: Browser) -> Tour:
    tour = Tour(has_colors=request.param == "en")
    window = await Window.of(await chromium.new_context(locale=request.param))
    async for name in walk(demo, window.tab):
        await tour.look_at(name, window.tab)
    await window.close()
    assert tour.pages == {*LOGIN_PAGES, *SIMULATOR_PAGES}
    assert tour.languages == {request.param}
    return tour


async def test_every_page_meets_wcag_2_2_aa_light_and_dark_wide_and_narrow(tour: Tour) -> None:
    assert tour.violations == []


async def test_no_page_is_wider_than_a_window_of_320_px(tour: Tour) -> None:
    assert tour.too_wide == []


# The keyboard


async def tab_to(tab: Page, wanted: Callable[[], Awaitable[bool]]) -> None:
    """Press Tab until that is where the focus is; on the way it must always be seen."""
    for _ in range(40):
        await tab.keyboard.press("Tab")
        assert await css(tab, "*:focus", "outlineStyle") != "none"
        assert await css(tab, "*:focus", "outlineWidth") != "0px"
        if await wanted():
            return
    raise AssertionError("Tab does not lead there")


async def test_a_whole_sign_in_needs_nothing_but_the_keyboard(demo: Demo, window: Window) -> None:
    tab = window.tab
    await tab.goto(demo.simulator)
    await tab_to(tab, lambda: tab.locator("button[value=browser]:focus").is_visible())
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#username")).to_be_focused()
    await tab.keyboard.type(AOI.username)
    await tab_to(tab, lambda: tab.locator("#password:focus").is_visible())
    await tab.keyboard.type(PASSWORD)
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Signed in")
    await tab_to(tab, lambda: tab.locator("#step-8 summary:focus").is_visible())
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#step-8 .panel")).to_be_visible()


async def test_the_other_account_can_be_chosen_with_the_keyboard(
    demo: Demo, window: Window
) -> None:
    tab = window.tab
    await tab.goto(demo.simulator)
    await tab.click("button[value=browser]")
    await submit_login(tab, AOI.username, PASSWORD)
    await tab.wait_for_selector("#steps")
    await tab.goto(demo.simulator)
    await tab.fill("#worksId", MINJUN.works_account)
    await tab.click("button[value=browser]")
    await tab.wait_for_selector(".choice")
    await tab_to(tab, lambda: tab.locator("button[value=other]:focus").is_visible())
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#username")).to_have_value(MINJUN.works_account)
    await expect(tab.locator("#password")).to_be_focused()


async def test_an_error_is_announced_and_belongs_to_its_fields(demo: Demo, window: Window) -> None:
    tab = window.tab
    await tab.goto(demo.simulator)
    await tab.click("button[value=browser]")
    await expect(tab.locator("#username")).to_be_focused()
    await tab.keyboard.press("Enter")
    alert = tab.get_by_role("alert")
    await expect(alert).to_be_visible()
    await expect(tab.locator("#username")).to_be_focused()
    for name in ("#username", "#password"):
        await expect(tab.locator(name)).to_have_attribute("aria-invalid", "true")
        await expect(tab.locator(name)).to_have_accessible_description(await alert.inner_text())


# Weight


async def test_r13_the_login_page_is_one_request_of_less_than_30_kb(
    demo: Demo, window: Window
) -> None:
    await window.tab.goto(demo.simulator)
    await window.tab.click("button[value=browser]")
    await window.tab.wait_for_load_state("networkidle")
    ours = [request for request in window.requests if request.url.startswith(demo.url)]
    pages = [request for request in ours if not request.url.endswith("/favicon.ico")]
    [page] = pages
    sizes = await page.sizes()
    assert 0 < sizes["responseBodySize"] + sizes["responseHeadersSize"] < HEAVIEST
