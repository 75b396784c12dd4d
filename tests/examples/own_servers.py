"""The servers of ``examples/`` that are not Worksgate, started as their README says."""

import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urljoin

import httpx2
from tests import machine
from tests.ports import free_port

from worksgate.conformance.line_works import (
    Credentials,
    Endpoints,
    authorization_url,
    redirect_uri_with_state,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
SERVERS = ("flask_authlib", "fastapi", "express")

CLIENT = Credentials("acme", "a secret of +%/& acme")
USERNAME, PASSWORD, USER_KEY = "alice", "paper lantern by the river", "E-1001"
REDIRECT_URI = redirect_uri_with_state("https://auth.worksmobile.com/cb", "kept/as it+is==")
PATIENCE = 120.0
"""Seconds that a server has to come up, or to answer, on a busy machine."""


@dataclass(frozen=True)
class OwnServer:
    """A server that runs."""

    name: str
    url: str
    endpoints: Endpoints


@dataclass
class Browser:
    """A browser at a server. Its cookies are Secure, which on loopback only browsers send."""

    server: OwnServer
    cookies: dict[str, str] = field(default_factory=dict)

    def open(self, **changes: str) -> httpx2.Response:
        url = authorization_url(
            self.server.endpoints.web_login,
            client_id=changes.get("client_id", CLIENT.client_id),
            redirect_uri=changes.get("redirect_uri", REDIRECT_URI),
            works_id=changes.get("works_id"),
        )
        return self.get(url)

    def get(self, url: str) -> httpx2.Response:
        return self._keep(httpx2.get(url, headers=self._headers(), timeout=PATIENCE))

    def submit(self, page: httpx2.Response, **fields: str) -> httpx2.Response:
        """Send the form of a page."""
        assert page.status_code == 200, page.text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf is not None, page.text
        form = {"csrf": csrf[1], "username": USERNAME, "password": PASSWORD, **fields}
        url = urljoin(str(page.url), "")
        return self._keep(httpx2.post(url, data=form, headers=self._headers(), timeout=PATIENCE))

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def _keep(self, answer: httpx2.Response) -> httpx2.Response:
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            is_over = not value or "1970" in cookie
            self.cookies.pop(name, None)
            self.cookies |= {} if is_over else {name: value}
        return answer


@contextmanager
def running(name: str, folder: Path) -> Iterator[OwnServer]:
    """Start a server, and end it afterwards."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            _command(name, port),
            cwd=EXAMPLES / name,
            env={**os.environ, **_settings(port)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(f"{url}/logout", process, output)
        yield OwnServer(
            name,
            url,
            Endpoints(
                web_login=f"{url}/login",
                app_login=f"{url}/login",
                access_token=f"{url}/accessToken",
                user_info=f"{url}/userInfo",
                logout=f"{url}/logout",
                imap_login=f"{url}/apiLogin/{CLIENT.client_id}",
            ),
        )
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _settings(port: int) -> Mapping[str, str]:
    return {
        "SSO_CLIENT_ID": CLIENT.client_id,
        "SSO_CLIENT_SECRET": CLIENT.client_secret,
        "SSO_SECRET_KEY": "a key for cookies that is long enough",
        "PORT": str(port),
        "NODE_ENV": "production",
    }


def _command(name: str, port: int) -> list[str]:
    match name:
        case "flask_authlib":
            gunicorn = [sys.executable, "-m", "gunicorn", "app:app"]
            return [*gunicorn, "--bind", f"127.0.0.1:{port}", "--threads", "8"]
        case "fastapi":
            uvicorn = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
            return [*uvicorn, "--http", "h11", "--no-access-log"]
        case _:
            install_packages(EXAMPLES / name)
            return [machine.require("node"), "server.js"]


def install_packages(folder: Path) -> None:
    """Install what the lock file has, once for all processes that ask."""
    npm = machine.require("npm")
    modules, lock = folder / "node_modules", folder / "package-lock.json"
    modules.mkdir(exist_ok=True)
    mark, wanted = modules / ".set-up", sha256(lock.read_bytes()).hexdigest()
    with lock.open() as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        if mark.exists() and mark.read_text() == wanted:
            return
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        mark.write_text(wanted)


def _wait_for(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx2.get(url, timeout=PATIENCE)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"no answer from {url}:\n{output.read_text('utf-8')}")
