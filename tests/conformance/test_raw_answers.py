"""Answers that are read byte by byte, from servers that mean no good."""

import asyncio
from contextlib import suppress

import pytest
from tests.conformance.runs import target_at

from worksgate.conformance.checks.wire import Framing, converse
from worksgate.conformance.http_answer import NoHttpError, read_answer
from worksgate.conformance.line_works import ANSWER_SIZE_LIMIT

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"Transfer-Encoding: chunked\r\n\r\n3 ;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", None),
        (b"Content-Length: 3\r\n\r\nabc", b"abc"),
        (b"Content-Length: 03\r\n\r\nabcd", b"abc"),
        (b"Content-Length: -3\r\n\r\nabc", b"abc"),
    ],
)
def test_an_answer_is_read_as_it_is_framed(rest: bytes, body: bytes | None) -> None:
    found = read_answer(HEAD + rest, is_closed=True)
    assert found is not None
    assert found.body == (b"abc0123456789" if body is None else body)


@pytest.mark.parametrize(
    "size", [b"-6", b"-1", b"+3", b"0x3", b"1_0", b"", b" ", b"9" * 5_000, b"-" + b"f" * 40]
)
def test_r201_a_chunk_of_no_size_ends_the_reading(size: bytes) -> None:
    rest = b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\nabc\r\n0\r\n\r\n"
    with pytest.raises(NoHttpError):
        read_answer(HEAD + rest, is_closed=True)


def test_r201_a_length_of_thousands_of_digits_is_none() -> None:
    found = read_answer(HEAD + b"Content-Length: " + b"1" * 5_000 + b"\r\n\r\nabc", is_closed=True)
    assert found is not None
    assert found.body == b"abc"


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nDigest: x\r\n\r\n",
        HEAD + b"CONTENT-LENGTH:2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_an_answer_is_whole_with_its_last_byte(answer: bytes) -> None:
    for end in range(len(answer)):
        assert read_answer(answer[:end], is_closed=True) is None
    found = read_answer(answer + b"HTTP/1.1 200", is_closed=False)
    assert found is not None
    assert (found.size, found.is_delimited) == (len(answer), True)
    assert found.body == (b"" if found.head.status == 204 else b"{}")


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/2 200 OK\r\n\r\n"])
def test_what_is_no_http_is_none(said: bytes) -> None:
    with pytest.raises(NoHttpError):
        read_answer(said, is_closed=False)


async def test_r201_a_server_that_never_ends_does_not_fill_the_memory() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
        with suppress(OSError):
            while sent < 100 * ANSWER_SIZE_LIMIT:
                writer.write(b"x" * ANSWER_SIZE_LIMIT)
                sent += ANSWER_SIZE_LIMIT
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    async with server:
        url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        said = await converse(target_at(url, "plain"), url, Framing(form=b"a=b"), linger=10)
    assert said.is_closed
    assert sent > 50 * ANSWER_SIZE_LIMIT
    assert len(said.rest) <= 2 * ANSWER_SIZE_LIMIT
