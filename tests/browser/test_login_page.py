"""The sign-in page in a browser: with and without JavaScript, and when something fails."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from tests.browser.servers import Premises
from tests.browser.windows import (
    ARGUMENTS,
    START_TIME,
    WITH_PROFILE,
    OpenWindow,
    Window,
    submit_login,
)
from tests.installation import PASSWORD, USERNAME

from worksgate.audit import Event
from worksgate.web.pages.wording import NOTICES, PROBLEMS, Notice, Problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG = PROBLEMS[Problem.WRONG_PASSWORD].happened


async def arrived(tab: Page) -> None:
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Arrived")


def title_of(notice: Notice) -> str:
    return NOTICES[notice].title % {"product": "LINE WORKS"}


async def noticed(tab: Page, notice: Notice) -> None:
    await expect(tab.get_by_role("heading", level=1)).to_have_text(title_of(notice))


async def sign_in(premises: Premises, tab: Page) -> None:
    await tab.goto(premises.login_url())
    await submit_login(tab, USERNAME, PASSWORD)
    await arrived(tab)


async def codes_issued(premises: Premises) -> int:
    return len(await premises.installation.audit(event=Event.CODE_ISSUED))


# Signing in


@pytest.mark.parametrize("javascript", [True, False])
async def test_r07_a_person_signs_in_and_arrives_with_a_code_and_the_state(
    premises: Premises, open_window: OpenWindow, *, javascript: bool
) -> None:
    window = await open_window(java_script_enabled=javascript)
    await sign_in(premises, window.tab)
    [code] = premises.codes
    assert (await premises.installation.exchange(code)).status_code == 200


async def test_r26_without_javascript_there_is_no_button_that_does_nothing(
    premises: Premises, open_window: OpenWindow
) -> None:
    window = await open_window(java_script_enabled=False)
    await window.tab.goto(premises.login_url())
    await expect(window.tab.get_by_role("button")).to_have_text(["Sign in"])


async def test_r74_the_password_can_be_shown_and_is_hidden_again_when_it_is_sent(
    premises: Premises, window: Window
) -> None:
    await window.tab.goto(premises.login_url())
    password = window.tab.get_by_label("Password", exact=True)
    await password.fill("not the password")
    await window.tab.get_by_role("button", name="Show password").click()
    await expect(password).to_have_attribute("type", "text")
    await expect(password).to_be_focused()
    await expect(password).to_have_value("not the password")
    await window.tab.fill("#username", USERNAME)
    await window.tab.keyboard.press("Enter")
    await expect(window.tab.get_by_role("alert")).to_contain_text(WRONG)
    await expect(password).to_have_attribute("type", "password")
    await expect(password).to_have_value("")


async def test_r74_a_password_can_be_pasted(premises: Premises, open_window: OpenWindow) -> None:
    window = await open_window(permissions=["clipboard-read", "clipboard-write"])
    await window.tab.goto(premises.login_url(worksId=USERNAME))
    await window.tab.evaluate("text => navigator.clipboard.writeText(text)", PASSWORD)
    await window.tab.focus("#password")
    await window.tab.keyboard.press("Control+V")
    await window.tab.keyboard.press("Enter")
    await arrived(window.tab)


# Who it is


async def test_r15_the_works_id_fills_in_the_name_and_not_you_empties_it(
    premises: Premises, window: Window
) -> None:
    await window.tab.goto(premises.login_url(worksId='<b>"taro"&@acme'))
    name = window.tab.get_by_label("User name")
    await expect(name).to_have_value('<b>"taro"&@acme')
    await expect(window.tab.locator("#password")).to_be_focused()
    await window.tab.get_by_role("link", name="Not you?").click()
    await expect(name).to_have_value("")
    await expect(name).to_be_focused()
    await submit_login(window.tab, USERNAME, PASSWORD)
    await arrived(window.tab)
    assert len(premises.codes) == 1


# What the page says


async def test_a_wrong_password_is_shown_above_the_form_which_keeps_the_name(
    premises: Premises, window: Window
) -> None:
    await window.tab.goto(premises.login_url())
    await submit_login(window.tab, USERNAME, "wrong")
    await expect(window.tab.get_by_role("alert")).to_contain_text(WRONG)
    await expect(window.tab).to_have_title("Error: Sign in to LINE\N{NO-BREAK SPACE}WORKS")
    await expect(window.tab.locator("#username")).to_have_value(USERNAME)
    await expect(window.tab.locator("#password")).to_be_focused()
    await submit_login(window.tab, USERNAME, PASSWORD)
    await arrived(window.tab)


async def test_r78_after_ten_wrong_passwords_the_page_says_how_long_to_wait(
    premises: Premises, window: Window
) -> None:
    premises.installation.clock.stop()  # the first wait is short: a busy machine might sit it out
    await window.tab.goto(premises.login_url())
    wrong = {**await form_of(window.tab), "password": "wrong"}
    assert [await post(window, wrong) for _ in range(10)] == [403] * 10
    alert = window.tab.get_by_role("alert")
    await submit_login(window.tab, USERNAME, "wrong")
    await expect(alert).to_contain_text(PROBLEMS[Problem.THROTTLED].happened)
    await expect(alert).to_contain_text(re.compile(r"wait \d+ second"))
    await expect(alert).to_be_focused()
    premises.installation.clock.advance(16)
    await submit_login(window.tab, USERNAME, PASSWORD)
    await arrived(window.tab)


async def test_r25_with_cookies_off_there_is_one_clear_page_and_no_loop(
    premises: Premises, tmp_path: Path
) -> None:
    preferences = tmp_path / "profile" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    block = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    preferences.write_text(json.dumps(block))
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=WITH_PROFILE,
            args=ARGUMENTS,
            timeout=START_TIME,
        )
        window = await Window.of(context)
        await window.tab.goto(premises.login_url())
        assert await context.cookies() == []
        await submit_login(window.tab, USERNAME, PASSWORD)
        await noticed(window.tab, Notice.COOKIES_OFF)
        assert [(r.method, r.is_navigation_request()) for r in window.requests] == [
            ("GET", True),
            ("POST", True),
        ]
        await window.close()


async def test_r25_a_first_visit_needs_nothing_but_a_cookie(
    premises: Premises, open_window: OpenWindow
) -> None:
    window = await open_window()
    await window.context.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches'])"
        " Object.defineProperty(window, name, {get() { throw new Error(name + ' is off'); }});"
    )
    await sign_in(premises, window.tab)
    assert len(premises.codes) == 1


# Back, reload, twice, two at once


async def test_going_back_after_signing_in_leads_forward_again(
    premises: Premises, window: Window
) -> None:
    await sign_in(premises, window.tab)
    await window.tab.go_back()
    await arrived(window.tab)
    first, second = premises.codes
    assert first != second


async def test_a_reloaded_form_works(premises: Premises, window: Window) -> None:
    await window.tab.goto(premises.login_url())
    await window.tab.reload()
    await submit_login(window.tab, USERNAME, PASSWORD)
    await arrived(window.tab)


async def test_a_page_reloaded_after_a_wrong_password_works(
    premises: Premises, window: Window
) -> None:
    await window.tab.goto(premises.login_url())
    await submit_login(window.tab, USERNAME, "wrong")
    await expect(window.tab.get_by_role("alert")).to_contain_text(WRONG)
    await window.tab.reload()
    await expect(window.tab.get_by_role("alert")).to_contain_text(WRONG)
    assert len(window.sent("POST", "/login")) == 2
    await submit_login(window.tab, USERNAME, PASSWORD)
    await arrived(window.tab)


async def test_a_double_click_sends_the_form_once(premises: Premises, window: Window) -> None:
    await window.tab.goto(premises.login_url(worksId=USERNAME))
    await window.tab.fill("#password", PASSWORD)
    await window.tab.get_by_role("button", name="Sign in").dblclick()
    await arrived(window.tab)
    assert len(window.sent("POST", "/login")) == 1
    assert await codes_issued(premises) == len(premises.codes) == 1


async def test_a_double_click_without_javascript_is_no_dead_end(
    premises: Premises, open_window: OpenWindow
) -> None:
    window = await open_window(java_script_enabled=False)
    await window.tab.goto(premises.login_url(worksId=USERNAME))
    await window.tab.fill("#password", PASSWORD)
    await window.tab.get_by_role("button", name="Sign in").dblclick()
    already = title_of(Notice.ALREADY_SIGNED_IN)
    heading = window.tab.get_by_role("heading", level=1)
    await expect(heading).to_have_text(re.compile(f"Arrived|{already}"))
    assert await codes_issued(premises) == 1


async def form_of(tab: Page) -> dict[str, str]:
    """What the form in a tab would send, with the right name and password."""
    form = {name: await tab.locator(f"[name={name}]").input_value() for name in ("txn", "csrf")}
    return {**form, "username": USERNAME, "password": PASSWORD}


async def post(window: Window, form: dict[str, str]) -> int:
    """Send a form with the cookies of a window, past its tab; the status of the answer."""
    action = await window.tab.locator("form").evaluate("form => form.action")
    answer = await window.context.request.post(action, form={**form}, max_redirects=0)
    return answer.status


async def test_r19_a_form_of_another_browser_leads_to_one_of_its_own(
    premises: Premises, window: Window
) -> None:
    """As when two tabs come at the same moment: the cookie of one replaces the other's."""
    await window.tab.goto(premises.login_url())
    await window.context.clear_cookies()
    await (await window.context.new_page()).goto(premises.login_url())
    await submit_login(window.tab, USERNAME, PASSWORD)
    await noticed(window.tab, Notice.FORGED)
    assert await codes_issued(premises) == 0
    await window.tab.get_by_role("link", name="Sign in again").click()
    await submit_login(window.tab, USERNAME, PASSWORD)
    await arrived(window.tab)
    assert len(premises.codes) == 1
