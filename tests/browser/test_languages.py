"""The language of the pages: the browser's preference, the person's choice, and its persistence."""

import pytest
from playwright.async_api import Page, expect
from tests.browser.servers import Premises
from tests.browser.windows import OpenWindow, Window, submit_login
from tests.installation import PASSWORD, USERNAME

from worksgate.web.pages.catalogues import LANGUAGE_NAMES, translations
from worksgate.web.pages.wording import PROBLEMS, Problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHERS = {"en": "zh-CN", "ja": "ko", "zh-TW": "en"}


async def is_in(tab: Page, language: str) -> None:
    """Check the language that the page says it is in, and the one that it really is in."""
    await expect(tab.locator("html")).to_have_attribute("lang", language)
    label = translations(language).gettext("Password")
    await expect(tab.locator("label[for=password]")).to_have_text(label)


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("ja-JP", "ja"),
        ("ko", "ko"),
        ("zh-SG", "zh-CN"),
        ("zh-Hant-HK", "zh-TW"),
        ("en-GB", "en"),
        ("fr-FR", "en"),
    ],
)
async def test_the_browser_s_language_is_the_page_s(
    premises: Premises, open_window: OpenWindow, locale: str, language: str
) -> None:
    window = await open_window(locale=locale)
    await window.tab.goto(premises.login_url())
    await is_in(window.tab, language)


@pytest.mark.parametrize("language", OTHERS)
async def test_the_switcher_keeps_the_login_going(
    premises: Premises, open_window: OpenWindow, language: str
) -> None:
    window = await open_window(locale=language, java_script_enabled=language != "ja")
    other = OTHERS[language]
    await window.tab.goto(premises.login_url(worksId=USERNAME))
    await is_in(window.tab, language)
    await window.tab.get_by_role("link", name=LANGUAGE_NAMES[other]).click()
    await is_in(window.tab, other)
    await expect(window.tab.locator("#username")).to_have_value(USERNAME)
    await submit_login(window.tab, USERNAME, PASSWORD)
    await expect(window.tab.get_by_role("heading", level=1)).to_have_text("Arrived")
    assert len(premises.codes) == 1


async def test_the_choice_survives_a_wrong_password(premises: Premises, window: Window) -> None:
    await window.tab.goto(premises.login_url())
    await window.tab.get_by_role("link", name=LANGUAGE_NAMES["ko"]).click()
    await submit_login(window.tab, USERNAME, "wrong")
    await is_in(window.tab, "ko")
    wrong = translations("ko").gettext(PROBLEMS[Problem.WRONG_PASSWORD].happened)
    await expect(window.tab.get_by_role("alert")).to_contain_text(wrong)
    await submit_login(window.tab, USERNAME, PASSWORD)
    await expect(window.tab.get_by_role("heading", level=1)).to_have_text("Arrived")


async def test_the_switcher_works_after_a_wrong_password_and_on_a_notice(
    premises: Premises, window: Window
) -> None:
    await window.tab.goto(premises.login_url())
    await submit_login(window.tab, USERNAME, "wrong")
    await window.tab.get_by_role("link", name=LANGUAGE_NAMES["ja"]).click()
    await is_in(window.tab, "ja")
    await window.tab.goto(premises.login_url(client_id="nobody"))
    await window.tab.get_by_role("link", name=LANGUAGE_NAMES["ko"]).click()
    await expect(window.tab.locator("html")).to_have_attribute("lang", "ko")
    await expect(window.tab.get_by_role("heading", level=1)).to_be_visible()
