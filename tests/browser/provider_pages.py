"""The pages of node-oidc-provider, used as a person does in a browser."""

from playwright.async_api import Page
from tests.browser.windows import Window


async def log_in_there(tab: Page, login: str) -> None:
    """Fill in the provider's form, and consent."""
    await tab.fill("input[name=login]", login)
    await tab.fill("input[name=password]", "any password is good")
    await tab.click("button[type=submit]")
    await tab.get_by_role("button", name="Continue").click()


def overlook_the_provider(window: Window) -> None:
    """Its pages ask for a font elsewhere and an icon of their own, in vain, and hint nothing."""
    theirs = set(window.strays)
    assert all("fonts.googleapis.com" in url for url in theirs)
    window.requests[:] = [each for each in window.requests if each.url not in theirs]
    theirs = {"ERR_NAME_NOT", "status of 404", "Input elements should have autocomplete"}
    window.complaints[:] = [
        each for each in window.complaints if not any(part in each for part in theirs)
    ]
