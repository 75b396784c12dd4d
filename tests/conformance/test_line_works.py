"""What LINE WORKS sends, byte for byte, and its timeouts, on real sockets."""

import asyncio
import base64
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from urllib.parse import parse_qsl, unquote

import pytest
from tests.unhurried import tries

from worksgate.conformance.exchange import Exchange, Failure, TimeLimits
from worksgate.conformance.line_works import (
    ANSWER_SIZE_LIMIT,
    CallbackError,
    Credentials,
    Endpoints,
    LineWorks,
    authorization_url,
    parse_callback,
    redirect_uri_with_state,
)

CLIENT = Credentials("acme client", "s3cr3t+/=&-that-nobody-may-see")
QUICK = TimeLimits(connect=0.3, answer=0.3)
PATIENT = TimeLimits(connect=20.0, answer=60.0)
"""On a busy machine nothing is wrong with an answer that comes late."""
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that records what came and answers with given bytes, or as a handler says."""

    def __init__(self, answer: bytes = b"", handler: Handler | None = None) -> None:
        self.answer = answer
        self.handler = handler
        self.received = b""
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = header_of(head, "content-length") or "0"
            self.received = head + await reader.readexactly(int(length))
            if self.handler is not None:
                await self.handler(reader, writer)
            writer.write(self.answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def request_line(self) -> str:
        return self.received.partition(b"\r\n")[0].decode()

    @property
    def body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]


def header_of(head: bytes, name: str) -> str | None:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return next((value.strip() for key, _, value in lines if key.lower() == name), None)


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def line_works_against(
    peer: Peer, limits: TimeLimits = PATIENT
) -> AsyncIterator[tuple[LineWorks, str]]:
    server = await asyncio.start_server(peer.handle, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, LineWorks(endpoints(origin), CLIENT, limits=limits) as line_works:
        yield line_works, origin


def endpoints(origin: str) -> Endpoints:
    return Endpoints(
        web_login=f"{origin}/login",
        app_login=f"{origin}/login",
        access_token=f"{origin}/accessToken",
        user_info=f"{origin}/userInfo",
        logout=f"{origin}/logout",
        imap_login=f"{origin}/apiLogin/acme",
    )


# The login link


def test_login_link_is_written_as_line_works_writes_it() -> None:
    url = authorization_url(
        "https://sso.example/login",
        client_id="acme",
        redirect_uri=redirect_uri_with_state("https://auth.worksmobile.com/cb", "a+b/c=="),
    )
    assert url == (
        "https://sso.example/login?response_type=code&client_id=acme&redirect_uri="
        "https%3A%2F%2Fauth.worksmobile.com%2Fcb%3Fstate%3Da%252Bb%252Fc%253D%253D"
    )


def test_app_adds_its_user_agent_and_its_session_key() -> None:
    url = authorization_url(
        "https://sso.example/login?keep=%2B",
        client_id="acme",
        redirect_uri="https://auth.worksmobile.com/cb",
        works_id="hana sato@acme",
        app=True,
        session_key="key",
    )
    assert url.startswith("https://sso.example/login?keep=%2B&response_type=code&")
    assert url.endswith("&worksId=hana%20sato%40acme&userAgent=LineWorks&sessionKey=key")


def test_logout_link_carries_its_destination_encoded_once() -> None:
    line_works = LineWorks(endpoints("https://sso.example"), CLIENT)
    assert line_works.logout_url() == "https://sso.example/logout"
    assert line_works.logout_url("https://a.example/b?c=d&e") == (
        "https://sso.example/logout?redirect_uri=https%3A%2F%2Fa.example%2Fb%3Fc%3Dd%26e"
    )


# The callback


@pytest.mark.parametrize(
    ("redirect_uri", "callback"),
    [
        ("https://a.example/cb?state=x%2By", "https://a.example/cb?state=x%2By&code=abc"),
        ("https://a.example/cb", "https://a.example/cb?code=abc"),
        ("https://a.example/cb?s=1#f", "https://a.example/cb?s=1&code=abc#f"),
    ],
)
def test_callback_is_the_redirect_uri_plus_one_code(redirect_uri: str, callback: str) -> None:
    assert parse_callback(callback, redirect_uri=redirect_uri) == "abc"


@pytest.mark.parametrize(
    "callback",
    [
        "https://a.example/cb?state=x%2By",
        "https://a.example/cb?state=x%2By&code=",
        "https://a.example/cb?state=x%2By&code=abc&code=abc",
        "https://a.example/cb?state=x+y&code=abc",
        "https://a.example/cb?state=x%2by&code=abc",
        "https://a.example/cb?code=abc&state=x%2By",
        "https://a.example/cb?state=x%2By&code=abc&iss=https://sso.example",
        "https://other.example/cb?state=x%2By&code=abc",
        "https://a.example/cb?state=x%2By#code=abc",
    ],
)
def test_callback_with_any_other_byte_changed_is_refused(callback: str) -> None:
    with pytest.raises(CallbackError):
        parse_callback(callback, redirect_uri="https://a.example/cb?state=x%2By")


def test_callback_with_an_error_says_which() -> None:
    with pytest.raises(CallbackError) as caught:
        parse_callback("https://a.example/cb?state=1&error=access_denied")
    assert caught.value.error == "access_denied"


# The calls


async def test_code_is_posted_as_line_works_posts_it() -> None:
    peer = Peer(http(b'{"access_token": "abc"}'))
    async with line_works_against(peer) as (line_works, _):
        exchange = await line_works.exchange_code("the code+/=")
    assert peer.request_line == "POST /accessToken HTTP/1.1"
    assert header_of(peer.received, "content-type") == "application/x-www-form-urlencoded"
    assert header_of(peer.received, "transfer-encoding") is None
    assert peer.body == (
        b"grant_type=authorization_code&client_id=acme+client&client_secret="
        b"s3cr3t%2B%2F%3D%26-that-nobody-may-see&code=the+code%2B%2F%3D"
    )
    assert exchange.value("access_token") == "abc"
    assert exchange.failure is None
    assert exchange.connected_in_time
    assert exchange.answered_in_time


async def test_token_is_posted_as_line_works_posts_it() -> None:
    peer = Peer(http(b'{"user_id": "hana"}'))
    async with line_works_against(peer) as (line_works, _):
        exchange = await line_works.user_info("the-token")
    assert peer.request_line == "POST /userInfo HTTP/1.1"
    assert peer.body == (
        b"client_id=acme+client&client_secret=s3cr3t%2B%2F%3D%26-that-nobody-may-see"
        b"&access_token=the-token"
    )
    assert exchange.value("user_id") == "hana"


async def test_refresh_token_is_posted_with_its_grant_type() -> None:
    peer = Peer(http(b"{}"))
    async with line_works_against(peer) as (line_works, _):
        await line_works.refresh("the-refresh-token")
    form = parse_qsl(peer.body.decode())
    assert form[0] == ("grant_type", "refresh_token")
    assert form[-1] == ("refresh_token", "the-refresh-token")


async def test_imap_login_survives_a_plus_in_its_base64() -> None:
    peer = Peer(http(b'{"code": "abc"}'))
    password = "pä>>ss>>?word"
    async with line_works_against(peer) as (line_works, _):
        exchange = await line_works.imap_login("hana@acme.example", password)
    encoded = base64.b64encode(password.encode()).decode()
    assert "+" in encoded
    _, target, _ = peer.request_line.split(" ")
    assert target.startswith("/apiLogin/acme?email=aGFuYUBhY21lLmV4YW1wbGU%3D&password=")
    assert unquote(target.rpartition("=")[2]) == encoded
    assert "+" not in target
    assert peer.body == b""
    shown = repr(exchange) + str(exchange.masked())
    assert encoded not in shown
    assert password not in shown


async def test_each_call_has_a_connection_of_its_own() -> None:
    peer = Peer(http(b"{}"))
    async with line_works_against(peer) as (line_works, _):
        await line_works.user_info("a")
        await line_works.user_info("b")
    assert peer.connections == 2


async def test_redirect_is_an_answer_and_not_followed() -> None:
    peer = Peer(http(b"", "307 Temporary Redirect", "Location: /elsewhere"))
    async with line_works_against(peer) as (line_works, _):
        exchange = await line_works.user_info("a")
    assert exchange.status == 307
    assert peer.connections == 1


async def test_error_in_good_json_is_an_answer() -> None:
    peer = Peer(http(b'{"error": "302", "error_description": "x"}', "400 Bad Request"))
    async with line_works_against(peer) as (line_works, _):
        exchange = await line_works.exchange_code("abc")
    assert (exchange.failure, exchange.status, exchange.error) == (None, 400, "302")


# Failures


async def test_silence_ends_at_the_answer_limit() -> None:
    async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2)

    for each in tries():
        with each:
            async with line_works_against(Peer(handler=silent), QUICK) as (line_works, _):
                exchange = await line_works.user_info("a")
            assert exchange.failure is Failure.ANSWER_TIMEOUT
            assert exchange.connected_in_time
            assert not exchange.answered_in_time
            assert exchange.timings.answer is not None
            assert 0.29 < exchange.timings.answer < 1


async def test_answer_that_trickles_ends_at_the_answer_limit() -> None:
    """Each read alone is quick; the answer as a whole is not."""

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _i in range(40):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    for each in tries():
        with each:
            async with line_works_against(Peer(handler=trickle), QUICK) as (line_works, _):
                exchange = await line_works.user_info("a")
            assert exchange.failure is Failure.ANSWER_TIMEOUT
            assert exchange.answer is not None
            assert 0 < len(exchange.answer.body) < 1000


async def test_connection_that_nobody_accepts_ends_at_the_connect_limit() -> None:
    """A backlog of none that is full: the next handshake stays without an answer."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for each in tries():
            with each:
                async with LineWorks(endpoints(origin), CLIENT, limits=QUICK) as line_works:
                    exchange = await line_works.user_info("a")
                assert exchange.failure is Failure.CONNECT_TIMEOUT
                assert not exchange.connected_in_time
                assert exchange.answer is None
                assert exchange.timings.connect is not None
                assert 0.29 < exchange.timings.connect < 1


