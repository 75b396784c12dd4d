"""The API description, and that the server conforms to it."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.schemas import APIOperation
from tests.installation import (
    PASSWORD,
    SESSION_COOKIE,
    USERNAME,
    Browser,
    Installation,
    LoginPage,
    code_of,
    prepared,
)
from tests.served import READ_TIMEOUT, Served, listening, served
from tests.unhurried import PATIENT

from worksgate.administration import NewClient
from worksgate.settings.options import Settings
from worksgate.web.calls.openapi import describe_api

pytestmark = pytest.mark.programs

REFUSALS = """
[checks.negative_data_rejection]
expected-statuses = ["4xx"]
"""
"""413 is a refusal too."""

BOUNDED = settings(
    max_examples=25,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, NewClient]]:
    """One server for this file; its people and its client are the usual ones."""
    with listening() as listener:
        url = "http://{}:{}".format(*listener.getsockname())
        chosen, client = asyncio.run(
            prepared(tmp_path_factory.mktemp("api"), public_url=url, answer_deadline=PATIENT)
        )
        with served(listener, chosen) as server:
            yield server, client


def test_the_description_is_valid_openapi() -> None:
    for chosen in (Settings(), Settings(public_url="https://sso.example.com/sso/")):
        OpenAPIV31SpecValidator(describe_api(chosen)).validate()


def test_the_description_names_the_paths_of_the_settings() -> None:
    chosen = Settings(
        public_url="https://a.example/sso/",
        access_token_path="/t",
        user_info_path="/u",
        imap_login_path="/i",
    )
    description = describe_api(chosen)
    assert description["servers"] == [{"url": "https://a.example/sso"}]
    assert set(description["paths"]) == {*("/t", "/u", "/i/{client_id}", "/healthz", "/readyz")}


async def test_r102_the_description_is_served_and_holds_no_secret(
    installation: Installation,
) -> None:
    response = await installation.http().get("/openapi.json")
    assert response.json() == describe_api(installation.settings)
    assert installation.client.client_secret not in response.text
    assert installation.client.client.client_id not in response.text


def test_r50_whatever_is_sent_the_answer_is_as_described(
    running: tuple[Served, NewClient], tmp_path: Path
) -> None:
    """Schemathesis makes up requests, right and wrong ones, and compares each answer."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(REFUSALS)
    command = Path(sys.executable).with_name("schemathesis")
    run = subprocess.run(
        [
            *(command, "--config-file", config, "run", f"{running[0].url}/openapi.json"),
            *("--phases", "coverage,fuzzing", "--max-examples", "100"),
            *("--seed", "1", "--no-color"),
            # A well-formed request with a code that was never issued is refused, as it must be.
            *("--exclude-checks", "positive_data_acceptance"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Tested: 5" in run.stdout


def test_with_valid_credentials_each_answer_is_as_described(
    running: tuple[Served, NewClient],
) -> None:
    server, client = running
    credentials = {
        "client_id": client.client.client_id,
        "client_secret": client.client_secret,
    }
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    with httpx2.Client(base_url=server.url, timeout=READ_TIMEOUT) as http:
        session = sign_in(http, client)
        for path, secret_of in (("/accessToken", new_code), ("/userInfo", new_token)):
            answered = call_all(schema[path]["POST"], http, client, session, credentials, secret_of)
            assert set(answered) == {200}, path
            assert len(answered) >= 10


def call_all(
    operation: APIOperation[Any, Any, Any, Any],
    http: httpx2.Client,
    client: NewClient,
    session: str,
    credentials: dict[str, str],
    secret_of: Any,
) -> list[int]:
    """The statuses of generated requests, each with valid credentials put into it."""
    answered: list[int] = []

    @BOUNDED
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        extra = {name: str(value)[:200] for name, value in list(case.body.items())[:20]}
        case.body = {**extra, **credentials, **secret_of(http, client, session)}
        answered.append(case.call_and_validate().status_code)

    call()
    return answered


def sign_in(http: httpx2.Client, client: NewClient) -> str:
    """The value of a session cookie; the jar does not send Secure ones over http."""
    page = LoginPage.of(http.get(_login_url(client)))
    cookie = page.response.headers["set-cookie"].partition(";")[0]
    form = page.form(username=USERNAME, password=PASSWORD)
    response = http.post(page.action, data=form, headers={"Cookie": cookie})
    assert response.status_code == 303, response.text
    cookies = response.headers.get_list("set-cookie")
    (session,) = [value for value in cookies if value.startswith(SESSION_COOKIE)]
    return session.partition(";")[0]


def new_code(http: httpx2.Client, client: NewClient, session: str) -> dict[str, str]:
    response = http.get(_login_url(client), headers={"Cookie": session})
    return {"grant_type": "authorization_code", "code": code_of(response)}


def new_token(http: httpx2.Client, client: NewClient, session: str) -> dict[str, str]:
    form = {
        "client_id": client.client.client_id,
        "client_secret": client.client_secret,
        **new_code(http, client, session),
    }
    return {"access_token": http.post("/accessToken", data=form).json()["access_token"]}


def _login_url(client: NewClient) -> str:
    return Browser(None, client.client.client_id).login_url()  # type: ignore[arg-type]  # it sends nothing
