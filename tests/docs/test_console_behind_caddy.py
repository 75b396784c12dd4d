"""The console behind a real Caddy, with the sample of its page: an owner begins, by https."""

import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pyotp
from tests.databases import url_of
from tests.docs.proxies import (
    CALLER,
    HOST,
    Ports,
    Proxy,
    caddy_before_the_console,
    make_certificate,
)
from tests.machine import require
from tests.ports import free_ports

PATIENCE = 120.0
PASSWORD = "purple lantern over the bay"
WORKSGATE = (sys.executable, "-m", "worksgate")


@contextmanager
def served(folder: Path, console: int) -> Iterator[None]:
    """``worksgate serve`` with a console that one address may use, behind a proxy."""
    (port,) = free_ports(1)
    settings = {
        "public_url": f"http://127.0.0.1:{port}",
        "port": port,
        "database_url": url_of(folder / "worksgate.db"),
        "trusted_proxies": ["127.0.0.1"],
        "console_port": console,
        "console_url": f"https://{HOST}",
        "console_allowed_addresses": [CALLER],
    }
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    (folder / "worksgate.toml").write_text("".join(lines), "utf-8")
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen((*WORKSGATE, "serve"), cwd=folder, stdout=log, stderr=log)
    try:
        _wait_for(console)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(httpx2.TransportError):
            httpx2.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE)
            return
        time.sleep(0.1)
    raise AssertionError("the console does not come up")


def link_in(folder: Path) -> str:
    made = subprocess.run(
        (*WORKSGATE, "admin", "link", "--json"), cwd=folder, check=True, capture_output=True
    )
    url: str = json.loads(made.stdout)["url"]
    return url.removeprefix(f"https://{HOST}")


def post(proxy: Proxy, path: str, cookies: str, form: dict[str, str]) -> httpx2.Response:
    headers = {
        "Cookie": cookies,
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"https://{HOST}",
        "Sec-Fetch-Site": "same-origin",
    }
    return proxy.request("POST", path, headers=headers, body=urlencode(form).encode())


def hidden(page: httpx2.Response, name: str) -> str:
    (value,) = re.findall(rf'name="{name}" value="([^"]*)"', page.text)
    return html.unescape(value)


def examined(proxy: Proxy, session: str) -> str:
    """The page of the installation's health, once it has been examined."""
    until = time.monotonic() + PATIENCE
    while "Findings" not in (page := proxy.get("/health", Cookie=session).text):
        assert time.monotonic() < until, page
        time.sleep(0.1)
    return page


def test_r154_an_owner_begins_behind_caddy_and_only_from_an_allowed_address(tmp_path: Path) -> None:
    require("caddy")
    https, http, console = free_ports(3)
    folder = tmp_path / "caddy"
    folder.mkdir()
    certificate = make_certificate(tmp_path)
    with (
        served(tmp_path, console),
        caddy_before_the_console(folder, Ports(https, http, console), certificate) as proxy,
    ):
        link = link_in(tmp_path)
        page = proxy.get(link)
        assert page.status_code == 200
        cookie = page.headers["set-cookie"].partition(";")[0]
        form = {name: hidden(page, name) for name in ("csrf", "token")}
        form |= {"name": "Naoko", "username": "naoko"}
        ways = post(proxy, "/first", cookie, form)
        (found,) = re.findall(r"<code>([A-Z2-7 ]+)</code>", ways.text)
        form |= {
            "way": "app",
            "totp": re.findall(r'name="totp" value="([^"]*)"', ways.text)[0],
            "password": PASSWORD,
            "again": PASSWORD,
            "code": pyotp.TOTP(found.replace(" ", "")).now(),
        }
        made = post(proxy, "/first", cookie, form)
        assert made.status_code == 200, made.text
        (session,) = [
            each.partition(";")[0]
            for each in made.headers.get_list("set-cookie")
            if each.startswith("__Host-wg_console=")
        ]
        today = proxy.get("/", Cookie=session)
        assert "Naoko" in today.text
        assert today.headers["strict-transport-security"]
        # The console's own process examines the installation, as the command does.
        assert "it responds, and is at revision" in examined(proxy, session)
        # The proxy itself, and whoever claims another address to it, may not.
        for address, claim in (("127.0.0.1", ""), ("127.0.0.3", CALLER)):
            transport = httpx2.HTTPTransport(local_address=address, verify=False)
            with httpx2.Client(transport=transport, timeout=PATIENCE) as other:
                answer = other.get(
                    f"https://127.0.0.1:{https}/sign-in",
                    headers={"Host": HOST, **({"X-Forwarded-For": claim} if claim else {})},
                    extensions={"sni_hostname": HOST},
                )
                assert answer.status_code == 404
    assert link.partition("=")[2] not in (tmp_path / "server.log").read_text("utf-8")
