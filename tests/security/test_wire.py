"""Attacks at byte level: requests that no HTTP library would send, slow ones, huge ones."""

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import query
from tests.installation import prepared
from tests.served import Served, listening, read_all, served
from tests.unhurried import PATIENT

import worksgate.server.connection
import worksgate.web.body

PATIENCE = 0.6
"""Seconds that the server of this file waits for a request, instead of ten."""

GIVEN_UP = 9.0
"""Seconds: far more than that, and less than the ten."""

FORM = "Content-Type: application/x-www-form-urlencoded"
HIDDEN = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    patch = pytest.MonkeyPatch()
    patch.setattr(worksgate.server.connection, "HEADER_TIMEOUT", PATIENCE)
    patch.setattr(worksgate.web.body, "BODY_TIMEOUT", PATIENCE)
    with listening() as listener, patch.context():
        url = "http://{}:{}".format(*listener.getsockname())
        chosen, _ = asyncio.run(
            prepared(tmp_path_factory.mktemp("wire"), public_url=url, answer_deadline=PATIENT)
        )
        with served(listener, chosen) as running:
            yield running
    patch.undo()


def post(*headers: str, body: str = "", path: str = "/accessToken") -> bytes:
    head = "\r\n".join((f"POST {path} HTTP/1.1", "Host: x", FORM, *headers))
    return f"{head}\r\n\r\n{body}".encode("latin-1")


