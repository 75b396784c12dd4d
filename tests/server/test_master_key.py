"""A master key is replaced while a server with two workers runs (R-132)."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import aclosing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx2
import pyotp
import pytest
from tests.databases import query
from tests.faults.node import command
from tests.installation import USERNAME, Browser, LoginPage, code_of, prepared
from tests.ports import free_port
from tests.served import READ_TIMEOUT
from tests.server.processes import Running, started, write_settings

from worksgate.bootstrap.administration import open_administration
from worksgate.credentials.master_key import MasterKey

WORKERS = 2
SECRET = bytes(range(20))
APP = pyotp.TOTP("AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT")
OLD, NEW = MasterKey(bytes([1] * 32)), MasterKey(bytes([2] * 32))


class Site:
    """A server whose settings name key files, and a person who has an authenticator app."""

    def __init__(self, running: Running, client_id: str, operations: int) -> None:
        self.running = running
        self.operations = f"http://127.0.0.1:{operations}"
        self._client_id = client_id
        self._admin_port = operations
        self._reloads = 0

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.running.port}"

    def name(self, **keys: str) -> None:
        """Write settings that name these key files."""
        known = {"public_url": self._url, "port": self.running.port, "hashing_threads": 1}
        write_settings(self.running.folder, **known, admin_port=self._admin_port, **keys)

    def reload(self, **keys: str) -> None:
        """Let every worker take on settings that name these key files."""
        self.name(**keys)
        self.running.signal(signal.SIGHUP)
        self._reloads += 1
        self.running.wait_for("settings.read", WORKERS * self._reloads)
        assert self.running.named("settings.kept") == []

    def encrypt(self, **keys: MasterKey) -> None:
        """``worksgate key encrypt`` where these keys are at hand."""
        given = {f"WORKSGATE_{name.upper()}": key.text for name, key in keys.items()}
        url = f"sqlite:///{self.running.folder / 'worksgate.db'}"
        settings = {"WORKSGATE_DATABASE_URL": url, **given}
        away = self.running.folder / "elsewhere"
        away.mkdir(exist_ok=True)
        command(settings, away, "key", "encrypt", "--yes")

    async def begun(self) -> tuple[Browser, LoginPage]:
        """A sign-in that stands at the code of the app."""
        jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        # A connection for each request: any worker may get it.
        limits = httpx2.Limits(max_keepalive_connections=0)
        http = httpx2.AsyncClient(
            base_url=self._url, cookies=jar, limits=limits, timeout=READ_TIMEOUT
        )
        browser = Browser(http, self._client_id)
        return browser, LoginPage.of(await browser.sign_in())

    async def finish(self, browser: Browser, page: LoginPage) -> httpx2.Response:
        """The answer to the right code, which no sign-in has used yet."""
        query(self.running.folder / "worksgate.db", "UPDATE totp_secrets SET last_step = 1")
        async with aclosing(browser.http):
            return await browser.submit(page, step="prove", otp=APP.at(int(time.time())))

    async def sign_in(self) -> None:
        """Sign in a few times, so that each worker is asked."""
        for _ in range(3):
            assert code_of(await self.finish(*await self.begun()))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for name, key in (("old", OLD), ("new", NEW)):
        (tmp_path / f"{name}.key").write_text(key.text)
    port, operations = free_port(), free_port()

    async def furnish() -> str:
        settings, client = await prepared(tmp_path, public_url=f"http://127.0.0.1:{port}")
        async with open_administration(settings, actor="test") as administration:
            await administration.clients.change("Acme", second_factor="required")
            account = await administration.users.get(USERNAME)
        query(
            tmp_path / "worksgate.db",
            "INSERT INTO totp_secrets VALUES (?, ?, 1, 1.0, NULL)",
            account.person.subject_id,
            SECRET,
        )
        return client.client.client_id

    client_id = asyncio.run(furnish())
    described = Running(None, port, tmp_path)  # type: ignore[arg-type]  # nothing runs yet
    Site(described, client_id, operations).name(master_key_file="old.key")
    with started(tmp_path, port, "--workers", str(WORKERS)) as running:
        running.wait_for("worker.ready", WORKERS)
        yield Site(running, client_id, operations)


async def test_r132_a_key_is_replaced_while_people_sign_in(site: Site) -> None:
    site.encrypt(master_key=OLD)
    await site.sign_in()
    half_way = [await site.begun() for _ in range(4)]
    for step in (
        lambda: site.reload(master_key_file="new.key", previous_master_key_file="old.key"),
        lambda: site.encrypt(master_key=NEW, previous_master_key=OLD),
        lambda: (site.running.folder / "old.key").unlink(),
        lambda: site.reload(master_key_file="new.key"),
    ):
        await asyncio.to_thread(step)
        assert code_of(await site.finish(*half_way.pop()))  # it had begun before
        await site.sign_in()
    (left,) = query(
        site.running.folder / "worksgate.db",
        "SELECT DISTINCT hex(substr(secret, 1, 7)) FROM totp_secrets",
    )
    assert left == ((b"wg1" + bytes.fromhex(NEW.id)).hex().upper(),)
    assert site.running.named("request.unavailable") == []
    assert all(key.text not in str(site.running.events) for key in (OLD, NEW))


async def test_r132_a_node_without_the_key_in_force_says_so_and_serves_all_others(
    site: Site,
) -> None:
    """Another node has put a key in force that this one was not given."""
    site.encrypt(master_key=OLD)
    half_way = await site.begun()
    site.encrypt(master_key=NEW, previous_master_key=OLD)
    async with httpx2.AsyncClient(base_url=site.operations, timeout=READ_TIMEOUT) as operations:
        ready = await operations.get("/readyz")
        assert ready.status_code == 200
        told = ready.json()["checks"]["master_key"]
        assert told["status"] == "unavailable"
        assert f"encrypted under master key {NEW.id}" in told["reason"]
        assert (await site.finish(*half_way)).status_code == 503
        await operations.get("/readyz")
        assert len(site.running.named("readiness.impaired")) <= WORKERS
        impaired = site.running.wait_for("readiness.impaired")
        assert (impaired["level"], impaired["check"]) == ("warning", "master_key")
        site.reload(master_key_file="new.key", previous_master_key_file="old.key")
        await site.sign_in()
        found = (await operations.get("/readyz")).json()["checks"]["master_key"]
        assert found["status"] == "ok"
