"""Headers of every response."""

import re
from pathlib import Path

import httpx2
import pyotp
import pytest
from starlette.types import Receive, Scope, Send
from tests.installation import CALLBACK, PASSWORD, USERNAME, Installation, LoginPage, installed

from worksgate.server.single_write import WHOLE_ANSWER, WRITE, on_the_wire

ACCOUNT_PAGES = ("/password", "/authenticator", "/passkeys", "/app-passwords")
ONE_YEAR = 31_536_000


async def all_answers(installation: Installation) -> dict[str, httpx2.Response]:
    """One answer of each kind that a browser or LINE WORKS can get."""
    browser = installation.browser()
    http = browser.http
    page = await browser.login_page()
    answers = {
        "login page": page.response,
        "wrong password": await browser.submit(page, username=USERNAME, password="wrong"),
        "forged": await http.post(page.action, data={"txn": "x"}),
        "success": await browser.submit(page, username=USERNAME, password=PASSWORD),
        "spent": await browser.submit(page, username=USERNAME, password=PASSWORD),
        "session": await browser.arrive(),
        "account choice": await browser.arrive(worksId="somebody"),
        "unknown client": await browser.arrive(client_id="nobody"),
        "bad address": await browser.arrive(redirect_uri="https://evil.example/"),
        "not found": await http.get("/nothing"),
        "method": await http.delete("/login"),
        "token error": await installation.exchange("x"),
        "user info error": await installation.user_info("x"),
        "token method": await http.get("/accessToken"),
        "token path": await http.get("/accessToken/x"),
        "health": await http.get("/healthz"),
        "ready": await http.get("/readyz"),
        "description": await http.get("/openapi.json"),
        "icon": await http.get("/favicon.ico"),
        "signed out": await http.get("/logout"),
        "logout redirect": await http.get(f"/logout?redirect_uri={CALLBACK}"),
    }
    answers |= await answers_of_steps(installation)
    answers |= await answers_of_the_account(installation)
    code = await installation.browser().code()
    answers["token"] = token = await installation.exchange(code)
    answers["user info"] = await installation.user_info(token.json()["access_token"])
    return answers


async def answers_of_steps(installation: Installation) -> dict[str, httpx2.Response]:
    """The pages of a login in which a second factor is set up."""
    await installation.change_client(second_factor="required")
    browser = installation.browser()
    enrol = await browser.sign_in()
    key = re.search(r'class="code" translate="no">([A-Z2-7 ]+)<', enrol.text)
    assert key is not None
    app = pyotp.TOTP(key[1].replace(" ", ""))
    page = LoginPage.of(enrol)
    answers = {
        "enrol": enrol,
        "enrol again": await browser.submit(page, step="enrol", otp="000000"),
        "recovery codes": await browser.submit(
            page, step="enrol", otp=app.at(int(installation.clock()))
        ),
        "enrolled": await browser.submit(page, step="resume"),
    }
    other = installation.browser()
    answers["second factor"] = await other.sign_in()
    page = LoginPage.of(answers["second factor"])
    answers["second factor again"] = await other.submit(page, step="prove", otp="000000")
    await installation.administration.people.reset_factors(USERNAME)
    await installation.change_client(second_factor="allowed", imap_login=True)
    return answers


async def answers_of_the_account(installation: Installation) -> dict[str, httpx2.Response]:
    """The account pages, before and after a sign-in."""
    browser = installation.browser()
    answers = {"account login": await browser.account()}
    await browser.sign_in_to_account()
    for page in ("", *ACCOUNT_PAGES):
        answers[f"account {page}"] = await browser.account(page)
    answers["account change"] = await browser.post_to_account("/password", {"current": "x"})
    answers["app password"] = await browser.post_to_account("/app-passwords", {"name": "phone"})
    assert {each.status_code for each in answers.values()} <= {200, 303, 400, 403}
    return answers


