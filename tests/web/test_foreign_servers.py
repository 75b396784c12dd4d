"""Requests that another server let through are checked, and closed if in doubt (R-111, R-113)."""

import pytest
from starlette.types import Message, Scope

from worksgate.server.single_write import WHOLE_ANSWER
from worksgate.web.foreign_servers import adapted, is_foreign, is_valid

HOST = (b"host", b"sso.example.jp")
UPGRADE = (b"upgrade", b"websocket")
CLOSE = (b"connection", b"close")
LENGTH, CHUNKED = (b"content-length", b"3"), (b"transfer-encoding", b"chunked")
Header = tuple[bytes, bytes]


def scope(*headers: Header, **more: object) -> Scope:
    return {"type": "http", "headers": headers, "http_version": "1.1", **more}


def test_our_own_server_is_known_by_what_it_offers() -> None:
    assert not is_foreign({"extensions": {WHOLE_ANSWER: {}}})
    assert is_foreign({})
    assert is_foreign({"extensions": None})
    assert is_foreign({"extensions": {"http.response.push": {}}})


@pytest.mark.parametrize(
    ("headers", "version", "expected"),
    [
        ([HOST], "1.1", True),
        ([HOST], "2", True),
        ([HOST, LENGTH], "1.1", True),
        ([HOST, CHUNKED], "1.1", True),
        ([HOST, LENGTH, CHUNKED], "1.1", False),
        ([LENGTH, CHUNKED], "1.0", False),
        ([], "1.1", False),
        ([], "1.0", True),
        ([], "2", True),
        ([HOST, HOST], "1.1", False),
        ([HOST, HOST], "1.0", False),
        ([(b"host", b"a b")], "1.1", False),
        ([(b"host", b"user@sso.example.jp")], "1.0", False),
    ],
)
def test_r111_for_whom_and_how_long_is_shown_once(
    headers: list[Header], version: str, *, expected: bool
) -> None:
    assert is_valid(scope(*headers, http_version=version)) is expected


def test_r111_nobody_is_connected_to_anything() -> None:
    assert is_valid(scope(HOST, LENGTH, method="POST"))
    assert not is_valid(scope(HOST, LENGTH, method="CONNECT"))


def test_a_request_of_an_unknown_version_needs_its_host() -> None:
    assert not is_valid({"headers": []})


async def answered(request: Scope, *headers: Header) -> tuple[list[Header], list[Message]]:
    """The headers of an answer as they are sent, and what is sent after it."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    _, send_adapted, _ = adapted(request, send)
    await send_adapted({"type": "http.response.start", "status": 200, "headers": [*headers]})
    await send_adapted({"type": "http.response.body", "body": b"x"})
    start, *rest = sent
    assert start["status"] == 200
    return start["headers"], rest


async def test_r111_the_connection_of_a_doubtful_request_is_closed_with_its_answer() -> None:
    kept, other = (b"connection", b"keep-alive"), (b"x-other", b"1")
    connect = scope(HOST, LENGTH, method="CONNECT")
    for doubtful in (scope(HOST, UPGRADE), scope(), scope(HOST, LENGTH, CHUNKED), connect):
        headers, rest = await answered(doubtful, kept, other)
        assert headers == [other, CLOSE]
        assert rest == [{"type": "http.response.body", "body": b"x"}]


async def test_the_connection_of_any_other_request_is_left_alone() -> None:
    kept = (b"connection", b"keep-alive")
    assert await answered(scope(HOST, LENGTH), kept) == ([kept], [rest_of_an_answer()])


def rest_of_an_answer() -> Message:
    return {"type": "http.response.body", "body": b"x"}


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (None, None),
        (("192.0.2.1", 4_711), ("192.0.2.1", 4_711)),
        (("2001:db8::1", 4_711), ("2001:db8::1", 4_711)),
        (("unix:", 0), None),
        (("", 0), None),
    ],
)
async def test_r113_what_is_no_address_is_no_caller(
    client: tuple[str, int] | None, expected: tuple[str, int] | None
) -> None:
    async def send(_message: Message) -> None:
        raise AssertionError

    request = scope(HOST, client=client)
    found, unchanged, valid = adapted(request, send)
    assert valid
    assert found["client"] == expected
    assert found["headers"] == request["headers"]
    assert request["client"] == client
    assert unchanged is send
