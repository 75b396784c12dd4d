"""Passkeys in a sign-in, over HTTP and with real signatures: what is accepted and refused."""

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest
from tests.installation import Browser, Installation, LoginPage, code_of
from tests.provider.factors.authenticator import Authenticator

from worksgate.audit import Event

Lie = Callable[[Authenticator], None]


def options_of(response: httpx2.Response) -> str:
    found = re.search(r'data-options="([^"]*)"', response.text)
    assert found is not None, response.text
    return html.unescape(found[1])


async def enrolled(installation: Installation) -> Authenticator:
    """Sign in where a passkey is demanded, and set one up on the way."""
    await installation.change_client(rules=["require passkey"])
    authenticator = Authenticator(sign_count=10)
    browser = installation.browser()
    offered = await browser.sign_in()
    assert "<h1>Set up a passkey</h1>" in offered.text
    assert "authenticator app" not in offered.text
    answer = authenticator.create(options_of(offered))
    codes = await browser.submit(LoginPage.of(offered), step="enrol", passkey=answer)
    assert "Keep your recovery codes" in codes.text
    assert code_of(await browser.submit(LoginPage.of(codes), step="resume"))
    installation.clock.advance(60)
    return authenticator


async def asked(browser: Browser) -> httpx2.Response:
    response = await browser.sign_in()
    assert "Your company requires your passkey for this sign-in." in response.text
    return response


def _says(**changes: object) -> Lie:
    def change(authenticator: Authenticator) -> None:
        for name, value in changes.items():
            setattr(authenticator, name, value)

    return change


LIES: dict[str, Lie] = {
    "another site": _says(origin="https://sso.example.net"),
    "another rp id": _says(rp_id="example.com"),
    "nobody was there": _says(present=False),
    "the counter went back": _says(sign_count=3),
    "another key": lambda each: setattr(each, "key", Authenticator().key),
    "an unknown passkey": lambda each: setattr(each, "credential_id", b"0" * 32),
}


@pytest.mark.parametrize("lie", LIES)
async def test_r82_a_passkey_that_must_be_refused_in_a_login_is(
    installation: Installation, lie: str
) -> None:
    authenticator = await enrolled(installation)
    browser = installation.browser()
    page = await asked(browser)
    honest = replace(authenticator)
    LIES[lie](authenticator)
    answer = authenticator.get(options_of(page))
    refused = await browser.submit(LoginPage.of(page), step="prove", passkey=answer)
    assert refused.status_code == 403
    assert "The passkey was not accepted." in refused.text
    assert "__Host-wg_session" not in browser.http.cookies
    assert await installation.audit(event=Event.FACTOR_FAILED)
    answer = honest.get(options_of(refused))
    assert code_of(await browser.submit(LoginPage.of(refused), step="prove", passkey=answer))


async def test_r82_the_challenge_is_renewed_after_a_passkey_that_was_refused(
    installation: Installation,
) -> None:
    authenticator = await enrolled(installation)
    browser = installation.browser()
    page = await asked(browser)
    first = options_of(page)
    refused = await browser.submit(LoginPage.of(page), step="prove", passkey="{}")
    assert json.loads(options_of(refused))["challenge"] != json.loads(first)["challenge"]
    late = await browser.submit(
        LoginPage.of(refused), step="prove", passkey=authenticator.get(first)
    )
    assert late.status_code == 403
    answer = authenticator.get(options_of(late))
    assert code_of(await browser.submit(LoginPage.of(late), step="prove", passkey=answer))


async def test_r82_a_passkey_that_does_not_verify_the_user_is_no_password(
    installation: Installation,
) -> None:
    authenticator = await enrolled(installation)
    browser = installation.browser()
    page = (await browser.login_page()).response
    authenticator.verified = False
    answer = authenticator.get(options_of(page))
    refused = await browser.submit(LoginPage.of(page), passkey=answer)
    assert refused.status_code == 403
    assert "This passkey is not registered here." in refused.text
    authenticator.verified = True
    answer = authenticator.get(options_of(refused))
    assert code_of(await browser.submit(LoginPage.of(refused), passkey=answer))


async def test_r122_no_code_stands_for_the_passkey_that_is_demanded(
    installation: Installation,
) -> None:
    await enrolled(installation)
    browser = installation.browser()
    page = await asked(browser)
    assert 'name="otp"' not in page.text
    assert 'name="recovery"' not in page.text
    assert "Do not ask again" not in page.text
    response = await browser.submit(LoginPage.of(page), step="prove", otp="000000")
    assert response.status_code == 403
    assert "__Host-wg_session" not in browser.http.cookies


async def test_r122_the_page_says_where_to_go_on_without_passkeys(
    installation: Installation,
) -> None:
    await installation.change_client(rules=["require passkey"])
    words = (
        "Passkeys do not work in this browser or app. Open LINE\N{NO-BREAK SPACE}WORKS in Safari"
    )
    assert words in (await installation.browser().sign_in()).text
    await enrolled(installation)
    assert words in (await asked(installation.browser())).text


async def test_r122_where_no_passkey_can_be_set_up_a_page_says_so(
    installation: Installation,
) -> None:
    await installation.change_client(rules=["require passkey"])
    steps = installation.provider._steps
    steps._passkeys = False
    response = await installation.browser().sign_in()
    assert response.status_code == 403
    assert "A passkey is required" in response.text
    assert "public_url" in response.text
