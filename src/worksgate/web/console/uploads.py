"""Forms with a file (``multipart/form-data``), bounded in bytes and in time.

Starlette's parser keeps 1 MB of a file in memory, and the rest in a temporary file without a name.
"""

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

from worksgate.oauth.errors import InvalidRequest, RequestTooLarge
from worksgate.oauth.form import MAX_FIELDS, MAX_VALUE
from worksgate.web.body import BODY_TIMEOUT, BodyTimeout, Disconnected
from worksgate.web.deadline import Deadline

AROUND = 64 * 1024
"""Bytes of a form besides its file."""


def has_file(scope: Scope) -> bool:
    """Whether a request says that its body is a form with a file."""
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    return len(types) == 1 and types[0].lower().startswith(b"multipart/form-data")


async def read_form_with_file(
    scope: Scope, receive: Receive, most: int
) -> tuple[dict[str, str], bytes | None]:
    """The fields of a form, and its file, of at most so many bytes; None if none was chosen.

    Raises InvalidRequest or a subclass, or Disconnected.
    """
    bounded = _Bounded(receive, most + AROUND)
    try:
        with Deadline(BODY_TIMEOUT):
            form = await Request(scope, bounded).form(
                max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_VALUE
            )
    except TimeoutError:
        raise BodyTimeout("the body did not arrive in time") from None
    except ClientDisconnect:
        raise Disconnected from None
    except (HTTPException, MultiPartException):
        raise InvalidRequest("the body is not a form with a file") from None
    try:
        return _fields(form.multi_items()), await _file(form.multi_items(), most)
    finally:
        await form.close()


def _fields(items: list[tuple[str, UploadFile | str]]) -> dict[str, str]:
    pairs = [(name, value) for name, value in items if isinstance(value, str)]
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequest("a parameter is sent twice")
    return fields


async def _file(items: list[tuple[str, UploadFile | str]], most: int) -> bytes | None:
    for _, value in items:
        if isinstance(value, UploadFile):
            data = await value.read(most + 1)
            if len(data) > most:
                raise RequestTooLarge("the file is too large")
            return data or None
    return None


class _Bounded:
    """Receives a body. Raises RequestTooLarge once it has more bytes than it may have."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise RequestTooLarge("the body is too large")
        return message
