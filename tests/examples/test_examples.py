"""The examples run as their README says, and a person signs in through them."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from tests.conformance.runs import PATIENT
from tests.installation import LoginPage
from tests.ports import free_port

from worksgate.administration import NewClient
from worksgate.bootstrap.administration import open_administration
from worksgate.conformance.line_works import (
    Credentials,
    Endpoints,
    LineWorks,
    authorization_url,
    parse_callback,
    redirect_uri_with_state,
)
from worksgate.settings.options import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
REDIRECT_URI = redirect_uri_with_state("https://auth.worksmobile.com/cb", "kept/as it+is==")
USERNAME, PASSWORD = "alice", "paper lantern by the river"
PATIENCE = 120.0
"""Seconds that a portal has to come up, or to answer, on a busy machine."""


@dataclass(frozen=True)
class Portal:
    """A running example, and what LINE WORKS has been told of it."""

    url: str
    endpoints: Endpoints
    credentials: Credentials
    output: Path

    def login_url(self, works_id: str | None = None) -> str:
        return authorization_url(
            self.endpoints.web_login,
            client_id=self.credentials.client_id,
            redirect_uri=REDIRECT_URI,
            works_id=works_id,
        )


@pytest.fixture(scope="module", params=["starlette_app", "fastapi_app"])
def portal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Portal]:
    folder = tmp_path_factory.mktemp(request.param)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database_url = f"sqlite:///{folder / 'worksgate.db'}"
    settings = Settings(public_url=f"{url}/sso", database_url=database_url)
    environment = {
        "WORKSGATE_PUBLIC_URL": settings.public_url,
        "WORKSGATE_DATABASE_URL": database_url,
        "PORTAL_URL": url,
        "PORTAL_SSO_DATABASE_URL": database_url,
    }
    client = asyncio.run(_registered(settings))
    with _running(request.param, port, environment, folder) as output:
        _wait_for(f"{url}/sso/readyz", output)
        yield Portal(
            url,
            Endpoints(**client.urls),
            Credentials(client.client.client_id, client.client_secret),
            output,
        )


async def test_line_works_signs_a_person_in_through_the_mounted_worksgate(portal: Portal) -> None:
    async with httpx2.AsyncClient(timeout=PATIENCE) as browser:
        form = await _open(browser, portal)
        answer = await _submit(browser, portal, form, USERNAME, PASSWORD)
    assert answer.status_code == 303
    code = parse_callback(answer.headers["location"], redirect_uri=REDIRECT_URI)
    async with LineWorks(portal.endpoints, portal.credentials, limits=PATIENT) as line_works:
        bought = await line_works.exchange_code(code)
        told = await line_works.user_info(bought.value("access_token") or "")
    assert (bought.failure, told.failure) == (None, None)
    assert told.json == {"user_id": "E-1001"}


async def test_wrong_password_stays_on_the_page_and_gets_no_code(portal: Portal) -> None:
    async with httpx2.AsyncClient(timeout=PATIENCE) as browser:
        form = await _open(browser, portal)
        answer = await _submit(browser, portal, form, USERNAME, "some other password")
    assert answer.status_code == 403
    assert "location" not in answer.headers


async def test_portal_still_serves_its_own_pages(portal: Portal) -> None:
    async with httpx2.AsyncClient(timeout=PATIENCE) as browser:
        home = await browser.get(f"{portal.url}/")
    assert home.status_code == 200
    assert "Example Trading" in home.text


async def test_query_strings_are_in_no_output_of_the_portal(portal: Portal) -> None:
    async with httpx2.AsyncClient(timeout=PATIENCE) as browser:
        page = await browser.get(portal.login_url("canary@example.com"))
    assert "canary@example.com" in page.text
    output = portal.output.read_text("utf-8")
    assert "canary" not in output
    assert quote(REDIRECT_URI, safe="") not in output


def test_readme_names_the_command_that_these_tests_run() -> None:
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    command = re.search(r"^\.venv/bin/(uvicorn .*)$", readme, re.MULTILINE)
    assert command is not None
    assert command[1].split() == _command("starlette_app", 8080)[2:]


async def _registered(settings: Settings) -> NewClient:
    async with open_administration(settings) as administration:
        return await administration.clients.add("Acme")


def _command(example: str, port: int) -> list[str]:
    application = [f"{example}:app", "--app-dir", "examples"]
    server = ["--port", str(port), "--no-access-log"]
    return [sys.executable, "-m", "uvicorn", *application, *server]


@contextmanager
def _running(example: str, port: int, environment: dict[str, str], folder: Path) -> Iterator[Path]:
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
        process.wait(PATIENCE)


def _wait_for(url: str, output: Path) -> None:
    until = time.monotonic() + PATIENCE
    with httpx2.Client(timeout=PATIENCE) as http:
        while time.monotonic() < until:
            try:
                if http.get(url).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
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
