"""Third-party HTTP clients call over pooled connections (R-112, R-114)."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import httpx2
import pytest
import requests
from tests.databases import query
from tests.edge.framings import FORM, length, post
from tests.installation import EXTERNAL_KEY, Browser, application_of, code_of, prepared
from tests.machine import require, require_file
from tests.ports import free_port
from tests.served import in_thread, listening
from tests.server.processes import Running, started, write_settings
from tests.unhurried import answer_deadline

from worksgate.administration import NewClient
from worksgate.server.uvicorn_config import ANNOUNCED_IDLE, IDLE, server_config
from worksgate.settings.options import Settings
from worksgate.web.overload import Refusals

SOURCES = Path(__file__).parent / "clients"
JARS = Path("/usr/share/java")
CLIENTS = ("apache4", "apache5", "jdk", "go", "fetch", "http", "requests")
CALLS = 10
"""Exchanges before a reload, and again after it."""
SHORT_IDLE = 1, 1.2
"""Seconds that are announced, and after which a connection is closed, where a test waits."""
PATIENCE = 60.0
"""Seconds that an answer may take on a busy machine."""
BUILD_TIME = 600.0
"""Seconds; Go compiles its own library when it is asked for the first time."""

Served = tuple[Running, NewClient]
Exchange = Callable[[Sequence[str]], list[str]]
"""What becomes of each code: the user key that was answered, as a line."""


@pytest.fixture(scope="module")
def worksgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("worksgate")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    _, client = asyncio.run(prepared(folder, public_url=url))
    write_settings(folder, public_url=url, port=port)
    with started(folder, port) as running:
        yield running, client


def codes(served: Served, number: int) -> list[str]:
    """So many codes for one person: they sign in once, and their session brings the others."""
    running, client = served
    settings = Settings(
        public_url=f"http://127.0.0.1:{running.port}",
        database_url=f"sqlite:///{running.folder / 'worksgate.db'}",
        hashing_threads=1,
        answer_deadline=answer_deadline(),
    )
    return asyncio.run(_codes(settings, client, number))


async def _codes(settings: Settings, client: NewClient, number: int) -> list[str]:
    application = application_of(settings)  # another one, for browsers; it has the same database
    await application.start()
    transport = httpx2.ASGITransport(application)
    origin = settings.public_url.replace("http:", "https:")
    try:
        async with httpx2.AsyncClient(transport=transport, base_url=origin) as http:
            browser = Browser(http, client.client.client_id)
            found = [await browser.code()]
            while len(found) < number:
                found.append(code_of(await browser.arrive()))
    finally:
        await application.close()
    # They last: a client may take a minute to start on a busy machine.
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    query(file, "UPDATE codes SET expires_at = expires_at + 600")
    return found


def java(folder: Path, name: str, *jars: str) -> list[str]:
    require("javac")
    for jar in jars:
        require_file(str(JARS), jar, jar)
    path = os.pathsep.join([str(folder), *(str(JARS / jar) for jar in jars)])
    sources = [str(SOURCES / "Exchange.java"), str(SOURCES / f"{name}.java")]
    command = ["javac", "-cp", path, "-d", str(folder), *sources]
    subprocess.run(command, check=True, timeout=BUILD_TIME)
    return ["java", "-cp", path, name]


def go(folder: Path) -> list[str]:
    require("go")
    program = folder / "client"
    command = ["go", "build", "-o", str(program), str(SOURCES / "client.go")]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GO111MODULE": "off"}
    subprocess.run(command, check=True, timeout=BUILD_TIME, env=environment)
    return [str(program)]


@pytest.fixture(scope="module")
def command_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """How to run a client; it is built once."""
    return cache(lambda client: built(client, tmp_path_factory.mktemp(client)))


def built(client: str, folder: Path) -> list[str]:
    """How to run a client, once it has been built."""
    match client:
        case "jdk":
            return java(folder, "Jdk")
        case "apache4":
            four = ("httpclient.jar", "httpcore.jar", "commons-logging.jar", "commons-codec.jar")
            return java(folder, "Apache4", *four)
        case "apache5":
            five = ("httpclient5.jar", "httpcore5.jar", "httpcore5-h2.jar", "slf4j-api.jar")
            return java(folder, "Apache5", *five)
        case "go":
            return go(folder)
        case "fetch" | "http":
            return [require("node"), str(SOURCES / "client.mjs"), client]
        case _:
            return [sys.executable, str(SOURCES / "client.py")]


@contextmanager
def calling(command: list[str], port: int, client: NewClient) -> Iterator[Exchange]:
    """A client that runs, and what exchanges codes by it; it must end well."""
    arguments = [f"http://127.0.0.1:{port}", client.client.client_id, client.client_secret]
    process = subprocess.Popen(
        [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    given, answered = process.stdin, process.stdout

    def exchange(codes: Sequence[str]) -> list[str]:
        for code in codes:
            given.write(f"{code}\n")
        given.flush()
        return [answered.readline() for _ in codes]

    try:
        yield exchange
        given.close()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            given.close()
        answered.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_r112_r114_a_common_client_calls_over_its_pool_before_and_after_a_reload(
    worksgate: Served, client: str, command_of: Callable[[str], list[str]]
) -> None:
    running, registered = worksgate
    with calling(command_of(client), running.port, registered) as exchange:
        for _ in range(2):
            assert exchange(codes(worksgate, CALLS)) == [f"{EXTERNAL_KEY}\n"] * CALLS
            reloads = len(running.named("settings.read"))
            running.signal(signal.SIGHUP)
            running.wait_for("settings.read", reloads + 1)


def test_r114_no_client_calls_over_a_connection_that_the_server_has_closed(
    tmp_path: Path, command_of: Callable[[str], list[str]]
) -> None:
    announced, kept = SHORT_IDLE
    with listening() as listener, ExitStack() as running:
        port = listener.getsockname()[1]
        settings, registered = asyncio.run(
            prepared(
                tmp_path,
                public_url=f"http://127.0.0.1:{port}",
                answer_deadline=answer_deadline(),
            )
        )
        config = server_config(lambda: application_of(settings), settings, refusals_of=Refusals.of)
        config.headers = [("Keep-Alive", f"timeout={announced}")]
        config.timeout_keep_alive = kept  # type: ignore[assignment]  # seconds as the loop has them
        running.enter_context(in_thread(config, listener))
        exchanges = [
            running.enter_context(calling(command_of(each), port, registered)) for each in CLIENTS
        ]
        some = asyncio.run(_codes(settings, registered, 2 * len(CLIENTS)))
        # Apache's know by the announcement alone, until they look by themselves after two seconds;
        # the others see that the connection is closed, once it is.
        for pause, turn in ((0, exchanges), (kept + 0.3, exchanges[:2]), (1.5, exchanges[2:])):
            time.sleep(pause)
            answers = [exchange([some.pop()]) for exchange in turn]
            assert answers == [[f"{EXTERNAL_KEY}\n"]] * len(turn)


def test_r112_curl_is_served_where_it_asks_for_http2(worksgate: Served) -> None:
    url = f"http://127.0.0.1:{worksgate[0].port}/accessToken"
    command = [require("curl"), "--silent", "--http2", "--data", FORM.decode(), url]
    answer = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE).stdout
    assert b'"error":"203"' in answer


def test_r114_what_is_announced_is_shorter_than_what_is_kept(worksgate: Served) -> None:
    with requests.Session() as http:
        url = f"http://127.0.0.1:{worksgate[0].port}/healthz"
        assert http.get(url, timeout=PATIENCE).headers["keep-alive"] == f"timeout={ANNOUNCED_IDLE}"
    assert IDLE >= ANNOUNCED_IDLE + 3
    assert ANNOUNCED_IDLE >= 90  # Go gives up a connection of its pool by itself then


def test_r114_a_pool_outlives_the_idle_limit(tmp_path: Path) -> None:
    settings, _ = asyncio.run(prepared(tmp_path, public_url="http://127.0.0.1:1"))
    with listening() as listener:
        config = server_config(lambda: application_of(settings), settings, refusals_of=Refusals.of)
        config.timeout_keep_alive = 1
        with in_thread(config, listener), requests.Session() as http:
            port = listener.getsockname()[1]
            url = f"http://127.0.0.1:{port}/healthz"
            assert http.get(url, timeout=PATIENCE).status_code == 200
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as kept:
                kept.sendall(post(length(FORM), body=FORM))
                assert b'"error":"203"' in kept.recv(65_536)
                assert kept.recv(1) == b"", "whose time began later than that of the pool"
            assert http.get(url, timeout=PATIENCE).status_code == 200
