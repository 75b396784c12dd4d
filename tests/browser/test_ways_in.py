"""The ways in beside the password, in a browser: an authenticator app, recovery codes, passkeys.

The passkeys are those of Chromium's own virtual authenticator. They belong to a host name, so this
installation is called ``localhost``.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, Page, expect
from tests.browser.servers import Premises, open_premises
from tests.browser.windows import OpenWindow, Window, overflow, submit_login, violations
from tests.installation import PASSWORD, USERNAME

pytestmark = pytest.mark.asyncio(loop_scope="session")

LANGUAGES = ("en-US", "ja-JP", "ko-KR")
TITLES = {
    "en-US": ("Set up a second step", "Keep your recovery codes", "Confirm that it is you"),
    "ja-JP": ("2段階認証の設定", "回復コードの保管", "ご本人の確認"),
    "ko-KR": ("2단계 인증 설정", "복구 코드 보관", "본인 확인"),
}


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[Premises]:
    """An installation that asks everybody for a second factor."""
    async with open_premises(tmp_path, "localhost") as premises:
        await premises.installation.change_client(second_factor="required")
        yield premises


async def heading(tab: Page, text: str) -> None:
    await expect(tab.get_by_role("heading", level=1)).to_have_text(text)


async def judged(tab: Page) -> None:
    """Nobody is shut out of this page, however narrow the window is."""
    assert await violations(tab) == []
    size = tab.viewport_size
    await tab.set_viewport_size({"width": 360, "height": 740})
    assert await overflow(tab) <= 0
    if size:
        await tab.set_viewport_size(size)


async def give_password(premises: Premises, tab: Page) -> None:
    await tab.goto(premises.login_url())
    await submit_login(tab, USERNAME, PASSWORD)


async def set_up_app(premises: Premises, tab: Page, titles: tuple[str, str, str]) -> pyotp.TOTP:
    """Sign in and set up an authenticator app on the way; the app."""
    await give_password(premises, tab)
    await heading(tab, titles[0])
    await judged(tab)
    await tab.locator("details summary").first.click()
    key = await tab.locator("details code").inner_text()
    app = pyotp.TOTP(key.replace(" ", ""))
    await tab.fill("#code", app.at(int(premises.installation.clock())))
    await tab.locator("form:has(#code) [type=submit]").click()
    await heading(tab, titles[1])
    return app


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_authenticator_app_is_set_up_and_asked_for(
    house: Premises, open_window: OpenWindow, language: str
) -> None:
    titles = TITLES[language]
    tab = (await open_window(locale=language)).tab
    app = await set_up_app(house, tab, titles)
    await judged(tab)
    await tab.locator("form [type=submit]").click()
    await heading(tab, "Arrived")
    house.installation.clock.advance(60)

    again = (await open_window(locale=language)).tab
    await give_password(house, again)
    await heading(again, titles[2])
    await judged(again)
    await again.fill("#code", "000000")
    await again.keyboard.press("Enter")
    await expect(again.locator("#problem")).to_be_visible()
    await judged(again)
    await again.fill("#code", app.at(int(house.installation.clock())))
    await again.keyboard.press("Enter")
    await heading(again, "Arrived")
    assert len(house.codes) == 2


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
    key = await tab.locator("details code").inner_text()
    app = pyotp.TOTP(key.replace(" ", ""))
    await tab.fill("#code", app.at(int(premises.installation.clock())))
    await tab.locator("form:has(#code) [type=submit]").click()
    await heading(tab, "Keep your recovery codes")


@dataclass(frozen=True)
class Authenticator:
    """Chromium's own, which knows its person by the fingerprint."""

    session: CDPSession
    id: str

    async def touched(self, *, yes: bool) -> None:
        """Whether a finger is on it: then it answers whoever asks, also without a press."""
        options = {"authenticatorId": self.id, "enabled": yes}
        await self.session.send("WebAuthn.setAutomaticPresenceSimulation", options)


async def virtual_authenticator(window: Window) -> Authenticator:
    """Give a window an authenticator, with a finger on it."""
    session = await window.context.new_cdp_session(window.tab)
    await session.send("WebAuthn.enable")
    added = await session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return Authenticator(session, added["authenticatorId"])


async def test_r82_a_passkey_is_made_asked_for_and_stands_for_the_password(
    house: Premises, open_window: OpenWindow
) -> None:
    window = await open_window()
    authenticator = await virtual_authenticator(window)
    tab = window.tab
    await give_password(house, tab)
    await heading(tab, "Set up a second step")
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
    await heading(window.tab, "Set up a second step")
    await expect(window.tab.get_by_text("Passkeys do not work in this browser")).to_be_visible()
    await expect(window.tab.get_by_role("button", name="Create a passkey")).to_be_hidden()
    await expect(window.tab.locator("#code")).to_be_visible()
