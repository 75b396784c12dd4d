"""Second factors in a browser, as far as it is not the same in every language: without a script,
and where passkeys are known or not.

``test_every_way_in`` goes through all of them in every language. The passkeys are those of
Chromium's own virtual authenticator. They belong to a host name, so this installation is called
``localhost``.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from tests.browser.authenticators import virtual_authenticator
from tests.browser.servers import Premises, open_premises
from tests.browser.windows import OpenWindow, submit_login
from tests.installation import PASSWORD, USERNAME

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[Premises]:
    """An installation that asks everybody for a second factor."""
    async with open_premises(tmp_path, "localhost") as premises:
        await premises.installation.change_client(second_factor="required")
        yield premises


async def heading(tab: Page, text: str) -> None:
    await expect(tab.get_by_role("heading", level=1)).to_have_text(text)


async def give_password(premises: Premises, tab: Page) -> None:
    await tab.goto(premises.login_url())
    await submit_login(tab, USERNAME, PASSWORD)


async def test_r81_a_recovery_code_opens_once_for_who_has_lost_the_phone(
    house: Premises, open_window: OpenWindow
) -> None:
    tab = (await open_window(java_script_enabled=False)).tab
    await set_up_app_without_script(house, tab)
    code = await tab.locator(".codes code").first.inner_text()
    for accepted in (True, False):
        other = (await open_window(java_script_enabled=False)).tab
        await give_password(house, other)
        await other.locator("details summary").click()
        await other.fill("#recovery", code)
        await other.locator("form:has(#recovery) [type=submit]").click()
        await heading(other, "Arrived" if accepted else "Confirm that it is you")


async def set_up_app_without_script(premises: Premises, tab: Page) -> None:
    await give_password(premises, tab)
    await tab.locator("details summary").first.click()
    key = await tab.locator("details .code").inner_text()
    app = pyotp.TOTP(key.replace(" ", ""))
    await tab.fill("#code", app.at(int(premises.installation.clock())))
    await tab.locator("form:has(#code) [type=submit]").click()
    await heading(tab, "Keep your recovery codes")


async def test_r82_a_passkey_is_made_asked_for_and_stands_for_the_password(
    house: Premises, open_window: OpenWindow
) -> None:
    window = await open_window()
    authenticator = await virtual_authenticator(window)
    tab = window.tab
    await give_password(house, tab)
    await heading(tab, "Set up two-step verification")
    await tab.get_by_role("button", name="Create a passkey").click()
    await heading(tab, "Keep your recovery codes")
    await tab.locator("form [type=submit]").click()
    await heading(tab, "Arrived")

    await authenticator.touched(yes=False)
    await tab.goto(f"{house.url}/logout")
    await give_password(house, tab)
    await heading(tab, "Confirm that it is you")
    await authenticator.touched(yes=True)
    await tab.get_by_role("button", name="Use a passkey").click()
    await heading(tab, "Arrived")

    # The browser offers it where the name is typed; under the finger it is chosen at once.
    await tab.goto(f"{house.url}/logout")
    await tab.goto(house.login_url())
    await heading(tab, "Arrived")

    # Where it does not, there is the button.
    await window.context.add_init_script(
        "delete PublicKeyCredential.isConditionalMediationAvailable"
    )
    await tab.goto(f"{house.url}/logout")
    await tab.goto(house.login_url())
    await tab.get_by_role("button", name="Sign in with a passkey").click()
    await heading(tab, "Arrived")
    assert len(house.codes) == 4


async def test_where_a_browser_has_no_passkeys_the_page_says_what_else_there_is(
    house: Premises, open_window: OpenWindow
) -> None:
    window = await open_window()
    await window.context.add_init_script("delete window.PublicKeyCredential")
    await give_password(house, window.tab)
    await heading(window.tab, "Set up two-step verification")
    await expect(window.tab.get_by_text("Passkeys do not work in this browser")).to_be_visible()
    await expect(window.tab.get_by_role("button", name="Create a passkey")).to_be_hidden()
    await expect(window.tab.locator("#code")).to_be_visible()