def statuses(answer: bytes) -> list[int]:
    """The status of each answer on a connection, in order."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


CHUNKED = "Transfer-Encoding: chunked"
AMBIGUOUS = {
    "length and chunks": post("Content-Length: 5", CHUNKED, body=f"0\r\n\r\n{HIDDEN}"),
    "chunks and length": post(CHUNKED, "Content-Length: 5", body=f"0\r\n\r\n{HIDDEN}"),
    "two lengths": post("Content-Length: 0", "Content-Length: 40", body=HIDDEN),
    "two equal lengths": post("Content-Length: 3", "Content-Length: 3", body=f"x=1{HIDDEN}"),
    "a list of lengths": post("Content-Length: 3, 3", body=f"x=1{HIDDEN}"),
    "a signed length": post("Content-Length: +3", body=f"x=1{HIDDEN}"),
    "a negative length": post("Content-Length: -1", body=HIDDEN),
    "a hexadecimal length": post("Content-Length: 0x3", body=f"x=1{HIDDEN}"),
    "a length beyond all bounds": post(f"Content-Length: {'9' * 30}", body=HIDDEN),
    "a length with a blank inside": post("Content-Length: 1 3", body=HIDDEN),
    "another coding after chunks": post("Transfer-Encoding: chunked, identity", body=HIDDEN),
    "an unknown coding": post("Transfer-Encoding: xchunked", body=HIDDEN),
    "chunks twice, length between": post(CHUNKED, "Content-Length: 3", CHUNKED, body=HIDDEN),
    "a chunk size that is no number": post(CHUNKED, body=f"g\r\nx=1\r\n0\r\n\r\n{HIDDEN}"),
    "a negative chunk size": post(CHUNKED, body=f"-3\r\nx=1\r\n0\r\n\r\n{HIDDEN}"),
    "a chunk size beyond all bounds": post(CHUNKED, body=f"{'f' * 17}\r\nx=1\r\n0\r\n\r\n{HIDDEN}"),
    "a chunk longer than its size": post(CHUNKED, body=f"3\r\nx=1XX0\r\n\r\n{HIDDEN}"),
    "a chunk without its end": post(CHUNKED, body=f"3\r\nx=1\n0\r\n\r\n{HIDDEN}"),
    "a blank before the colon": post("Content-Length : 3", body=f"x=1{HIDDEN}"),
    "a NUL in a header": post("X: a\0b", "Content-Length: 3", body=f"x=1{HIDDEN}"),
    "a bare CR in a header": post("X: a\rContent-Length: 3", body=HIDDEN),
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no request at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


def test_r98_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(
    server: Served,
) -> None:
    for reason, request in AMBIGUOUS.items():
        assert statuses(server.raw(request)) == [400], reason
    plain = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(server.raw(plain)) == [200]


def test_headers_are_bounded_however_they_come(server: Served) -> None:
    long = "X-Long: " + "a" * 70_000
    at_once = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{long}\r\n\r\n".encode()
    assert statuses(server.raw(at_once)) == [431]
    without_end = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{long}".encode()
    assert statuses(server.raw(without_end)) == [431]


def test_r98_the_body_of_a_refused_request_is_not_read_as_the_next(server: Served) -> None:
    padded = HIDDEN * 600
    too_large = post(f"Content-Length: {len(padded)}", body=padded)
    assert statuses(server.raw(too_large)) == [413]
    after = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    length = f"Content-Length: {len(HIDDEN)}"
    for request, status in (
        (post(length, "Content-Encoding: gzip", body=HIDDEN + after), 415),
        (post(length, path="/accessToken/x", body=HIDDEN + after), 404),
        (post(length, path="/logout", body=HIDDEN + after), 405),
        (post(length, path="/login", body=HIDDEN + after), 400),
    ):
        assert statuses(server.raw(request)) == [status, 200]


def test_r99_trace_is_refused(server: Served) -> None:
    for path in ("/login", "/accessToken", "/healthz"):
        request = (
            f"TRACE {path} HTTP/1.1\r\nHost: x\r\nX-Secret: s3cr3t\r\nConnection: close\r\n\r\n"
        )
        answer = server.raw(request.encode())
        assert statuses(answer) == [405]
        assert b"s3cr3t" not in answer


def test_r51_f22_a_body_that_does_not_come_is_given_up(server: Served) -> None:
    for request in (
        post("Content-Length: 100"),
        post("Content-Length: 100", body="client_id="),
        post(CHUNKED, body="5\r\nclien\r\n"),
    ):
        began = time.monotonic()
        answer = server.raw(request)
        assert statuses(answer) == [408]
        assert b'"error":"201"' in answer
        assert time.monotonic() - began < GIVEN_UP


def test_f22_headers_that_do_not_come_are_given_up(server: Served) -> None:
    for start in (b"", b"POST /accessToken HTTP/1.1\r\nHost: x\r\n", b"GE"):
        began = time.monotonic()
        assert statuses(server.raw(start)) == []
        assert time.monotonic() - began < GIVEN_UP


def test_f22_a_trickle_of_headers_does_not_buy_time(server: Served) -> None:
    with server.connect() as connection:
        began = time.monotonic()
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        with suppress(OSError):
            for number in range(200):
                connection.sendall(f"X-{number}: y\r\n".encode())
                time.sleep(0.05)
        assert time.monotonic() - began < GIVEN_UP


def test_f22_a_slow_header_on_a_second_request_is_given_up_too(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /health")
        began = time.monotonic()
        assert statuses(read_all(connection)) == [200]
        assert time.monotonic() - began < GIVEN_UP


def test_headers_beyond_64_kib_are_refused(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        try:
            for number in range(300):
                connection.sendall(f"X-{number}: {'y' * 4_096}\r\n".encode())
        except OSError:
            return
        assert 200 not in statuses(read_all(connection))


def test_f25_what_follows_the_headers_is_bounded_trailers_too(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(post(CHUNKED, path="/nope", body="0\r\n"))
        trailer = b"a: b\r\n" * 10_000
        sent = 0
        with suppress(ConnectionError):
            while sent < 20_000_000:
                connection.sendall(trailer)
                sent += len(trailer)
        assert sent < 20_000_000


def test_r96_a_trailer_does_not_pass_for_a_header(tmp_path: Path) -> None:
    """Behind a trusted proxy, X-Forwarded-For counts where the proxy put it and nowhere else."""
    with listening() as listener:
        url = "http://{}:{}".format(*listener.getsockname())
        settings, _ = asyncio.run(prepared(tmp_path, public_url=url))
        with served(listener, replace(settings, trusted_proxies=("127.0.0.1/32",))) as running:
            forwarded = "X-Forwarded-For: 198.51.100.7"
            wrong = "grant_type=authorization_code&client_id=c&client_secret=s&code=x"
            chunks = f"{len(wrong):x}\r\n{wrong}\r\n0\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n"
            answer = running.raw(post(CHUNKED, forwarded, "Connection: close", body=chunks))
            assert statuses(answer) == [401]
    rows = query(tmp_path / "worksgate.db", "SELECT DISTINCT address FROM audit")
    assert {address for (address,) in rows if address} == {"198.51.100.7"}


@pytest.mark.parametrize("then", [b"x", b"\r\n"], ids=["a byte of the body", "an empty line"])
def test_f22_an_answered_connection_is_not_held_by_another_byte(
    server: Served, then: bytes
) -> None:
    length = "Content-Length: 50" if then == b"x" else "Content-Length: 0"
    with server.connect() as connection:
        connection.sendall(post(length, path="/nope"))
        assert b"404" in connection.recv(65_536)
        began = time.monotonic()
        with suppress(ConnectionError):
            connection.sendall(then)
            read_all(connection)
        assert time.monotonic() - began < 5


def test_a_connection_serves_one_request_after_the_other(server: Served) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(request * 5)
        received = b""
        while received.count(b'"ok"') < 5:
            received += connection.recv(65_536)
        assert statuses(received) == [200] * 5


def test_the_server_does_not_say_what_it_is(server: Served) -> None:
    for request in (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"\x00\r\n\r\n",
    ):
        answer = server.raw(request).lower()
        assert b"\r\nserver:" not in answer
        assert b"uvicorn" not in answer


def test_r52_many_idle_connections_do_not_hinder_the_others(server: Served) -> None:
    idle: list[socket.socket] = []
    try:
        idle += [server.connect() for _ in range(200)]
        for connection in idle:
            connection.sendall(b"POST /accessToken HTTP/1.1\r\n")
        answer = server.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert statuses(answer) == [200]
    finally:
        for connection in idle:
            connection.close()
