"""What the browsers look at: the demonstration, an installation whose clock a test moves, and
another site."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.installation import Installation, installed
from tests.ports import free_port

from worksgate.bootstrap.server import with_trusted_proxies
from worksgate.cli.demo.people import PASSWORD
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings
from worksgate.settings.sources import SourceSettings

START_TIME = 180.0
"""Seconds that the demonstration has to come up on a busy machine."""
PATIENCE = 60.0
"""Seconds that a request may need to come and be answered."""


@dataclass(frozen=True)
class Demo:
    """``worksgate demo``, running; ``lines`` are what it printed."""

    url: str
    simulator: str
    lines: tuple[str, ...]


@asynccontextmanager
async def running_demo(folder: Path) -> AsyncIterator[Demo]:
    """Start ``worksgate demo`` as a newcomer does; it must never complain of anything."""
    port, simulator_port, console_port = free_port(), free_port(), free_port()
    with (folder / "complaints").open("w+") as complaints:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("worksgate"),
            *("demo", "--port", str(port), "--simulator-port", str(simulator_port)),
            *("--console-port", str(console_port)),
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_TIME):
                lines = [(await process.stdout.readline()).decode().rstrip() for _ in range(5)]
            yield Demo(_loopback(port, "localhost"), _loopback(simulator_port), tuple(lines))
        finally:
            process.terminate()
            rest, _ = await process.communicate()
        complaints.seek(0)
        told = rest.decode() + complaints.read()
        assert process.returncode == 0, told
        assert "crashed" not in told, told
        assert PASSWORD not in told


def _listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def _loopback(port: int, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A server in the loop of the tests: it leaves the signals alone, and ends at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(application: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application in this loop, as ``worksgate serve`` would."""
    server = _Server(server_config(lambda: application, Settings()))
    running = asyncio.create_task(server.serve([listener]))
    while not server.started:
        assert not running.done()
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.stop.set()
        await running


@dataclass
class OtherSite:
    """A site of somebody else. LINE WORKS, in these tests, and sometimes an attacker.

    ``url`` is another site than 127.0.0.1, ``neighbour`` the same server as another origin of the
    same site. ``arrivals`` are the addresses that browsers came to with a code, path and query.
    """

    port: int
    arrivals: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return _loopback(self.port, "localhost")

    @property
    def neighbour(self) -> str:
        return _loopback(self.port)

    @property
    def callback(self) -> str:
        return f"{self.url}/cb"

    def shows(self, body: str) -> str:
        """Publish a page; return its path."""
        return self.shows_whole(f"<!doctype html><html lang=en><title>Elsewhere</title>{body}")

    def shows_whole(self, html: str) -> str:
        path = f"/pages/{len(self.pages)}"
        self.pages[path] = html
        return path

    @property
    def application(self) -> Starlette:
        return Starlette(
            routes=[Route("/cb", self._arrive), Route("/pages/{number}", self._show)],
            exception_handlers={404: _nothing},
        )

    async def _arrive(self, request: Request) -> Response:
        self.arrivals.append(f"{request.url.path}?{request.url.query}")
        return HTMLResponse("<!doctype html><html lang=en><title>Arrived</title><h1>Arrived</h1>")

    async def _show(self, request: Request) -> Response:
        return HTMLResponse(self.pages[request.url.path])


async def _nothing(_: Request, __: Exception) -> Response:
    return Response(status_code=204)


@dataclass
class Visit:
    """One request as the server saw it, with the status and the policy that it answered with."""

    method: str
    path: str
    headers: dict[str, str]
    status: int
    policy: str

    @property
    def cookies(self) -> str:
        return self.headers.get("cookie", "")


@dataclass
class VisitorsBook:
    """An application in front of another, which writes down what came.

    A browser tells a test little of a request whose answer it keeps from the page.
    """

    application: ASGIApp
    visits: list[Visit] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                request = Request(scope)
                policy = Headers(raw=message["headers"]).get("content-security-policy", "")
                self.visits.append(
                    Visit(
                        request.method,
                        request.url.path,
                        dict(request.headers),
                        message["status"],
                        policy,
                    )
                )
            await send(message)

        # Without the server's extension, by which an answer would pass the book by.
        await self.application({**scope, "extensions": {}}, receive, note)

    async def entries(self, method: str, path: str, number: int) -> list[Visit]:
        """The requests to that path, as soon as so many were answered."""
        async with asyncio.timeout(PATIENCE):
            while len(found := self._find(method, path)) < number:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)
        assert len(found) == number
        return found

    def _find(self, method: str, path: str) -> list[Visit]:
        return [visit for visit in self.visits if (visit.method, visit.path) == (method, path)]


def _behind_proxies(installation: Installation) -> ASGIApp:
    """The application as the server runs it, with the proxies that the settings trust."""
    return with_trusted_proxies(installation.application, installation.settings.trusted_proxies)


SourcesOf = Callable[[str], tuple[SourceSettings, ...]]


@dataclass
class Premises:
    """An installation on a real port, and the other site that plays LINE WORKS for it."""

    installation: Installation
    other: OtherSite
    book: VisitorsBook

    @property
    def url(self) -> str:
        return self.installation.origin

    def login_url(self, **parameters: str) -> str:
        """Where LINE WORKS sends a browser, with a state that must come back untouched."""
        wanted = {"redirect_uri": self.redirect_uri, **parameters}
        return self.url + self.installation.browser().login_url(**wanted)

    @property
    def redirect_uri(self) -> str:
        return f"{self.other.callback}?state=a%2Bb%3D%3D"

    @property
    def codes(self) -> list[str]:
        """The codes that came back; with each of them came the state, byte for byte (R-07)."""
        before = "/cb?state=a%2Bb%3D%3D&code="
        assert all(arrival.startswith(before) for arrival in self.other.arrivals)
        return [arrival.removeprefix(before) for arrival in self.other.arrivals]


@asynccontextmanager
async def open_premises(
    folder: Path,
    host: str = "127.0.0.1",
    sources: SourcesOf = lambda _: (),
    **settings: Any,
) -> AsyncIterator[Premises]:
    """An installation in this loop, which answers on 127.0.0.1, by this name.

    ``sources`` gives its identity sources, of its public address; ``settings`` are more of its
    settings.
    """
    ours, theirs = _listening(), _listening()
    other = OtherSite(theirs.getsockname()[1])
    url = _loopback(ours.getsockname()[1], host)
    async with (
        installed(folder, public_url=url, sources=sources(url), **settings) as installation,
        serving(other.application, theirs),
        serving(book := VisitorsBook(_behind_proxies(installation)), ours),
    ):
        await installation.change_client(
            redirect_uris=(other.callback,), logout_redirect_uris=(f"{other.url}/out",)
        )
        yield Premises(installation, other, book)
