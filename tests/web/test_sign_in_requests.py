"""Authorization requests, as a browser brings them from LINE WORKS."""

import re
from urllib.parse import quote

import pytest
from tests.installation import (
    CALLBACK,
    EXTERNAL_KEY,
    REDIRECT_URI,
    Installation,
    LoginPage,
    assert_page,
    code_of,
)

BAD_REDIRECT_URIS = {
    "another host": "https://evil.example/cb?state=1",
    "a longer path": f"{CALLBACK}/more?state=1",
    "a host that begins alike": "https://auth.worksmobile.com.evil.example/cb?state=1",
    "a user name": "https://auth.worksmobile.com@evil.example/cb?state=1",
    "plain http": "http://auth.worksmobile.com/cb?state=1",
    "a fragment": f"{CALLBACK}?state=1#x",
    "no state": CALLBACK,
    "a code of its own": f"{CALLBACK}?state=1&code=mine",
    "a line break": f"{CALLBACK}?state=1\r\nLocation: https://evil.example",
    "a script": "javascript:alert(1)",
    "too long": f"{CALLBACK}?state={'a' * 2_048}",
}


def hrefs(text: str) -> list[str]:
    return re.findall(r'href="([^"]*)"', text)


def query(client_id: str, **changes: str | None) -> dict[str, str]:
    wanted = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT_URI,
        **changes,
    }
    return {name: value for name, value in wanted.items() if value is not None}


REFERENCE = r"(?<=<code translate=\"no\">)[0-9A-Z]{3}-[0-9A-Z]{3}(?=</code>)"
"""Each refused request has one of its own, by which staff find it."""


