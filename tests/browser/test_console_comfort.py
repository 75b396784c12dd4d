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
    await expect(tab.get_by_role("status")).to_contain_text("The passkey is added")
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


async def test_r193_shortcuts_work_outside_of_fields_and_can_be_switched_off(
    console: RealConsole, open_window: OpenWindow
) -> None:
    tab = (await signed_in(console, open_window)).tab
    await tab.goto(f"{console.url}/")
    await tab.keyboard.press("g")
    await tab.keyboard.press("p")
    await expect(tab).to_have_url(f"{console.url}/people")
    await tab.keyboard.press("j")
    await tab.keyboard.press("j")
    assert await focused(tab) == "小林 直子"
    await tab.keyboard.press("k")
    assert await focused(tab) == "Emma Adams"
    await tab.keyboard.press("x")
    await expect(tab.get_by_label("Tick Emma Adams")).to_be_checked()
    await tab.keyboard.press("/")
    assert await focused(tab) == "find"
    await tab.keyboard.type("gp?xj/")
    assert await tab.input_value("#find") == "gp?xj/"
    await expect(tab).to_have_url(f"{console.url}/people")
    await tab.get_by_role("heading", level=1).click()
    await tab.keyboard.press("?")
    dialog = tab.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog).to_be_visible()
    assert await violations(tab) == []
    await dialog.get_by_label("Use keyboard shortcuts").uncheck()
    await tab.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await tab.keyboard.press("/")
    assert await focused(tab) != "find"
    await tab.reload()
    await tab.keyboard.press("?")
    await expect(dialog).to_be_hidden()
    await tab.get_by_role("button", name="Keyboard shortcuts").click()
    await dialog.get_by_label("Use keyboard shortcuts").check()
    await dialog.get_by_role("button", name="Close").click()
    await tab.keyboard.press("/")
    assert await focused(tab) == "find"


async def test_r193_copy_buttons_say_that_they_have_copied(
    console: RealConsole, open_window: OpenWindow
) -> None:
    window = await signed_in(console, open_window)
    await window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = window.tab
    client = (await console.administration.clients.get("光製作所")).client_id
    await tab.goto(f"{console.url}/client?id={client}")
    await tab.get_by_role("button", name="Copy Client ID").click()
    await expect(tab.locator("#said")).to_have_text("Copied")
    assert await tab.evaluate("navigator.clipboard.readText()") == client
    await expect(tab.get_by_role("button", name="Copied Client ID")).to_be_visible()


async def test_r193_without_javascript_there_is_nothing_that_needs_it(
    console: RealConsole, open_window: OpenWindow
) -> None:
    tab = (await signed_in(console, open_window, java_script_enabled=False)).tab
    client = (await console.administration.clients.get("光製作所")).client_id
    for path in (f"/client?id={client}", "/me"):
        await tab.goto(console.url + path)
        for name in ("Copy", "Keyboard shortcuts", "Use a passkey"):
            await expect(tab.get_by_role("button", name=name)).to_have_count(0)
        await expect(tab.locator("#keys")).to_be_hidden()
