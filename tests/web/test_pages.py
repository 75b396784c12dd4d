"""The pages as values: their HTML, for any reader and any input."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import worksgate.web
from worksgate.provider.sign_in.outcomes import FactorPurpose
from worksgate.settings.options import Settings
from worksgate.web.pages.forms import (
    AccountChoice,
    EnrolmentForm,
    NewPasswordForm,
    NoticePage,
    RecoveryCodesForm,
    SecondFactorForm,
    SignInForm,
    StepForm,
)
from worksgate.web.pages.rendering import (
    LANGUAGES,
    Notice,
    Page,
    Pages,
    Problem,
    choose_language,
    unbroken,
)

SUPPORT = "https://help.example.com/sign-in"
START_OVER = "https://auth.worksmobile.com/d/login/acme?accessUrl=https%3A%2F%2Ftalk.example.com"
PARTNER = "https://partner.example/authorize"
IN_THE_APP = "otpauth://totp/hanako?secret=A"
SWITCHER = tuple((code, f"/login?lang={code}&txn=t1") for code in LANGUAGES)
HOSTILE = "\"><img src=x onerror=alert(1)>'</title></script>{{ 7*7 }}%(product)s"
STYLESHEET = Path(worksgate.web.__file__).parent / "pages" / "static" / "worksgate.css"
LARGEST_PAGE = 30_000


def login_form(
    *,
    username: str = "",
    prefilled: bool = False,
    problem: Problem | None = None,
    retry_after: int | None = None,
    cancel: bool = False,
    action: str = "/login",
) -> SignInForm:
    return SignInForm(
        action=action,
        txn="t1",
        csrf="c1",
        username=username,
        prefilled=prefilled,
        clear_url="/login?clear=1" if prefilled else None,
        problem=problem,
        retry_after=retry_after,
        cancel=cancel,
    )


def account_choice(signed_in_as: str = "Hanako Sato", account: str = "taro@acme") -> AccountChoice:
    return AccountChoice(
        action="/login", txn="t1", csrf="c1", signed_in_as=signed_in_as, account=account
    )


def every_page(settings: Settings, language: str) -> Iterator[tuple[str, Page]]:
    pages = Pages(settings)
    for problem in (None, *Problem):
        form = login_form(
            username="hanako", prefilled=True, problem=problem, retry_after=320, cancel=True
        )
        yield f"login {problem}", pages.login(form, language, SWITCHER)
    yield "choice", pages.choose_account(account_choice(), language, SWITCHER)
    for notice in Notice:
        shown = NoticePage(notice=notice, start_over_url=START_OVER, reference="lg-1")
        yield f"notice {notice}", pages.notice(shown, language, SWITCHER)
    for name, step in every_step():
        yield name, pages.step(step, language, SWITCHER)
    yield "leave", pages.leave(PARTNER, "Partner", language)


def every_step() -> Iterator[tuple[str, StepForm]]:
    """The pages of a login under way, each with what goes wrong on it."""
    form: dict[str, Any] = {"action": "/login", "txn": "t1", "csrf": "c1", "restart_url": "/login"}
    passkey: dict[str, Any] = {"passkey_options": '{"challenge": "AAAA"}'}
    app: dict[str, Any] = {"totp_uri": IN_THE_APP, "qr_svg": "<svg></svg>", "totp_key": "ABCD"}
    person = {"person": "Hanako Sato"}
    for problem in (None, Problem.WRONG_CODE, Problem.WRONG_RECOVERY_CODE, Problem.WRONG_PASSKEY):
        for why in FactorPurpose:
            asked = {**form, **person, **passkey, "why": why, "problem": problem}
            yield f"{why} {problem}", SecondFactorForm(**asked, totp=False, recovery=False)
            yield f"{why} {problem} all", SecondFactorForm(**asked, totp=True, recovery=True)
    for problem in (None, Problem.WRONG_CODE, Problem.WRONG_PASSKEY):
        offered = {**form, **person, "problem": problem}
        yield f"enrol a passkey {problem}", EnrolmentForm(**offered, **passkey)
        yield f"enrol an app {problem}", EnrolmentForm(**offered, **app)
        yield f"enrol any {problem}", EnrolmentForm(**offered, **app, **passkey)
    yield "recovery codes", RecoveryCodesForm(**form, codes=["abcd-efgh"] * 10)
    chosen = {**form, "username": "hanako", "strength_url": "/login/strength"}
    yield "new password", NewPasswordForm(**chosen)
    yield "weak password", NewPasswordForm(**chosen, problem=Problem.WEAK_PASSWORD)


class Elements(HTMLParser):
    """The start tags of a page, its title and its visible words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.title = ""
        self.words = ""
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("title", "style", "script"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words += data
        elif self._inside == ["title"]:
            self.title += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [
            found
            for name, found in self.tags
            if name == tag and all(found.get(key) == value for key, value in wanted.items())
        ]

    def one(self, tag: str, **wanted: str) -> dict[str, str | None]:
        (found,) = self.all(tag, **wanted)
        return found


@pytest.fixture
def pages() -> Pages:
    return Pages(Settings(company_name="Acme", support_url=SUPPORT))


# Weight, style and script


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_weighs_less_than_30_kb_with_style_and_script(language: str) -> None:
    for name, page in every_page(Settings(company_name="Acme", support_url=SUPPORT), language):
        assert len(page.html.encode()) < LARGEST_PAGE, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_r9_style_and_script_are_allowed_by_their_digests_alone(language: str) -> None:
    for name, page in every_page(Settings(), language):
        styles = re.findall(r"<style>(.*?)</style>", page.html, re.DOTALL)
        scripts = re.findall(r"<script>(.*?)</script>", page.html, re.DOTALL)
        style, *allowed = [f"'sha256-{_sha256(part)}'" for part in (*styles, *scripts)]
        run = " ".join(allowed) or "'none'"
        expected = f"style-src {style}; script-src {run}"
        if name in ("new password", "weak password"):
            expected += "; connect-src 'self'"  # its meter asks us, and nobody else
        assert page.style_and_script_csp == expected, name
        assert not [found for _, found in Elements(page.html).tags if "style" in found], name
        assert not [
            key for _, found in Elements(page.html).tags for key in found if key[:2] == "on"
        ]


def _sha256(content: str) -> str:
    return b64encode(hashlib.sha256(content.encode()).digest()).decode()


def test_a_page_without_a_form_carries_no_script(pages: Pages) -> None:
    page = pages.notice(NoticePage(notice=Notice.EXPIRED), "en")
    assert "<script" not in page.html
    assert "script-src 'none'" in page.style_and_script_csp


# Nothing foreign


@pytest.mark.parametrize("language", LANGUAGES)
def test_r13_no_page_names_an_address_that_is_not_the_company_s_or_line_works(
    language: str,
) -> None:
    for name, page in every_page(Settings(company_name="Acme", support_url=SUPPORT), language):
        rest = page.html.replace(SUPPORT, "").replace(START_OVER, "")
        rest = rest.replace(PARTNER, "").replace(IN_THE_APP, "")
        assert not re.search(r"https?:|@import|url\(|data:", rest), name
        without_scripts = re.sub(r"<script>.*?</script>", "", rest, flags=re.DOTALL)
        assert "//" not in without_scripts, name


def test_r13_no_page_has_an_element_that_loads_something() -> None:
    loading = {"img", "iframe", "object", "embed", "link", "audio", "video", "base", "source"}
    for name, page in every_page(Settings(), "en"):
        elements = Elements(page.html)
        assert not loading & {tag for tag, _ in elements.tags}, name
        assert not [found for _, found in elements.tags if "src" in found], name


WRITTEN = sorted(
    file
    for folder in ("templates", "static")
    for file in Path(str(files("worksgate.web.pages") / folder)).rglob("*.*")
)
"""All that pages are made of, those of the account and the mails among it."""
LOADS = re.compile(
    r"<(?:img|iframe|frame|object|embed|link|audio|video|base|source|image|use)\b|\bsrc\s*="
    r"|@import|\burl\(|\bimport\s*\(|\bhttps?:(?!//www\.w3\.org/)|[\"']//"
)
"""What makes a browser load something."""
LOGO = '<img src="{{ brand.logo_url }}"'
"""The one exception: the logo of a client, from our own origin (R-181, R-182)."""
EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
"""Of a template."""


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.name)
def test_r13_nothing_that_a_page_is_made_of_can_load_anything(file: Path) -> None:
    text = file.read_text("utf-8").replace(LOGO, "")
    written = EXPRESSION.sub("", text) if "templates" in file.parts else text
    assert not LOADS.search(written)


