"""Three servers in one process: Worksgate, its console, and the simulator with the provider."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from worksgate.bootstrap.application import create_app
from worksgate.cli.demo import line_works_api
from worksgate.cli.demo.commands_to_try import write_commands
from worksgate.cli.demo.company import prepare_company
from worksgate.cli.demo.console_door import open_door
from worksgate.cli.demo.installation import (
    CLIENT,
    Addresses,
    demonstrated,
    partner_source,
    prepare,
    return_url,
)
from worksgate.cli.demo.openid_provider import Registration, create_openid_provider
from worksgate.cli.demo.people import COLLEAGUES, GUESTS, PASSWORD
from worksgate.conformance.directory_api.simulator import API_PATH
from worksgate.conformance.simulator import create_simulator
from worksgate.observability import log
from worksgate.server.listening import listen
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings
from worksgate.settings.sources import OidcSettings


def run(settings: Settings, *, simulator_port: int, console_port: int) -> None:
    """Run all until Ctrl-C. ``settings`` give the port and the database.

    Raises ConfigurationError or CannotListen.
    """
    addresses = Addresses(settings.port, simulator_port, console_port)
    partner = partner_source(addresses.issuer)
    settings = demonstrated(settings, addresses, partner)
    with contextlib.ExitStack() as stack:
        sockets = tuple(
            stack.enter_context(listen(settings.host, port, option=_by(option)))
            for port, option in (
                (settings.port, "--port 9080"),
                (simulator_port, "--simulator-port 9090"),
                (console_port, "--console-port 9070"),
            )
        )
        log.configure(settings)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(settings, partner, addresses.simulator, sockets))
    log.close()


def _by(option: str) -> str:
    return f'{option} (make run ARGS="{option}")'


async def _run(
    settings: Settings, partner: OidcSettings, simulator_url: str, sockets: Sequence[socket.socket]
) -> None:
    file = line_works_api.write_settings(settings)
    making = asyncio.create_task(asyncio.to_thread(line_works_api.create))  # it makes a key pair
    prepared = await prepare(settings, simulator_url)
    owner = await prepare_company(settings, CLIENT, prepared.redirect_uri)
    api = await making
    await line_works_api.set_up(settings, CLIENT, api.registered)
    commands = write_commands(file, settings.public_url, prepared)
    simulator = create_simulator(prepared)
    door, _ = open_door(settings, owner)  # its server closes it
    provider = create_openid_provider(
        Registration(
            issuer=partner.issuer,
            client_id=partner.client_id,
            client_secret=partner.client_secret,
            redirect_uri=return_url(settings),
        ),
        COLLEAGUES,
    )
    beside: dict[str, ASGIApp] = {
        urlsplit(partner.issuer).path: provider,
        **line_works_api.paths(api),
    }
    factories: tuple[Callable[[], ASGIApp], ...] = (
        lambda: create_app(settings),
        lambda: PathMounts(simulator, beside),
        lambda: door,
    )
    servers = [_Server(server_config(factory, settings)) for factory in factories]
    with _stopping(servers):
        announcing = asyncio.create_task(_announce(servers, simulator_url, commands, door.link))
        try:
            await asyncio.gather(
                *(
                    server.serve([listening])
                    for server, listening in zip(servers, sockets, strict=True)
                )
            )
        finally:
            announcing.cancel()


@dataclass(frozen=True, slots=True)
class PathMounts:
    """One application, and others below paths of their own; the first gets lifespan events."""

    first: ASGIApp
    others: Mapping[str, ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._chosen(scope)(scope, receive, send)

    def _chosen(self, scope: Scope) -> ASGIApp:
        if scope["type"] == "http":
            for path, other in self.others.items():
                if scope["path"].startswith(f"{path}/"):
                    return other
        return self.first


async def _announce(
    servers: Sequence["_Server"], simulator_url: str, commands: Path, console: str
) -> None:
    """Print where to click and what to type once all respond: five lines, and nothing else."""
    await asyncio.gather(*(server.ready.wait() for server in servers))
    print(f"Open {simulator_url} and press “Sign in with a browser”.", flush=True)
    print(f"Sign in as {GUESTS[0].username} with the password: {PASSWORD}", flush=True)
    print(f"LINE WORKS' API is at {simulator_url}{API_PATH}, and lacks some keys.", flush=True)
    print(f"Commands to try (check, keys, record and replay): {commands}", flush=True)
    print(f"Administrators open {console}", flush=True)


class _Server(uvicorn.Server):
    """One of several servers in a process: none may claim the signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, also what is accepted at this moment: uvicorn would wait until its caller leaves."""
        for listening in self.servers:
            listening.close()
        await asyncio.sleep(0)  # what is accepted is made a connection before that returns
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def _stopping(servers: list[_Server]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end all servers; a second Ctrl-C does not wait for them."""

    def stop(number: int, _: FrameType | None) -> None:
        for server in servers:
            server.force_exit = server.should_exit and number == signal.SIGINT
            server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
