"""Overload, and clients that hold resources without using them (F-22, F-23, F-29)."""

import asyncio
import gc
import json
import re
import resource
import socket
import ssl
import struct
import threading
import time
from asyncio.constants import SSL_HANDSHAKE_TIMEOUT
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
from jinja2.runtime import Macro
from starlette.types import Scope, Send
from tests.installation import REDIRECT_URI, prepared
from tests.served import Served, in_thread, listening, read_all, served, wait_until
from tests.server.application import Application
from tests.server.load import ALIVE
from tests.server.processes import make_certificate
from tests.unhurried import answer_deadline
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from worksgate.server import acceptor
from worksgate.server import connection as protocol
from worksgate.server.connection import BoundedHttpProtocol
from worksgate.server.single_write import writer_of
from worksgate.server.tls import Certificate, CertificateFiles
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.checks import LINE_WORKS_WAITS
from worksgate.settings.options import Settings
from worksgate.web.overload import Refusals

PATIENCE = 0.6
FORM = "Content-Type: application/x-www-form-urlencoded"
PAGE = b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n"
CALL = f"POST /accessToken HTTP/1.1\r\nHost: x\r\n{FORM}\r\nContent-Length: 3\r\n\r\nx=1".encode()
LAST = ALIVE + b"Connection: close\r\n\r\n"
LARGE = b"x" * 1_000_000


@dataclass
class Slow(Application):
    """An application whose answers wait until they are let go."""

    let_go: threading.Event = field(default_factory=threading.Event)
    begun: int = 0

    async def answer(self, scope: Scope, send: Send) -> None:
        self.begun += 1
        if scope["path"] not in ("/healthz", "/large"):
            await asyncio.to_thread(self.let_go.wait)
        body = LARGE if scope["path"] == "/large" else b"ok"
        if (write := writer_of(scope)) and scope["path"] == "/whole":
            write(200, b"", body)
            return
        length = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def slow_server(
    settings: Settings, certificate: Certificate | None = None, *, keep_alive: int = 30
) -> Iterator[tuple[Slow, Served]]:
    """Our server with an application that is slow; it keeps idle connections for some seconds."""
    application = Slow()
    with listening() as listener:
        config = server_config(
            lambda: application, settings, refusals_of=Refusals.of, certificate=certificate
        )
        config.timeout_keep_alive = keep_alive
        with in_thread(config, listener):
            try:
                host, port = listener.getsockname()[:2]
                yield application, Served(host, port, settings)
            finally:
                application.let_go.set()


def ask(server: Served, request: bytes, times: int) -> tuple[bytes, float]:
    """What is answered until the end of the connection, and after how many seconds at best."""
    seconds = []
    for _ in range(times):
        began = time.monotonic()
        answer = server.raw(request)
        seconds.append(time.monotonic() - began)
    return answer, min(seconds)


def answers(server: Served) -> bool:
    return server.raw(LAST).startswith(b"HTTP/1.1 200 ")


def test_f23_what_is_too_much_is_refused_at_once_and_pages_first() -> None:
    with slow_server(Settings(max_requests_in_flight=4)) as (application, server), ExitStack() as s:

        def hold(request: bytes, number: int) -> list[socket.socket]:
            before = application.begun
            held = [s.enter_context(server.connect()) for _ in range(number)]
            for connection in held:
                connection.sendall(request)
            wait_until(lambda: application.begun == before + number)
            return held

        held = hold(PAGE, 4)
        page, seconds = ask(server, PAGE, 5)
        assert page.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in page
        assert b"text/html" in page
        assert seconds < LINE_WORKS_WAITS
        held += hold(CALL, 4)
        call, seconds = ask(server, CALL, 5)
        assert call.startswith(b"HTTP/1.1 503 ")
        assert json.loads(call.partition(b"\r\n\r\n")[2])["error"] == "server_error"
        assert seconds < LINE_WORKS_WAITS
        assert application.begun == 8, "what is refused never reaches the application"
        application.let_go.set()
        for connection in held:
            assert connection.recv(4_096).startswith(b"HTTP/1.1 200 ")
        after = PAGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        wait_until(lambda: server.raw(after).startswith(b"HTTP/1.1 200 "))


def test_f23_a_request_is_refused_before_its_body_is_read() -> None:
    with (
        slow_server(Settings(max_requests_in_flight=1)) as (application, server),
        server.connect() as first,
        server.connect() as large,
        server.connect() as second,
    ):
        first.sendall(PAGE)
        wait_until(lambda: application.begun == 1)
        large.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nx=1")
        assert large.recv(4_096).startswith(b"HTTP/1.1 503 ")
        # What comes behind it on the same connection is not looked at.
        second.sendall(PAGE + PAGE + LAST)
        assert read_all(second).count(b"HTTP/1.1 ") == 1
        assert application.begun == 1