def test_r13_the_search_finds_what_loads() -> None:
    assert {file.parent.name for file in WRITTEN} >= {"templates", "account", "mail", "static"}
    for loading in (
        *('<img alt="">', '<link rel="icon">', "<script src=x>", "@import 'x'", "url(x.png)"),
        *("url(https://x)", "import('x')", 'fetch("//x")', "http://x", "<use href=x>"),
    ):
        assert LOADS.search(loading), loading


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Set up two-step steps", 'Set up <span class="unbroken">two-step</span> steps'),
        ("A state-of-the-art title", "A state-of-the-art title"),
        ("Donaudampfschifffahrts-Haus", "Donaudampfschifffahrts-Haus"),
        ("<b-i> & co", '&lt;<span class="unbroken">b-i</span>&gt; &amp; co'),
    ],
)
def test_a_title_keeps_short_compounds_on_one_line_and_stays_text(title: str, shown: str) -> None:
    assert unbroken(title) == shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_r15_a_hostile_name_is_shown_as_text(language: str) -> None:
    settings = Settings(company_name=HOSTILE, product_name=HOSTILE)
    pages = Pages(settings)
    shown = NoticePage(notice=Notice.EXPIRED, start_over_url="/" + HOSTILE, reference=HOSTILE)
    form = login_form(username=HOSTILE, prefilled=True, action="/login?x=" + HOSTILE)
    for page in (
        pages.login(form, language, [(language, HOSTILE), ("en", HOSTILE), ("ja", HOSTILE)]),
        pages.choose_account(account_choice(HOSTILE, HOSTILE), language, SWITCHER),
        pages.notice(shown, language, SWITCHER),
    ):
        elements = Elements(page.html)
        assert not elements.all("img")
        assert "<img" not in page.html
        assert "49" not in elements.title
        assert len(elements.all("script")) <= 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_r15_the_works_id_comes_back_unchanged_in_the_field(language: str) -> None:
    page = Pages(Settings()).login(login_form(username=HOSTILE, prefilled=True), language)
    assert Elements(page.html).one("input", name="username")["value"] == HOSTILE


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//evil.example", "", " /x"],
)
def test_an_address_that_is_neither_web_nor_ours_gets_no_link(address: str) -> None:
    pages = Pages(Settings(support_url=address))
    shown = NoticePage(notice=Notice.EXPIRED, start_over_url=address, continue_url=address)
    assert not Elements(pages.notice(shown, "en").html).all("a")


