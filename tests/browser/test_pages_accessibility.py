"""The pages in a real Chromium: WCAG 2.2 AA, reflow, keyboard, comfort script, and no traffic.

Each page is served with the Content-Security-Policy that it asks for and nothing else, so a style
or a script that the policy does not allow is missing here too.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Route, ViewportSize, sync_playwright
from playwright.sync_api import Page as Tab

from worksgate.settings import Settings
from worksgate.web.pages import (
    LANGUAGES,
    AccountChoice,
    LoginForm,
    Notice,
    NoticePage,
    Page,
    Pages,
    Problem,
)

ADDRESS = "http://sign-in.test/login"
SWITCHER = tuple((code, f"/login?lang={code}") for code in LANGUAGES)
COMPANY = {"en": "Acme Trading", "ja": "株式会社青空商事", "ko": "주식회사 하늘무역"}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SMALLEST_TARGET = 44
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SMALL_TARGETS = """(smallest) => [...document.querySelectorAll(
    "a, button, summary, input:not([type=hidden])")].filter((found) => {
        const box = found.getBoundingClientRect();
        return Math.min(box.width, box.height) < smallest;
    }).map((found) => found.outerHTML)"""


def login(
    language: str = "en", *, problem: Problem | None = None, username: str = "", cancel: bool = True
) -> Page:
    form = LoginForm(
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
        action="/login", txn="t1", csrf="c1", signed_in_as="Hanako Sato", asked_for="taro@acme"
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
        language = LANGUAGES[number % 3]
        made[f"problem-{problem}"] = login(language, problem=problem, username="taro")
    for number, kind in enumerate(Notice):
        made[f"notice-{kind}"] = notice(kind, LANGUAGES[number % 3])
    return made


PAGES = every_page()


@dataclass(slots=True)
class Window:
    """One open page, with every request that it caused and every complaint of the browser."""

    tab: Tab
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@contextmanager
def shown(
    chromium: Browser,
    page: Page,
    *,
    width: int = 360,
    javascript: bool = True,
) -> Iterator[Window]:
    context = chromium.new_context(
        viewport=ViewportSize(width=width, height=800),
        java_script_enabled=javascript,
    )
    window = Window(context.new_page())

    def answer(route: Route) -> None:
        window.requests.append(f"{route.request.method} {route.request.url}")
        if route.request.method == "POST":
            route.fulfill(status=204)  # a browser then stays where it is
            return
        policy = f"default-src 'none'; form-action 'self'; {page.style_and_script_csp}"
        route.fulfill(
            body=page.html,
            content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": policy},
        )

    window.tab.on("console", lambda message: window.complaints.append(message.text))
    window.tab.on("pageerror", lambda error: window.complaints.append(str(error)))
    window.tab.route("**", answer)
    window.tab.goto(ADDRESS)
    try:
        yield window
    finally:
        context.close()


def overflow(tab: Tab) -> int:
    return int(tab.evaluate("document.documentElement.scrollWidth - innerWidth"))


def css(tab: Tab, selector: str, name: str) -> str:
    return str(
        tab.eval_on_selector(selector, "(found, name) => getComputedStyle(found)[name]", name)
    )


@pytest.mark.parametrize("name", PAGES)
def test_page_meets_wcag_2_2_aa_in_light_and_dark(chromium: Browser, name: str) -> None:
    options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
    with shown(chromium, PAGES[name]) as window:
        for summary in window.tab.locator("summary").all():
            summary.click()
        for scheme in SCHEMES:
            window.tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            results = Axe().run(window.tab, options=options)
            assert results.violations_count == 0, f"{scheme}: {results.generate_report()}"


def test_the_check_finds_a_page_that_is_not_accessible(chromium: Browser) -> None:
    good = login()
    spoilt = good.html.replace('<label for="username">', "<label>").replace('lang="en"', "", 1)
    with shown(chromium, Page(spoilt, good.style_and_script_csp, "en")) as window:
        found = {violation["id"] for violation in Axe().run(window.tab).response["violations"]}
        assert {"label", "html-has-lang"} <= found


@pytest.mark.parametrize("name", PAGES)
def test_r13_a_page_asks_for_nothing_and_its_policy_suffices(chromium: Browser, name: str) -> None:
    with shown(chromium, PAGES[name]) as window:
        assert window.requests == [f"GET {ADDRESS}"]
        assert window.complaints == []
        assert css(window.tab, ".button, .choice", "borderRadius") == "10px"


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_every_window_and_what_can_be_pressed_is_44_px_high(
    chromium: Browser, name: str
) -> None:
    with shown(chromium, PAGES[name]) as window:
        for width in (320, 360, 768, 1440):
            window.tab.set_viewport_size({"width": width, "height": 800})
            assert overflow(window.tab) <= 0
            assert window.tab.evaluate(SMALL_TARGETS, SMALLEST_TARGET) == []


@pytest.mark.parametrize("name", PAGES)
def test_text_can_be_twice_as_large(chromium: Browser, name: str) -> None:
    with shown(chromium, PAGES[name]) as window:
        before = float(css(window.tab, "h1", "fontSize").removesuffix("px"))
        window.tab.evaluate("document.documentElement.style.fontSize = '200%'")
        assert css(window.tab, "h1", "fontSize") == f"{2 * before:g}px"
        assert overflow(window.tab) <= 0


@pytest.mark.parametrize(("width", "widest"), [(360, 360), (768, 400), (1440, 400)])
def test_the_card_is_at_most_400_px_wide_and_in_the_middle(
    chromium: Browser, width: int, widest: int
) -> None:
    with shown(chromium, login(), width=width) as window:
        box = window.tab.locator(".card").bounding_box()
        assert box is not None
        assert box["width"] == widest
        assert box["x"] + box["width"] / 2 == pytest.approx(width / 2, abs=1)


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
def test_the_focus_is_where_the_person_goes_on(
    chromium: Browser, problem: Problem | None, username: str, focused: str, *, javascript: bool
) -> None:
    page = login(problem=problem, username=username)
    with shown(chromium, page, javascript=javascript) as window:
        window.tab.wait_for_selector("*:focus")
        assert window.tab.locator("*:focus").get_attribute("id") == focused


def test_tab_goes_through_the_form_in_reading_order_and_is_seen(chromium: Browser) -> None:
    with shown(chromium, login(username="")) as window:
        seen = []
        for _ in range(5):
            focus = window.tab.locator("*:focus")
            seen.append(focus.get_attribute("id") or focus.inner_text())
            assert css(window.tab, "*:focus", "outlineStyle") == "solid"
            window.tab.keyboard.press("Tab")
        assert seen == ["username", "password", "Show", "Sign in", "Cancel"]


def test_enter_in_the_password_field_signs_in(chromium: Browser) -> None:
    with shown(chromium, login(username="taro")) as window:
        window.tab.locator("#password").fill("secret")
        with window.tab.expect_request(lambda request: request.method == "POST") as sent:
            window.tab.keyboard.press("Enter")
        assert sent.value.post_data == "txn=t1&csrf=c1&username=taro&password=secret"


def test_the_form_is_sent_without_javascript(chromium: Browser) -> None:
    with shown(chromium, login(username="taro"), javascript=False) as window:
        assert not window.tab.locator(".reveal").is_visible()
        window.tab.locator("#password").fill("secret")
        with window.tab.expect_request(lambda request: request.method == "POST"):
            window.tab.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(("name", "sent"), [("taro@acme", "other"), ("Hanako", "continue")])
def test_the_pressed_account_is_sent(chromium: Browser, name: str, sent: str) -> None:
    with (
        shown(chromium, choice()) as window,
        window.tab.expect_request(lambda request: request.method == "POST") as request,
    ):
        window.tab.get_by_role("button", name=name).click()
    assert request.value.post_data == f"txn=t1&csrf=c1&choice={sent}"


# Comfort


def test_the_password_can_be_shown_and_hidden(chromium: Browser) -> None:
    with shown(chromium, login()) as window:
        password = window.tab.locator("#password")
        password.fill("secret")
        window.tab.get_by_role("button", name="Show password").click()
        assert password.get_attribute("type") == "text"
        assert password.input_value() == "secret"
        window.tab.get_by_role("button", name="Hide password").click()
        assert password.get_attribute("type") == "password"


def test_a_shown_password_is_hidden_before_it_is_sent(chromium: Browser) -> None:
    with shown(chromium, login(username="taro")) as window:
        window.tab.locator("#password").fill("secret")
        window.tab.get_by_role("button", name="Show password").click()
        with window.tab.expect_request(lambda request: request.method == "POST"):
            window.tab.get_by_role("button", name="Sign in").click()
        assert window.tab.locator("#password").get_attribute("type") == "password"


def test_a_form_is_sent_once_however_often_its_button_is_pressed(chromium: Browser) -> None:
    with shown(chromium, login(username="taro")) as window:
        button = window.tab.get_by_role("button", name="Sign in")
        for _ in range(3):
            button.click(force=True)
        assert window.requests == [f"GET {ADDRESS}", f"POST {ADDRESS}"]
        assert button.get_attribute("aria-disabled") == "true"


def test_caps_lock_is_told(chromium: Browser) -> None:
    press = """(on) => document.getElementById("password").dispatchEvent(
        new KeyboardEvent("keydown", {key: "A", modifierCapsLock: on}))"""
    with shown(chromium, login()) as window:
        hint = window.tab.get_by_text("Caps Lock is on.")
        assert not hint.is_visible()
        window.tab.evaluate(press, True)
        assert hint.is_visible()
        window.tab.evaluate(press, False)
        assert not hint.is_visible()


# Wishes of the reader


def test_nothing_moves_for_those_who_asked_for_stillness(chromium: Browser) -> None:
    with shown(chromium, login()) as window:
        assert css(window.tab, ".button", "transitionDuration") != "0s"
        window.tab.emulate_media(reduced_motion="reduce")
        assert css(window.tab, ".button", "transitionDuration") == "0s"


def test_edges_stay_visible_in_forced_colours(chromium: Browser) -> None:
    with shown(chromium, login(problem=Problem.BUSY), width=1440) as window:
        window.tab.emulate_media(forced_colors="active")
        for selector in (".card", ".alert", ".button", "#username"):
            assert css(window.tab, selector, "borderTopStyle") == "solid"
            assert css(window.tab, selector, "borderTopColor") != "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_its_own_fonts_and_line_breaks(chromium: Browser, language: str) -> None:
    fonts = {"en": "Segoe UI", "ja": "Hiragino Sans", "ko": "Malgun Gothic"}
    breaks = {"en": "normal", "ja": "auto-phrase", "ko": "keep-all"}
    with shown(chromium, login(language)) as window:
        assert fonts[language] in css(window.tab, "h1", "fontFamily")
        assert css(window.tab, "h1", "wordBreak") == breaks[language]
        other = next(code for code in LANGUAGES if code != language)
        assert fonts[other] in css(window.tab, f"a[lang={other}]", "fontFamily")
