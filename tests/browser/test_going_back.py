"""Back, forward and reload on the pages of a sign-in: each shows something sensible, and no form is
sent a second time."""

import re

import pyotp
import pytest
from playwright.async_api import Page, expect
from tests.browser.servers import Premises
from tests.browser.windows import Window, submit_login
from tests.installation import PASSWORD, USERNAME

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEW_PASSWORD = "seven green ladders sing"


async def shows(tab: Page, title: str) -> None:
    await expect(tab.get_by_role("heading", level=1)).to_have_text(title)


async def posted(window: Window) -> int:
    return len([each for each in window.requests if each.method == "POST"])


async def test_r141_back_and_reload_while_a_second_factor_is_set_up(
    premises: Premises, window: Window
) -> None:
    await premises.installation.change_client(second_factor="required")
    tab = window.tab
    await tab.goto(premises.login_url())
    await submit_login(tab, USERNAME, PASSWORD)
    await shows(tab, "Set up two-step verification")
    await tab.get_by_text("I cannot scan it").click()
    key = await tab.locator("details .code").inner_text()
    await tab.reload()
    await shows(tab, "Set up two-step verification")
    await tab.go_back()
    await shows(tab, "Sign in to LINE\N{NO-BREAK SPACE}WORKS")
    await tab.go_forward()
    await shows(tab, "Set up two-step verification")
    app = pyotp.TOTP(key.replace(" ", ""))
    await tab.fill("#code", app.at(int(premises.installation.clock())))
    await tab.keyboard.press("Enter")
    await shows(tab, "Keep your recovery codes")
    codes = await tab.locator(".codes code").all_inner_texts()
    await tab.reload()
    assert await tab.locator(".codes code").all_inner_texts() == codes
    await tab.get_by_role("button", name="I have kept them: continue").click()
    await shows(tab, "Arrived")
    before = await posted(window)
    await tab.go_back()
    await shows(tab, "This sign-in is over")
    await tab.reload()
    await shows(tab, "This sign-in is over")
    assert await posted(window) == before


async def test_r141_back_and_reload_around_a_code(premises: Premises, window: Window) -> None:
    installation = premises.installation
    await installation.change_client(second_factor="required")
    tab = window.tab
    await tab.goto(premises.login_url())
    await submit_login(tab, USERNAME, PASSWORD)
    key = str(await tab.locator("details .code").text_content())
    app = pyotp.TOTP(key.replace(" ", ""))
    await tab.fill("#code", app.at(int(installation.clock())))
    await tab.keyboard.press("Enter")
    await tab.get_by_role("button", name="I have kept them: continue").click()
    await shows(tab, "Arrived")
    await tab.context.clear_cookies()
    installation.clock.advance(60)

    await tab.goto(premises.login_url())
    await submit_login(tab, USERNAME, PASSWORD)
    await shows(tab, "Confirm that it is you")
    sent = await posted(window)
    await tab.reload()
    await shows(tab, "Confirm that it is you")
    assert await posted(window) == sent
    await tab.fill("#code", app.at(int(installation.clock())))
    await tab.keyboard.press("Enter")
    await shows(tab, "Arrived")
    sent = await posted(window)
    await tab.go_back()
    await shows(tab, "This sign-in is over")
    assert await posted(window) == sent


async def test_r141_back_and_reload_around_a_new_password(
    premises: Premises, window: Window
) -> None:
    given = await premises.installation.administration.users.set_password(USERNAME, temporary=True)
    assert given.password is not None
    tab = window.tab
    await tab.goto(premises.login_url())
    await submit_login(tab, USERNAME, given.password)
    await shows(tab, "Choose your own password")
    await tab.fill("#new-password", "short")
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_role("alert")).to_contain_text("Use at least 15 characters.")
    sent = await posted(window)
    await tab.reload()
    await expect(tab.get_by_role("alert")).to_contain_text("Use at least 15 characters.")
    assert await posted(window) == sent
    await tab.fill("#new-password", NEW_PASSWORD)
    await tab.keyboard.press("Enter")
    await shows(tab, "Arrived")
    await tab.go_back()
    await shows(tab, "This sign-in is over")


async def test_r141_back_and_reload_around_a_reset(premises: Premises, window: Window) -> None:
    tab = window.tab
    await tab.goto(await premises.installation.administration.users.issue_reset_link(USERNAME))
    await shows(tab, "Choose your own password")
    await tab.get_by_role("button", name="日本語").click()
    await shows(tab, "新しいパスワードの設定")
    await tab.get_by_role("button", name="English").click()
    await tab.fill("#new-password", NEW_PASSWORD)
    await tab.keyboard.press("Enter")
    await shows(tab, "Your password was changed")
    sent = await posted(window)
    await tab.reload()
    await shows(tab, "Your password was changed")
    await tab.go_back()
    await expect(tab.get_by_role("heading", level=1)).to_have_text(
        re.compile("Choose your own password|This link does not work any more")
    )
    assert await posted(window) == sent
