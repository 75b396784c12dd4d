"""What ``docs/install.md`` promises about proxies: the log rule, and the client address.

A request carries a mark wherever LINE WORKS puts something that no log may hold; then every file
that the web server has written is searched for it. One address that holds all the connections it
can get keeps no other out, and LINE WORKS is told of an outage in JSON.
"""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest
from tests.docs.proxies import (
    CALLER,
    HOST,
    START_TIME,
    Certificate,
    Ports,
    Proxy,
    Upstream,
    caddy,
    haproxy,
    httpd,
    make_certificate,
    nginx,
)
from tests.machine import require
from tests.ports import free_ports

from worksgate.oauth.errors import TemporarilyUnavailable
from worksgate.oauth.model import ErrorStyle
from worksgate.web.calls.endpoints import RETRY_AFTER, error_body

MARK = "canary7f3a"
QUERY = (
    f"redirect_uri=https%3A%2F%2Fauth.worksmobile.com%2Fcb%3Fstate%3D{MARK}"
    f"&worksId={MARK}&password={MARK}"
)
CALL = f"POST /accessToken HTTP/1.1\r\nHost: {HOST}\r\n".encode()
SLOW_BODY = CALL + b"Content-Length: 300\r\n\r\nx"
OPEN_FILES = 4_096
"""More than the connections of any test, at both of their ends."""


PROGRAMS = {"httpd": "apache2"}
"""Those that Debian calls otherwise."""


class Start(Protocol):
    """``nginx``, ``caddy``, ``haproxy`` or ``httpd``."""

    __name__: str

    def __call__(
        self, folder: Path, ports: Ports, certificate: Certificate
    ) -> AbstractContextManager[Proxy]: ...


def needs(start: Start) -> Start:
    """The same. Its tests are left out where it is not installed; on CI they fail there."""
    require(PROGRAMS.get(start.__name__, start.__name__))
    return start


