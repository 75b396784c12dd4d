"""Reads bodies, bounded in bytes and in time (R-51, F-22)."""

from functools import lru_cache
from typing import Any

import msgspec
from starlette.types import Message, Receive, Scope

from worksgate.oauth.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from worksgate.oauth.form import MAX_BODY, MAX_FIELDS, charset_of, parse_form
from worksgate.web.deadline import Deadline, within

BODY_TIMEOUT = 10.0
"""Seconds within which a whole body must arrive."""


MAX_ANNOUNCED = 8 * MAX_BODY
"""Bytes; a longer body is refused by its Content-Length alone. Below that the client may have
miscounted: then it gets the error that the body did not arrive (408), not that it is too large."""


class Disconnected(Exception):
    """The client disconnected before the end of its request."""


class BodyTimeout(InvalidRequest):
    """The client sent less than it had announced."""

    status = 408


async def read_form(
    scope: Scope, receive: Receive, max_body: int = MAX_BODY, max_fields: int = MAX_FIELDS
) -> dict[str, str]:
    """The form of a request, of at most so many bytes and fields.

    Raises InvalidRequest or a subclass, or Disconnected.
    """
    charset = _charset(scope)
    return parse_form(await _read(receive, max_body), charset, max_fields)


async def read_json(scope: Scope, receive: Receive, max_body: int) -> Any:
    """The JSON of a request, of at most so many bytes.

    Raises InvalidRequest or a subclass, or Disconnected.
    """
    content_type = _content_type(scope, max_body) or b""
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise UnsupportedMediaType("the body is not JSON")
    body = await _read(receive, max_body)
    if b"\\u0000" in body:
        raise InvalidRequest("a value contains NUL")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None


async def _read(receive: Receive, max_body: int) -> bytearray:
    body = bytearray()
    try:
        message = await within(BODY_TIMEOUT, receive())
        if _is_more(body, message, max_body):
            with Deadline(BODY_TIMEOUT):
                while _is_more(body, await receive(), max_body):
                    pass
    except TimeoutError:
        raise BodyTimeout("the body did not arrive in time") from None
    return body


def _is_more(body: bytearray, message: Message, max_body: int) -> bool:
    """Add a part; return whether more follows. Raises like ``read_form``."""
    if message["type"] == "http.disconnect":
        raise Disconnected
    body += message.get("body", b"")
    if len(body) > max_body:
        raise RequestTooLarge("the body is too large")
    return bool(message.get("more_body"))


def _charset(scope: Scope) -> str:
    """The encoding of the form, after its headers were checked for type and size."""
    content_type = _content_type(scope, MAX_ANNOUNCED)
    charset = None if content_type is None else _charset_of(content_type)
    if charset is None:
        raise UnsupportedMediaType("the body is not a form")
    return charset


def _content_type(scope: Scope, most: int) -> bytes | None:
    """The Content-Type, after the headers of a body were checked."""
    content_type: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            if content_type is not None:
                raise UnsupportedMediaType("Content-Type is sent twice")
            content_type = value
        elif name == b"content-length":
            if not value.isdigit() or int(value[:20]) > most:
                raise RequestTooLarge("the body is too large")
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedMediaType("the body is compressed")
    return content_type


@lru_cache(maxsize=64)
def _charset_of(content_type: bytes) -> str | None:
    """Cached: LINE WORKS always sends the same one."""
    return charset_of(content_type.decode("latin-1"))
