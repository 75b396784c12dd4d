"""Additional checks when the application runs under another server.

Our own server refuses or repairs all of this before it calls the application
(``server.connection``). Others let some through, so here a request without a valid ``Host`` is
refused, an invalid client address is ignored, and the connection of an upgrade request or a CONNECT
is closed with its response: plain uvicorn loses the body of such a request and parses it as the
next one.
"""

from starlette.types import Message, Scope, Send

from worksgate.limits.networks import address_in
from worksgate.server.host_header import is_host
from worksgate.server.single_write import WHOLE_ANSWER

_LENGTHS = {b"content-length", b"transfer-encoding"}


def is_foreign(scope: Scope) -> bool:
    """Whether a request comes from a server that has not checked it."""
    return WHOLE_ANSWER not in (scope.get("extensions") or ())


def adapted(scope: Scope, send: Send) -> tuple[Scope, Send, bool]:
    """The request with a valid or unknown address, how to answer it, and ``is_valid``."""
    client = scope.get("client")
    if client is not None and address_in(client[0]) is None:
        scope = {**scope, "client": None}
    valid = is_valid(scope)
    is_doubtful = not valid or any(name == b"upgrade" for name, _ in scope["headers"])
    return scope, _closing(send) if is_doubtful else send, valid


def is_valid(scope: Scope) -> bool:
    """Whether host and length of a request are given once and validly, and it is no CONNECT.

    There is one Host, and a valid one (RFC 9112, 3.2); HTTP/1.0 may have none.
    """
    if scope.get("method") == "CONNECT":
        return False
    host, lengths = None, set()
    for name, value in scope["headers"]:
        if name == b"host":
            host = value if host is None else b""  # two are invalid
        elif name in _LENGTHS:
            lengths.add(name)
    if len(lengths) > 1:
        return False
    if host is None:
        return bool(scope.get("http_version", "1.1") != "1.1")
    return is_host(host)


def _closing(send: Send) -> Send:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [each for each in message["headers"] if each[0] != b"connection"]
            message = {**message, "headers": [*headers, (b"connection", b"close")]}
        await send(message)

    return send_and_close