async def test_closed_port_is_a_failed_connection() -> None:
    async with line_works_against(Peer()) as (_, origin):
        pass
    async with LineWorks(endpoints(origin), CLIENT, limits=PATIENT) as line_works:
        exchange = await line_works.user_info("a")
    assert exchange.failure is Failure.CONNECT_FAILED
    assert not exchange.connected_in_time


async def test_plain_http_behind_https_is_a_failed_handshake() -> None:
    async with line_works_against(Peer(http(b"{}"))) as (_, origin):
        secure = endpoints(origin.replace("http:", "https:"))
        async with LineWorks(secure, CLIENT, limits=QUICK) as line_works:
            exchange = await line_works.user_info("a")
    assert exchange.failure in (Failure.TLS_FAILED, Failure.CONNECT_TIMEOUT)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"", Failure.BROKEN_ANSWER),
        (b"SSH-2.0-OpenSSH\r\n\r\n", Failure.BROKEN_ANSWER),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", Failure.BROKEN_ANSWER),
        (http(b"x" * (ANSWER_SIZE_LIMIT + 1)), Failure.ANSWER_TOO_LARGE),
        (http(b"<html></html>"), Failure.NOT_JSON),
        (http(b'{access_token: "abc"}'), Failure.NOT_JSON),
        (http(b'["a list"]'), Failure.NOT_JSON),
        (http(b"[" * 60_000), Failure.NOT_JSON),
        (http(b""), Failure.NOT_JSON),
        (http(b"\xff\xfe{}"), Failure.NOT_JSON),
    ],
)
async def test_unusable_answer_is_named_and_never_raised(answer: bytes, failure: Failure) -> None:
    async with line_works_against(Peer(answer)) as (line_works, _):
        exchange = await line_works.exchange_code("abc")
    assert exchange.failure is failure
    assert exchange.value("access_token") is None
    repr(exchange)


