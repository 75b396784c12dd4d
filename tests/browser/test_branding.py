"""A client's branding in a real Chromium: the console's preview, and the page that people see."""

from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.browser.servers import Premises
from tests.browser.test_console import become_owner, real_console
from tests.browser.windows import OpenWindow, css, overflow, violations
from tests.clients.branding.pictures import picture

from worksgate.clients.branding import Texts

pytestmark = pytest.mark.asyncio(loop_scope="session")

SANDBOXED = "Blocked script execution in '"
"""Chromium may refuse what the test itself evaluates in a preview; previews have no script."""

TEXTS = {"en": Texts(label="Employee number", message="The same password as for Windows.")}


async def test_a_branding_is_previewed_and_published_without_javascript(
    tmp_path: Path, open_window: OpenWindow
) -> None:
    async with real_console(tmp_path) as console:
        client = (await console.administration.clients.add("Acme")).client
        window = await open_window(
            locale="en-US", java_script_enabled=False, reduced_motion="reduce"
        )
        window.tolerated = (SANDBOXED,)
        tab = window.tab
        await become_owner(tab, await console.link())
        address = f"{console.url}/client/branding?id={client.client_id}"
        await tab.goto(address)
        await tab.fill("#name", "光製作所")
        await tab.fill("#light", "#06c755")
        await tab.get_by_role("button", name="Save the draft").last.click()
        await tab.get_by_role("button", name="Use #").click()
        await tab.set_input_files(
            "#file", {"name": "logo.png", "mimeType": "image/png", "buffer": picture()}
        )
        await tab.get_by_role("button", name="Upload").click()
        await expect(tab.locator("iframe")).to_have_count(4)
        for number in range(4):
            page = tab.frame_locator("iframe").nth(number)
            await expect(page.locator("script")).to_have_count(0)
            await expect(page.locator("img")).to_have_js_property("complete", value=True)
            assert await page.locator("img").evaluate("(image) => image.naturalWidth") == 320
        grounds = [
            await tab.frame_locator("iframe")
            .nth(number)
            .locator("body")
            .evaluate("(body) => getComputedStyle(body).backgroundColor")
            for number in range(2)
        ]
        assert len(set(grounds)) == 2
        for width in (1440, 360):
            await tab.set_viewport_size({"width": width, "height": 800})
            assert await overflow(tab) <= 0, width
        await tab.get_by_role("button", name="Publish", exact=True).click()
        await expect(tab.get_by_role("heading", level=1)).to_have_text("This is what people see")
        kept = await window.context.storage_state()
        seen = await open_window(
            locale="ja", color_scheme="dark", reduced_motion="reduce", storage_state=kept
        )
        # axe asks the frames of the previews, whose pages have no origin, and is not heard.
        seen.tolerated = (SANDBOXED, "Failed to execute 'postMessage' on 'DOMWindow'")
        await seen.tab.goto(address)
        assert await violations(seen.tab) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_people_see_the_branding_and_can_read_it(
    premises: Premises, open_window: OpenWindow, scheme: str
) -> None:
    branding = premises.installation.administration.branding
    await branding.set_logo("Acme", picture(color="#101010"))
    await branding.save("Acme", name="光製作所", light="#8a2be2", texts=TEXTS)
    await branding.publish("Acme")
    await premises.installation.settle()
    window = await open_window(locale="en-US", color_scheme=scheme, reduced_motion="reduce")
    tab = window.tab
    await tab.goto(premises.login_url())
    await expect(tab.get_by_label("Employee number")).to_be_visible()
    assert await tab.locator(".brand img").evaluate("(image) => image.naturalWidth") == 320
    assert await violations(tab) == []
    accent = await css(tab, "button.button", "backgroundColor")
    assert (accent == "rgb(138, 43, 226)") is (scheme == "light")
    await tab.set_viewport_size({"width": 320, "height": 600})
    assert await overflow(tab) <= 0
