"""A complete sign-in through ``worksgate serve``, and a search for its secrets everywhere.

Passwords, codes, tokens, cookies and form secrets are looked for in all that the server wrote: its
two output streams and every file of its database (audit records included), as they are and in the
encodings in which they could hide.
"""

import asyncio
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx2
import pytest
from tests.installation import CALLBACK, PASSWORD, USERNAME, Browser, LoginPage, code_of, prepared
from tests.ports import free_port
from tests.served import wait_until

from worksgate.administration import NewClient
from worksgate.bootstrap.administration import open_administration
from worksgate.credentials.secrets import digest, storage_key
from worksgate.settings.options import Settings

STATE = "canary-state-5d1c9e"
WRONG_PASSWORD = "canary wrong horse 8f3a"
NEW_PASSWORD = "canary right horse 27be"
WRONG_SECRET = "canary-wrong-secret-41aa"
WRONG_CODE = "canary-wrong-code-93fd"
WRONG_TOKEN = "canary-wrong-token-06c1"
SESSION_KEY = "canary-session-key-77e0"
IMAP_PASSWORD = "canary imap horse 15dc"


@dataclass
class Flow:
    """What a browser and LINE WORKS do, and every secret that went over the wire meanwhile."""

    http: httpx2.Client
    client: NewClient
    secrets: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def remember(self, **secrets: str) -> None:
        for name, value in secrets.items():
            self.secrets[f"{name} {len(self.secrets)}"] = value

    def get(self, url: str) -> httpx2.Response:
        return self._keep(self.http.get(url, headers=self._cookie_header()))

    def post(self, url: str, form: dict[str, str]) -> httpx2.Response:
        return self._keep(self.http.post(url, data=form, headers=self._cookie_header()))

    def call(self, path: str, **form: str) -> httpx2.Response:
        """A call of LINE WORKS."""
        identity = {
            "client_id": self.client.client.client_id,
            "client_secret": self.client.client_secret,
        }
        return self.http.post(path, data={**identity, **form})

    def login_url(self, **parameters: str) -> str:
        browser = Browser(self.http, self.client.client.client_id)  # type: ignore[arg-type]  # it sends nothing
        return browser.login_url(f"{CALLBACK}?state={STATE}", **parameters)

    def login_page(self) -> LoginPage:
        page = LoginPage.of(self.get(self.login_url(userAgent="LineWorks", sessionKey=SESSION_KEY)))
        self.remember(txn=page.txn, csrf=page.csrf)
        return page

    def _cookie_header(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def _keep(self, response: httpx2.Response) -> httpx2.Response:
        for header in response.headers.get_list("set-cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if len(value) > 2:
                # A device cookie is an id and a signature; the signature is the secret.
                self.remember(**{name: value.rpartition(".")[2]})
        return response


@contextmanager
def serving(settings: Settings, log: Path) -> Iterator[httpx2.Client]:
    """``worksgate serve`` as a process of its own, its output in files."""
    environment = {
        **{name: value for name, value in os.environ.items() if "WORKSGATE" not in name},
        "WORKSGATE_PUBLIC_URL": settings.public_url,
        "WORKSGATE_DATABASE_URL": settings.database_url,
        "WORKSGATE_ANSWER_DEADLINE": "2.9",  # the longest; the machine may be busy
        "WORKSGATE_LOG_LEVEL": "debug",
        "WORKSGATE_LOG_FORMAT": "json",
    }
    port = settings.public_url.rpartition(":")[2]
    with log.open("wb") as out, log.with_suffix(".err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "worksgate", "serve", "--host", "127.0.0.1", "--port", port],
            cwd=log.parent,
            env=environment,
            stdout=out,
            stderr=err,
        )
        try:
            with httpx2.Client(base_url=settings.public_url, timeout=60) as http:
                wait_until(lambda: process.poll() is not None or is_ready(http))
                assert process.poll() is None, log.with_suffix(".err").read_text()
                yield http
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) in (0, -signal.SIGTERM)


def is_ready(http: httpx2.Client) -> bool:
    with suppress(httpx2.TransportError):
        return http.get("/readyz").status_code == 200
    return False


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Flow, dict[str, bytes]]:
    """The flow that was gone through, and the content of all that was written by it."""
    folder = tmp_path_factory.mktemp("canary")
    url = f"http://127.0.0.1:{free_port()}"
    settings, client = asyncio.run(prepared(folder, public_url=url))
    asyncio.run(set_up(settings))
    log = folder / "worksgate.log"
    with serving(settings, log) as http:
        flow = Flow(http, client)
        flow.remember(
            password=PASSWORD,
            wrong_password=WRONG_PASSWORD,
            new_password=NEW_PASSWORD,
            imap_password=IMAP_PASSWORD,
            client_secret=client.client_secret,
            wrong_secret=WRONG_SECRET,
            wrong_code=WRONG_CODE,
            wrong_token=WRONG_TOKEN,
            state=STATE,
            session_key=SESSION_KEY,
        )
        go_through(flow)
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
    files |= {f"{file.name} at the end": file.read_bytes() for file in folder.iterdir()}
    return flow, files


async def set_up(settings: Settings) -> None:
    async with open_administration(settings) as administration:
        await administration.clients.change("Acme", refresh_tokens=True)
        await administration.users.add(
            "user2@example.com", password=NEW_PASSWORD, external_key="user2"
        )