async def test_r08_r10_r11_r12_r14_r94_every_answer_is_guarded(
    installation: Installation,
) -> None:
    answers = await all_answers(installation)
    for kind, response in answers.items():
        headers = response.headers
        if not kind.startswith(("token", "user info")):  # what no browser shows needs neither
            assert headers["referrer-policy"] == "no-referrer", kind
            assert headers["x-frame-options"] == "DENY", kind
        assert headers["cache-control"] == "no-store", kind
        assert headers["x-content-type-options"] == "nosniff", kind
        assert headers["strict-transport-security"] == f"max-age={ONE_YEAR}", kind
        assert not any(name.startswith("access-control") for name in headers), kind
        assert "server" not in headers, kind
        assert "x-powered-by" not in headers, kind
        if response.content:
            assert headers["content-type"] in _CONTENT_TYPES, kind
        if response.is_redirect:
            assert response.status_code == 303, kind
    statuses = {kind: response.status_code for kind, response in answers.items()}
    assert statuses["success"] == statuses["session"] == statuses["logout redirect"] == 303
    assert statuses["token"] == statuses["user info"] == statuses["ready"] == 200


_CONTENT_TYPES = (
    "text/html; charset=utf-8",
    "application/json",  # JSON has one encoding, UTF-8 (RFC 8259 §8.1)
    "application/json; charset=utf-8",
    "image/svg+xml",
)


async def test_r09_every_page_sends_a_strict_policy(installation: Installation) -> None:
    pages = {
        kind: response
        for kind, response in (await all_answers(installation)).items()
        if response.headers.get("content-type", "").startswith("text/html")
    }
    assert len(pages) > 8
    for kind, response in pages.items():
        policy = policy_of(response)
        for directive in ("default-src", "frame-ancestors", "object-src", "base-uri"):
            assert policy[directive] == ["'none'"], (kind, directive)
        assert policy["form-action"][0] == "'self'", kind
        for directive in ("script-src", "style-src"):
            for source in policy[directive]:
                assert re.fullmatch(r"'none'|'sha256-[A-Za-z0-9+/]{43}='", source), kind


async def test_r09_only_a_login_form_may_lead_to_line_works(installation: Installation) -> None:
    """Chrome applies form-action to the redirect that follows the form, too."""
    browser = installation.browser()
    page = await browser.login_page()
    assert policy_of(page.response)["form-action"] == ["'self'", "https://auth.worksmobile.com"]
    refused = await browser.arrive(redirect_uri="https://evil.example/")
    assert policy_of(refused)["form-action"] == ["'self'"]


async def test_r13_no_page_loads_anything_from_elsewhere(installation: Installation) -> None:
    for kind, response in (await all_answers(installation)).items():
        if not response.headers.get("content-type", "").startswith("text/html"):
            continue
        assert not re.findall(r'\ssrc="|<link|<iframe|<img|@import|url\(', response.text), kind
        assert len(response.content) < 30_000, kind


async def test_r14_a_preflight_gets_no_permission(installation: Installation) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/login", "/accessToken", "/userInfo", "/logout"):
        response = await installation.http().options(path, headers=headers)
        assert response.status_code == 405
        assert not any(name.startswith("access-control") for name in response.headers)


async def test_r50_no_answer_tells_what_we_are_made_of(installation: Installation) -> None:
    for kind, response in (await all_answers(installation)).items():
        if kind == "description":
            continue
        for told in ("Traceback", "sqlite", "uvicorn", "starlette", "python", "SELECT "):
            assert told not in response.text, (kind, told)


async def test_r94_hsts_is_left_out_where_there_is_no_https(tmp_path: Path) -> None:
    async with installed(tmp_path, public_url="http://127.0.0.1:8080") as plain:
        response = await plain.http().get("/healthz")
        assert response.status_code == 200
        assert "strict-transport-security" not in response.headers