@pytest.mark.parametrize("address", ["https://help.example.com", "mailto:help@example.com"])
def test_help_is_linked_where_the_company_offers_it(address: str) -> None:
    page = Pages(Settings(support_url=address)).login(login_form(), "en")
    assert Elements(page.html).one("a")["href"] == address


# The form


def test_the_form_has_labels_and_tells_password_managers_what_is_what(pages: Pages) -> None:
    elements = Elements(pages.login(login_form(), "en").html)
    username = elements.one("input", name="username")
    password = elements.one("input", name="password")
    assert {found["for"] for found in elements.all("label")} == {username["id"], password["id"]}
    assert username["autocomplete"] == "username"
    assert username["inputmode"] == "email"
    assert password["autocomplete"] == "current-password"
    assert password["type"] == "password"
    for field in (username, password):
        assert field["autocapitalize"] == "none"
        assert field["spellcheck"] == "false"


def test_the_form_sends_exactly_the_agreed_fields(pages: Pages) -> None:
    elements = Elements(pages.login(login_form(action="/sso/login"), "en").html)
    assert elements.one("form")["action"] == "/sso/login"
    assert elements.one("form")["method"] == "post"
    values = {found["name"]: found.get("value") for found in elements.all("input")}
    assert values == {"txn": "t1", "csrf": "c1", "username": "", "password": None}


