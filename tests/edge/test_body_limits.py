"""Bodies that are too large: by their declared length, or by their actual one (R-51).

Over a real socket: a transport in the tests' own process never hands over a whole large body.
"""

from collections.abc import Iterator

import pytest
from tests.edge.framings import CHUNKED, FORM, chunks, length, post
from tests.edge.servers import Edge, ours

from worksgate.oauth.form import MAX_BODY
from worksgate.web.body import MAX_ANNOUNCED


@pytest.fixture(scope="module")
def worksgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with ours(tmp_path_factory.mktemp("ours")) as edge:
        yield edge


def padded(size: int) -> bytes:
    """A form of so many bytes that is answered with error 203 where it is read."""
    fields = [b"f%d=%b" % (number, b"x" * 2_000) for number in range(size // 2_100)]
    body = b"&".join([FORM, *fields])
    return body + b"&" + b"l=" + b"x" * (size - len(body) - 3)


def head(*lengths: bytes) -> bytes:
    return post(*lengths, body=b"")


def assert_too_large(answers: list[bytes]) -> None:
    """One answer, and the connection is closed: what was not read would be the next request."""
    (answer,) = answers
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in answer
    assert b'"error":"201"' in answer


def test_r51_a_body_of_the_limit_is_read(worksgate: Edge) -> None:
    body = padded(MAX_BODY)
    assert len(body) == MAX_BODY
    for request in (head(length(body)) + body, head(CHUNKED) + chunks(body, 4_096)):
        for at in (len(request) - 1, 1_000):
            answer, _ = worksgate.answers(request[:at], request[at:], pause=0.05)
            assert b'"error":"203"' in answer


def test_r51_a_body_that_arrives_whole_is_refused_beyond_the_limit(worksgate: Edge) -> None:
    body = padded(MAX_BODY + 1)
    assert_too_large(worksgate.answers(head(length(body)) + body))
    assert_too_large(worksgate.answers(head(CHUNKED) + chunks(body, 20_000)))


def test_r51_a_body_that_comes_in_parts_is_refused_beyond_the_limit(worksgate: Edge) -> None:
    body = padded(MAX_BODY + 1)
    for request in (head(length(body)) + body, head(CHUNKED) + chunks(body, 20_000)):
        for at in (400, len(request) - 10):
            assert_too_large(worksgate.answers(request[:at], request[at:], pause=0.05))


def test_r51_a_body_is_refused_while_it_comes(worksgate: Edge) -> None:
    begun = padded(MAX_BODY + 1)
    for request in (head(b"Content-Length: 100000") + begun, head(CHUNKED) + b"186a0\r\n" + begun):
        with worksgate.connect() as connection:
            connection.sendall(request[:500])
            connection.sendall(request[500:])
            assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("announced", [MAX_ANNOUNCED + 1, 10**19])
def test_r51_a_body_is_refused_by_what_it_announces_alone(worksgate: Edge, announced: int) -> None:
    with worksgate.connect() as connection:
        connection.sendall(head(b"Content-Length: %d" % announced))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_r51_what_may_be_a_miscount_is_waited_for(worksgate: Edge) -> None:
    body = padded(MAX_BODY)
    with worksgate.connect() as connection:
        connection.sendall(head(b"Content-Length: %d" % MAX_ANNOUNCED) + body)
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(65_536)