async def test_r99_unused_methods_are_refused(mounted: Installation) -> None:
    http = mounted.http()
    for path in ("/sso/login", "/sso/logout", "/sso/healthz", "/sso/openapi.json"):
        for method in ("TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "FOO"):
            response = await http.request(method, path)
            assert response.status_code == 405, (method, path)
            assert "GET" in response.headers["allow"]
        assert (await http.request("CONNECT", path)).status_code == 400, path


async def test_r107_health_reveals_nothing_but_the_state(installation: Installation) -> None:
    http = installation.http()
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    assert (await http.get("/readyz")).json() == {"status": "ok"}
    assert (await http.get("/metrics")).status_code == 404


async def test_a_page_after_a_mistake_is_a_page_again(installation: Installation) -> None:
    """A form that was refused shows itself again, with everything that it needs."""
    browser = installation.browser()
    page = await browser.login_page()
    again = LoginPage.of(await browser.submit(page, username=USERNAME, password=""))
    assert again.txn
    assert again.csrf == page.csrf


async def test_an_answer_in_one_call_says_what_two_messages_say(
    installation: Installation,
) -> None:
    token = await installation.access_token()
    usual = await installation.user_info(token)
    written: list[tuple[int, bytes, bytes]] = []

    def write(status: int, headers: bytes, body: bytes) -> bool:
        written.append((status, headers, body))
        return True

    async def with_extension(scope: Scope, receive: Receive, send: Send) -> None:
        await installation.application(
            {**scope, "extensions": {WHOLE_ANSWER: {WRITE: write}}}, receive, send
        )

    transport = httpx2.ASGITransport(with_extension)
    async with httpx2.AsyncClient(transport=transport, base_url=installation.origin) as http:
        with pytest.raises(AssertionError):  # the transport misses the messages
            await installation.user_info(token, http)
    ((status, headers, body),) = written
    assert (status, body) == (usual.status_code, usual.content)
    length = f"content-length: {len(body)}\r\n".encode()
    assert headers + length == on_the_wire(usual.headers.raw)


async def test_a_page_in_one_call_is_the_page_in_two_messages(installation: Installation) -> None:
    written: list[tuple[int, bytes, bytes]] = []

    def write(status: int, headers: bytes, body: bytes) -> bool:
        written.append((status, headers, body))
        return False  # so the same answer is sent in the usual messages

    async def with_extension(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = {WHOLE_ANSWER: {WRITE: write}}
        await installation.application({**scope, "extensions": extensions}, receive, send)

    transport = httpx2.ASGITransport(with_extension)
    async with httpx2.AsyncClient(transport=transport, base_url=installation.origin) as http:
        for method, path in (
            ("GET", installation.browser().login_url()),
            ("GET", "/login?client_id=nobody"),
            ("POST", "/login"),
            ("DELETE", "/login"),
            ("GET", "/"),
            ("GET", "/nothing"),
            ("GET", "/healthz"),
            ("GET", "/openapi.json"),
        ):
            usual = await http.request(method, path)
            status, headers, body = written.pop()
            assert (status, body) == (usual.status_code, usual.content), path
            length = f"content-length: {len(body)}\r\n".encode()
            lines = (headers + length).splitlines(keepends=True)
            usual_lines = on_the_wire(usual.headers.raw).splitlines(keepends=True)
            assert sorted(lines) == sorted(usual_lines), path


async def test_an_answer_without_a_length_is_sent_in_the_usual_messages(
    installation: Installation,
) -> None:
    """Such as 204, which must not have one (RFC 9110, 8.6)."""

    def write(*_: object) -> bool:
        raise AssertionError("it would be given a length")

    async def with_extension(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = {WHOLE_ANSWER: {WRITE: write}}
        await installation.application({**scope, "extensions": extensions}, receive, send)

    transport = httpx2.ASGITransport(with_extension)
    async with httpx2.AsyncClient(transport=transport, base_url=installation.origin) as http:
        nothing = await http.post("/login/strength", data={"txn": "x"})
    assert nothing.status_code == 204
    assert "content-length" not in nothing.headers


@pytest.mark.parametrize("value", [b"x\r\nset-cookie: y", b"x\ny", b"x\ry"])
def test_a_header_that_would_be_two_is_not_written(value: bytes) -> None:
    with pytest.raises(ValueError, match="line break"):
        on_the_wire([(b"location", value)])


def policy_of(response: httpx2.Response) -> dict[str, list[str]]:
    parts = response.headers["content-security-policy"].split("; ")
    return {name: sources.split() for name, _, sources in (part.partition(" ") for part in parts)}


async def test_r112_head_gets_what_get_gets_without_its_effects(installation: Installation) -> None:
    browser = installation.browser()
    await browser.code()
    assert await browser.is_signed_in()
    login = await browser.http.head(browser.login_url())
    assert login.status_code == 200
    assert login.headers["content-type"] == "text/html; charset=utf-8"
    assert "location" not in login.headers
    assert (await browser.http.head("/logout")).status_code == 403
    assert await browser.is_signed_in()
    for path in ("/healthz", "/openapi.json", "/favicon.ico"):
        assert (await browser.http.head(path)).status_code == 200
    assert (await browser.http.head("/nowhere")).status_code == 404
