"""LINE WORKS on a real socket, a company on both sides, and time that nobody waits for."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.types import Receive, Scope, Send
from tests.databases import directory_in
from tests.line_works_api.fake_api import Watch

from worksgate.administration.actor import Actor
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.administration.external_keys.sync import KeySync, Outcome
from worksgate.administration.line_works_api import Access
from worksgate.conformance.directory_api import (
    DirectoryApiSimulator,
    Member,
    Registered,
    Rules,
    register,
)
from worksgate.credentials.master_key import Keyring, MasterKey
from worksgate.directory.database import Directory
from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.calling import Timing
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.hosts import Hosts
from worksgate.oauth.model import Client

KEYRING = Keyring(MasterKey(bytes(32)))
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TENANT = Client(client_id="tenant", name="Tenant")
MANY = 1_000_000
"""Calls a minute, where a test is not about limits."""


@cache
def registered() -> Registered:
    return register()


@cache
def api_app(*scopes: str) -> ApiApp:
    """Our side of the app; reading its key takes a while."""
    used = registered()
    return ApiApp.checked(
        client_id=used.app.client_id,
        client_secret=used.app.client_secret,
        service_account=used.app.service_account,
        private_key=used.private_key,
        scopes=scopes or ("directory",),
    )


def member(name: str, key: str | None, **more: Any) -> Member:
    return Member(
        user_id=f"id-{name}", email=f"{name}@example.com", last_name=name, external_key=key, **more
    )


@dataclass
class LineWorks:
    """Where it is served, and what it holds; a test puts its own simulator in."""

    url: str = ""
    simulator: DirectoryApiSimulator = field(default_factory=DirectoryApiSimulator)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.simulator.app(scope, receive, send)

    @property
    def hosts(self) -> Hosts:
        return Hosts(api=f"{self.url}/v1.0", auth=f"{self.url}/oauth2/v2.0")

    def holds(
        self,
        keys: Mapping[str, str | None] | Iterable[Member],
        clock: Callable[[], float] = time.time,
        **rules: Any,
    ) -> DirectoryApiSimulator:
        """Begin anew with these members: ``name: key``."""
        members = [member(*each) for each in keys.items()] if isinstance(keys, Mapping) else keys
        self.simulator = DirectoryApiSimulator(
            members,
            rules=Rules(**({"calls_a_minute": MANY} | rules)),
            registered=registered(),
            clock=clock,
        )
        return self.simulator

    def keys(self) -> dict[str, str | None]:
        """What it holds now, by name."""
        return {
            email.partition("@")[0]: key for email, key in self.simulator.state().keys().items()
        }


@contextmanager
def served() -> Iterator[LineWorks]:
    """LINE WORKS on a free port of 127.0.0.1, until the end of the block."""
    line_works = LineWorks()
    config = uvicorn.Config(line_works, log_level="error", lifespan="off", loop="asyncio")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line_works.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
        )
        thread.start()
        try:
            yield line_works
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(60)
            assert not thread.is_alive()


@dataclass
class Company:
    """The people here, and how their keys get to LINE WORKS."""

    line_works: LineWorks
    directory: Directory
    folder: Path
    watch: Watch
    timeout: float = 5.0
    transport: httpx2.AsyncBaseTransport | None = None
    scopes: tuple[str, ...] = ("directory",)
    client: Client = TENANT

    here: list[KeyHolder] = field(default_factory=list)

    def employ(self, keys: Mapping[str, str | None]) -> None:
        """People here: ``name: key``."""
        self.here += [
            KeyHolder(
                username=name,
                external_key=key,
                works_account=f"{name}@example.com",
            )
            for name, key in keys.items()
        ]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[KeySync]:
        timing = Timing(
            now=self.watch.now,
            clock=self.watch.clock,
            sleep=self.watch.sleep,
            timeout=self.timeout,
        )
        access = Access(
            self.client,
            api_app(*self.scopes),
            self.line_works.hosts,
            lambda app, hosts: DirectoryApi.opened(
                app, hosts, timing=timing, transport=self.transport or plain_http()
            ),
            self.watch.sleep,
        )
        actor = Actor("tester", self.watch.now)
        async with access.open() as api:
            yield KeySync(access, api, self.directory, actor, self.folder, doing_nothing)

    async def sync(self, **options: Any) -> Outcome:
        """Go on, or else plan and write."""
        async with self.run() as run:
            if run.unfinished is not None:
                return await run.go_on(self.people)
            return await run.write(await run.plan(self.here, **options))

    async def undo(self, file: Path) -> Outcome:
        async with self.run() as run:
            return await run.write(await run.plan_undo(file, self.people), kind="undo")

    async def people(self) -> list[KeyHolder]:
        return self.here


def plain_http() -> httpx2.AsyncHTTPTransport:
    """A connection to this machine; reading the list of authorities takes a while."""
    return httpx2.AsyncHTTPTransport(verify=NO_TLS)


def doing_nothing(_what: str, _total: int | None) -> Any:
    return nullcontext(lambda done: None)


@asynccontextmanager
async def company_in(database: Path, line_works: LineWorks) -> AsyncIterator[Company]:
    folder = database.parent / "runs"
    folder.mkdir()
    async with directory_in(database, KEYRING) as directory:
        async with directory.changing() as transaction:
            await transaction.add_client(TENANT)
        yield Company(line_works, directory, folder, Watch())
