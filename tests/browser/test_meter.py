"""The strength meter for new passwords, and the copy buttons, in a real Chromium."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect
from tests.browser.servers import Premises
from tests.browser.windows import OpenWindow, Window, overflow, submit_login, violations_everywhere
from tests.installation import PASSWORD, USERNAME

pytestmark = pytest.mark.asyncio(loop_scope="session")

STRONG = "seven green ladders sing"


async def behind_a_link(premises: Premises, window: Window, language: str = "en") -> Page:
    link = await premises.installation.administration.users.issue_reset_link(USERNAME)
    await window.tab.goto(f"{link}&lang={language}")
    return window.tab


async def judged(tab: Page) -> None:
    assert await violations_everywhere(tab, [1280]) == []
    for width in (360, 1440):
        await tab.set_viewport_size({"width": width, "height": 800})
        assert await overflow(tab) <= 0, width


async def test_a_meter_follows_the_typing_in_words_and_steps(
    premises: Premises, window: Window
) -> None:
    tab = await behind_a_link(premises, window)
    meter, said = tab.locator(".strength"), tab.locator(".strength [role=status]")
    await expect(meter).to_be_visible()
    top = await tab.locator("form:has(#new-password) button[type=submit]").bounding_box()
    for password, score, advice in (
        ("short", "0", "Very weak Use at least 15 characters. Several words do well."),
        ("password password password", "[0-2]", "This password is too common"),
        (f"{USERNAME} 1", "[0-2]", "made of names that belong to you"),
    ):
        await tab.fill("#new-password", password)
        await expect(said).to_contain_text(advice)
        await expect(meter).to_have_attribute("data-score", re.compile(score))
        await judged(tab)
    await tab.fill("#new-password", STRONG)
    await expect(said).to_have_text(re.compile(r"Password strength (Strong|Very strong)"))
    await expect(meter).to_have_attribute("data-score", re.compile("[34]"))
    await judged(tab)
    await tab.fill("#new-password", "")
    await expect(meter).to_have_attribute("data-score", "-1")
    # What comes and goes moves nothing else.
    await tab.set_viewport_size({"width": 1280, "height": 720})
    assert await tab.locator("form:has(#new-password) button[type=submit]").bounding_box() == top


async def test_a_meter_asks_once_for_a_pause_and_only_us(
    premises: Premises, window: Window
) -> None:
    tab = await behind_a_link(premises, window)
    # As fast as nobody types: in between there is no pause, however busy the machine is.
    await tab.locator("#new-password").evaluate(
        """(input, text) => {
            for (let length = 1; length <= text.length; length++) {
                input.value = text.slice(0, length);
                input.dispatchEvent(new InputEvent("input", { bubbles: true }));
            }
        }""",
        STRONG,
    )
    await expect(tab.locator(".strength")).to_have_attribute("data-score", re.compile("[34]"))
    asked = window.sent("POST", "/account/reset/strength")
    assert len(asked) == 1
    assert {urlsplit(each.url).query for each in asked} == {"lang=en"}
    await tab.get_by_role("button", name="Save and continue").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Your password was changed")


async def test_the_meters_of_the_account_and_of_a_login_work_too(
    premises: Premises, open_window: OpenWindow
) -> None:
    tab = (await open_window(locale="en-US")).tab
    await tab.goto(f"{premises.url}/account/password")
    await submit_login(tab, USERNAME, PASSWORD)
    await tab.fill("#new-password", STRONG)
    await expect(tab.locator(".strength")).to_have_attribute("data-score", re.compile("[34]"))
    await judged(tab)
    given = await premises.installation.administration.users.set_password(USERNAME, temporary=True)
    assert given.password is not None
    tab = (await open_window(locale="en-US")).tab
    await tab.goto(premises.login_url())
    await submit_login(tab, USERNAME, given.password)
    await tab.fill("#new-password", "short")
    await expect(tab.locator(".strength")).to_contain_text("Very weak")
    await judged(tab)
    await tab.get_by_role("link", name="Not you?").click()
    await expect(tab.locator("#password")).to_be_visible()
    await expect(tab.locator("#username")).to_have_value("")


async def test_a_page_without_javascript_has_no_meter_and_gives_the_reason_afterwards(
    premises: Premises, open_window: OpenWindow
) -> None:
    window = await open_window(locale="en-US", java_script_enabled=False)
    tab = await behind_a_link(premises, window)
    await expect(tab.locator(".strength")).to_be_hidden()
    await tab.fill("#new-password", "password password password")
    await tab.get_by_role("button", name="Save and continue").click()
    await expect(tab.get_by_role("alert")).to_contain_text("This password is too common")


async def test_a_meter_without_an_answer_is_empty_and_says_nothing(
    premises: Premises, window: Window
) -> None:
    tab = await behind_a_link(premises, window)
    await tab.fill("#new-password", "short")
    await expect(tab.locator(".strength")).to_have_attribute("data-score", "0")
    await premises.installation.administration.users.disable(USERNAME)
    await tab.fill("#new-password", STRONG)
    await expect(tab.locator(".strength")).to_have_attribute("data-score", "-1")
    await expect(tab.locator(".strength [data-said=grade]")).to_have_text("")


async def test_recovery_codes_and_app_passwords_are_copied_by_a_button(
    premises: Premises, open_window: OpenWindow
) -> None:
    await premises.installation.change_client(imap_login=True)
    window = await open_window(locale="en-US", permissions=["clipboard-read", "clipboard-write"])
    tab = window.tab
    await tab.goto(f"{premises.url}/account/app-passwords")
    await submit_login(tab, USERNAME, PASSWORD)
    await tab.get_by_role("button", name="Create an app password").click()
    shown = await tab.locator("#app-password").inner_text()
    await tab.get_by_role("button", name="Copy the password").click()
    await expect(tab.get_by_role("status")).to_have_text("Copied")
    assert await tab.evaluate("navigator.clipboard.readText()") == shown
    await judged(tab)


async def test_who_may_not_copy_is_told_to_do_it_by_hand(
    premises: Premises, window: Window
) -> None:
    await premises.installation.change_client(imap_login=True)
    tab = window.tab
    await tab.add_init_script(
        "navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))"
    )
    await tab.goto(f"{premises.url}/account/app-passwords")
    await submit_login(tab, USERNAME, PASSWORD)
    await tab.get_by_role("button", name="Create an app password").click()
    await tab.get_by_role("button", name="Copy the password").click()
    await expect(tab.get_by_role("status")).to_contain_text("copy it by hand")


async def test_a_phone_has_a_link_to_the_app_beside_the_picture(
    premises: Premises, open_window: OpenWindow
) -> None:
    await premises.installation.change_client(second_factor="required")
    phone = (await open_window(locale="en-US", has_touch=True, is_mobile=True)).tab
    desk = (await open_window(locale="en-US")).tab
    for tab, is_phone in ((phone, True), (desk, False)):
        await tab.goto(premises.login_url())
        await submit_login(tab, USERNAME, PASSWORD)
        link = tab.get_by_role("link", name="Open in the app on this phone")
        await (expect(link).to_be_visible() if is_phone else expect(link).to_be_hidden())
        await expect(tab.get_by_text("You are signing in as User One.")).to_be_visible()
        # Without a name of the host there are no passkeys here: one way is no choice.
        await expect(tab.get_by_text("Choose one way")).to_have_count(0)
    address = await phone.locator(".on-phone a").get_attribute("href")
    assert address is not None
    assert address.startswith("otpauth://totp/")
    assert "secret=" in address
