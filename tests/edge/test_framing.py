"""One request, one response, and no effect on the next one, however its body is framed (R-111).

Against our own server, against the application under servers of others, and through the proxies
with the files of ``deploy/``.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.docs.proxies import Certificate, caddy, haproxy, httpd, make_certificate, nginx
from tests.edge.framings import (
    ALL,
    AMBIGUOUS,
    BROKEN,
    FORM,
    NOWHERE,
    ODD,
    READ_WRONGLY,
    SERVED,
    WITHOUT_HOST,
    Framing,
    post,
)
from tests.edge.servers import FOREIGN, PATIENCE, Caller, Edge, behind, foreign, ours

from worksgate.server import connection

PROXIES = {start.__name__: start for start in (nginx, caddy, haproxy, httpd)}
TIMES = 1_000
"""So many come in all, each several times and every time after another one."""
AT_ONCE = 24
"""Callers that share those, where a server takes seconds to close a connection that it refused."""
UPGRADES = [each for each in (*SERVED, *READ_WRONGLY) if "upgrade" in each.name]


@pytest.fixture(scope="module")
def worksgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with ours(tmp_path_factory.mktemp("ours")) as edge:
        yield edge


@pytest.fixture(scope="module", params=list(FOREIGN))
def other(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    with foreign(request.param, tmp_path_factory.mktemp(request.param)) as edge:
        yield edge


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=list(PROXIES))
def proxied(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,
) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp(f"edge-{request.param}")
    with behind(PROXIES[request.param], folder, certificate) as edge:
        yield edge


def error_in(answer: bytes) -> str:
    """The number of the error in an answer of a call."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head.lower(), answer
    assert b"cache-control: no-store" in head.lower(), answer
    return str(json.loads(body)["error"])


def is_alive(answer: bytes) -> bool:
    """Whether this is the answer to ``ALIVE``."""
    return error_in(answer) == "301"


def assert_one_answer(answers: list[bytes], framing: Framing) -> None:
    """There is the answer to the request, and then at most that to ``ALIVE``."""
    assert 1 <= len(answers) <= 2, (framing.name, answers)
    assert not any(answer[9:12] == b"404" for answer in answers), (framing.name, answers)
    assert all(is_alive(answer) for answer in answers[1:]), (framing.name, answers)


# Our own server


@pytest.mark.parametrize("framing", [*SERVED, *READ_WRONGLY, *ODD], ids=str)
def test_r111_a_request_is_served_with_its_body(worksgate: Edge, framing: Framing) -> None:
    answers = worksgate.answers(framing.request)
    assert_one_answer(answers, framing)
    assert error_in(answers[0]) == framing.error
    is_last = b"close" in framing.request or b"HTTP/1.0" in framing.request
    assert len(answers) == (1 if is_last else 2)


@pytest.mark.parametrize("framing", [*BROKEN, *WITHOUT_HOST, *AMBIGUOUS], ids=str)
def test_r111_what_is_no_valid_request_is_refused_and_nothing_behind_it_is_read(
    worksgate: Edge, framing: Framing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "UNREAD_TIMEOUT", PATIENCE)
    began = time.monotonic()
    (answer,) = worksgate.answers(framing.request)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nconnection: close\r\n" in answer
    if b"application/json" in answer:  # else the path is none of a call
        assert error_in(answer) == "201"
    assert time.monotonic() - began < PATIENCE / 2, "who has its answer waits for the end"


@pytest.mark.parametrize("framing", UPGRADES, ids=str)
def test_r111_an_upgrade_is_served_with_its_body_wherever_it_is_cut(
    worksgate: Edge, framing: Framing
) -> None:
    head = framing.request.index(b"\r\n\r\n")
    for at in (*range(1, head, 29), *range(head - 2, len(framing.request))):
        answers = worksgate.answers(framing.request[:at], framing.request[at:], pause=0.0005)
        assert_one_answer(answers, framing)
        assert error_in(answers[0]) == framing.error, at


@pytest.mark.parametrize("framing", UPGRADES, ids=str)
def test_r111_an_upgrade_is_served_byte_for_byte(worksgate: Edge, framing: Framing) -> None:
    parts = [framing.request[at : at + 1] for at in range(len(framing.request))]
    answers = worksgate.answers(*parts, pause=0)
    assert_one_answer(answers, framing)
    assert error_in(answers[0]) == framing.error


def test_r111_a_body_behind_a_head_request_is_no_request(worksgate: Edge) -> None:
    head = b"HEAD /login HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(NOWHERE)
    page, alive = worksgate.answers(head + NOWHERE)
    assert page.startswith(b"HTTP/1.1 400 ")
    assert page.endswith(b"\r\n\r\n"), "an answer to HEAD has no body"
    assert is_alive(alive)


def test_r111_pipelined_requests_are_each_answered_with_their_own(worksgate: Edge) -> None:
    several = [each for each in SERVED if each.name.startswith(("length", "upgrade to", "chunk"))]
    answers = worksgate.answers(b"".join(each.request for each in several))
    assert [error_in(answer) for answer in answers[:-1]] == ["203"] * len(several)
    assert is_alive(answers[-1])