@pytest.mark.parametrize("url", ["not an address", "ftp://127.0.0.1/", "http://[/", "http://"])
async def test_address_that_is_none_is_a_failed_connection(url: str) -> None:
    async with LineWorks(endpoints("http://127.0.0.1"), CLIENT, limits=PATIENT) as line_works:
        exchange = await line_works.send("GET", url)
    assert exchange.failure is Failure.CONNECT_FAILED


# Masking


async def exchange_with(answer: bytes, code: str = "the-code-1234567890") -> Exchange:
    async with line_works_against(Peer(answer)) as (line_works, _):
        return await line_works.exchange_code(code)


@pytest.mark.parametrize(
    "body",
    [
        b'{"access_token": "tok-abcdefghijklmnop", "refresh_token": "ref-abcdefghijklmnop"}',
        b"{access_token: tok-abcdefghijklmnop, refresh_token: 'ref-abcdefghijklmnop'}",
        b'{"data": {"access_token": "tok-abcdefghijklmnop"}, "seen": "tok-abcdefghijklmnop"}',
        b'<p>"access_token": "tok-abcdefghijklmnop" and again tok-abcdefghijklmnop</p>',
        b"the-code-1234567890 s3cr3t+/=&-that-nobody-may-see",
        b"code=the-code-1234567890&x=s3cr3t%2B%2F%3D%26-that-nobody-may-see",
    ],
)
async def test_secrets_are_masked_wherever_they_occur(body: bytes) -> None:
    exchange = await exchange_with(
        http(body, "200 OK", "X-Echo: the-code-1234567890", "Set-Cookie: sid=the-session; Path=/")
    )
    masked = exchange.masked()
    assert masked.answer is not None
    shown = " ".join(
        [
            repr(exchange),
            repr(masked),
            masked.request.url,
            masked.request.body.decode(),
            masked.answer.body.decode(),
            repr(masked.answer.headers),
        ]
    )
    for secret in ("tok-abc", "ref-abc", "the-code-1", "nobody-may-see", "the-session"):
        assert secret not in shown
    assert masked.secrets == ()


async def test_masking_keeps_what_is_no_secret() -> None:
    exchange = await exchange_with(
        http(b'{"error": "302", "error_code": "E1", "code": "", "zipcode": "1234567890123"}')
    )
    masked = exchange.masked()
    assert masked.answer is not None
    assert masked.answer == exchange.answer
    assert b"grant_type=authorization_code&client_id=acme+client" in masked.request.body


async def test_masking_copes_with_half_a_surrogate_pair() -> None:
    masked = (await exchange_with(http(b'{"access_token": "\\ud800tok-abcdefghij"}'))).masked()
    assert masked.answer is not None
    assert b"abcdefghij" not in masked.answer.body


async def test_r59_password_of_an_imap_login_is_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with line_works_against(Peer(http(b'{"code": "abc"}'))) as (line_works, _):
        await line_works.imap_login("hana@acme.example", "a canary password")
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert "/apiLogin/acme?email=" in logged
    assert "canary" not in logged
    assert base64.b64encode(b"a canary password").decode() not in logged


def test_credentials_hide_their_secret() -> None:
    assert "nobody" not in repr(CLIENT)