def test_enter_in_a_field_signs_in_and_does_not_cancel(pages: Pages) -> None:
    buttons = Elements(pages.login(login_form(cancel=True), "en").html).all("button", type="submit")
    assert [button.get("name") for button in buttons] == [None, "cancel"]
    assert buttons[1]["value"] == "1"


def test_there_is_no_cancel_button_unless_it_is_asked_for(pages: Pages) -> None:
    buttons = Elements(pages.login(login_form(), "en").html).all("button", type="submit")
    assert len(buttons) == 1


def test_without_javascript_there_is_no_button_that_needs_it(pages: Pages) -> None:
    (reveal,) = Elements(pages.login(login_form(), "en").html).all("button", type="button")
    assert "hidden" in reveal


def test_a_prefilled_name_can_be_thrown_away(pages: Pages) -> None:
    shown = pages.login(login_form(username="taro", prefilled=True), "en")
    assert Elements(shown.html).all("a", href="/login?clear=1")
    typed = pages.login(login_form(username="taro"), "en")
    assert not Elements(typed.html).all("a", href="/login?clear=1")


def test_the_choice_of_accounts_names_both_and_sends_which(pages: Pages) -> None:
    elements = Elements(pages.choose_account(account_choice(), "en").html)
    assert {found["value"] for found in elements.all("button", name="choice")} == {
        "continue",
        "other",
    }
    assert "Hanako Sato" in elements.words
    assert "taro@acme" in elements.words


# Problems


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("problem", Problem)
def test_a_problem_is_announced_and_tied_to_the_fields(problem: Problem, language: str) -> None:
    pages = Pages(Settings())
    fine = Elements(pages.login(login_form(username="taro"), language).html)
    wrong = Elements(pages.login(login_form(username="taro", problem=problem), language).html)
    assert wrong.one("div", role="alert")["id"] == "problem"
    for name in ("username", "password"):
        assert wrong.one("input", name=name)["aria-describedby"] == "problem"
    assert wrong.title != fine.title
    assert wrong.title.endswith(fine.title)


@pytest.mark.parametrize("problem", [None, *Problem])
def test_exactly_one_place_has_the_focus(pages: Pages, problem: Problem | None) -> None:
    for username in ("", "taro"):
        elements = Elements(pages.login(login_form(username=username, problem=problem), "en").html)
        assert len([found for _, found in elements.tags if "autofocus" in found]) == 1


@pytest.mark.parametrize(
    ("username", "problem", "wrong"),
    [
        ("taro", None, []),
        ("taro", Problem.WRONG_PASSWORD, ["username", "password"]),
        ("taro", Problem.EMPTY, ["password"]),
        ("", Problem.EMPTY, ["username", "password"]),
        ("taro", Problem.THROTTLED, []),
        ("taro", Problem.UNAVAILABLE, []),
    ],
)
def test_only_fields_that_need_correction_are_marked(
    pages: Pages, username: str, problem: Problem | None, wrong: list[str]
) -> None:
    html = pages.login(login_form(username=username, problem=problem), "en").html
    marked = Elements(html).all("input", **{"aria-invalid": "true"})
    assert [found["name"] for found in marked] == wrong


def test_a_password_never_comes_back(pages: Pages) -> None:
    for problem in Problem:
        html = pages.login(login_form(username="taro", problem=problem), "en").html
        assert "value" not in Elements(html).one("input", name="password")


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [
        (None, "1 second,"),
        (0, "1 second,"),
        (1, "1 second,"),
        (2, "2 seconds,"),
        (90, "90 seconds,"),
        (91, "2 minutes,"),
        (120, "2 minutes,"),
        (121, "3 minutes,"),
        (900, "15 minutes,"),
    ],
)
def test_a_throttled_person_reads_how_long_to_wait(
    pages: Pages, seconds: int | None, wait: str
) -> None:
    form = login_form(username="taro", problem=Problem.THROTTLED, retry_after=seconds)
    assert f"Please wait {wait} then try again." in Elements(pages.login(form, "en").html).words


