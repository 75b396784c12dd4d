"""The examples without Worksgate keep LINE WORKS' protocol, and what they promise on security."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement
from tests.examples.own_servers import (
    CLIENT,
    CODE,
    EXAMPLES,
    PASSWORD,
    REDIRECT_URI,
    SERVERS,
    USER_KEY,
    USERNAME,
    Browser,
    OwnServer,
    running,
)

from worksgate.conformance.exchange import FORM, Exchange
from worksgate.conformance.line_works import Credentials, LineWorks, parse_callback

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnServer]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


def code_of(answer: httpx2.Response) -> str:
    assert answer.status_code == 303, answer.text
    return parse_callback(answer.headers["location"], redirect_uri=REDIRECT_URI)


def signed_in(server: OwnServer) -> tuple[Browser, str]:
    browser = Browser(server)
    return browser, code_of(browser.submit(browser.open()))


def refusal(exchange: Exchange) -> str:
    assert exchange.failure is None
    assert exchange.json is not None
    assert exchange.json["error_description"]
    assert exchange.answer is not None
    assert exchange.answer.header("cache-control") == "no-store"
    return str(exchange.json["error"])


async def test_r209_a_person_signs_in_and_a_code_works_once(server: OwnServer) -> None:
    browser, code = signed_in(server)
    async with LineWorks(server.endpoints, CLIENT) as line_works:
        bought = await line_works.exchange_code(code)
        token = bought.value("access_token") or ""
        assert bought.json == {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 24 * 3600,
        }
        assert (await line_works.user_info(token)).json == {"user_id": USER_KEY}
        # The session gets another code; the second use of the first one revokes its token.
        assert code_of(browser.open(works_id="Alice@Example")) != code
        assert refusal(await line_works.exchange_code(code)) == "302"
        assert refusal(await line_works.user_info(token)) == "303"


async def test_r209_each_error_has_line_works_number(server: OwnServer) -> None:
    stranger = Credentials("nobody", CLIENT.client_secret)
    wrong = Credentials(CLIENT.client_id, "wrong")
    url, form = server.endpoints.access_token, [("grant_type", "authorization_code")]
    form += [("client_id", CLIENT.client_id), ("client_secret", CLIENT.client_secret)]
    async with LineWorks(server.endpoints, CLIENT) as line_works:
        assert refusal(await line_works.exchange_code("unknown")) == "302"
        assert refusal(await line_works.exchange_code("x", grant_type="password")) == "203"
        for each in (stranger, wrong):
            assert refusal(await line_works.exchange_code("x", credentials=each)) == "301"
            assert refusal(await line_works.user_info("x", credentials=each)) == "301"
        assert refusal(await line_works.user_info("unknown")) == "303"
        for more in ([], [("code", "")], [("code", "a"), ("code", "a")], [("code", "x" * 20_000)]):
            assert refusal(await line_works.post(url, [*form, *more])) == "201"
        sent = json.dumps(dict([*form, ("code", "a")])).encode()
        answer = await line_works.send("POST", url, body=sent, content_type="application/json")
        assert refusal(answer) == "201"
        for charset in ("utf-8", "ISO-8859-1", "US-ASCII"):
            body = "&&".join(f"{name}=a" for name, _ in [*form, ("code", "a")]).replace(
                "grant_type=a", "grant_type=authorization_code"
            )
            typed = f"{FORM}; charset={charset}"
            answer = await line_works.send("POST", url, body=body.encode(), content_type=typed)
            assert refusal(answer) == "301"


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://attacker.example/?state=a",
        "https://auth.worksmobile.com.attacker.example/?state=a",
        "https://auth.worksmobile.com@attacker.example/?state=a",
        "https://auth.worksmobile.com\\@attacker.example/?state=a",
        "https://auth.worksmobile.com//attacker.example/?state=a",
        "https://auth.worksmobile.com/../a?state=a",
        "https://auth.worksmobile.com/cb?state=a\r\nSet-Cookie: a=b",
        'https://auth.worksmobile.com/cb?state="a',
        "http://auth.worksmobile.com/cb?state=a",
        "//attacker.example/?state=a",
        "",
    ],
)
def test_r209_nobody_is_sent_to_another_address(server: OwnServer, redirect_uri: str) -> None:
    browser, _ = signed_in(server)
    answer = browser.open(redirect_uri=redirect_uri)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    answer = httpx2.get(server.endpoints.logout, params={"redirect_uri": redirect_uri})
    assert (answer.status_code, "location" in answer.headers) == (200, False)


def test_r209_a_request_that_is_wrong_gets_an_error(server: OwnServer) -> None:
    browser, _ = signed_in(server)
    assert browser.open(client_id="nobody").status_code == 400
    url = str(browser.open().url)
    for wrong in ("&redirect_uri=https://attacker.example/", "&client_id=acme"):
        assert browser.get(url + wrong).status_code == 400
    assert browser.get(url.replace("response_type=code", "response_type=token")).status_code == 400


def test_r209_a_form_from_elsewhere_signs_nobody_in(server: OwnServer) -> None:
    browser = Browser(server)
    page = browser.open()
    for csrf in ("", "made up", "é"):
        answer = browser.submit(page, csrf=csrf)
        assert (answer.status_code, "location" in answer.headers) == (403, False)
    other = Browser(server)
    assert other.submit(page).status_code == 403  # the page of another browser
    for cookie in httpx2.get(str(page.url)).headers.get_list("set-cookie"):
        assert cookie.startswith("__Host-")
        assert {"secure", "httponly", "samesite=lax"} <= set(cookie.lower().split("; "))


def test_r209_a_wrong_password_gets_no_code(server: OwnServer) -> None:
    browser = Browser(server)
    page = browser.open()
    for fields in ({"password": "wrong"}, {"username": "nobody"}, {"username": ""}):
        answer = browser.submit(page, **fields)
        assert (answer.status_code, "location" in answer.headers) == (403, False)
    assert browser.submit(page).status_code == 303


def test_r209_somebody_else_has_to_sign_in_anew(server: OwnServer) -> None:
    browser, _ = signed_in(server)
    assert browser.open(works_id="bob@example").status_code == 200
    assert browser.open().status_code == 303


def test_r209_logout_ends_the_session(server: OwnServer) -> None:
    browser, _ = signed_in(server)
    answer = browser.get(f"{server.endpoints.logout}?redirect_uri=https://auth.worksmobile.com/bye")
    assert answer.headers["location"] == "https://auth.worksmobile.com/bye"
    assert browser.open().status_code == 200


async def test_r209_a_mail_program_signs_in(server: OwnServer) -> None:
    async with LineWorks(server.endpoints, CLIENT) as line_works:
        login = await line_works.imap_login(USERNAME, PASSWORD)
        bought = await line_works.exchange_code(login.value("code") or "")
        told = await line_works.user_info(bought.value("access_token") or "")
        assert told.json == {"user_id": USER_KEY}
        assert refusal(await line_works.imap_login(USERNAME, "wrong")) == "101"
        url = server.endpoints.imap_login or ""
        for query in ("?email=YQ==", "?email=no%20Base64!&password=no%20Base64!"):
            assert refusal(await line_works.send("GET", url + query)) == "201"


# their files


@pytest.mark.parametrize("name", SERVERS)
def test_an_example_has_fewer_than_200_lines_of_code(name: str) -> None:
    lines = (EXAMPLES / name / CODE[name]).read_text("utf-8").splitlines()
    assert len([line for line in lines if not re.match(r"\s*(#.*|//.*)?$", line)]) < 200


@pytest.mark.parametrize("name", SERVERS)
def test_an_example_says_what_it_does_not_do(name: str) -> None:
    text = (EXAMPLES / name / "README.md").read_text("utf-8")
    assert "## What it does not do" in text


@pytest.mark.parametrize("name", ["flask_authlib", "fastapi"])
def test_r109_an_example_is_pinned_as_it_is_tested(name: str) -> None:
    text = (EXAMPLES / name / "requirements.txt").read_text("utf-8")
    lines = [each for each in text.replace("\\\n", " ").splitlines() if each and each[0] != "#"]
    pinned = {line.split()[0] for line in lines}
    assert pinned <= set((ROOT / "requirements" / "dev.txt").read_text("utf-8").split())
    assert all("--hash=sha256:" in line for line in lines)
    assert "://" not in text
    wanted = (EXAMPLES / name / "requirements.in").read_text("utf-8").splitlines()
    names = {Requirement(each).name for each in pinned}
    assert {line for line in wanted if not line.startswith("#")} <= names


def test_r109_the_packages_of_express_are_pinned_and_name_no_address() -> None:
    folder = EXAMPLES / "express"
    asked = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]
    text = (folder / "package-lock.json").read_text("utf-8")
    locked = json.loads(text)["packages"]
    assert locked[""]["dependencies"] == asked
    assert all(locked[f"node_modules/{name}"]["version"] == asked[name] for name in asked)
    assert all("integrity" in entry for name, entry in locked.items() if name)
    assert '"resolved"' not in text


def test_the_tests_have_what_the_examples_need() -> None:
    """CI installs it with everything else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert {"fastapi", "flask", "gunicorn"} <= set(project["dependency-groups"]["dev"])
