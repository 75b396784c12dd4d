"""One connection of the server, on a fake transport that records its calls."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs
from tests.skipped_time import skipped_time
from uvicorn.server import ServerState

from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.server import connection as protocol
from worksgate.server.admission import Admission
from worksgate.server.connection import BoundedHttpProtocol
from worksgate.server.single_write import WHOLE_ANSWER, WRITE
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings

MOMENT = 0.1
"""Seconds: every timeout of the tests, where one is set. Nobody waits for them in real time."""
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """What is written stays here; ``is_cut`` says that it was not waited for."""

    def __init__(self) -> None:
        super().__init__({"peername": ("203.0.113.9", 1), "sockname": ("203.0.113.1", 80)})
        self.written = b""
        self.closed = 0
        self.is_cut = False
        self.is_paused = False
        self.has_ended = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed += 1

    def is_closing(self) -> bool:
        return bool(self.closed)

    def abort(self) -> None:
        self.is_cut = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_ended = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Application:
    """Answers when it may what has come whole, and notes what it is told meanwhile.

    ``/early`` is answered before its body has come, ``/written`` in one call, and so is
    ``/unread``, of which nothing is read before; ``/begun`` stops in its answer.
    """

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.told: list[Message] = []
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(scope["path"])
        if scope["path"] == "/written":
            await self._write(scope, receive)
            return
        if scope["path"] == "/unread":
            assert scope["extensions"][WHOLE_ANSWER][WRITE](200, b"", b"ok")
            self.told.append(await receive())
            return
        if scope["path"] == "/slow":
            await self.may_answer.wait()
        if scope["path"] != "/early":
            self.told.append(await self._last(scope, receive))
        length = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if scope["path"] == "/begun":
            await self.may_answer.wait()
        await send({"type": "http.response.body", "body": b"ok"})

    async def _last(self, scope: Scope, receive: Receive) -> Message:
        """The last message of a request, or for ``/told`` the one after it."""
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        return await receive() if scope["path"] == "/told" else message

    async def _write(self, scope: Scope, receive: Receive) -> None:
        """Answer while it is waited for what the client does."""
        await receive()
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        assert scope["extensions"][WHOLE_ANSWER][WRITE](200, b"", b"ok")
        self.told.append(await waiting)


class Connection:
    """A connection to the application, and what went wrong in the event loop."""

    def __init__(self, max_body: int = protocol.MAX_BODY_ON_THE_WIRE) -> None:
        self.wire = Wire()
        self.errors: list[dict[str, Any]] = []
        self.application = Application()
        config = server_config(lambda: self.application, Settings(), max_body=max_body)
        self.admission: Admission = config.admission
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.protocol = BoundedHttpProtocol(config, ServerState(), {}, loop)

    def made(self) -> "Connection":
        self.protocol.connection_made(self.wire)
        return self

    async def sent(self, data: bytes) -> None:
        self.protocol.data_received(data)
        for _ in range(5):
            await asyncio.sleep(0)

    async def lost(self, how: Exception | None = None) -> None:
        self.protocol.connection_lost(how)
        await asyncio.sleep(0)


@pytest.fixture
async def connection(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    for name in ("HEADER_TIMEOUT", "BODY_TIMEOUT", "WRITE_TIMEOUT", "UNREAD_TIMEOUT", "QUIET"):
        monkeypatch.setattr(protocol, name, MOMENT)
    with skipped_time():
        connection = Connection()
        yield connection
        assert connection.errors == []


async def waited(moments: float = 2.0) -> None:
    await asyncio.sleep(moments * MOMENT)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTT", POST, POST + b"x", b"no HTTP\r\n\r\n"], ids=lambda sent: sent[:9]
)
async def test_f22_a_connection_that_is_lost_leaves_nothing_behind(
    connection: Connection, sent: bytes
) -> None:
    connection.made()
    connection.protocol.place = connection.admission.place_for("203.0.113.9")
    await connection.sent(sent)
    await connection.lost()
    closed = connection.wire.closed
    await waited()
    assert connection.wire.closed == closed
    assert not connection.wire.is_cut
    assert connection.admission.connections == 0
    assert connection.admission.reading == set()
    connection.application.may_answer.set()
    await waited()


async def test_f21_who_hangs_up_ends_what_is_served_and_nothing_more_is_begun(
    connection: Connection,
) -> None:
    connection.made()
    await connection.sent(GET % b"told" + GET % b"second" + GET % b"third")
    assert connection.application.begun == ["/told"]
    await connection.lost()
    await waited()
    assert [message["type"] for message in connection.application.told] == ["http.disconnect"]
    assert connection.application.begun == ["/told"]


async def test_f22_what_has_not_come_whole_holds_no_place_of_a_request_once_it_has(
    connection: Connection,
) -> None:
    connection.made()
    await connection.sent(POST)
    assert connection.admission.reading == {connection.protocol}
    await connection.sent(b"xx")
    assert connection.admission.reading == set()
    connection.application.may_answer.set()
    await waited(0.5)
    assert connection.wire.written.endswith(b"ok")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n", POST, POST + b"x"])
async def test_f22_headers_and_a_body_that_do_not_come_are_given_up(
    connection: Connection, sent: bytes
) -> None:
    connection.made()
    if sent:
        await connection.sent(sent)
    connection.application.may_answer.set()
    assert not connection.wire.closed
    await waited()
    assert connection.wire.closed
    await waited()
    assert connection.wire.is_cut, "what was written is not read"
    await connection.lost()


async def test_f22_who_reads_again_in_time_is_not_cut(connection: Connection) -> None:
    connection.made()
    await connection.sent(POST)
    await connection.sent(b"xx")
    connection.protocol.pause_writing()
    await waited(0.5)
    connection.protocol.resume_writing()
    await waited()
    assert not connection.wire.is_cut
    connection.application.may_answer.set()
    await waited(0.5)
    assert connection.wire.written.endswith(b"ok")
    connection.protocol.pause_writing()
    await waited()
    assert connection.wire.is_cut
    await connection.lost()


async def test_a_connection_that_rests_is_closed_after_its_time(connection: Connection) -> None:
    connection.made()
    connection.protocol.timeout_keep_alive = MOMENT  # type: ignore[assignment]  # a part of a second
    for _ in range(3):  # each call begins the time again
        await connection.sent(GET % b"")
        assert connection.wire.written.endswith(b"ok")
        await waited(0.6)
        assert not connection.wire.closed
    assert not connection.wire.is_cut, "who reads its answers may stay"
    await waited()
    assert connection.wire.closed
    await connection.lost()


async def test_a_connection_that_is_reset_while_it_rests_is_closed_by_nobody_later(
    connection: Connection,
) -> None:
    connection.made()
    connection.protocol.timeout_keep_alive = MOMENT  # type: ignore[assignment]  # as above
    await connection.sent(GET % b"")
    await connection.lost(ConnectionResetError())
    await waited()
    assert not connection.wire.closed


async def test_a_request_that_begins_to_come_in_time_is_waited_for(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT", 20 * MOMENT)
    connection.made()
    connection.protocol.timeout_keep_alive = MOMENT  # type: ignore[assignment]  # as above
    await connection.sent(GET % b"")
    await waited(0.6)
    await connection.sent(b"GET / HT")
    await waited()
    assert not connection.wire.closed
    await connection.lost()


async def test_f22_a_byte_between_requests_keeps_no_connection_open(connection: Connection) -> None:
    connection.made()
    await connection.sent(GET % b"")
    await connection.sent(b"\r\n")
    await waited()
    assert connection.wire.closed
    await connection.lost()


async def test_f22_headers_behind_a_request_that_is_served_are_given_up_too(
    connection: Connection,
) -> None:
    connection.made()
    await connection.sent(POST + b"xx" + b"GET / HT")
    await waited()
    assert connection.wire.closed
    await connection.lost()
    connection.application.may_answer.set()


async def test_a_body_may_take_longer_than_its_headers(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_TIMEOUT", 20 * MOMENT)
    connection.made()
    await connection.sent(POST)
    await waited()
    assert not connection.wire.closed
    await connection.lost()


@pytest.mark.parametrize(("more", "answer"), [(0, b""), (1, b"HTTP/1.1 400 ")])
async def test_headers_without_an_end_are_bounded(
    connection: Connection, more: int, answer: bytes
) -> None:
    connection.made()
    begun = b"GET / HTTP/1.1\r\nHost: x\r\nX: "
    await connection.sent(begun)
    await connection.sent(b"x" * (protocol.MAX_HEADERS - len(begun) + more))
    assert connection.wire.written[:13] == answer
    await connection.lost()


@pytest.mark.parametrize(("more", "status"), [(0, b"200"), (1, b"400")])
async def test_headers_are_bounded_by_what_they_say(
    connection: Connection, more: int, status: bytes
) -> None:
    connection.made()
    long = b"x" * (protocol.MAX_HEADERS - len(b"/" + b"host" + b"x" + b"long") + more)
    await connection.sent(b"GET / HTTP/1.1\r\nHost: x\r\nLong: %b\r\n\r\n" % long)
    assert connection.wire.written.startswith(b"HTTP/1.1 %b " % status)
    await connection.lost()


@pytest.mark.parametrize(("size", "is_cut"), [(8, False), (9, True)])
async def test_r51_a_body_beyond_all_bounds_is_cut(
    connection: Connection, *, size: int, is_cut: bool
) -> None:
    bounded = Connection(max_body=8).made()
    await bounded.sent(POST.replace(b"Length: 2", b"Length: 99"))
    for _ in range(size):
        await bounded.sent(b"x")
    assert bounded.wire.is_cut == is_cut
    assert bounded.wire.written == b""
    await bounded.lost()
    assert bounded.errors == []


async def test_a_connection_may_rest_longer_than_one_that_ends(connection: Connection) -> None:
    connection.made()
    await connection.sent(GET % b"")
    await waited()
    assert not connection.wire.closed
    await connection.lost()


async def test_nothing_more_is_written_to_who_does_not_read(connection: Connection) -> None:
    connection.made()
    connection.protocol.pause_writing()
    await connection.sent(GET % b"")
    assert connection.application.begun == ["/"]
    assert connection.wire.written == b""
    connection.protocol.resume_writing()
    await waited(0.1)
    assert connection.wire.written.endswith(b"ok")
    await connection.lost()


async def test_f22_who_reads_a_little_of_the_last_answer_is_cut_all_the_same(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT", 20 * MOMENT)
    connection.made()
    connection.protocol.pause_writing()
    connection.wire.close()
    connection.protocol.resume_writing()
    await waited()
    assert connection.wire.is_cut
    await connection.lost()


async def test_f26_a_connection_on_which_nothing_comes_is_closed_at_the_end(
    connection: Connection,
) -> None:
    connection.made()
    await connection.sent(GET % b"")
    assert b"connection: close" not in connection.wire.written.lower()
    connection.admission.is_draining = True
    connection.protocol.drain()
    await waited(0.5)
    assert not connection.wire.closed
    await connection.sent(GET % b"")
    assert connection.wire.written.lower().count(b"connection: close") == 1
    assert connection.wire.closed
    await connection.lost()


@pytest.mark.parametrize(("sent", "is_closed"), [(b"\r\n", True), (b"GET / HT", False)])
async def test_f26_a_request_that_begins_to_come_at_the_end_is_waited_for(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, *, sent: bytes, is_closed: bool
) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT", 20 * MOMENT)
    connection.made()
    connection.admission.is_draining = True
    connection.protocol.drain()
    await waited(0.5)
    await connection.sent(sent)
    await waited()
    assert bool(connection.wire.closed) == is_closed
    await connection.lost()


async def test_f26_what_is_served_at_the_end_is_the_last_on_its_connection(
    connection: Connection,
) -> None:
    connection.made()
    await connection.sent(POST + b"xx")
    connection.admission.is_draining = True
    connection.protocol.drain()
    await waited()
    assert not connection.wire.closed
    connection.application.may_answer.set()
    await waited(0.5)
    assert b"connection: close" in connection.wire.written.lower()
    assert connection.wire.closed
    await waited()
    assert connection.wire.is_cut, "its answer is not read"
    await connection.lost()


async def test_f26_an_answer_that_has_begun_is_ended_before_its_connection(
    connection: Connection,
) -> None:
    connection.made()
    await connection.sent(GET % b"begun")
    assert connection.wire.written != b""
    connection.admission.is_draining = True
    connection.protocol.drain()
    await waited()
    assert not connection.wire.closed
    connection.application.may_answer.set()
    await waited()
    assert connection.wire.written.endswith(b"ok")
    assert connection.wire.closed
    await connection.lost()


async def test_f26_a_connection_that_comes_at_the_end_is_closed_when_it_says_nothing(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT", 20 * MOMENT)
    connection.admission.is_draining = True
    connection.made()
    await waited()
    assert connection.wire.closed
    await connection.lost()


async def test_who_has_its_answer_before_its_request_has_come_whole_may_go_on(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT", 20 * MOMENT)
    connection.made()
    await connection.sent(POST.replace(b"/slow", b"/early"))
    assert connection.wire.written.endswith(b"ok")
    assert connection.admission.reading == set()
    await waited(0.5)
    await connection.sent(b"xx")
    await waited()
    assert not connection.wire.closed
    await connection.sent(GET % b"")
    assert connection.wire.written.count(b"HTTP/1.1 200 ") == 2
    await connection.lost()


async def test_who_waits_for_the_client_is_told_that_the_answer_is_written(
    connection: Connection,
) -> None:
    connection.made()
    await connection.sent(GET % b"written")
    await waited(0.5)
    assert connection.wire.written.endswith(b"ok")
    assert [message["type"] for message in connection.application.told] == ["http.disconnect"]
    await connection.lost()


async def test_a_large_body_may_come_together_with_its_headers(connection: Connection) -> None:
    connection.made()
    body = b"x" * (protocol.MAX_HEADERS + 1)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    await connection.sent(post + body)
    assert connection.wire.written.startswith(b"HTTP/1.1 200 ")
    await connection.lost()


async def test_r111_what_is_refused_is_read_until_its_end_although_it_was_paused(
    connection: Connection,
) -> None:
    connection.made()
    chunk = b"x" * (protocol.MAX_HEADERS + 1)
    chunked = b"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    await connection.sent(chunked + b"%x\r\n%b\r\n" % (len(chunk), chunk))
    assert connection.wire.is_paused
    await connection.sent(b"no size\r\n")
    assert connection.wire.written.startswith(b"HTTP/1.1 400 ")
    assert not connection.wire.is_paused
    await connection.lost()


@dataclass
class Refusals:
    """How requests are refused."""

    call: bytes = b"no call"
    page: bytes = b"no page"

    def is_call(self, url: bytes) -> bool:
        return url.startswith(b"/call")

    def malformed(self, url: bytes, status: int) -> bytes:
        return b"%d for %b" % (status, url)


@pytest.mark.parametrize("path", [b"page", b"call"])
async def test_a_refused_request_is_counted_and_logged_without_its_query(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, path: bytes
) -> None:
    monkeypatch.setattr(protocol, "_refused", RateLimitedWarning("request.refused"))
    connection.made()
    connection.admission.refusals = Refusals()
    connection.admission.limits = replace(connection.admission.limits, pages=0)
    with capture_logs() as logged:
        await connection.sent(GET % (path + b"?code=c"))
    assert connection.wire.written == b"no " + path
    assert connection.application.begun == []
    assert connection.admission.refused_requests == 1
    assert [each["path"] for each in logged] == [f"/{path.decode()}"]
    assert connection.wire.closed
    await connection.lost()


async def test_what_is_malformed_is_refused_by_its_address(connection: Connection) -> None:
    connection.made()
    connection.admission.refusals = Refusals()
    await connection.sent(b"GET /call HTTP/1.1\r\nX: %b" % (b"x" * protocol.MAX_HEADERS))
    assert connection.wire.written == b"431 for /call"
    await connection.lost()


async def test_the_log_has_the_path_of_what_is_refused_and_no_query(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_malformed", RateLimitedWarning("request.malformed"))
    connection.made()
    with capture_logs() as logged:
        await connection.sent(b"GET /%b?code=c HTTP/1.1\r\n\r\n" % (b"a" * 300))
    assert [each["path"] for each in logged] == ["/" + "a" * 199]
    await connection.lost()


async def test_r111_nothing_behind_what_is_no_http_is_read(connection: Connection) -> None:
    connection.made()
    await connection.sent(b"no HTTP\r\n\r\n" + GET % b"")
    await connection.sent(GET % b"")
    assert connection.wire.written.startswith(b"HTTP/1.1 400 ")
    assert connection.wire.written.count(b"HTTP/1.1") == 1
    assert connection.wire.has_ended
    assert connection.application.begun == []
    await waited()
    assert connection.wire.closed
    await connection.lost()


async def test_r111_what_is_served_is_answered_before_a_fault_behind_it(
    connection: Connection,
) -> None:
    connection.made()
    await connection.sent(POST + b"xx" + b"GET / HTTP/9\r\n\r\n")
    await waited()
    assert connection.wire.written == b""
    assert not connection.wire.closed
    connection.application.may_answer.set()
    await waited(0.5)
    assert connection.wire.written.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in connection.wire.written.lower()
    assert connection.wire.written.endswith(b"ok")
    assert connection.wire.closed
    await connection.lost()


@pytest.mark.parametrize("between", [[], ["/second"]])
async def test_r111_what_breaks_behind_others_is_left_without_an_answer(
    connection: Connection, between: list[str]
) -> None:
    connection.made()
    whole = POST + b"xx" + b"".join(GET % path[1:].encode() for path in between)
    broken = b"POST /broken HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    await connection.sent(whole + broken)
    assert connection.wire.written == b""
    connection.application.may_answer.set()
    await waited(0.5)
    assert connection.application.begun == ["/slow", *between]
    *others, last = connection.wire.written.lower().split(b"http/1.1 200 ")[1:]
    assert len(others) == len(between)
    assert b"connection: close" not in b"".join(others)
    assert b"connection: close" in last
    assert connection.wire.closed
    await connection.lost()


async def test_r111_who_waits_for_a_body_that_breaks_is_told(connection: Connection) -> None:
    connection.made()
    await connection.sent(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert connection.admission.reading == {connection.protocol}
    await connection.sent(b"no size\r\n")
    assert connection.wire.written.startswith(b"HTTP/1.1 400 ")
    assert [message["type"] for message in connection.application.told] == ["http.disconnect"]
    assert connection.admission.reading == set()
    await connection.lost()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked", b"200"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked", b"400"),
        (b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked", b"400"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked", b"400"),
        (b"GET / HTTP/1.0", b"200"),
        (b"GET http://x/ HTTP/1.0", b"400"),
        (b"GET / HTTP/1.1", b"400"),
    ],
)
async def test_r98_a_request_has_one_host_and_one_framing(
    connection: Connection, head: bytes, status: bytes
) -> None:
    connection.made()
    await connection.sent(head + b"\r\n\r\n0\r\n\r\n")
    assert connection.wire.written.startswith(b"HTTP/1.1 %b " % status)
    assert connection.application.begun == (["/"] if status == b"200" else [])
    await connection.lost()


@pytest.mark.parametrize(
    "request_line",
    [
        b"CONNECT x:80 HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET http://other/ HTTP/1.1",
        b"GET * HTTP/1.1",
        b"POST * HTTP/1.1",
    ],
)
async def test_r98_what_is_not_for_this_server_is_refused(
    connection: Connection, request_line: bytes
) -> None:
    connection.made()
    await connection.sent(request_line + b"\r\nHost: x\r\n\r\n")
    assert connection.wire.written.startswith(b"HTTP/1.1 400 ")
    assert connection.application.begun == []
    await connection.lost()


async def test_a_caller_that_asks_is_told_to_go_on(connection: Connection) -> None:
    connection.made()
    connection.application.may_answer.set()
    await connection.sent(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-Continue\r\n\r\n"))
    assert connection.wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    await connection.sent(b"xx")
    await waited(0.5)
    assert connection.wire.written.endswith(b"ok")
    await connection.lost()


async def test_who_has_its_answer_is_not_told_to_go_on(connection: Connection) -> None:
    connection.made()
    asks = POST.replace(b"/slow", b"/unread").replace(
        b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"
    )
    await connection.sent(asks)
    assert [message["type"] for message in connection.application.told] == ["http.disconnect"]
    assert connection.wire.written.startswith(b"HTTP/1.1 200 ")
    assert connection.wire.written.endswith(b"ok")
    await connection.lost()


@pytest.mark.parametrize("header", [b"Expect: more", b"X: 100-continue"])
async def test_nobody_else_is_told_to_go_on(connection: Connection, header: bytes) -> None:
    connection.made()
    connection.application.may_answer.set()
    await connection.sent(POST.replace(b"\r\n\r\n", b"\r\n%b\r\n\r\n" % header))
    assert connection.wire.written == b""
    await connection.lost()


async def test_r111_an_upgrade_is_ignored_and_the_request_served_with_its_body(
    connection: Connection,
) -> None:
    connection.made()
    connection.application.may_answer.set()
    upgrade = POST.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    await connection.sent(upgrade + b"xx" + GET % b"next")
    await waited(0.5)
    assert connection.application.begun == ["/slow", "/next"]
    assert connection.wire.written.count(b"HTTP/1.1 200 ") == 2
    await connection.lost()
