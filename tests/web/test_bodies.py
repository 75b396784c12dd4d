"""A form is read within its limits, however its body arrives (R-51)."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope

from worksgate.oauth.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from worksgate.oauth.form import MAX_BODY, MAX_FIELDS, MAX_VALUE
from worksgate.web import body
from worksgate.web.body import MAX_ANNOUNCED, BodyTimeout, Disconnected, read_form, read_json

FORM = (b"content-type", b"application/x-www-form-urlencoded")
HUNG_UP: Message = {"type": "http.disconnect"}


def part(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


async def read(*messages: Message, headers: tuple[tuple[bytes, bytes], ...] = (FORM,)) -> object:
    """The form that comes in these messages, after which nothing comes any more."""
    scope: Scope = {"headers": headers}
    return await read_form(scope, coming(*messages))


def coming(*messages: Message) -> Receive:
    left: Iterator[Message] = iter(messages)

    async def receive() -> Message:
        for message in left:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def padded(size: int) -> bytes:
    """A form of so many bytes, none of its values too long."""
    fields = [b"f%d=%b" % (number, b"x" * 2_000) for number in range(size // 2_100)]
    return b"&".join([*fields, b"l="]).ljust(size, b"x")


async def test_r51_a_body_of_the_limit_is_read_however_it_comes() -> None:
    whole = padded(MAX_BODY)
    assert MAX_BODY == len(whole) == 16 * 1024
    for at in (0, 1, MAX_BODY - 1, MAX_BODY):
        parts = (part(whole[:at], more=True), part(whole[at:]))
        assert await read(*parts) == await read(part(whole))


@pytest.mark.parametrize("at", [0, 1, MAX_BODY, MAX_BODY + 1])
async def test_r51_one_byte_more_is_refused_however_it_comes(at: int) -> None:
    whole = padded(MAX_BODY + 1)
    with pytest.raises(RequestTooLarge):
        await read(part(whole))
    with pytest.raises(RequestTooLarge):
        await read(part(whole[:at], more=True), part(whole[at:]))


async def test_r51_a_body_is_refused_before_its_end_has_come() -> None:
    whole = padded(MAX_BODY + 1)
    with pytest.raises(RequestTooLarge):
        await read(part(whole, more=True))
    with pytest.raises(RequestTooLarge):
        await read(part(whole[:1], more=True), part(whole[1:], more=True))


@pytest.mark.parametrize(
    ("announced", "is_refused"),
    [
        (b"%d" % MAX_ANNOUNCED, False),
        (b"%d" % (MAX_ANNOUNCED + 1), True),
        (b"9" * 5_000, True),
        (b"-1", True),
        (b"1,1", True),
        (b"", True),
    ],
)
async def test_r51_what_a_request_announces_is_bounded(announced: bytes, is_refused: bool) -> None:  # noqa: FBT001  # pytest calls it
    headers = (FORM, (b"content-length", announced))
    assert MAX_ANNOUNCED == 8 * MAX_BODY
    if is_refused:
        with pytest.raises(RequestTooLarge):
            await read(headers=headers)  # nothing is asked for
    else:
        assert await read(part(b"a=1"), headers=headers) == {"a": "1"}


async def test_r51_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert body.BODY_TIMEOUT == 10
    monkeypatch.setattr(body, "BODY_TIMEOUT", 0.01)
    for begun in ((), (part(b"a=1", more=True),), (part(b"", more=True), part(b"", more=True))):
        with pytest.raises(BodyTimeout) as refused:
            await read(*begun)
        assert refused.value.status == 408


async def test_who_hangs_up_is_not_answered() -> None:
    for begun in ((), (part(b"a=1", more=True),)):
        with pytest.raises(Disconnected):
            await read(*begun, HUNG_UP)


async def test_r51_fields_and_their_lengths_are_bounded() -> None:
    most = b"&".join(b"n%d=" % number for number in range(MAX_FIELDS))
    assert MAX_FIELDS == 32
    assert len(await read(part(most))) == MAX_FIELDS  # type: ignore[arg-type]  # a mapping that only looks so
    with pytest.raises(InvalidRequest, match="too many"):
        await read(part(most + b"&one=more"))
    longest = b"a=" + b"x" * MAX_VALUE
    assert MAX_VALUE == 4_096
    assert await read(part(longest)) == {"a": "x" * MAX_VALUE}
    for longer in (longest + b"x", b"x" * (MAX_VALUE + 1) + b"=", longest + b"%78"):
        with pytest.raises(InvalidRequest, match="too long"):
            await read(part(longer))


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (FORM, FORM),
        ((b"content-type", b"application/json"),),
        (FORM, (b"content-encoding", b"gzip")),
        (FORM, (b"content-encoding", b" DEFLATE ")),
    ],
)
async def test_r43_what_is_not_a_plain_form_is_refused_unread(
    headers: tuple[tuple[bytes, bytes], ...],
) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read(headers=headers)


async def test_a_form_is_read_in_the_encoding_that_it_names() -> None:
    latin = (FORM[0], FORM[1] + b"; charset=ISO-8859-1")
    assert await read(part(b"a=%e9"), headers=(latin,)) == {"a": "\u00e9"}
    with pytest.raises(InvalidRequest):
        await read(part(b"a=%e9"))


@pytest.mark.parametrize("encoding", [b"", b"identity", b" Identity "])
async def test_an_encoding_that_is_none_is_read(encoding: bytes) -> None:
    headers = (FORM, (b"content-encoding", encoding), (b"x-other", b"gzip"))
    assert await read(part(b"a=1"), headers=headers) == {"a": "1"}


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b'{"clients": []', "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[" * 50_000, "not valid JSON"),
        (b'{"a": "b\\u0000"}', "NUL"),
    ],
)
async def test_what_is_no_json_is_refused(content: bytes, refusal: str) -> None:
    scope: Scope = {"headers": ((b"content-type", b"application/json; charset=utf-8"),)}
    with pytest.raises(InvalidRequest, match=refusal):
        await read_json(scope, coming(part(content)), 100_000)
    with pytest.raises(UnsupportedMediaType):
        await read_json({"headers": (FORM,)}, coming(part(content)), 100_000)
