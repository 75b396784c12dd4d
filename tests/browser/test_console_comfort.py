"""What scripts add to the console, in a real Chromium, and that nothing hangs on them."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from tests.browser.authenticators import virtual_authenticator
from tests.browser.test_console import PASSWORD, RealConsole, real_console
from tests.browser.windows import OpenWindow, Window, overflow, violations

from worksgate.administration.console_sign_in import ConsoleBrowser
from worksgate.administration.roles import Role
from worksgate.directory.administrators import AdministratorAccount

pytestmark = pytest.mark.asyncio(loop_scope="session")

SESSION = "__Host-wg_console"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealConsole]:
    async with real_console(tmp_path_factory.mktemp("console")) as console:
        users = console.administration.users
        await users.add("naoko", password=PASSWORD, name="小林 直子")
        await console.administration.administrators.set_role("naoko", Role.OWNER)
        yield console


async def signed_in(console: RealConsole, open_window: OpenWindow, **options: Any) -> Window:
    """A window of the owner, whose second factor was used a moment ago."""
    inside = await console.application.start()
    account = AdministratorAccount.of(await console.administration.users.get("naoko"))
    browser = ConsoleBrowser(address="127.0.0.1", name="test", secret="s" * 43)
    opened = await inside.sign_in.begin(account, browser, "test")
    window = await open_window(**{"locale": "en-US", "reduced_motion": "reduce", **options})
    cookie = {
        "name": SESSION,
        "value": opened.secret,
        "domain": "localhost",
        "path": "/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Strict",
    }
    await window.context.add_cookies([cookie])  # type: ignore[list-item]  # as Playwright wants it
    return window


async def focused(tab: Page) -> str:
    return str(await tab.evaluate("document.activeElement.id || document.activeElement.innerText"))


async def test_r190_a_passkey_is_made_signs_in_and_proves(
    console: RealConsole, open_window: OpenWindow
) -> None:
    window = await signed_in(console, open_window)
    tab = window.tab
    authenticator = await virtual_authenticator(window)
    await tab.goto(f"{console.url}/me")
    await tab.get_by_role("button", name="Add a passkey").click()
    assert await violations(tab) == []
    await tab.get_by_label("Name of the passkey").fill("office laptop")
    await tab.get_by_role("button", name="Create the passkey").click()
    await expect(tab.get_by_role("status").first).to_contain_text("The passkey is added")
    await expect(tab.get_by_role("row", name="office laptop")).to_be_visible()
    await tab.set_viewport_size({"width": 360, "height": 800})
    assert await violations(tab) == []
    assert await overflow(tab) <= 0
    await authenticator.touched(yes=False)
    await tab.get_by_role("button", name="Sign out").click()
    await expect(tab.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    assert await violations(tab) == []
    await authenticator.touched(yes=True)
    await tab.get_by_role("button", name="Sign in with a passkey").click()
    await expect(tab.locator("nav .me")).to_contain_text("小林 直子")
    inside = await console.application.start()
    rows = console.administration.people._directory.administrators
    for each in await rows.of("directory:" + (await owner_id(console)), time.time()):
        await rows.prove(each.key, inside.clock() - 600)
    await tab.goto(f"{console.url}/me")
    await tab.get_by_role("button", name="Add a passkey").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Is it you?")
    assert await violations(tab) == []
    await tab.get_by_role("button", name="Use a passkey").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Add a passkey")


async def owner_id(console: RealConsole) -> str:
    return (await console.administration.users.get("naoko")).id
