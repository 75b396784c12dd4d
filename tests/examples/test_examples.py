"""The examples are run as their README says, and LINE WORKS signs somebody in through them."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from tests.installation import LoginPage

from worksgate.bootstrap import open_administration
from worksgate.conformance.line_works import (
    Credentials,
    Endpoints,
    LineWorks,
    authorization_url,
    parse_callback,
    redirect_uri_with_state,
)
from worksgate.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
REDIRECT_URI = redirect_uri_with_state("https://auth.worksmobile.com/cb", "kept/as it+is==")
USERNAME, PASSWORD = "alice", "paper lantern by the river"
ANSWER_TIME = 20.0
"""Seconds that a portal has to come up on a busy machine."""


@dataclass(frozen=True)
class Portal:
    """A running example, and LINE WORKS on its other side."""

    url: str
    line_works: LineWorks
    output: Path

    def login_url(self, **parameters: str) -> str:
        return authorization_url(
            self.line_works.endpoints.web_login,
            client_id=self.line_works.credentials.client_id,
            redirect_uri=REDIRECT_URI,
            **parameters,  # type: ignore[arg-type]  # only works_id is given
        )


@pytest.fixture(params=["starlette_app", "fastapi_app"])
async def portal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Portal]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    database_url = f"sqlite:///{tmp_path / 'worksgate.db'}"
    settings = Settings(public_url=f"{url}/sso", database_url=database_url)
    async with _registered(settings) as line_works:
        environment = {
            "WORKSGATE_PUBLIC_URL": settings.public_url,
            "WORKSGATE_DATABASE_URL": database_url,
            "PORTAL_URL": url,
            "PORTAL_SSO_DATABASE_URL": database_url,
        }
        with _running(request.param, port, environment, tmp_path) as output:
            await _until_it_answers(f"{url}/sso/readyz", output)
            yield Portal(url, line_works, output)


async def test_line_works_signs_a_person_in_through_the_mounted_worksgate(portal: Portal) -> None:
    async with httpx2.AsyncClient() as browser:
        form = await _open(browser, portal)
        answer = await _submit(browser, portal, form, USERNAME, PASSWORD)
    assert answer.status_code == 303
    code = parse_callback(answer.headers["location"], redirect_uri=REDIRECT_URI)
    bought = await portal.line_works.exchange_code(code)
    token = bought.json["access_token"]  # type: ignore[index]  # asserted by the lines below
    told = await portal.line_works.user_info(token)  # type: ignore[arg-type]
    assert told.json == {"user_id": "E-1001"}
    assert bought.failure is None
    assert told.failure is None


async def test_wrong_password_stays_on_the_page_and_gets_no_code(portal: Portal) -> None:
    async with httpx2.AsyncClient() as browser:
        form = await _open(browser, portal)
        answer = await _submit(browser, portal, form, USERNAME, "some other password")
    assert answer.status_code == 403
    assert "location" not in answer.headers


async def test_portal_still_serves_its_own_pages(portal: Portal) -> None:
    async with httpx2.AsyncClient() as browser:
        home = await browser.get(f"{portal.url}/")
    assert home.status_code == 200
    assert "Example Trading" in home.text


async def test_query_strings_are_in_no_output_of_the_portal(portal: Portal) -> None:
    async with httpx2.AsyncClient() as browser:
        page = await browser.get(portal.login_url(works_id="canary@example.com"))
        assert "canary@example.com" in page.text
    output = portal.output.read_text("utf-8")
    assert "canary" not in output
    assert quote(REDIRECT_URI, safe="") not in output


async def test_answers_of_the_mounted_application_carry_no_cors_header(portal: Portal) -> None:
    async with httpx2.AsyncClient() as browser:
        page = await browser.get(portal.login_url(), headers={"Origin": "https://other.example"})
    assert not [name for name in page.headers if name.startswith("access-control-")]


async def test_readme_names_the_commands_that_the_tests_use() -> None:
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    command = re.search(r"^uvicorn .*$", readme, re.MULTILINE)
    assert command is not None
    assert command[0].split() == _command("starlette_app", 8080)[2:]


@asynccontextmanager
async def _registered(settings: Settings) -> AsyncIterator[LineWorks]:
    async with open_administration(settings) as administration:
        client = await administration.add_client("Acme")
    urls = dict(client.urls)
    endpoints = Endpoints(
        urls["web_login"],
        urls["app_login"],
        urls["access_token"],
        urls["user_info"],
        urls["logout"],
    )
    credentials = Credentials(client.client.client_id, client.client_secret)
    async with LineWorks(endpoints, credentials) as line_works:
        yield line_works


def _command(example: str, port: int) -> list[str]:
    application = [f"{example}:app", "--app-dir", "examples"]
    server = ["--port", str(port), "--no-access-log"]
    return [sys.executable, "-m", "uvicorn", *application, *server]


@contextmanager
def _running(
    example: str, port: int, environment: dict[str, str], folder: Path
) -> Iterator[Path]:
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            _command(example, port),
            cwd=EXAMPLES.parent,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield output
    finally:
        process.terminate()
        process.wait(ANSWER_TIME)


async def _until_it_answers(url: str, output: Path) -> None:
    until = time.monotonic() + ANSWER_TIME
    async with httpx2.AsyncClient() as http:
        while time.monotonic() < until:
            try:
                if (await http.get(url)).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError(f"no answer from {url}:\n{output.read_text('utf-8')}")


async def _open(browser: httpx2.AsyncClient, portal: Portal) -> LoginPage:
    response = await browser.get(portal.login_url())
    assert response.status_code == 200, response.text
    return LoginPage.of(response)


async def _submit(
    browser: httpx2.AsyncClient, portal: Portal, page: LoginPage, username: str, password: str
) -> httpx2.Response:
    """Post the form. The cookies are Secure, which on loopback only browsers send over http."""
    cookies = [each.split(";")[0] for each in page.response.headers.get_list("set-cookie")]
    return await browser.post(
        portal.url + page.action,
        data=page.form(username=username, password=password),
        headers={"Cookie": "; ".join(cookies), "Origin": portal.url},
    )


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
