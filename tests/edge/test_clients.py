"""Third-party HTTP clients call over pooled connections (R-112, R-114)."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
import requests
from tests.edge.framings import FORM, length, post
from tests.installation import EXTERNAL_KEY, Browser, code_of, prepared
from tests.machine import require, require_file
from tests.served import in_thread, listening
from tests.server.processes import Running, free_port, started, write_settings

from worksgate.administration import NewClient
from worksgate.bootstrap.application import create_app
from worksgate.server.uvicorn_config import ANNOUNCED_IDLE, IDLE, server_config
from worksgate.settings.options import Settings
from worksgate.web.overload import Refusals

SOURCES = Path(__file__).parent / "clients"
JARS = Path("/usr/share/java")
CALLS = 10
"""Exchanges before a reload, and again after it."""
BUILD_TIME = 180.0
"""Seconds; Go compiles its own library when it is asked for the first time."""

Served = tuple[Running, NewClient]


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
    return asyncio.run(_codes(served, number))


async def _codes(served: Served, number: int) -> list[str]:
    running, client = served
    origin = f"127.0.0.1:{running.port}"
    settings = Settings(
        public_url=f"http://{origin}",
        database_url=f"sqlite:///{running.folder / 'worksgate.db'}",
        hashing_threads=1,
    )
    application = create_app(settings)  # another process, for browsers; it has the same database
    await application.start()
    transport = httpx2.ASGITransport(application)
    try:
        async with httpx2.AsyncClient(transport=transport, base_url=f"https://{origin}") as http:
            browser = Browser(http, client.client.client_id)
            found = [await browser.code()]
            while len(found) < number:
                found.append(code_of(await browser.arrive()))
            return found
    finally:
        await application.close()


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


def command_of(client: str, folder: Path) -> list[str]:
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


@pytest.mark.parametrize("client", ["jdk", "apache4", "apache5", "go", "fetch", "http", "requests"])
def test_r112_r114_a_common_client_calls_over_its_pool_before_and_after_a_reload(
    worksgate: Served, client: str, tmp_path: Path
) -> None:
    running, registered = worksgate
    command = command_of(client, tmp_path)
    arguments = [registered.client.client_id, registered.client_secret]
    process = subprocess.Popen(
        [*command, f"http://127.0.0.1:{running.port}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for _ in range(2):
            for code in codes(worksgate, CALLS):
                process.stdin.write(f"{code}\n")
            process.stdin.flush()
            assert [process.stdout.readline() for _ in range(CALLS)] == [
                f"{EXTERNAL_KEY}\n"
            ] * CALLS
            reloads = len(running.named("settings.read"))
            running.signal(signal.SIGHUP)
            running.wait_for("settings.read", reloads + 1)
        process.stdin.close()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()


def test_r112_curl_is_served_where_it_asks_for_http2(worksgate: Served) -> None:
    url = f"http://127.0.0.1:{worksgate[0].port}/accessToken"
    command = [require("curl"), "--silent", "--http2", "--data", FORM.decode(), url]
    answer = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    assert b'"error":"203"' in answer


def test_r114_what_is_announced_is_shorter_than_what_is_kept(worksgate: Served) -> None:
    with requests.Session() as http:
        url = f"http://127.0.0.1:{worksgate[0].port}/healthz"
        assert http.get(url, timeout=15).headers["keep-alive"] == f"timeout={ANNOUNCED_IDLE}"
    assert IDLE >= ANNOUNCED_IDLE + 3
    assert ANNOUNCED_IDLE >= 90  # Go gives up a connection of its pool by itself then


def test_r114_a_pool_outlives_the_idle_limit(tmp_path: Path) -> None:
    settings, _ = asyncio.run(prepared(tmp_path, public_url="http://127.0.0.1:1"))
    with listening() as listener:
        config = server_config(lambda: create_app(settings), settings, refusals_of=Refusals.of)
        config.timeout_keep_alive = 1
        with in_thread(config, listener), requests.Session() as http:
            port = listener.getsockname()[1]
            call = post(length(FORM), body=FORM)
            with socket.create_connection(("127.0.0.1", port), 15) as kept:
                for pause in (0.0, 0.6, 0.6):  # each call begins the time again
                    time.sleep(pause)
                    kept.sendall(call)
                    assert b'"error":"203"' in kept.recv(65_536)
                assert kept.recv(1) == b""
            for pause in (0.0, 1.5):
                time.sleep(pause)
                assert http.get(f"http://127.0.0.1:{port}/healthz", timeout=15).status_code == 200
