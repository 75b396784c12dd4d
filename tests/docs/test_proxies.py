"""What ``docs/install.md`` promises of nginx, Caddy and HAProxy: the log rule, and who calls.

A request carries a mark wherever LINE WORKS puts something that no log may hold; then every file
that the web server has written is searched for it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest
from tests.docs.proxies import (
    CALLER,
    HOST,
    Certificate,
    Ports,
    Proxy,
    Upstream,
    caddy,
    free_ports,
    haproxy,
    make_certificate,
    nginx,
)

MARK = "canary7f3a"
QUERY = (
    f"redirect_uri=https%3A%2F%2Fauth.worksmobile.com%2Fcb%3Fstate%3D{MARK}"
    f"&worksId={MARK}&password={MARK}"
)


class Start(Protocol):
    """``nginx``, ``caddy`` or ``haproxy``."""

    __name__: str

    def __call__(
        self, folder: Path, ports: Ports, certificate: Certificate
    ) -> AbstractContextManager[Proxy]: ...


def needs(start: Start) -> Start:
    """The same. Its tests are left out where it is not installed; on CI they fail there."""
    name = start.__name__
    if shutil.which(name) is None and "CI" not in os.environ:
        pytest.skip(f"{name} is not installed on this machine; CI installs it, and skips nothing")
    return start


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    running = Upstream(answer_code=MARK)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module", params=[nginx, caddy, haproxy])
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


@pytest.fixture(scope="module", params=[nginx, caddy, haproxy])
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


def test_r96_caller_and_scheme_arrive_and_claims_of_the_caller_do_not(proxy: Proxy) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    arrived = proxy.request("GET", "/login", headers=forged).json()
    assert arrived["caller"] == CALLER
    assert arrived["scheme"] == "https"
    assert arrived["host"] == HOST


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
    (log,) = proxy.files_with("/login/seen-in-the-log")
    assert log.name == "worksgate.log"


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