def go_through(flow: Flow) -> None:
    sign_in(flow)
    fetch_tokens(flow)
    make_mistakes(flow)
    flow.get(f"/logout?redirect_uri={quote(CALLBACK, safe='')}")
    page = flow.login_page()
    form = page.form(username="user2@example.com", password=NEW_PASSWORD)
    flow.remember(code=code_of(flow.post(page.action, form)))


def sign_in(flow: Flow) -> None:
    page = flow.login_page()
    wrong = flow.post(page.action, page.form(username=USERNAME, password=WRONG_PASSWORD))
    assert wrong.status_code == 403
    right = flow.post(page.action, page.form(username=USERNAME, password=PASSWORD))
    flow.remember(code=code_of(right))
    assert flow.post(page.action, page.form(username="x", password=PASSWORD)).status_code == 409


def fetch_tokens(flow: Flow) -> None:
    code = code_of(flow.get(flow.login_url()))
    grant = {"grant_type": "authorization_code", "code": code}
    token = flow.call("/accessToken", **grant).json()
    refreshed = flow.call(
        "/accessToken", grant_type="refresh_token", refresh_token=token["refresh_token"]
    ).json()
    for body in (token, refreshed):
        flow.remember(access_token=body["access_token"], refresh_token=body["refresh_token"])
    who = flow.call("/userInfo", access_token=refreshed["access_token"])
    assert who.json() == {"user_id": "user1"}
    flow.remember(code=code)
    assert flow.call("/accessToken", **grant).status_code == 400
    assert flow.call("/userInfo", access_token=token["access_token"]).status_code == 401


def make_mistakes(flow: Flow) -> None:
    """Secrets in places where they don't belong, and calls that fail in every way."""
    grant = {"grant_type": "authorization_code", "code": WRONG_CODE}
    flow.call("/accessToken", **grant)
    flow.call("/accessToken", **grant, client_secret=WRONG_SECRET)
    flow.call("/accessToken", grant_type=WRONG_CODE, code=WRONG_CODE)
    flow.call("/userInfo", access_token=WRONG_TOKEN)
    flow.call(f"/accessToken/{WRONG_TOKEN}?code={WRONG_CODE}")
    flow.call(f"/accessToken?client_secret={WRONG_SECRET}&code={WRONG_CODE}", code="")
    exchanged = {"client_id": flow.client.client_secret, "client_secret": WRONG_SECRET}
    flow.call("/accessToken", **{**grant, **exchanged})
    flow.call("/userInfo", access_token=WRONG_TOKEN, client_id=flow.client.client_secret)
    flow.http.post("/accessToken", json={"client_secret": WRONG_SECRET})
    flow.http.get(f"/userInfo?access_token={WRONG_TOKEN}")
    flow.get(flow.login_url(client_id="nobody", password=WRONG_PASSWORD))
    flow.get(f"/login?redirect_uri=https://evil.example/{WRONG_CODE}")
    flow.post("/login", {"txn": WRONG_CODE, "csrf": WRONG_TOKEN, "password": WRONG_PASSWORD})
    password = quote(b64encode(IMAP_PASSWORD.encode()).decode(), safe="")
    flow.get(f"/apiLogin/{flow.client.client.client_id}?email=x&password={password}")


def hiding_places(secret: str) -> set[bytes]:
    raw = secret.encode()
    texts = {secret, quote(secret, safe=""), quote_plus(secret), raw.hex(), secret[::-1]}
    # Base64 of something longer holds one of three forms, by where the secret begins in it.
    texts |= {b64encode(b"x" * shift + raw).decode()[4:-4] for shift in range(3)}
    return {text.encode() for text in texts}


def test_r106_no_secret_is_in_any_log_or_file(written: tuple[Flow, dict[str, bytes]]) -> None:
    flow, files = written
    found = [
        f"{name} in {file}"
        for name, secret in flow.secrets.items()
        for file, content in files.items()
        if any(place in content for place in hiding_places(secret))
    ]
    assert found == []


def test_r33_r46_r57_what_is_kept_are_digests(written: tuple[Flow, dict[str, bytes]]) -> None:
    """The search above would find what is there: it finds what may be there."""
    flow, files = written
    database = b"".join(content for name, content in files.items() if ".db" in name)
    kinds = ("code", "access_token", "refresh_token", "client_secret", "__Host-wg_session")
    for kind in kinds:
        values = [value for name, value in flow.secrets.items() if name.startswith(f"{kind} ")]
        assert values, kind
        kept_as = digest if kind == "client_secret" else storage_key
        assert any(kept_as(value).encode() in database for value in values), kind
    assert len(flow.secrets) > 25


def test_r105_the_log_tells_the_whole_story_in_json_lines(
    written: tuple[Flow, dict[str, bytes]],
) -> None:
    _, files = written
    log = files["worksgate.log at the end"].decode()
    for event in (
        *("login.requested", "login.failed", "login.succeeded", "code.issued", "code.redeemed"),
        *("code.replayed", "token.refreshed", "user_info.returned", "client.refused", "logout"),
    ):
        assert f'"event":"{event}"' in log, event
    assert all(line.startswith("{") and line.endswith("}") for line in log.splitlines())
    assert files["worksgate.err at the end"] == b""