def test_f23_who_watches_is_answered_while_pages_are_refused() -> None:
    with (
        slow_server(Settings(max_requests_in_flight=1)) as (application, server),
        server.connect() as first,
    ):
        first.sendall(PAGE)
        wait_until(lambda: application.begun == 1)
        assert answers(server)


def test_f22_bodies_that_do_not_come_take_no_room() -> None:
    with slow_server(Settings(max_requests_in_flight=1)) as (_, server), ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(server.connect())
            connection.sendall(CALL[:-1])
        time.sleep(0.2)
        assert answers(server)


def test_f23_a_request_with_the_head_of_another_behind_it_takes_its_room() -> None:
    settings = Settings(max_requests_in_flight=5, max_connections_per_address=0)
    with slow_server(settings) as (application, server), ExitStack() as stack:
        refused = 0
        for _ in range(15):
            connection = stack.enter_context(server.connect())
            begun = application.begun
            connection.sendall(PAGE + CALL[:-3])
            if begun < 5:
                wait_until(lambda before=begun: application.begun == before + 1)
            else:
                refused += connection.recv(4_096).startswith(b"HTTP/1.1 503 ")
        assert (application.begun, refused) == (5, 10)


def test_f23_a_page_behind_a_call_does_not_take_the_room_of_calls() -> None:
    with slow_server(Settings(max_requests_in_flight=1)) as (application, server), ExitStack() as s:
        first = s.enter_context(server.connect())
        first.sendall(PAGE)
        wait_until(lambda: application.begun == 1)
        second = s.enter_context(server.connect())
        second.sendall(ALIVE + b"\r\n" + PAGE + PAGE)
        assert re.findall(rb"HTTP/1\.1 (\d+) ", read_all(second)) == [b"200", b"503"]
        assert application.begun == 2, "the page, and what watches"


def test_f23_pipelined_requests_are_answered_where_there_is_room() -> None:
    with slow_server(Settings(max_requests_in_flight=1)) as (application, server):
        application.let_go.set()
        assert server.raw(PAGE + CALL + PAGE + LAST).count(b"HTTP/1.1 200 ") == 4


def test_f29_connections_are_bounded_over_all_and_for_each_address() -> None:
    for settings in (
        Settings(max_connections=8),
        Settings(max_connections_per_address=8),
    ):
        with slow_server(settings) as (_, server), ExitStack() as stack:
            kept = [stack.enter_context(server.connect()) for _ in range(8)]
            for _ in range(3):
                assert server.raw(b"") == b""
            kept[0].sendall(LAST)  # which would be given up before those, for its silence
            assert read_all(kept[0]).startswith(b"HTTP/1.1 200 ")
            kept[0].close()
            wait_until(partial(answers, server))


def test_f29_a_trusted_proxy_may_hold_as_many_as_it_needs() -> None:
    settings = Settings(max_connections_per_address=2, trusted_proxies=("127.0.0.1/32",))
    with slow_server(settings) as (_, server), ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(server.connect())
            connection.sendall(ALIVE + b"\r\n")
            assert connection.recv(4_096).startswith(b"HTTP/1.1 200 ")


def test_f22_a_handshake_that_does_not_come_is_cut_and_gives_its_place_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "HANDSHAKE_TIMEOUT", PATIENCE)
    make_certificate(tmp_path)
    files = CertificateFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    settings = Settings(max_connections_per_address=3)
    with slow_server(settings, Certificate(files)) as (_, server):
        began = time.monotonic()
        with ExitStack() as stack:
            silent = [stack.enter_context(server.connect()) for _ in range(3)]
            time.sleep(0.1)
            assert server.raw(b"") == b"", "they count although they have said nothing"
            with suppress(OSError):  # a busy machine may be too late
                silent[0].sendall(b"\x16\x03\x01")
            for connection in silent:
                assert read_all(connection) == b""
        assert time.monotonic() - began < SSL_HANDSHAKE_TIMEOUT / 2
        trusting = ssl.create_default_context(cafile=str(files.certificate))

        def is_served() -> bool:
            plain = server.connect()
            try:
                connection = trusting.wrap_socket(plain, server_hostname="127.0.0.1")
            except OSError:
                plain.close()
                return False
            with connection:
                connection.sendall(LAST)
                return read_all(connection).startswith(b"HTTP/1.1 200 ")

        wait_until(is_served)