@pytest.fixture(scope="module", autouse=True)
def many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(OPEN_FILES, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    running = Upstream(answer_code=MARK)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module", params=[nginx, caddy, haproxy, httpd])
def proxy(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,
    upstream: Upstream,
) -> Iterator[Proxy]:
    """A web server with somebody behind it."""
    start = needs(request.param)
    https, http = free_ports(2)
    folder = tmp_path_factory.mktemp(f"{start.__name__}-up")
    with start(folder, Ports(https, http, upstream.port), certificate) as proxy:
        yield proxy


@pytest.fixture(scope="module", params=[nginx, caddy, haproxy, httpd])
def lonely_proxy(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,
) -> Iterator[Proxy]:
    """A web server whose Worksgate is down."""
    start = needs(request.param)
    folder = tmp_path_factory.mktemp(f"{start.__name__}-down")
    with start(folder, Ports(*free_ports(3)), certificate) as proxy:
        yield proxy


@pytest.mark.parametrize("connection", ["keep-alive", "X-Forwarded-For, X-Forwarded-Proto, Host"])
def test_r96_caller_and_scheme_arrive_and_claims_of_the_caller_do_not(
    proxy: Proxy, connection: str
) -> None:
    """Nor does a caller hide their own, as what is about one connection."""
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    forged["Connection"] = connection
    arrived = proxy.request("GET", "/login", headers=forged).json()
    assert arrived["caller"] == CALLER
    assert arrived["scheme"] == "https"
    assert arrived["host"] == HOST


def test_r111_what_is_about_one_connection_is_passed_on_in_neither_direction(proxy: Proxy) -> None:
    hop_by_hop = {
        "Connection": "Upgrade, Keep-Alive, TE",
        "Upgrade": "foo",
        "Keep-Alive": "timeout=300",
        "TE": "trailers",
        "Proxy-Connection": "keep-alive",
    }
    answer = proxy.request("POST", "/login", headers=hop_by_hop, body=b"a=b")
    arrived = set(answer.json()["headers"])
    assert not arrived & {"upgrade", "keep-alive", "te", "proxy-connection"}
    assert answer.json()["body_size"] == 3
    assert "90" not in answer.headers.get("keep-alive", ""), "httpd says its own"


def test_haproxy_starts_where_a_service_may_open_few_files(
    tmp_path: Path, certificate: Certificate
) -> None:
    needs(haproxy)
    with haproxy(tmp_path, Ports(*free_ports(3)), certificate, files=1_024) as proxy:
        assert proxy.get("/login").status_code == 503


def test_query_arrives_byte_for_byte(proxy: Proxy) -> None:
    assert proxy.get(f"/login?{QUERY}").json()["query"] == QUERY


def test_r59_no_file_holds_a_query_string_or_a_code(proxy: Proxy) -> None:
    answer = proxy.get(f"/login?{QUERY}", Referer=f"https://{HOST}/login?{QUERY}")
    assert MARK in answer.headers["location"]
    assert proxy.get(f"/apiLogin/acme?{QUERY}").status_code == 200
    assert proxy.request("POST", f"/login?{QUERY}", body=MARK.encode()).status_code == 200
    assert proxy.get(f"/login?{QUERY}", https=False).is_redirect
    assert proxy.files_with(MARK) == []


def test_r59_no_file_holds_the_query_of_a_request_that_is_refused(proxy: Proxy) -> None:
    too_long = proxy.get(f"/login?{QUERY}&{'x' * 40_000}")
    malformed = proxy.send_bytes(f"GET /login?{QUERY} x HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    unknown = proxy.send_bytes(f"GET /login?{QUERY} HTTP/1.1\r\nHost: a b\r\n\r\n".encode())
    assert too_long.status_code in (200, 400, 414)  # Caddy takes longer ones than the others
    assert b" 400 " in malformed
    assert b" 400 " in unknown
    assert proxy.files_with(MARK) == []


def test_r59_no_file_holds_a_query_string_while_worksgate_is_down(lonely_proxy: Proxy) -> None:
    down = (502, 503)
    assert lonely_proxy.get(f"/login?{QUERY}").status_code in down
    assert lonely_proxy.get(f"/apiLogin/acme?{QUERY}").status_code in down
    assert lonely_proxy.request("POST", f"/login?{QUERY}", body=MARK.encode()).status_code in down
    assert lonely_proxy.files_with(MARK) == []


def test_requests_are_logged_all_the_same(proxy: Proxy) -> None:
    proxy.get(f"/login/seen-in-the-log?{QUERY}")
    # On a busy machine the request may fail: then Caddy's own log has it as well.
    assert "worksgate.log" in {log.name for log in proxy.files_with("/login/seen-in-the-log")}


def test_r95_a_page_over_plain_http_is_redirected_to_the_fixed_host(proxy: Proxy) -> None:
    answer = proxy.get("/login?a=b", https=False)
    assert answer.status_code in (301, 308)
    assert answer.headers["location"] == f"https://{HOST}/login?a=b"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/accessToken"), ("POST", "/login"), ("GET", "/apiLogin/acme?password=x")],
)
def test_r64_r95_a_call_with_a_secret_over_plain_http_is_refused(
    proxy: Proxy, method: str, path: str
) -> None:
    answer = proxy.request(method, path, https=False, body=b"a=b" if method == "POST" else b"")
    assert answer.status_code == 403
    assert "location" not in answer.headers


@pytest.mark.parametrize("proxy", [nginx], ids=["nginx"], indirect=True)
def test_password_is_never_written_to_a_temporary_file(proxy: Proxy) -> None:
    bodies = proxy.folder / "client_body"
    before = bodies.stat().st_mtime_ns  # nginx removes the file at once; its folder remembers
    answer = proxy.request("POST", "/login", body=b"password=" + b"x" * 60_000)
    assert answer.json()["body_size"] == 60_009
    assert bodies.stat().st_mtime_ns == before


CUT_AFTER = 10
"""Seconds after which a slow request gives its place to others: the files of ``deploy/`` say so."""


def assert_another_is_served(proxy: Proxy) -> None:
    """Who calls from another address does not wait for that: the best of three tries."""
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        answer = proxy.request("POST", "/accessToken", body=b"a=b")
        seconds.append(time.monotonic() - began)
        assert answer.status_code == 200
        assert answer.json()["caller"] == CALLER
    assert min(seconds) < CUT_AFTER / 2, seconds


@pytest.mark.parametrize(
    ("proxy", "number"),
    [(nginx, 600), (caddy, 600), (haproxy, 1_100)],
    ids=["nginx", "caddy", "haproxy"],
    indirect=["proxy"],
)
def test_f22_slow_bodies_from_one_address_keep_no_other_out(proxy: Proxy, number: int) -> None:
    with proxy.held(number, SLOW_BODY):
        assert_another_is_served(proxy)


@pytest.mark.parametrize("proxy", [nginx], ids=["nginx"], indirect=True)
@pytest.mark.parametrize(
    ("scheme", "unfinished"),
    [
        ("https", CALL + b"Content-Length: 300000\r\n\r\nx"),
        ("http", SLOW_BODY),
        ("http", SLOW_BODY.replace(b"POST", b"GET")),
    ],
    ids=["too large", "plain http", "redirected"],
)
def test_f29_who_sends_on_after_an_answer_of_nginx_itself_keeps_no_other_out(
    proxy: Proxy, scheme: str, unfinished: bytes
) -> None:
    with proxy.held(600, unfinished, https=scheme == "https"):
        time.sleep(0.5)
        assert_another_is_served(proxy)


@pytest.mark.parametrize("proxy", [haproxy], ids=["haproxy"], indirect=True)
def test_f29_one_address_gets_a_thousand_connections_of_haproxy_and_no_more(proxy: Proxy) -> None:
    for _ in range(10):  # a busy machine may still count those of a test before, or be too slow
        with proxy.held(1_100, CALL, https=False) as let_in:
            assert_another_is_served(proxy)
            until = time.monotonic() + CUT_AFTER / 2
            while (there := sum(map(_is_open, let_in))) > 1_000 and time.monotonic() < until:
                time.sleep(0.05)  # the end of a refused one takes a moment to arrive
        if 900 < there <= 1_000:
            return
    raise AssertionError(f"{there} are let in")


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.mark.parametrize("proxy", [nginx, haproxy], ids=["nginx", "haproxy"], indirect=True)
@pytest.mark.parametrize(
    "unfinished",
    [
        SLOW_BODY,
        CALL + b"X: %b\r\nContent-Length: 16384\r\n\r\n" % (b"x" * 7_700) + b"x" * 16_383,
        CALL + b"X: %b\r\n" % (b"x" * 7_900) * 3 + b"Content-Length: 9000\r\n\r\n" + b"x" * 8_000,
        CALL + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 16_000,
    ],
    ids=["nearly nothing", "nearly all", "long head", "chunks"],
)
def test_f22_a_body_is_passed_on_when_it_is_whole(
    proxy: Proxy, upstream: Upstream, unfinished: bytes
) -> None:
    upstream.queries.clear()
    with proxy.held(1, unfinished.replace(b"/accessToken", b"/accessToken?held", 1)):
        time.sleep(0.3)
        assert_another_is_served(proxy)
        assert "held" not in upstream.queries
    proxy.request("POST", "/accessToken?held", body=b"a=b")
    assert "held" in upstream.queries


@pytest.mark.parametrize("proxy", [haproxy], ids=["haproxy"], indirect=True)
def test_f23_what_only_begins_like_a_call_is_limited_like_a_page(proxy: Proxy) -> None:
    page, call = (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        for path in ("/apiLoginx", "/apiLogin/acme")
    )
    with proxy.held(1, page * 310) as (connection,):
        answers = b""
        while b" 429 " not in answers:
            answers += connection.recv(65_536)
            assert answers.count(b"HTTP/1.1 200") <= 300
    with proxy.held(1, call) as (connection,):
        assert b" 200 " in connection.recv(4_096)


@pytest.fixture
def unready_haproxy(tmp_path: Path, certificate: Certificate) -> Iterator[Proxy]:
    """A HAProxy that has taken out its only node, which lives but is not ready."""
    start = needs(haproxy)
    https, http = free_ports(2)
    node = Upstream(answer_code=MARK, is_ready=False)
    node.start()
    try:
        with start(tmp_path, Ports(https, http, node.port), certificate) as proxy:
            log = tmp_path / "worksgate.log"
            until = time.monotonic() + START_TIME
            for backend in ("calls", "mail_clients", "pages"):
                while f"{backend}/one is DOWN" not in log.read_text("utf-8"):
                    assert time.monotonic() < until, log.read_text("utf-8")
                    time.sleep(0.1)
            yield proxy
    finally:
        node.stop()


def test_f04_while_no_node_is_ready_haproxy_lets_the_nodes_answer(unready_haproxy: Proxy) -> None:
    answers = [
        unready_haproxy.request("POST", "/accessToken", body=b"a=b"),
        unready_haproxy.get("/apiLogin/acme?password=x"),
        unready_haproxy.get("/login"),
    ]
    assert [answer.json()["caller"] for answer in answers] == [CALLER] * 3


@pytest.mark.parametrize("lonely_proxy", [haproxy], ids=["haproxy"], indirect=True)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/accessToken"), ("POST", "/userInfo"), ("GET", "/apiLogin/acme?password=x")],
)
def test_f04_while_no_node_can_be_reached_haproxy_answers_calls_as_a_node_would(
    lonely_proxy: Proxy, method: str, path: str
) -> None:
    answer = lonely_proxy.request(method, path, body=b"a=b" if method == "POST" else b"")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["retry-after"] == RETRY_AFTER.decode()
    assert answer.json() == error_body(TemporarilyUnavailable(), ErrorStyle.CODE)
