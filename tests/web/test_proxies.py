"""Behind a reverse proxy: which addresses are trusted, and plain http."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.installation import PUBLIC_URL, Installation, assert_page, assert_refused, installed

from worksgate.audit import Event
from worksgate.oauth.errors import AccessDenied, InvalidAuthorization, InvalidRequest

PROXY = "10.1.2.3"
HTTPS = {"X-Forwarded-Proto": "https"}


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation that believes one network, and serves a client with an allow-list."""
    async with installed(tmp_path, trusted_proxies=("10.1.0.0/16",)) as installation:
        await installation.change_client(allowed_addresses=("198.51.100.0/24",))
        yield installation


async def exchange(
    installation: Installation, address: str, headers: dict[str, str] | list[tuple[str, str]]
) -> httpx2.Response:
    """Ask with an unknown code: 302 is what a caller on the list gets, 101 any other."""
    http = plain_http(installation, address)
    form = installation.token_form("x")
    return await http.post("/accessToken", data=form, headers=headers)


def plain_http(installation: Installation, address: str) -> httpx2.AsyncClient:
    http = installation.http(address=address)
    http.base_url = httpx2.URL("http://sso.example.com")
    return http


async def test_r95_a_call_over_http_is_refused(installation: Installation) -> None:
    http = plain_http(installation, "203.0.113.7")
    code = await installation.browser().code()
    for path in ("/accessToken", "/userInfo"):
        response = await http.post(path, data=installation.token_form(code, access_token="x"))
        assert_refused(response, InvalidRequest)
    assert (await installation.exchange(code)).status_code == 200


async def test_r95_pages_are_redirected_and_forms_are_not(mounted: Installation) -> None:
    browser = mounted.browser()
    page = await browser.login_page()
    browser.http.base_url = httpx2.URL("http://sso.example.com")
    response = await browser.arrive()
    assert response.status_code == 301
    assert response.headers["location"] == PUBLIC_URL + browser.login_url()
    posted = await browser.submit(page, username="user1@example.com", password="x")
    assert_page(posted, 400)
    assert (await browser.http.get("/sso/healthz")).status_code == 200


async def test_r95_an_installation_without_https_serves_over_http(tmp_path: Path) -> None:
    async with installed(tmp_path, public_url="http://127.0.0.1:8080") as plain:
        assert (await plain.exchange("x")).status_code == 400
        assert_refused(await plain.exchange("x"), InvalidAuthorization)


async def test_r96_by_default_no_forwarded_header_counts(installation: Installation) -> None:
    await installation.change_client(allowed_addresses=("198.51.100.0/24",))
    spoofed = {"X-Forwarded-For": "198.51.100.7", "X-Real-IP": "198.51.100.7"}
    for address in ("203.0.113.7", "127.0.0.1", "::1"):
        http = installation.http(address=address)
        form = installation.token_form("x")
        response = await http.post("/accessToken", data=form, headers=spoofed)
        assert_refused(response, AccessDenied)
        over_http = await exchange(installation, address, HTTPS)
        assert_refused(over_http, InvalidRequest)


async def test_r96_a_listed_proxy_is_believed(behind: Installation) -> None:
    headers = {**HTTPS, "X-Forwarded-For": "198.51.100.7"}
    assert_refused(await exchange(behind, PROXY, headers), InvalidAuthorization)
    headers = {**HTTPS, "X-Forwarded-For": "203.0.113.7"}
    assert_refused(await exchange(behind, PROXY, headers), AccessDenied)


async def test_r96_a_stranger_is_not_believed(behind: Installation) -> None:
    headers = {**HTTPS, "X-Forwarded-For": "198.51.100.7"}
    for address in ("203.0.113.7", "10.2.0.1", "127.0.0.1"):
        assert_refused(await exchange(behind, address, headers), InvalidRequest)


@pytest.mark.parametrize(
    "forwarded",
    [
        "198.51.100.7, 203.0.113.9",  # what the caller claimed stands before what the proxy saw
        "198.51.100.7, unknown",
        "198.51.100.7.evil",
        "198.51.100.7 203.0.113.9",
        "198.51.100.007",
        "",
        ",",
        "::ffff:203.0.113.9",
        "[198.51.100.7",
        "\x7f198.51.100.7",
        "198.51.100.7/24",
    ],
)
async def test_r96_what_cannot_be_parsed_skips_no_check(
    behind: Installation, forwarded: str
) -> None:
    headers = {**HTTPS, "X-Forwarded-For": forwarded}
    assert_refused(await exchange(behind, PROXY, headers), AccessDenied)


async def test_r96_a_repeated_header_is_read_as_one_list(behind: Installation) -> None:
    headers = [*HTTPS.items(), ("X-Forwarded-For", "203.0.113.9")]
    headers.append(("X-Forwarded-For", "198.51.100.7"))
    assert_refused(await exchange(behind, PROXY, headers), InvalidAuthorization)
    headers[1:] = reversed(headers[1:])
    assert_refused(await exchange(behind, PROXY, headers), AccessDenied)


@pytest.mark.parametrize("scheme", ["http", "HTTPS", "https, http", "ftp", ""])
async def test_r96_a_scheme_that_is_not_https_is_not_https(
    behind: Installation, scheme: str
) -> None:
    headers = {"X-Forwarded-Proto": scheme, "X-Forwarded-For": "198.51.100.7"}
    assert_refused(await exchange(behind, PROXY, headers), InvalidRequest)


async def test_r96_the_address_of_the_person_is_recorded(behind: Installation) -> None:
    browser = behind.browser(address=PROXY)
    headers = {**HTTPS, "X-Forwarded-For": "198.51.100.7"}
    wrong = browser.login_url(response_type="token")
    assert (await browser.http.get(wrong, headers=headers)).status_code == 400
    (event,) = await behind.audit(event=Event.LOGIN_REFUSED)
    assert event.address == "198.51.100.7"


async def test_r97_no_link_is_built_from_the_host_of_a_request(mounted: Installation) -> None:
    browser = mounted.browser()
    evil = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "https://evil.example/",
    }
    page = await browser.arrive(evil, worksId="user1@example.com")
    assert page.status_code == 200
    assert "evil.example" not in page.text
    description = await browser.http.get("/sso/openapi.json", headers=evil)
    assert description.json()["servers"] == [{"url": f"{PUBLIC_URL}/sso"}]
    browser.http.base_url = httpx2.URL("http://sso.example.com")
    redirect = await browser.arrive(evil)
    assert redirect.headers["location"].startswith(f"{PUBLIC_URL}/sso/login?")
