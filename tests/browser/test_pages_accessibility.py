"""The pages in a real Chromium: WCAG 2.2 AA, reflow, keyboard, script, and no external traffic.

Each page is served with the Content-Security-Policy that it asks for and nothing else, so a style
or a script that the policy does not allow is missing here too.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Request, Route, expect
from tests.browser.windows import Window, css, overflow, violations, violations_everywhere

from worksgate.settings.options import Settings
from worksgate.web.pages.forms import AccountChoice, EnrolmentForm, NoticePage, SignInForm
from worksgate.web.pages.rendering import LANGUAGES, Notice, Page, Pages, Problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDRESS = "http://127.0.0.1:9/login"
"""Nobody listens there: each window answers for itself."""
SWITCHER = tuple((code, f"/login?lang={code}") for code in LANGUAGES)
COMPANY = {
    "en": "Acme Trading",
    "ja": "株式会社青空商事",
    "ko": "주식회사 하늘무역",
    "zh-CN": "蓝天贸易有限公司",
    "zh-TW": "藍天貿易股份有限公司",
}
SMALLEST_TARGET = 44
SMALL_TARGETS = """(smallest) => [...document.querySelectorAll(
    "a, button, summary, input:not([type=hidden])")].filter((found) => {
        const box = found.getBoundingClientRect();
        return Math.min(box.width, box.height) < smallest;
    }).map((found) => found.outerHTML)"""


def login(
    language: str = "en", *, problem: Problem | None = None, username: str = "", cancel: bool = True
) -> Page:
    form = SignInForm(
        action="/login",
        txn="t1",
        csrf="c1",
        username=username,
        prefilled=bool(username) and problem is None,
        clear_url="/login?clear=1",
        problem=problem,
        retry_after=320,
        cancel=cancel,
    )
    return _pages(language).login(form, language, SWITCHER)


def choice(language: str = "en") -> Page:
    question = AccountChoice(
        action="/login", txn="t1", csrf="c1", signed_in_as="Hanako Sato", account="taro@acme"
    )
    return _pages(language).choose_account(question, language, SWITCHER)


def notice(kind: Notice, language: str = "en") -> Page:
    shown = NoticePage(notice=kind, start_over_url="/start", reference="lg-7Qm3vX9kT2")
    return _pages(language).notice(shown, language, SWITCHER)


def _pages(language: str) -> Pages:
    return Pages(Settings(company_name=COMPANY[language], support_url="https://help.example.com"))


def every_page() -> dict[str, Page]:
    """All pages, the languages taking turns."""
    made = {"login": login("ja"), "prefilled": login("ko", username="taro"), "choice": choice("ja")}
    for number, problem in enumerate(Problem):
        language = LANGUAGES[number % len(LANGUAGES)]
        made[f"problem-{problem}"] = login(language, problem=problem, username="taro")
    for number, kind in enumerate(Notice):
        made[f"notice-{kind}"] = notice(kind, LANGUAGES[number % len(LANGUAGES)])
    return made


PAGES = every_page()


Windows = Mapping[bool, Window]
"""Those in which pages are shown, one after the other: with JavaScript, and without."""


async def new_window(chromium: Browser, *, javascript: bool = True) -> Window:
    return await Window.of(await chromium.new_context(java_script_enabled=javascript))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def windows(chromium: Browser) -> AsyncIterator[Windows]:
    windows = {
        javascript: await new_window(chromium, javascript=javascript)
        for javascript in (True, False)
    }
    yield windows
    for window in windows.values():
        await window.close()


@asynccontextmanager
async def shown(
    windows: Windows, page: Page, *, width: int = 360, javascript: bool = True
) -> AsyncIterator[Window]:
    """A window that shows a page, with the policy that it asks for."""
    window = windows[javascript]
    await show(window, page, width)
    yield window
    window.check()


async def show(window: Window, page: Page, width: int = 360) -> None:
    """Let a window that may have shown another page show this one, as a new window would."""

    async def answer(route: Route) -> None:
        if route.request.method == "POST":
            await route.fulfill(status=204)  # a browser then stays where it is
            return
        policy = f"default-src 'none'; form-action 'self'; {page.style_and_script_csp}"
        await route.fulfill(
            body=page.html,
            content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": policy},
        )

    window.forget()
    await window.tab.set_viewport_size({"width": width, "height": 800})
    await window.tab.emulate_media(
        color_scheme="light", reduced_motion="no-preference", forced_colors="none"
    )
    await window.tab.unroute_all()
    await window.tab.route("**", answer)
    await window.tab.goto(ADDRESS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def window(chromium: Browser) -> AsyncIterator[Window]:
    """The one in which every page is opened."""
    window = await new_window(chromium)
    yield window
    await window.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=PAGES)
async def opened(request: pytest.FixtureRequest, window: Window) -> AsyncIterator[Window]:
    """Each page in turn, which its tests share."""
    await show(window, PAGES[request.param])
    for summary in await window.tab.locator("summary").all():
        await summary.click()
    yield window
    window.check()


def asked(window: Window) -> list[str]:
    return [f"{request.method} {request.url}" for request in window.requests]


def is_post(request: Request) -> bool:
    return request.method == "POST"


async def test_page_meets_wcag_2_2_aa_in_light_and_dark(opened: Window) -> None:
    assert await violations_everywhere(opened.tab, [360]) == []


async def test_the_check_finds_a_page_that_is_not_accessible(windows: Windows) -> None:
    good = login()
    spoilt = good.html.replace('<label for="username">', "<label>").replace('lang="en"', "", 1)
    async with shown(windows, Page(spoilt.encode(), good.style_and_script_csp, "en")) as window:
        found = " ".join(await violations(window.tab))
        assert '"label"' in found
        assert '"html-has-lang"' in found


async def test_r13_a_page_asks_for_nothing_and_its_policy_suffices(opened: Window) -> None:
    assert asked(opened) == [f"GET {ADDRESS}"]
    assert opened.complaints == []
    assert await css(opened.tab, ".button, .choice", "borderRadius") == "10px"


async def test_page_fits_every_window_and_what_can_be_pressed_is_44_px_high(
    opened: Window,
) -> None:
    for width in (320, 360, 768, 1440):
        await opened.tab.set_viewport_size({"width": width, "height": 800})
        assert await overflow(opened.tab) <= 0
        assert await opened.tab.evaluate(SMALL_TARGETS, SMALLEST_TARGET) == []


async def test_text_can_be_twice_as_large(opened: Window) -> None:
    await opened.tab.set_viewport_size({"width": 360, "height": 800})
    before = float((await css(opened.tab, "h1", "fontSize")).removesuffix("px"))
    await opened.tab.evaluate("document.documentElement.style.fontSize = '200%'")
    try:
        assert await css(opened.tab, "h1", "fontSize") == f"{2 * before:g}px"
        assert await overflow(opened.tab) <= 0
    finally:  # the next test of this page may be any other
        await opened.tab.evaluate("document.documentElement.style.fontSize = ''")


@pytest.mark.parametrize(("width", "widest"), [(360, 360), (768, 400), (1440, 400)])
async def test_the_card_is_at_most_400_px_wide_and_in_the_middle(
    windows: Windows, width: int, widest: int
) -> None:
    async with shown(windows, login(), width=width) as window:
        box = await window.tab.locator(".card").bounding_box()
        assert box is not None
        assert box["width"] == widest
        assert box["x"] + box["width"] / 2 == pytest.approx(width / 2, abs=1)


@pytest.mark.parametrize("width", [320, 360, 400, 1440])
async def test_no_line_of_a_title_ends_inside_a_word(windows: Windows, width: int) -> None:
    form = EnrolmentForm(
        action="/login",
        txn="t1",
        csrf="c1",
        restart_url="/login?start=1",
        person="Hanako",
        totp_uri="otpauth://totp/hanako?secret=A",
        qr_svg="<svg></svg>",
        totp_key="ABCD",
    )
    async with shown(windows, _pages("en").step(form, "en"), width=width) as window:
        compound = window.tab.locator("h1 .unbroken")
        await expect(compound).to_have_text("two-step")
        assert await compound.evaluate("(found) => found.getClientRects().length") == 1


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_names_of_the_languages_are_on_one_line_or_on_two_even_ones(
    windows: Windows, language: str
) -> None:
    tops = """() => [...document.querySelectorAll(".languages > li")].map(
        (found) => found.getBoundingClientRect().top)"""
    async with shown(windows, login(language)) as window:
        for width, lines in ((320, (3, 2)), (400, (5,)), (1440, (5,))):
            await window.tab.set_viewport_size({"width": width, "height": 800})
            on_line = Counter(await window.tab.evaluate(tops))
            assert tuple(on_line.values()) == lines, width


# The keyboard and where it starts


@pytest.mark.parametrize(
    ("problem", "username", "focused"),
    [
        (None, "", "username"),
        (None, "taro", "password"),
        (Problem.EMPTY, "", "username"),
        (Problem.EMPTY, "taro", "password"),
        (Problem.WRONG_PASSWORD, "taro", "password"),
        (Problem.THROTTLED, "taro", "problem"),
        (Problem.UNAVAILABLE, "taro", "problem"),
    ],
)
@pytest.mark.parametrize("javascript", [True, False])
async def test_the_focus_is_where_the_person_goes_on(
    windows: Windows, problem: Problem | None, username: str, focused: str, *, javascript: bool
) -> None:
    page = login(problem=problem, username=username)
    async with shown(windows, page, javascript=javascript) as window:
        await expect(window.tab.locator("*:focus")).to_have_id(focused)


async def test_tab_goes_through_the_form_in_reading_order_and_is_seen(windows: Windows) -> None:
    async with shown(windows, login(username="")) as window:
        seen = []
        for _ in range(5):
            focus = window.tab.locator("*:focus")
            seen.append(await focus.get_attribute("id") or await focus.inner_text())
            assert await css(window.tab, "*:focus", "outlineStyle") == "solid"
            await window.tab.keyboard.press("Tab")
        assert seen == ["username", "password", "Show", "Sign in", "Cancel"]


async def test_enter_in_the_password_field_signs_in(windows: Windows) -> None:
    async with shown(windows, login(username="taro")) as window:
        await window.tab.locator("#password").fill("secret")
        async with window.tab.expect_event("request", is_post) as sent:
            await window.tab.keyboard.press("Enter")
        assert (await sent.value).post_data == "txn=t1&csrf=c1&username=taro&password=secret"


async def test_the_form_is_sent_without_javascript(windows: Windows) -> None:
    async with shown(windows, login(username="taro"), javascript=False) as window:
        assert not await window.tab.locator(".reveal").is_visible()
        await window.tab.locator("#password").fill("secret")
        async with window.tab.expect_event("request", is_post):
            await window.tab.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(("name", "sent"), [("taro@acme", "other"), ("Hanako", "continue")])
async def test_the_pressed_account_is_sent(windows: Windows, name: str, sent: str) -> None:
    async with (
        shown(windows, choice()) as window,
        window.tab.expect_event("request", is_post) as request,
    ):
        await window.tab.get_by_role("button", name=name).click()
    assert (await request.value).post_data == f"txn=t1&csrf=c1&choice={sent}"


# Comfort


async def test_the_password_can_be_shown_and_hidden(windows: Windows) -> None:
    async with shown(windows, login()) as window:
        password = window.tab.locator("#password")
        await password.fill("secret")
        await window.tab.get_by_role("button", name="Show password").click()
        assert await password.get_attribute("type") == "text"
        assert await password.input_value() == "secret"
        await window.tab.get_by_role("button", name="Hide password").click()
        assert await password.get_attribute("type") == "password"


async def test_a_shown_password_is_hidden_before_it_is_sent(windows: Windows) -> None:
    async with shown(windows, login(username="taro")) as window:
        await window.tab.locator("#password").fill("secret")
        await window.tab.get_by_role("button", name="Show password").click()
        async with window.tab.expect_event("request", is_post):
            await window.tab.get_by_role("button", name="Sign in").click()
        assert await window.tab.locator("#password").get_attribute("type") == "password"


async def test_a_form_is_sent_once_however_often_its_button_is_pressed(windows: Windows) -> None:
    async with shown(windows, login(username="taro")) as window:
        button = window.tab.get_by_role("button", name="Sign in")
        async with window.tab.expect_event("request", is_post):
            said = await button.evaluate(  # at once: it may be sent again after a while
                """(button) => {
                    for (let time = 0; time < 3; time++) button.click();
                    return button.getAttribute("aria-disabled");
                }"""
            )
        await window.tab.evaluate("() => new Promise(requestAnimationFrame)")
        assert asked(window) == [f"GET {ADDRESS}", f"POST {ADDRESS}"]
        assert said == "true"


async def test_caps_lock_is_reported(windows: Windows) -> None:
    press = """(on) => document.getElementById("password").dispatchEvent(
        new KeyboardEvent("keydown", {key: "A", modifierCapsLock: on}))"""
    async with shown(windows, login()) as window:
        hint = window.tab.get_by_text("Caps Lock is on.")
        assert not await hint.is_visible()
        await window.tab.evaluate(press, True)
        assert await hint.is_visible()
        await window.tab.evaluate(press, False)
        assert not await hint.is_visible()


# Wishes of the reader


async def test_nothing_moves_for_those_who_asked_for_stillness(windows: Windows) -> None:
    async with shown(windows, login()) as window:
        assert await css(window.tab, ".button", "transitionDuration") != "0s"
        await window.tab.emulate_media(reduced_motion="reduce")
        assert await css(window.tab, ".button", "transitionDuration") == "0s"


async def test_edges_stay_visible_in_forced_colours(windows: Windows) -> None:
    async with shown(windows, login(problem=Problem.BUSY), width=1440) as window:
        await window.tab.emulate_media(forced_colors="active")
        for selector in (".card", ".alert", ".button", "#username"):
            assert await css(window.tab, selector, "borderTopStyle") == "solid"
            assert await css(window.tab, selector, "borderTopColor") != "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_each_language_has_its_own_fonts_and_line_breaks(
    windows: Windows, language: str
) -> None:
    fonts = {
        "en": "Segoe UI",
        "ja": "Hiragino Sans",
        "ko": "Malgun Gothic",
        "zh-CN": "Microsoft YaHei UI",
        "zh-TW": "Microsoft JhengHei UI",
    }
    breaks = dict.fromkeys(LANGUAGES, "normal") | {"ja": "auto-phrase", "ko": "keep-all"}
    of_titles = breaks | {"zh-CN": "keep-all", "zh-TW": "keep-all"}
    async with shown(windows, login(language)) as window:
        assert fonts[language] in await css(window.tab, "h1", "fontFamily")
        for part in ("h1", ".button"):
            assert await css(window.tab, part, "wordBreak") == of_titles[language]
        for part in (".lead", "label"):
            assert await css(window.tab, part, "wordBreak") == breaks[language]
        for other in set(LANGUAGES) - {language}:
            assert fonts[other] in await css(window.tab, f"a[lang={other}]", "fontFamily")
