"""The demonstration: Worksgate and the simulator of LINE WORKS side by side in one process.

It listens on loopback alone, with a database of its own, one client (and a disabled one, to show
error 101) and three people. Nothing of it is a default of the real server (R-103).
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from worksgate import log
from worksgate.administration import Administration, NewClient, NotFound
from worksgate.bootstrap import create_app, open_administration
from worksgate.config import checked
from worksgate.conformance.line_works import Credentials, Endpoints
from worksgate.listening import listen
from worksgate.oauth.model import SessionKeyCheck
from worksgate.server import server_config
from worksgate.settings import Settings
from worksgate.simulator import DemoPerson, SimulatorSettings, create_simulator

CLIENT = "Demo"
DISABLED_CLIENT = "Demo, disabled"
PASSWORD = "paper lantern by the river"


@dataclass(frozen=True, slots=True)
class _Guest:
    """A person of the demonstration, and what there is to see with them."""

    username: str
    name: str
    external_key: str
    works_account: str
    note: dict[str, str]
    enabled: bool = True


GUESTS = (
    _Guest(
        "aoi@example.com",
        "Aoi Tanaka",
        "E-1001",
        "aoi@example.com",
        {
            "en": "An ordinary sign-in.",
            "ja": "通常のログインです。",
            "ko": "일반적인 로그인입니다.",
        },
    ),
    _Guest(
        "minjun@example.com",
        "Minjun Kim",
        "E-1002",
        "minjun@example.com",
        {
            "en": "A second person: sign in as one, then ask for the other.",
            "ja": "2人目のユーザーです。一方でログインしたまま、もう一方を指定してみてください。",
            "ko": "두 번째 사용자입니다. 한 명으로 로그인한 뒤 다른 사람을 요청해 보세요.",
        },
    ),
    _Guest(
        "taylor@example.com",
        "Taylor Reed",
        "E-1003",
        "taylor@example.com",
        {
            "en": "Disabled by the administrator: the sign-in is refused.",
            "ja": "管理者が無効にしたユーザーです。ログインは拒否されます。",
            "ko": "관리자가 비활성화한 사용자입니다. 로그인이 거부됩니다.",
        },
        enabled=False,
    ),
)


def run(settings: Settings, *, simulator_port: int) -> None:
    """Run both until Ctrl-C. ``settings`` say the port and where the database is.

    Raises ConfigurationError or CannotListen.
    """
    simulator = f"http://127.0.0.1:{simulator_port}"
    settings = checked(
        replace(
            settings,
            host="127.0.0.1",
            public_url=f"http://127.0.0.1:{settings.port}",
            company_name="Example Trading",
            session_key_check_url=f"{simulator}/login/check/",
            start_over_url=f"{simulator}/?domain={{domain}}&service={{service}}",
        )
    )
    with contextlib.ExitStack() as stack:
        sockets = (
            stack.enter_context(listen(settings.host, settings.port, option=_by("--port 9080"))),
            stack.enter_context(
                listen(settings.host, simulator_port, option=_by("--simulator-port 9090"))
            ),
        )
        log.configure(settings)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(settings, simulator, sockets))
    log.close()


def _by(option: str) -> str:
    return f'{option} (make run ARGS="{option}")'


async def prepare(settings: Settings, simulator_url: str) -> SimulatorSettings:
    """Register the clients and the people; what a simulator at that address needs to know."""
    simulator = SimulatorSettings(
        public_url=simulator_url,
        endpoints=Endpoints("", "", "", "", ""),
        credentials=Credentials("", ""),
    )
    async with open_administration(settings, actor="demo") as administration:
        client = await _fresh_client(administration, CLIENT, simulator)
        disabled = await _fresh_client(administration, DISABLED_CLIENT, simulator)
        await administration.disable_client(DISABLED_CLIENT)
        for guest in GUESTS:
            await _welcome(administration, guest)
    urls = client.urls
    return replace(
        simulator,
        endpoints=Endpoints(
            web_login=urls["web_login"],
            app_login=urls["app_login"],
            access_token=urls["access_token"],
            user_info=urls["user_info"],
            logout=urls["logout"],
        ),
        credentials=_credentials(client),
        disabled_client=_credentials(disabled),
        people=tuple(
            DemoPerson(guest.username, PASSWORD, guest.name, guest.works_account, guest.note)
            for guest in GUESTS
        ),
    )


async def _run(
    settings: Settings, simulator_url: str, sockets: tuple[socket.socket, socket.socket]
) -> None:
    simulator = await prepare(settings, simulator_url)
    factories: tuple[Callable[[], ASGIApp], ...] = (
        lambda: create_app(settings),
        lambda: create_simulator(simulator),
    )
    servers = [
        _Server(server_config(factory, *listening.getsockname()))
        for factory, listening in zip(factories, sockets, strict=True)
    ]
    with _stopping(servers):
        announcing = asyncio.create_task(_announce(servers, simulator_url))
        try:
            await asyncio.gather(
                *(
                    server.serve([listening])
                    for server, listening in zip(servers, sockets, strict=True)
                )
            )
        finally:
            announcing.cancel()


async def _announce(servers: list["_Server"], simulator_url: str) -> None:
    """Say where to click once both answer: two lines, and nothing else."""
    await asyncio.gather(*(server.ready.wait() for server in servers))
    print(f"Open {simulator_url} and press “Sign in with a browser”.", flush=True)
    print(f"Sign in as {GUESTS[0].username} with the password: {PASSWORD}", flush=True)


class _Server(uvicorn.Server):
    """One of two servers in a process: neither may take the signals for itself."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

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


async def _fresh_client(
    administration: Administration, name: str, simulator: SimulatorSettings
) -> NewClient:
    """A client whose secret is known: the folder may hold one from an earlier time."""
    with contextlib.suppress(NotFound):
        await administration.remove_client(name)
    return await administration.add_client(
        name,
        redirect_uris=(simulator.redirect_uri,),
        logout_redirect_uris=(simulator.signed_out_uri,),
        session_key_check=SessionKeyCheck.FAIL_OPEN,
        domain="example.com",
    )


async def _welcome(administration: Administration, guest: _Guest) -> None:
    with contextlib.suppress(NotFound):
        await administration.user(guest.username)
        return
    await administration.add_user(
        guest.username,
        password=PASSWORD,
        name=guest.name,
        external_key=guest.external_key,
        works_account=guest.works_account,
    )
    if not guest.enabled:
        await administration.disable_user(guest.username)


def _credentials(client: NewClient) -> Credentials:
    return Credentials(client.client.client_id, client.client_secret)