@pytest.mark.parametrize(
    ("language", "seconds", "wait"),
    [
        ("ja", 1, "1秒後に"),
        ("ja", 320, "6分後に"),
        ("ko", 30, "30초 후에"),
        ("ko", 320, "6분 후에"),
        ("zh-CN", 30, "请在 30 秒后"),
        ("zh-TW", 320, "請於 6 分鐘後"),
    ],
)
def test_the_wait_is_reported_in_the_language_of_the_page(
    pages: Pages, language: str, seconds: int, wait: str
) -> None:
    form = login_form(username="taro", problem=Problem.THROTTLED, retry_after=seconds)
    assert wait in Elements(pages.login(form, language).html).words


# Notices


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_notices_read_the_same(language: str) -> None:
    pages = Pages(Settings())
    words = {
        Elements(pages.notice(NoticePage(notice=notice), language).html).words for notice in Notice
    }
    assert len(words) == len(Notice)


@pytest.mark.parametrize("notice", Notice)
def test_a_notice_leads_on_and_can_be_quoted(pages: Pages, notice: Notice) -> None:
    shown = NoticePage(notice=notice, start_over_url=START_OVER, reference="lg-42")
    elements = Elements(pages.notice(shown, "en").html)
    assert elements.all("a", href=START_OVER, **{"class": "button full"})
    assert "lg-42" in elements.words


def test_a_notice_without_address_or_reference_shows_neither(pages: Pages) -> None:
    elements = Elements(pages.notice(NoticePage(notice=Notice.EXPIRED), "en").html)
    assert not elements.all("a", **{"class": "button full"})
    assert "Reference" not in elements.words


def test_continuing_comes_before_starting_over(pages: Pages) -> None:
    shown = NoticePage(
        notice=Notice.ALREADY_SIGNED_IN, start_over_url=START_OVER, continue_url="/continue"
    )
    elements = Elements(pages.notice(shown, "en").html)
    assert [found["href"] for found in elements.all("a", **{"class": "button full"})] == [
        "/continue"
    ]


# Languages and names


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_says_which_language_it_is_in(pages: Pages, language: str) -> None:
    page = pages.login(login_form(), language, SWITCHER)
    elements = Elements(page.html)
    assert page.language == language
    assert elements.one("html")["lang"] == language
    assert elements.one("span", lang=language)["aria-current"] == "true"
    others = [found for found in elements.all("a") if "hreflang" in found]
    assert [found["lang"] for found in others] == [code for code in LANGUAGES if code != language]
    assert all(found["href"] == f"/login?lang={found['hreflang']}&txn=t1" for found in others)


def test_the_names_of_company_and_product_are_shown() -> None:
    pages = Pages(Settings(company_name="Acme", product_name="NAVER WORKS"))
    elements = Elements(pages.login(login_form(), "en").html)
    assert elements.title == "Sign in to NAVER\N{NO-BREAK SPACE}WORKS · Acme"
    assert "Use your Acme account." in elements.words