def reset(connection: socket.socket) -> None:
    """End a connection as one whose process or network is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_f21_a_reset_after_the_answer_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with slow_server(Settings(), keep_alive=1) as (_, server):
        connection = server.connect()
        connection.sendall(ALIVE + b"\r\n")
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200 ")
        reset(connection)
        time.sleep(1.5)  # a timer of the idle connection would have gone off
        assert answers(server)
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("path", [b"/accessToken", b"/whole"])
@pytest.mark.parametrize("end", [reset, socket.socket.close])
def test_f21_who_hangs_up_on_pipelined_requests_is_no_error(
    end: Callable[[socket.socket], None], path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    call = CALL.replace(b"/accessToken", path)
    with slow_server(Settings()) as (application, server):
        connection = server.connect()
        connection.sendall(call * 2)
        wait_until(lambda: application.begun == 1)
        end(connection)
        time.sleep(0.2)
        application.let_go.set()
        time.sleep(0.2)
        assert answers(server)
        assert application.begun == 2, "the second was not served, but the last question was"
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_f23_nothing_of_a_connection_is_left_to_the_collector(
    tmp_path: Path, scheme: str
) -> None:
    """In a flood of them the collector would cost more than to refuse them."""
    keys = {}
    if scheme == "https":
        make_certificate(tmp_path)
        keys = {"tls_cert": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}
    with listening() as listener:
        host, port = listener.getsockname()[:2]
        url, patient = f"{scheme}://{host}:{port}", answer_deadline()
        settings, client = await prepared(tmp_path, public_url=url, answer_deadline=patient)
        query = {"client_id": client.client.client_id, "redirect_uri": REDIRECT_URI}
        path = f"/login?{urlencode({'response_type': 'code', **query})}"
        page = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
        trusting = ssl.create_default_context(cafile=keys.get("tls_cert"))

        def visit(server: Served) -> None:
            with ExitStack() as stack:
                connection = stack.enter_context(server.connect())
                if scheme == "https":
                    wrapped = trusting.wrap_socket(connection, server_hostname=host)
                    connection = stack.enter_context(wrapped)
                connection.sendall(page)
                assert read_all(connection).startswith(b"HTTP/1.1 200 ")

        with served(listener, settings, **keys) as server:
            for _ in range(3):
                await asyncio.to_thread(visit, server)
            await asyncio.sleep(0.3)
            garbage = await asyncio.to_thread(_garbage_of, lambda: visit(server))
    kinds = {type(each) for each in garbage}
    assert not kinds & {BoundedHttpProtocol, RequestResponseCycle, ssl.SSLObject, Macro}


def _garbage_of(work: Callable[[], object], times: int = 20) -> list[object]:
    """What can only be freed by the collector after some work has been done so many times."""
    gc.collect()
    gc.disable()
    try:
        gc.set_debug(gc.DEBUG_SAVEALL)
        for _ in range(times):
            work()
        time.sleep(0.3)  # the last connection has ended
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def is_cut(connection: socket.socket) -> bool:
    """Whether what is sent there is refused."""
    try:
        connection.sendall(b"G")
    except OSError:
        return True
    return False


def test_f22_who_does_not_read_holds_neither_memory_nor_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "WRITE_TIMEOUT", PATIENCE)
    with slow_server(Settings()) as (application, server), ExitStack() as stack:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        deaf = [stack.enter_context(server.connect()) for _ in range(10)]
        for connection in deaf:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        for connection in deaf:
            wait_until(partial(is_cut, connection))
        assert application.begun < 1_000, "most were never begun"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 100_000, f"{grown} kB"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The real application, which waits for slow requests for as long as a busy machine needs."""
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT", 600.0)
    with listening() as listener:
        url = "http://{}:{}".format(*listener.getsockname())
        patient = answer_deadline()
        settings, _ = asyncio.run(prepared(tmp_path, public_url=url, answer_deadline=patient))
        with served(listener, replace(settings, max_connections_per_address=0)) as running:
            yield running


def test_f22_two_hundred_slow_connections_do_not_hinder_the_others(server: Served) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(200)]
        alone = CALL.replace(b"Host: x", b"Host: x\r\nConnection: close")
        seconds = []
        for turn in range(10):
            for connection in slow:
                connection.sendall(CALL[turn : turn + 1])
            answer, took = ask(server, alone, 1)
            assert answer.startswith(b"HTTP/1.1 400 ")
            seconds.append(took)
        assert sorted(seconds)[5] < LINE_WORKS_WAITS
