"""The examples without Worksgate keep LINE WORKS' protocol, and what they promise on security."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement
from tests.conformance.runs import NEEDS_MORE
from tests.examples.own_servers import (
    CLIENT,
    EXAMPLES,
    PASSWORD,
    PATIENCE,
    REDIRECT_URI,
    SERVERS,
    USER_KEY,
    USERNAME,
    Browser,
    OwnServer,
    running,
)

from worksgate.conformance.line_works import parse_callback

ROOT = Path(__file__).parents[2]
PACKAGES = ("requirements.in", "requirements.txt", "package.json", "package-lock.json")
OTHER_CLIENTS = ("disabled", "barred", "other")
"""Of which these servers, with one client in their settings, have none."""


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnServer]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture(scope="module")
def signed_in(server: OwnServer) -> Browser:
    browser = Browser(server)
    answer = browser.submit(browser.open())
    assert answer.status_code == 303, answer.text
    assert parse_callback(answer.headers["location"], redirect_uri=REDIRECT_URI)
    return browser


def test_r209_worksgate_check_finds_nothing_wrong(server: OwnServer, tmp_path: Path) -> None:
    secret, password = tmp_path / "secret", tmp_path / "password"
    secret.write_text(CLIENT.client_secret)
    password.write_text(PASSWORD)
    command = [sys.executable, "-m", "worksgate", "check", server.url, "--imap", "--json"]
    command += ["--client-id", CLIENT.client_id, "--client-secret-file", str(secret)]
    command += ["--username", USERNAME, "--password-file", str(password), "--user-key", USER_KEY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    failed = [each for each in report["checks"] if each["outcome"] == "fail"]
    assert (done.returncode, failed) == (0, [])
    left = {each["id"] for each in report["checks"] if each["outcome"] == "not_tested"}
    assert {each for each in left if not each.startswith(("reach.", "refresh."))} == {
        *(each for each in NEEDS_MORE if not each.startswith("refresh.")),
        *(f"{api}.{which}_client" for api in ("token", "userinfo") for which in OTHER_CLIENTS),
        *("imap.base64", "imap.no_lockout", "imap.other_client"),
    }


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
def test_r209_nobody_is_sent_to_another_address(
    server: OwnServer, signed_in: Browser, redirect_uri: str
) -> None:
    asked = {"redirect_uri": redirect_uri}
    answer = signed_in.open(**asked)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    answer = httpx2.get(server.endpoints.logout, params=asked, timeout=PATIENCE)
    assert (answer.status_code, "location" in answer.headers) == (200, False)


def test_r209_a_request_that_is_wrong_gets_an_error(signed_in: Browser) -> None:
    browser = signed_in
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
    for cookie in httpx2.get(str(page.url), timeout=PATIENCE).headers.get_list("set-cookie"):
        assert cookie.startswith("__Host-")
        assert {"secure", "httponly", "samesite=lax"} <= set(cookie.lower().split("; "))


def test_r209_a_wrong_password_gets_no_code(server: OwnServer) -> None:
    browser = Browser(server)
    page = browser.open()
    for fields in ({"password": "wrong"}, {"username": "nobody"}, {"username": ""}):
        answer = browser.submit(page, **fields)
        assert (answer.status_code, "location" in answer.headers) == (403, False)
    assert browser.submit(page).status_code == 303


# their files


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_has_fewer_than_200_lines(name: str) -> None:
    """All of it: its page and its directory too."""
    kept = {"README.md", *PACKAGES}
    files = [each for each in (EXAMPLES / name).iterdir() if each.is_file()]
    lines = [
        line
        for each in files
        if each.name not in kept
        for line in each.read_text("utf-8").splitlines()
    ]
    assert len(lines) < 200
    assert max(len(line) for line in lines if "password" not in line) <= 110


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
    assert "://" not in text


def test_the_tests_have_what_the_examples_need() -> None:
    """CI installs it with everything else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert {"fastapi", "flask", "gunicorn"} <= set(project["dependency-groups"]["dev"])
