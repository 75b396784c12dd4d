"""What a call asks for: parameters of path and query, the JSON of its body, and its token.

Everything is read once; each reader raises BadRequest for what LINE WORKS would refuse.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from worksgate.conformance.directory_api.refusals import BadRequest
from worksgate.conformance.directory_api.token_endpoint import Token

LARGEST_BODY: Final = 1_048_576
FORM: Final = "application/x-www-form-urlencoded"
MOST_ON_A_PAGE: Final = 100

_NO_BODY: Final = object()


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that is allowed. `path` holds the parameters of its path, decoded once."""

    path: tuple[str, ...]
    query: Mapping[str, str]
    token: Token
    origin: str
    content: Any = _NO_BODY

    def domain_id(self, *, every: bool) -> int | None:
        """`domainId`, or the domain of the app; or None, for all of them."""
        sent = self.query.get("domainId")
        if sent is not None:
            return _whole(sent, "domainId")
        return None if every else self.token.domain_id

    @property
    def count(self) -> int:
        """`count`, 100 if there is none. Above that the rules decide."""
        count = _whole(self.query.get("count", str(MOST_ON_A_PAGE)), "count")
        if count < 1:
            raise BadRequest("count must be at least 1", "OUT_OF_RANGE")
        return count

    def flag(self, name: str) -> bool | None:
        """`true` or `false`, or None if it was not sent."""
        sent = self.query.get(name)
        if sent is None:
            return None
        if sent not in ("true", "false"):
            raise BadRequest(f"{name} must be true or false")
        return sent == "true"

    def choice(self, name: str, *allowed: str) -> str:
        """One of the allowed values; the first if none was sent."""
        sent = self.query.get(name, allowed[0])
        if sent not in allowed:
            raise BadRequest(f"{name} is not valid")
        return sent

    def members_of_body(self, allowed: frozenset[str], *, strict: bool) -> dict[str, Any]:
        """The JSON object of the body. `strict`: a member that is not allowed is refused."""
        return checked_members(self.content, allowed, strict=strict)


def checked_members(value: Any, allowed: frozenset[str], *, strict: bool) -> dict[str, Any]:
    """The value, if it is a JSON object with members that are allowed. Raises BadRequest."""
    if not isinstance(value, dict):
        raise BadRequest("The body is not valid", "BAD_REQUEST")
    unknown = value.keys() - allowed
    if strict and unknown:
        raise BadRequest(f"{min(unknown)} is not known")
    return value


def single_values(text: str) -> dict[str, str]:
    """Decode the parameters of a query or a form. Raises BadRequest if one is repeated."""
    pairs = parse_qsl(text, keep_blank_values=True)
    values = dict(pairs)
    if len(values) < len(pairs):
        raise BadRequest("A parameter is repeated")
    return values


async def read_json(request: Request) -> Any:
    """The JSON of a body, or a marker if there is no body. Raises BadRequest."""
    body = await read_body(request)
    if not body:
        return _NO_BODY
    if _media_type(request) != "application/json":
        raise BadRequest("Content-Type must be application/json", "BAD_REQUEST")
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadRequest("The body is not JSON", "BAD_REQUEST") from error


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of a form. Raises BadRequest for any other body."""
    if _media_type(request) != FORM:
        raise BadRequest("Content-Type must be a form")
    return single_values((await read_body(request)).decode("utf-8", "replace"))


async def read_body(request: Request) -> bytes:
    """The body. Raises BadRequest if it is far too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BadRequest("The body is too large", "LIMIT_EXCEEDED")
    return bytes(body)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise BadRequest(f"{name} must be a whole number")
    return int(text)
