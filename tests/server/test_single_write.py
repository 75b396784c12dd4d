"""A response written in one call equals the one of two messages, or is left to them."""

import re
from collections.abc import Iterator

import pytest
from starlette.types import Scope, Send
from tests.served import Served, in_thread, listening
from tests.server.application import Application

from worksgate.server.single_write import WHOLE_ANSWER, WRITE, on_the_wire
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings

HEADERS = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
BODY = b"all of it"


class BothWays(Application):
    """Answers ``/whole`` in one call, all else in two messages; ``/twice`` tries once too often."""

    def __init__(self) -> None:
        self.said: list[bool] = []

    async def answer(self, scope: Scope, send: Send) -> None:
        body = scope["query_string"] or BODY
        if scope["path"] in ("/whole", "/twice"):
            write = scope["extensions"][WHOLE_ANSWER][WRITE]
            self.said.append(write(203, on_the_wire(HEADERS), body))
            if scope["path"] == "/twice":
                self.said.append(write(203, on_the_wire(HEADERS), body))
            if self.said[-1] or scope["path"] == "/twice":
                return
        headers = [*HEADERS, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 203, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def application() -> BothWays:
    return BothWays()


@pytest.fixture(scope="module")
def server(application: BothWays) -> Iterator[Served]:
    settings = Settings()
    with listening() as listener:
        host, port = listener.getsockname()[:2]
        with in_thread(server_config(lambda: application, settings), listener):
            yield Served(host, port, settings)


def request(path: str, *more: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = (f"{method} {path} HTTP/{version}", "Host: x", *more)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answers(server: Served, requests: bytes) -> list[bytes]:
    """Each answer as it came, but for the second in which it did."""
    received = re.sub(rb"date: [^\r]*", b"date: now", server.raw(requests))
    return [b"HTTP/1.1 " + answer for answer in received.split(b"HTTP/1.1 ")[1:]]


LAST = request("/", "Connection: close")


@pytest.mark.parametrize(
    ("options", "at_once"),
    [
        ({}, 1),
        ({"method": "POST"}, 1),
        ({"method": "HEAD"}, 0),
        ({"version": "1.0"}, 0),
    ],
    ids=["GET", "POST", "HEAD", "HTTP/1.0"],
)
def test_both_ways_give_the_same_bytes(
    server: Served, application: BothWays, options: dict[str, str], at_once: int
) -> None:
    whole, usual = (
        answers(server, request(path, **options) + LAST)[0] for path in ("/whole", "/usual")
    )
    assert whole == usual
    assert whole.startswith(b"HTTP/1.1 203 ")
    assert b"date: now\r\n" in whole
    assert whole.endswith(b"\r\n\r\n" if options.get("method") == "HEAD" else BODY)
    assert application.said[-1] == at_once


def test_a_connection_that_is_to_end_is_told_so(server: Served, application: BothWays) -> None:
    (whole,), (usual,) = (
        answers(server, request(path, "Connection: close")) for path in ("/whole", "/usual")
    )
    assert whole == usual
    assert b"connection: close\r\n" in whole
    assert application.said[-1] is False


def test_each_pipelined_request_gets_its_own_answer(server: Served, application: BothWays) -> None:
    ways = ["whole", "usual", "whole", "whole", "usual"]
    paths = [f"/{way}?{number}" for number, way in enumerate(ways)]
    got = answers(server, b"".join(map(request, paths)) + LAST)
    assert [each.rpartition(b"\r\n\r\n")[2] for each in got[:-1]] == [b"0", b"1", b"2", b"3", b"4"]
    assert application.said[-3:] == [True] * 3


def test_a_request_is_answered_once(server: Served, application: BothWays) -> None:
    got = answers(server, request("/twice") + LAST)
    assert len(got) == 2
    assert application.said[-2:] == [True, False]