async def test_r01_an_unknown_or_disabled_client_gets_a_page(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    unknown = await browser.arrive(client_id="nobody")
    assert_page(unknown, 400)
    await installation.administration.clients.disable("Acme")
    await installation.settle()
    disabled = await browser.arrive()
    assert_page(disabled, 400)
    pages = [re.sub(REFERENCE, "REFERENCE", response.text) for response in (unknown, disabled)]
    assert pages[1] == pages[0].replace("nobody", browser.client_id)


async def test_r01_an_unregistered_redirect_uri_gets_a_page(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    for reason, redirect_uri in BAD_REDIRECT_URIS.items():
        response = await browser.arrive(redirect_uri=redirect_uri)
        assert_page(response, 400)
        assert all(href.startswith("?") for href in hrefs(response.text)), reason
        assert "form-action 'self';" in response.headers["content-security-policy"], reason


async def test_r02_a_missing_or_empty_redirect_uri_gets_a_page(
    installation: Installation,
) -> None:
    browser = installation.browser()
    await browser.code()
    for value in (None, ""):
        parameters = query(browser.client_id, redirect_uri=value)
        assert_page(await browser.http.get("/login", params=parameters), 400)


async def test_r03_another_response_type_gets_a_page(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    for value in ("token", "CODE", "code token", "", None):
        parameters = query(browser.client_id, response_type=value)
        assert_page(await browser.http.get("/login", params=parameters), 400)
    repeated = f"{browser.login_url()}&response_type=code"
    assert_page(await browser.http.get(repeated), 400)


async def test_r04_a_known_parameter_sent_twice_gets_a_page(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    url = browser.login_url(worksId="user1@example.com", userAgent="LineWorks", sessionKey="k1")
    for name in ("client_id", "redirect_uri", "worksId", "userAgent", "sessionKey"):
        assert_page(await browser.http.get(f"{url}&{name}=x"), 400)


async def test_r05_unknown_parameters_do_no_harm(installation: Installation) -> None:
    response = await installation.browser().sign_in(
        scope="openid", nonce="n", code_challenge="c", state="s", prompt="none"
    )
    assert response.status_code == 303
    assert response.headers["location"].startswith(f"{REDIRECT_URI}&code=")


@pytest.mark.parametrize(
    ("entry", "redirect_uri"),
    [
        ("https://auth.worksmobile.com", "https://auth.worksmobile.com/some/path_1?state=1"),
        ("https://auth.worksmobile.com", "https://auth.worksmobile.com/?state=1"),
        ("https://auth.worksmobile.com:8443", "https://auth.worksmobile.com:8443/x/?state=1"),
    ],
)
async def test_r06_any_plain_path_of_a_registered_origin_is_served(
    installation: Installation, entry: str, redirect_uri: str
) -> None:
    await installation.change_client(redirect_uris=(entry,))
    browser = installation.browser()
    assert (await browser.arrive(redirect_uri=redirect_uri)).status_code == 200
    hidden = redirect_uri.replace("?", "/../x?")
    assert_page(await browser.arrive(redirect_uri=hidden), 400)


@pytest.mark.parametrize(
    ("redirect_uri", "separator"),
    [
        (f"{CALLBACK}?state=a%2Bb%3D%3D", "&"),
        (f"{CALLBACK}?state=%E3%81%82&z=1&a=2", "&"),
        (f"{CALLBACK}?a=%2f%2F&state=+%20+", "&"),
        (f"{CALLBACK}?state=x&empty=", "&"),
        (f"{CALLBACK}?state=https%3A%2F%2Fa.example%2F%3Fq%3D1%26r%3D%25", "&"),
    ],
)
async def test_r07_the_state_comes_back_byte_for_byte(
    installation: Installation, redirect_uri: str, separator: str
) -> None:
    response = await installation.browser().sign_in(redirect_uri=redirect_uri)
    code = code_of(response)
    assert response.headers["location"] == f"{redirect_uri}{separator}code={code}"


async def test_r07_without_state_the_code_follows_a_question_mark(
    installation: Installation,
) -> None:
    await installation.change_client(require_state=False)
    response = await installation.browser().sign_in(redirect_uri=CALLBACK)
    assert response.headers["location"] == f"{CALLBACK}?code={code_of(response)}"


async def test_r15_a_hint_fills_the_field_and_proves_nothing(installation: Installation) -> None:
    hostile = "\"><script>alert('x')</script>@example.com"
    browser = installation.browser()
    known = await browser.login_page(worksId="user1@example.com")
    assert known.username == "user1@example.com"
    stranger = await browser.login_page(worksId=hostile)
    assert stranger.username == hostile
    assert "<script>alert" not in stranger.response.text
    # Whether the account exists must not show, so the pages differ in the name alone.
    unknown = await browser.login_page(worksId="user9@example.com")
    assert _shape(unknown, "user9") == _shape(known, "user1")


async def test_r15_a_hint_signs_nobody_in(installation: Installation) -> None:
    response = await installation.browser().sign_in(password="", worksId="user1@example.com")
    assert_page(response, 400)


NOT_NAVIGATIONS = {
    "a prefetch": {"Sec-Purpose": "prefetch", "Sec-Fetch-Mode": "navigate"},
    "a prerender": {"Sec-Purpose": "prefetch;prerender", "Sec-Fetch-Dest": "document"},
    "an old prefetch": {"Purpose": "prefetch"},
    "an image": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "an iframe": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    "a fetch": {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
}


async def test_r17_a_prefetch_an_image_or_a_frame_gets_no_code(
    installation: Installation,
) -> None:
    browser = installation.browser()
    await browser.code()
    for reason, headers in NOT_NAVIGATIONS.items():
        response = await browser.arrive(headers)
        assert response.status_code == 200, reason
        assert "location" not in response.headers, reason
    navigation = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for headers in (navigation, {}):
        assert (await browser.arrive(headers)).status_code == 303


async def test_the_application_login_is_the_same_page(installation: Installation) -> None:
    response = await installation.browser().sign_in(userAgent="LineWorks", sessionKey="key-1")
    token = await installation.exchange(code_of(response))
    assert token.json()["expires_in"] == 30 * 86_400


async def test_the_login_address_with_a_slash_is_the_same(mounted: Installation) -> None:
    browser = mounted.browser()
    response = await browser.http.get(browser.login_url().replace("/login?", "/login/?"))
    page = LoginPage.of(response)
    assert page.action.startswith("/sso/login?")


async def test_a_long_query_or_one_that_is_no_text_gets_a_page(
    installation: Installation,
) -> None:
    browser = installation.browser()
    for extra in (f"&x={'a' * 9_000}", "&redirect_uri=%FF%FE", "&client_id=%00"):
        assert_page(await browser.http.get(browser.login_url() + extra), 400)
    hint = await browser.http.get(browser.login_url() + "&worksId=" + quote(b"\xff\xfe"))
    assert LoginPage.of(hint).username == ""


async def test_the_user_key_is_the_one_that_the_client_asks_for(
    installation: Installation,
) -> None:
    async def user_id() -> str:
        return str((await installation.user_info(await installation.access_token())).json())

    assert await user_id() == str({"user_id": EXTERNAL_KEY})
    await installation.change_client(user_key="works_account")
    assert await user_id() == str({"user_id": "user1@example.com"})


def _shape(page: LoginPage, name: str) -> str:
    text = page.response.text
    for secret in (page.txn, page.csrf):
        text = text.replace(secret, "")
    text = re.sub(r'data-options="[^"]*"', "", text)  # with a challenge of its own
    return text.replace(name, "").replace(quote(name), "")