@pytest.mark.parametrize(
    "broken",
    [NOWHERE.replace(b"Host:", b"X:"), b"\x16\x03\x01", post(b"Content-Length: x", body=b"")],
    ids=["no host", "TLS", "length"],
)
def test_r111_what_came_before_the_fault_is_answered_first_and_then_all_is_over(
    worksgate: Edge, broken: bytes
) -> None:
    answers = worksgate.answers(SERVED[0].request + SERVED[1].request + broken + NOWHERE)
    assert [error_in(answer) for answer in answers] == ["203", "203"]


def test_r111_a_body_that_breaks_behind_others_is_left_without_an_answer(worksgate: Edge) -> None:
    broken = post(b"Transfer-Encoding: chunked", body=b"3\r\nx=yzzz" + NOWHERE)
    answers = worksgate.answers(SERVED[0].request + broken)
    assert [error_in(answer) for answer in answers] == ["203"]


def test_r111_a_body_that_breaks_later_is_refused_once(worksgate: Edge) -> None:
    begun = post(b"Transfer-Encoding: chunked", body=b"3\r\nx=y\r\n")
    (answer,) = worksgate.answers(begun, b"zz\r\n" + NOWHERE, pause=0.05)
    assert error_in(answer) == "201"


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT sso.example.com:443 HTTP/1.1\r\nHost: sso.example.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /login HTTP/1.1\r\n\r\n",
        b"GET /login HTTP/1.1\nHost: a\n\n",
        b"GET /login HTTP/3.9\r\nHost: a\r\n\r\n",
        b"GET /login\r\n\r\n",
    ],
)
def test_r111_other_protocols_are_refused_with_a_page(worksgate: Edge, request_: bytes) -> None:
    (answer,) = worksgate.answers(request_, NOWHERE)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: text/html; charset=utf-8\r\n" in answer
    assert b"cache-control: no-store\r\n" in answer
    assert b"%(" not in answer


def test_r111_a_page_is_shown_to_who_offers_another_protocol(worksgate: Edge) -> None:
    offer = b"GET /login HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    page, alive = worksgate.answers(offer)
    assert b"content-type: text/html" in page
    assert is_alive(alive)


def test_r111_a_thousand_requests_harm_nobody(worksgate: Edge) -> None:
    assert_a_thousand_harm_nobody(worksgate, ALL)


# Servers of others


def test_r111_under_another_server_a_thousand_requests_harm_nobody(other: Edge) -> None:
    h2c = [each for each in ALL if b"h2c" in each.request]  # which hypercorn does speak
    framings = [each for each in ALL if each not in h2c] if other.name == "hypercorn" else ALL
    assert_a_thousand_harm_nobody(other, framings, at_once=AT_ONCE)


def test_r111_under_another_server_what_is_read_in_different_ways_harms_nobody(other: Edge) -> None:
    with Caller(other) as caller:
        for framing in AMBIGUOUS:
            other.answers(framing.request)
            assert_is_answered(caller, framing)


@pytest.mark.parametrize("framing", UPGRADES, ids=str)
def test_r111_under_another_server_a_body_that_comes_later_is_no_request(
    other: Edge, framing: Framing
) -> None:
    head = framing.request.index(b"\r\n\r\n") + 4
    for at in (head, head + 1, len(framing.request) - 1):
        assert_one_answer(
            other.answers(framing.request[:at], framing.request[at:], pause=0.01), framing
        )


@pytest.mark.parametrize("framing", WITHOUT_HOST, ids=str)
def test_r111_under_another_server_a_request_without_a_host_is_refused(
    other: Edge, framing: Framing
) -> None:
    for request in (framing.request, framing.request.replace(b"POST /accessToken", b"GET /login")):
        answers = other.answers(request)
        assert answers[0][9:12] == b"400", answers


# Proxies


def test_r111_through_a_proxy_a_thousand_requests_harm_nobody(proxied: Edge) -> None:
    def check(answers: list[bytes], framing: Framing) -> None:
        if framing.error:  # a proxy may read a broken one in its own way
            assert_one_answer(answers, framing)

    assert_a_thousand_harm_nobody(proxied, [*ALL, *ODD, *AMBIGUOUS], check=check)


@pytest.mark.parametrize("framing", UPGRADES, ids=str)
def test_r111_a_proxy_passes_no_upgrade_on(proxied: Edge, framing: Framing) -> None:
    head = framing.request.index(b"\r\n\r\n") + 4
    for at in (head, head + 20):
        answers = proxied.answers(framing.request[:at], framing.request[at:], pause=0.005)
        assert_one_answer(answers, framing)
        assert error_in(answers[0]) == framing.error


def assert_a_thousand_harm_nobody(
    edge: Edge,
    framings: Sequence[Framing],
    *,
    check: Callable[[list[bytes], Framing], None] = assert_one_answer,
    at_once: int = 1,
) -> None:
    """After each request another caller, connected all along, gets its own answer."""

    def send(some: Sequence[Framing]) -> None:
        with Caller(edge) as caller:
            for framing in some:
                check(edge.answers(framing.request), framing)
                assert_is_answered(caller, framing)

    order = random.Random(111)
    rounds = -(-TIMES // len(framings))
    sent = [each for _ in range(rounds) for each in order.sample(framings, len(framings))][:TIMES]
    with ThreadPoolExecutor(at_once) as callers:
        list(callers.map(send, (sent[first::at_once] for first in range(at_once))))


def assert_is_answered(caller: Caller, framing: Framing) -> None:
    call = post(b"Content-Length: %d" % len(FORM), body=FORM)
    assert error_in(caller.ask(call)) == "203", framing.name
