"""Requests in every way in which a body can be framed, and in many in which it can not.

Each is one request. ``FORM`` is answered with error 203, which nobody gets whose body was not read
to its end; ``SMUGGLED`` is a body that looks like a request, and is answered with error 201.
"""

from collections.abc import Iterator
from dataclasses import dataclass

HOST = b"sso.example.com"
FORM = b"grant_type=password&client_id=a&client_secret=b&code=c"
NOWHERE = b"GET /nowhere HTTP/1.1\r\nHost: %b\r\n\r\n" % HOST
SMUGGLED = NOWHERE + b"x=y"
VALID_HOST = b"Host: " + HOST


@dataclass(frozen=True)
class Framing:
    """One request; ``error`` is the number in its answer, or empty where HTTP itself is broken."""

    name: str
    request: bytes
    error: str = ""

    def __str__(self) -> str:
        return self.name


def post(
    *headers: bytes,
    body: bytes,
    host: bytes = VALID_HOST,
    version: bytes = b"1.1",
    path: bytes = b"/accessToken",
) -> bytes:
    """A call; nothing but the host and the type of the body is added."""
    kind = b"Content-Type: application/x-www-form-urlencoded"
    lines = [b"POST %b HTTP/%b" % (path, version), host, kind, *headers]
    return b"\r\n".join(line for line in lines if line) + b"\r\n\r\n" + body


def length(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


UPGRADES = {
    b"foo": (),
    b"h2c": (b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",),
    b"websocket": (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
}
"""What a connection could be switched to, and the headers that belong to it."""
CHUNKED = b"Transfer-Encoding: chunked"


def chunks(body: bytes, size: int = 1_000, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    chunked = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    return chunked + b"0\r\n" + trailers + b"\r\n"


def _served() -> Iterator[tuple[str, bytes]]:
    """A name and a request whose body is ``FORM``."""
    yield "length", post(length(FORM), body=FORM)
    yield "chunk", post(CHUNKED, body=chunks(FORM))
    yield "many chunks", post(CHUNKED, body=chunks(FORM, 1))
    yield "chunk extensions", post(CHUNKED, body=chunks(FORM, 9, b";a=b;c"))
    yield "trailers", post(CHUNKED, body=chunks(FORM, 9, trailers=b"X: y\r\nHost: z\r\n"))
    yield "expect", post(length(FORM), b"Expect: 100-continue", body=FORM)
    yield "expect chunks", post(CHUNKED, b"Expect: 100-continue", body=chunks(FORM))
    yield "HTTP/1.0", post(length(FORM), body=FORM, version=b"1.0")
    yield "connection close", post(length(FORM), b"Connection: close", body=FORM)
    for token, more in UPGRADES.items():
        name = f"upgrade to {token.decode()}"
        upgrade = (b"Connection: Upgrade", b"Upgrade: " + token, *more)
        yield f"{name}, length", post(*upgrade, length(FORM), body=FORM)
        yield f"{name}, chunks", post(*upgrade, CHUNKED, body=chunks(FORM, 20))
    java = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", *UPGRADES[b"h2c"])
    yield "upgrade of a JDK", post(*java, length(FORM), body=FORM)
    foo = (b"Connection: Upgrade", b"Upgrade: foo")
    yield "upgrade, expect", post(*foo, length(FORM), b"Expect: 100-continue", body=FORM)
    yield "upgrade, close", post(b"Connection: close, Upgrade", foo[1], length(FORM), body=FORM)
    yield "upgrade, twice", post(*foo, b"Upgrade: bar", length(FORM), body=FORM)


def _read_wrongly() -> Iterator[tuple[str, bytes]]:
    """A name and a request whose body is ``SMUGGLED``."""
    yield "request in a body", post(length(SMUGGLED), body=SMUGGLED)
    yield "request in a chunk", post(CHUNKED, body=chunks(SMUGGLED))
    for token, more in UPGRADES.items():
        upgrade = (b"Connection: Upgrade", b"Upgrade: " + token, *more)
        name = f"behind an upgrade to {token.decode()}"
        yield f"request {name}", post(*upgrade, length(SMUGGLED), body=SMUGGLED)
        yield f"chunk {name}", post(*upgrade, CHUNKED, body=chunks(SMUGGLED))


def _broken() -> Iterator[tuple[str, bytes]]:
    """A name and what is no HTTP/1.1; a request follows that must not be taken for one."""
    yield "length and chunks", post(length(SMUGGLED), CHUNKED, body=chunks(FORM) + NOWHERE)
    yield "chunks and length", post(CHUNKED, b"Content-Length: 5", body=chunks(FORM) + NOWHERE)
    yield "two lengths", post(b"Content-Length: 0", length(NOWHERE), body=NOWHERE)
    for value in (b"+5", b"-5", b"5, 6", b"5 5", b"0x5", b"", b"99999999999999999999999"):
        name = f"length {value.decode()!r}"
        yield name, post(b"Content-Length: " + value, body=b"x=y%d" % len(value) + NOWHERE)
    for value in (b"xchunked", b"chunked, identity", b"\x0bchunked"):
        yield f"encoding {value!r}", post(b"Transfer-Encoding: " + value, body=chunks(NOWHERE))
    yield "folded line", post(b"X: a\r\n b", length(NOWHERE), body=NOWHERE)
    yield "blank before colon", post(b"Content-Length : 5", body=NOWHERE)
    yield "NUL in a header", post(b"X: a\x00b", length(NOWHERE), body=NOWHERE)
    yield "CR in a header", post(b"X: a\rb", length(NOWHERE), body=NOWHERE)
    for size in (b"0x3", b"-3", b"+3", b"g", b"", b"3 3", b"fffffffffffffffff"):
        body = size + b"\r\nx=y\r\n0\r\n\r\n" + NOWHERE
        yield f"chunk size {size.decode()!r}", post(CHUNKED, body=body)
    yield "chunk without its end", post(CHUNKED, body=b"3\r\nx=yzz0\r\n\r\n" + NOWHERE)


def _without_host() -> Iterator[tuple[str, bytes]]:
    """A name and a request that does not say, once and readably, for whom it is."""
    hosts = {
        "no host": b"",
        "two hosts": VALID_HOST + b"\r\n" + VALID_HOST,
        "blank in the host": b"Host: a b",
        "empty host": b"Host:",
        "host with a path": b"Host: a/b",
        "host with a user": b"Host: a@b",
        "host of bytes": b"Host: \xff",
        "host with a strange port": b"Host: a:b",
    }
    for name, host in hosts.items():
        yield name, post(length(FORM), body=FORM, host=host)


SERVED = [Framing(name, request, "203") for name, request in _served()]
READ_WRONGLY = [Framing(name, request, "201") for name, request in _read_wrongly()]
BROKEN = [Framing(name, request) for name, request in _broken()]
WITHOUT_HOST = [Framing(name, request) for name, request in _without_host()]
ALL = [*SERVED, *READ_WRONGLY, *BROKEN, *WITHOUT_HOST]