def test_without_a_company_name_the_page_does_without() -> None:
    elements = Elements(Pages(Settings(company_name="  ")).login(login_form(), "en").html)
    assert elements.title == "Sign in to LINE\N{NO-BREAK SPACE}WORKS"
    assert "Use your company account." in elements.words


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        ("ja", "ko", "ja"),
        ("JA-jp", "ko", "ja"),
        ("fr", "ko", "ko"),
        ("", "ko", "ko"),
        (None, "ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        (None, "ko-KR", "ko"),
        (None, "fr, ja;q=0.4, ko;q=0.7", "ko"),
        (None, "en;q=0.2, ja;q=0.9", "ja"),
        (None, "ja;q=0, en", "en"),
        (None, "ja;q=0", "en"),
        (None, "*", "en"),
        (None, "fr, *;q=0.5", "en"),
        (None, "", "en"),
        (None, "ja;q=nan", "en"),
        (None, "ja;q=9, ko;q=0.1", "ko"),
        (None, "ja;x=1, ko;q=0.1", "ko"),
        (None, "fr," * 500 + "ja", "en"),
        ("ja-" * 50_000, "", "ja"),
        (None, "en;q=0.1, en-GB;q=0.9, ja;q=0.5", "en"),
        (None, "ja;q=0.9, ja-JP;q=0.1, ko;q=0.5", "ko"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_best_accepted(
    asked: str | None, accepted: str, chosen: str
) -> None:
    assert choose_language(asked, accepted) == chosen


@pytest.mark.parametrize(
    ("tag", "chosen"),
    [
        *((tag, "zh-CN") for tag in ("zh", "zh-CN", "zh-SG", "zh-MY", "zh-Hans", "zh-Hans-CN")),
        *((tag, "zh-CN") for tag in ("zh-Hans-HK", "zh-hans-tw", "zh-cmn-Hans", "ZH-cn", "zh-x")),
        *((tag, "zh-TW") for tag in ("zh-TW", "zh-HK", "zh-MO", "zh-Hant", "zh-Hant-HK")),
        *((tag, "zh-TW") for tag in ("zh-Hant-CN", "zh-yue-HK", "zh-hant-TW", "ZH-tw", " zh-TW ")),
        *((tag, "en") for tag in ("zhx", "z", "zh_TW", "-zh", "hant", "tw", "fr-TW", "x-zh")),
    ],
)
def test_chinese_goes_by_its_script_or_else_by_its_region(tag: str, chosen: str) -> None:
    assert choose_language(tag, "") == chosen
    assert choose_language(None, f"{tag};q=0.3, fr") == chosen


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-TW"),
        ("zh-HK,zh;q=0.9,en;q=0.8", "zh-TW"),
        ("zh;q=0.9,zh-TW", "zh-TW"),
        ("zh-CN,zh;q=0.9,en-US;q=0.8,en;q=0.7", "zh-CN"),
        ("zh,zh-TW;q=0.9", "zh-CN"),
        ("zh-TW;q=0.8,zh-CN;q=0.9", "zh-CN"),
        ("zh-TW;q=0.8,zh;q=0.8", "zh-TW"),
        ("zh-CN;q=0,zh", "zh-TW"),
        ("zh,zh-CN;q=0,zh-TW;q=0.1,en;q=0.5", "en"),
        ("zh-HK;q=0.2,zh-TW;q=0.9,en;q=0.5", "zh-TW"),
        ("zh-Hant-HK;q=0.2,zh-TW;q=0.9,en;q=0.5", "en"),
        ("zh;q=0, en", "en"),
        ("zh;q=0", "en"),
    ],
)
def test_the_most_specific_range_decides_about_a_language(accepted: str, chosen: str) -> None:
    assert choose_language(None, accepted) == chosen


@given(asked=st.none() | st.text(), accepted=st.text(alphabet="enjakozhtwHS-;=q.,0129 *\x00é"))
def test_whatever_a_browser_sends_there_is_a_language(asked: str | None, accepted: str) -> None:
    assert choose_language(asked, accepted) in LANGUAGES


# Colours


def _tokens(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{3,6}|var\(--[\w-]+\));", css))


def _schemes() -> dict[str, dict[str, str]]:
    css = STYLESHEET.read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    return {"light": _tokens(light), "dark": _tokens(light) | _tokens(dark)}


def _luminance(tokens: dict[str, str], name: str) -> float:
    value = tokens[name]
    if value.startswith("var"):
        return _luminance(tokens, value[6:-1])
    digits = value[1:] if len(value) == 7 else "".join(digit * 2 for digit in value[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(tokens: dict[str, str], one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(tokens, one), _luminance(tokens, other)))
    return (lighter + 0.05) / (darker + 0.05)


TEXT_ON = [
    *[("ink", on) for on in ("surface", "sunken", "ground", "arch-1", "arch-2", "arch-3")],
    *[("muted", on) for on in ("surface", "sunken", "ground", "arch-1", "accent-soft")],
    *[("ink", f"{tone}-soft") for tone in ("bad", "warn", "good", "info")],
    *[(tone, f"{tone}-soft") for tone in ("bad", "warn", "good", "info")],
    *[("accent", on) for on in ("surface", "sunken", "accent-soft", "arch-1", "ground")],
    *[("bad", "surface"), ("on-accent", "accent"), ("on-accent", "accent-strong")],
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "on"), TEXT_ON)
def test_text_has_a_contrast_of_4_5(scheme: str, text: str, on: str) -> None:
    assert _contrast(_schemes()[scheme], text, on) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("edge", ["edge", "accent", "bad"])
def test_the_edge_of_a_field_has_a_contrast_of_3(scheme: str, edge: str) -> None:
    assert _contrast(_schemes()[scheme], edge, "surface") >= 3
