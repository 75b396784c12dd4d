"""A form with a file is read within its limits, whatever comes (R-51, R-179)."""

import pytest
from starlette.types import Message, Scope
from tests.server.test_protocol import Connection

from worksgate.oauth.errors import InvalidRequest, RequestTooLarge
from worksgate.oauth.form import MAX_VALUE
from worksgate.web.body import Disconnected
from worksgate.web.console.uploads import AROUND, has_file, read_form_with_file

BOUNDARY = b"--boundary"
MOST = 100_000


def scope(content_type: bytes = b"multipart/form-data; boundary=boundary") -> Scope:
    return {"type": "http", "method": "POST", "headers": [(b"content-type", content_type)]}


def field(name: bytes, value: bytes) -> bytes:
    return b'%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (
        BOUNDARY,
        name,
        value,
    )


def file(data: bytes) -> bytes:
    head = b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n'
    return b"%b\r\n%bContent-Type: text/csv\r\n\r\n%b\r\n" % (BOUNDARY, head, data)


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + BOUNDARY + b"--\r\n"


async def read(body: bytes, *, size: int = 16_384) -> tuple[dict[str, str], bytes | None]:
    """The form of a body that comes in parts, after which the browser hangs up."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    messages: list[Message] = [
        {"type": "http.request", "body": each, "more_body": True} for each in parts
    ]
    messages[-1]["more_body"] = not body.endswith(b"--\r\n")

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return await read_form_with_file(scope(), receive, MOST)


@pytest.mark.parametrize("size", [1, 7, 16_384])
async def test_a_file_comes_as_it_was_sent_however_it_comes(size: int) -> None:
    data = b"\xef\xbb\xbfID,External Key\r\n\x93\xfa@x,1\r\n\r\n--bound\r\n"
    form, found = await read(whole(field(b"csrf", b"t"), file(data)), size=size)
    assert (form, found) == ({"csrf": "t"}, data)


async def test_a_form_without_a_file_has_none() -> None:
    assert await read(whole(field(b"csrf", b"t"))) == ({"csrf": "t"}, None)
    empty = file(b"").replace(b"a.csv", b"")
    assert await read(whole(empty)) == ({}, None)


async def test_r179_a_file_of_the_limit_is_read_and_one_byte_more_is_not() -> None:
    form, found = await read(whole(file(b"x" * MOST)))
    assert (form, found) == ({}, b"x" * MOST)
    for size in (MOST + 1, MOST + AROUND, 10 * MOST):
        with pytest.raises(RequestTooLarge):
            await read(whole(file(b"x" * size)))


@pytest.mark.parametrize(
    "body",
    [
        b"no form",
        whole(file(b"1"), file(b"2")),
        whole(field(b"a", b"1"), field(b"a", b"2")),
        whole(field(b"a", b"x" * (MAX_VALUE + 1))),
        whole(*(field(b"f%d" % each, b"") for each in range(40))),
        BOUNDARY + b"\r\nContent-Disposition: nonsense\r\n\r\nx\r\n" + BOUNDARY + b"--\r\n",
    ],
)
async def test_r51_what_is_no_form_with_one_file_is_refused(body: bytes) -> None:
    with pytest.raises((InvalidRequest, Disconnected)):
        await read(body)


async def test_who_hangs_up_is_not_waited_for() -> None:
    with pytest.raises(Disconnected):
        await read(whole(file(b"x" * 50_000))[:40_000])


def test_only_a_form_with_a_file_is_read_as_one() -> None:
    assert has_file(scope())
    assert not has_file(scope(b"application/x-www-form-urlencoded"))
    twice = scope()
    twice["headers"] *= 2
    assert not has_file(twice)


@pytest.mark.parametrize(("size", "is_cut"), [(400_000, False), (600_000, True)])
async def test_r179_a_listener_says_how_much_a_request_may_have(size: int, *, is_cut: bool) -> None:
    connection = Connection(max_body=500_000).made()
    await connection.sent(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
    await connection.sent(b"x" * size)
    assert connection.wire.is_cut is is_cut
    await connection.lost()
    connection.application.may_answer.set()
