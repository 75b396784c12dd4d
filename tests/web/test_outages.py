"""Outages: every request ends in time, and with a refusal."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from tests.installation import (
    PASSWORD,
    PUBLIC_URL,
    USERNAME,
    Installation,
    LoginPage,
    application_of,
    assert_page,
    installed,
)

from worksgate.bootstrap.application import create_app
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.secrets import digest
from worksgate.oauth.model import Client, ClientSecret
from worksgate.provider.calls.audit_trail import CallAuditTrail
from worksgate.provider.calls.tokens import LineWorksCalls
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.provider.sign_in.session_key import SessionKeys
from worksgate.provider.sign_in.transaction import TransactionSigner
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Throttle, ThrottlePolicy
from worksgate.settings.options import Settings
from worksgate.sources import Person, SourceUnavailable
from worksgate.store import A, R, Redemption, RedemptionRecord, Successors
from worksgate.store.memory import MemoryStore
from worksgate.store.sqlite import group_commit
from worksgate.store.sqlite import store as sqlite_store
from worksgate.web.application import Application
from worksgate.web.installation import Installation as Opened

pytestmark = pytest.mark.deadlines

DEADLINE = 2.5
SLACK = 1.5
"""Seconds that a busy machine may add."""

UNAVAILABLE = {
    "error": "server_error",
    "error_description": "Temporarily unavailable, please try again",
}


def assert_unavailable(response: httpx2.Response) -> None:
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.json() == UNAVAILABLE


@pytest.mark.slow
async def test_r52_with_the_store_locked_every_request_ends_in_time(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (group_commit, sqlite_store):  # or a busy machine is late before that is over
        monkeypatch.setattr(module, "QUEUE_TIMEOUT", DEADLINE / 2)
    await installation.change_client(error_status="always_200")
    browser = installation.browser()
    token = await installation.access_token(await browser.code())
    fresh = installation.browser()
    page = await fresh.login_page()
    began = time.monotonic()
    with installation.locked():
        exchange, user_info, login, ready, arrive = await asyncio.gather(
            installation.exchange("x"),
            installation.user_info(token),
            fresh.submit(page, username=USERNAME, password=PASSWORD),
            installation.http().get("/readyz"),
            installation.browser().arrive(),
        )
        took = time.monotonic() - began
    assert took < DEADLINE + SLACK
    assert_unavailable(exchange)
    assert user_info.json() == {"user_id": "user1"}  # what only reads goes on
    assert_page(login, 503)
    assert LoginPage.of(login).username == USERNAME
    assert "Signing in is not possible right now" in login.text
    assert "company directory" not in login.text  # it is in good health
    assert ready.status_code == 503
    assert arrive.status_code == 200
    assert (await fresh.submit(page, username=USERNAME, password=PASSWORD)).status_code == 303


async def test_r52_a_lock_that_ends_in_time_is_not_noticed(installation: Installation) -> None:
    code = await installation.browser().code()
    with installation.locked():
        waiting = asyncio.create_task(installation.exchange(code))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert (await waiting).status_code == 200


@pytest.mark.slow
async def test_r52_a_source_that_hangs_is_answered_with_a_page(tmp_path: Path) -> None:
    async with served_by(tmp_path, Hanging()) as (browser_http, page):
        began = time.monotonic()
        response = await browser_http.post(page.action, data=filled(page))
        assert_page(response, 503)
        assert time.monotonic() - began < DEADLINE + SLACK


async def test_r52_what_cannot_start_answers_503_in_json(tmp_path: Path) -> None:
    (tmp_path / "worksgate.db").mkdir()  # a folder is no database
    settings = Settings(public_url=PUBLIC_URL, database_url=f"sqlite:///{tmp_path}/worksgate.db")
    transport = httpx2.ASGITransport(create_app(settings))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as http:
        response = await http.post("/accessToken", data={"x": "1"})
    assert_unavailable(response)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_an_outage_of_a_source_is_no_wrong_password(tmp_path: Path) -> None:
    async with served_by(tmp_path, Down()) as (http, page):
        with structlog.testing.capture_logs() as logs:
            response = await http.post(page.action, data=filled(page))
        assert_page(response, 503)
        assert "does not answer" in response.text
    told = [each["detail"] for each in logs if each["event"] == "request.unavailable"]
    assert told == ["nobody is there"]


async def test_a_wrong_password_is_no_outage(installation: Installation) -> None:
    browser = installation.browser()
    with structlog.testing.capture_logs() as logs:
        assert (await browser.sign_in(password="wrong")).status_code == 403
    assert "request.unavailable" not in [each["event"] for each in logs]


async def test_r108_a_source_that_crashes_grants_no_access(tmp_path: Path) -> None:
    async with served_by(tmp_path, Crashing()) as (http, page):
        response = await http.post(page.action, data=filled(page))
        assert_page(response, 500)
        assert "set-cookie" not in response.headers
        assert "a secret" not in response.text


async def test_r50_r108_a_crash_on_the_back_channel_is_a_refusal_in_json() -> None:
    async with crashing_back_channel() as http:
        for path, secret in (("/accessToken", "code"), ("/userInfo", "access_token")):
            form = {
                "client_id": "c",
                "client_secret": "s",
                "grant_type": "authorization_code",
                secret: "x",
            }
            response = await http.post(path, data=form)
            assert response.status_code == 500
            assert response.json() == UNAVAILABLE
            assert response.headers["cache-control"] == "no-store"


class Hanging:
    """A source that takes the password and then says nothing."""

    name = "directory"

    async def authenticate(self, username: str, password: str) -> Person | None:
        await asyncio.sleep(3_600)
        return None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return None


class Down(Hanging):
    async def authenticate(self, username: str, password: str) -> Person | None:
        raise SourceUnavailable("nobody is there")


class Crashing(Hanging):
    async def authenticate(self, username: str, password: str) -> Person | None:
        raise RuntimeError(f"a secret: {password}")


class CrashingStore(MemoryStore):
    """A store with a mistake in it."""

    async def redeem(
        self,
        kind: type[R],
        key: str,
        client_id: str,
        successors: Successors,
        now: float,
        record: RedemptionRecord | None = None,
    ) -> Redemption:
        raise RuntimeError("a secret")

    async def find(self, kind: type[A], key: str) -> A | None:
        raise RuntimeError("a secret")


class NoAudit:
    def record(self, event: object) -> None:
        return None

    async def room(self) -> None:
        return None

    async def flush(self) -> None:
        return None


@asynccontextmanager
async def served_by(
    folder: Path, source: Hanging
) -> AsyncIterator[tuple[httpx2.AsyncClient, LoginPage]]:
    """The login page of an installation with another source of people."""
    async with installed(folder) as installation:
        application = application_of(installation.settings, sources=[source])
        await application.start()
        installation = replace(installation, application=application, _http=[])
        browser = installation.browser()
        yield browser.http, await browser.login_page()
        await installation.close()
        await application.close()


def filled(page: LoginPage) -> dict[str, str]:
    return page.form(username=USERNAME, password=PASSWORD)


@asynccontextmanager
async def crashing_back_channel() -> AsyncIterator[httpx2.AsyncClient]:
    settings = Settings(public_url=PUBLIC_URL)
    client = Client(client_id="c", name="C", secrets=(ClientSecret(digest("s")),))
    nobody_asks: Any = None

    async def load() -> Mapping[str, Client]:
        return {client.client_id: client}

    @asynccontextmanager
    async def opened() -> AsyncIterator[Opened]:
        store = CrashingStore()
        provider = IdentityProvider(
            settings,
            clients=ClientRegistry(load),
            store=store,
            sources=SourcesInUse(),
            throttle=Throttle(store, ThrottlePolicy()),
            factors=nobody_asks,
            factor_throttle=Throttle(store, ThrottlePolicy(), "factor"),
            audit=NoAudit(),
            strangers=StrangerRecords(NoAudit()),
            signer=TransactionSigner(b"k" * 32),
            session_keys=SessionKeys("http://127.0.0.1:9/", store),
        )
        yield Opened(
            provider=provider,
            calls=LineWorksCalls(provider.clients, store, CallAuditTrail(NoAudit()), time.time),
            mail_clients=nobody_asks,
            self_service=nobody_asks,
            password_reset=None,
            disavowal=nobody_asks,
            form_key=b"k",
        )

    application = Application(settings, opened)
    transport = httpx2.ASGITransport(application)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as http:
        yield http
    await application.close()


@pytest.mark.parametrize("path", ["/accessToken", "/userInfo"])
async def test_a_caller_who_hangs_up_leaves_nothing_behind(
    installation: Installation, path: str
) -> None:
    """The body is announced and never comes: no answer is owed, and nothing is held."""
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "query_string": b"",
        "headers": [
            (b"host", b"sso.example.com"),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ],
        "client": ("203.0.113.7", 1),
    }
    await installation.application(scope, receive, send)
    assert sent == []
