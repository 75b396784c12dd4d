"""Requests with every valid framing of a body, and with many invalid ones.

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


def _odd() -> Iterator[tuple[str, bytes]]:
    """A name and a request, valid and unusual, whose body is ``FORM``."""
    at_home = post(length(FORM), body=FORM, path=b"http://%b/accessToken" % HOST)
    yield "absolute target", at_home
    yield "lines before it", b"\r\n\r\n" + post(length(FORM), body=FORM)
    yield "blanks behind a length", post(length(FORM) + b" \t ", body=FORM)
    yield "blanks behind the host", post(length(FORM), body=FORM, host=VALID_HOST + b" \t ")
    yield "coding in capitals", post(b"Transfer-Encoding: CHUNKED", body=chunks(FORM))
    expect = b"Expect: 100-continue"
    yield "expect twice", post(length(FORM), expect, expect, body=FORM)
    yield "zeros before a size", post(CHUNKED, body=b"0000" + chunks(FORM))
    for host in (b"[::1]:80", b"sso.example.com.", b"192.0.2.1:8080"):
        yield f"host {host.decode()}", post(length(FORM), body=FORM, host=b"Host: " + host)
    yield "a header in another's name", post(b"Transfer_Encoding: x", length(FORM), body=FORM)
    yield "connection names the length", post(length(FORM), b"Connection: host", body=FORM)


def _ambiguous() -> Iterator[tuple[str, bytes]]:
    """A name and what servers read in different ways; a request follows, or is its body."""
    codings = (b"gzip, chunked", b"gzip", b"identity", b"chunked, chunked", b"chunked,", b"")
    for coding in (*codings, b'"chunked"', b"chunked;q=1", b"chunked\x0b"):
        name = f"coding {coding.decode()!r}"
        yield name, post(b"Transfer-Encoding: " + coding, body=chunks(NOWHERE))
    yield "coding twice", post(CHUNKED, CHUNKED, body=chunks(NOWHERE))
    yield "codings in two lines", post(b"Transfer-Encoding: gzip", CHUNKED, body=chunks(NOWHERE))
    yield "blank before the colon of a coding", post(b"Transfer-Encoding : chunked", body=NOWHERE)
    # Who serves an old version closes as well: only the error tells that they were not refused.
    kept, old = b"Connection: keep-alive", chunks(FORM) + NOWHERE
    yield "chunks in HTTP/1.0", post(CHUNKED, body=old, version=b"1.0")
    yield "chunks in HTTP/1.0, kept", post(CHUNKED, kept, body=old, version=b"1.0")
    for version in (b"0.9", b"1.2", b"1.01", b"2.0", b"11"):
        name = f"version {version.decode()}"
        yield name, post(length(FORM), body=FORM + NOWHERE, version=version)
    for value in (b"5, 5", b"5.0", b"1e1", b"\x0b5"):
        yield f"length {value!r}", post(b"Content-Length: " + value, body=NOWHERE)
    yield "the same length twice", post(length(NOWHERE), length(NOWHERE), body=NOWHERE)
    bodies = {
        "LF behind a size": b"3\nx=y\r\n",
        "LF behind a chunk": b"3\r\nx=y\n",
        "LF in an extension": b"3;a\nx=y\r\n",
        "CR in an extension": b"3;a\rb\r\nx=y\r\n",
        "NUL in an extension": b"3;a\0b\r\nx=y\r\n",
        "blank behind a size": b"3 \r\nx=y\r\n",
    }
    for name, body in bodies.items():
        yield name, post(CHUNKED, body=body + b"0\r\n\r\n" + NOWHERE)
    yield (
        "a length in a trailer",
        post(CHUNKED, body=chunks(FORM, trailers=b"Content-Length: 5\r\n")),
    )
    yield (
        "a trailer without a colon",
        post(CHUNKED, body=chunks(FORM, trailers=b"X y\r\n") + NOWHERE),
    )
    yield "LF behind a header", post(b"X: a\nY: b", length(NOWHERE), body=NOWHERE)
    yield "no colon", post(b"X", length(NOWHERE), body=NOWHERE)
    yield "no name", post(b": x", length(NOWHERE), body=NOWHERE)
    yield "blank in a name", post(b"X Y: x", length(NOWHERE), body=NOWHERE)
    targets = {
        "fragment": b"/accessToken#x",
        "absolute target of another": b"http://evil.example/accessToken",
        "absolute target with a user": b"http://a@%b/accessToken" % HOST,
        "target of another scheme": b"ftp://%b/accessToken" % HOST,
        "target without a slash": b"accessToken",
        "blank in the target": b"/access Token",
        "NUL in the target": b"/accessToken\0",
        "bytes in the target": b"/accessToken\xff",
    }
    for name, target in targets.items():
        yield name, post(length(NOWHERE), body=NOWHERE, path=target)
    nobody = post(length(FORM), body=FORM, host=b"", path=b"http://%b/accessToken" % HOST)
    yield "absolute target and no host", nobody
    yield "absolute target, no host, HTTP/1.0", nobody.replace(b"HTTP/1.1", b"HTTP/1.0", 1)


SERVED = [Framing(name, request, "203") for name, request in _served()]
READ_WRONGLY = [Framing(name, request, "201") for name, request in _read_wrongly()]
BROKEN = [Framing(name, request) for name, request in _broken()]
WITHOUT_HOST = [Framing(name, request) for name, request in _without_host()]
ODD = [Framing(name, request, "203") for name, request in _odd()]
AMBIGUOUS = [Framing(name, request) for name, request in _ambiguous()]
ALL = [*SERVED, *READ_WRONGLY, *BROKEN, *WITHOUT_HOST]
