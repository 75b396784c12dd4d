"""IMAP/CalDAV login request and response.

A mail client gives LINE WORKS a name and a password, and LINE WORKS passes them on in the query of
a URL, each in Base64 and then percent-encoded. It waits 3 s. No part of that query may ever be
logged (R-59), so no refusal quotes it.
https://developers.worksmobile.com/jp/docs/sso-sp-oauth-login-imap-caldav
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote_to_bytes

from worksgate.oauth.errors import InvalidRequest

MAX_QUERY = 20 * 1024
"""Maximum length of the query in bytes; the longest password, fully escaped, takes 16 KiB."""
MAX_EMAIL = 320
"""Bytes: 64 before the ``@``, 255 after it (RFC 3696)."""
MAX_PASSWORD = 4 * 1024
"""Bytes; a longer one is not hashed anyway (R-76)."""


@dataclass(frozen=True, slots=True)
class ImapLoginRequest:
    """A username and a password as a person typed them into a mail client."""

    email: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, query: bytes | str) -> Self:
        """Parse a raw query string; unknown parameters are ignored.

        A ``+`` is a plus, not a blank: it belongs to Base64 (R-60). Raises InvalidRequest.
        """
        raw = query if isinstance(query, bytes) else query.encode("utf-8", "surrogatepass")
        if len(raw) > MAX_QUERY:
            raise InvalidRequest("the query is too long")
        parameters = list(_parameters(raw))
        email = _text(_only(parameters, b"email"), "email", MAX_EMAIL)
        if not email.isprintable():
            raise InvalidRequest("email contains control characters")
        return cls(email, _text(_only(parameters, b"password"), "password", MAX_PASSWORD))


@dataclass(frozen=True, slots=True)
class ImapLoginResponse:
    """The code, which is redeemed like any other."""

    code: str = field(repr=False)

    def as_json(self) -> Mapping[str, str]:
        return {"code": self.code}


def _parameters(query: bytes) -> Iterator[tuple[bytes, bytes]]:
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        yield unquote_to_bytes(name), unquote_to_bytes(value)


def _only(parameters: list[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    values = [value for name, value in parameters if name == wanted]
    if len(values) != 1 or not values[0]:
        raise InvalidRequest(f"{wanted.decode()} is missing, empty or sent twice")
    return values[0]


def _text(encoded: bytes, name: str, limit: int) -> str:
    """The text in canonical Base64: no blanks, no stray bits."""
    try:
        data = b64decode(encoded, validate=True)
        text = data.decode("utf-8")
    except ValueError:
        raise InvalidRequest(f"{name} is not UTF-8 in Base64") from None
    if b64encode(data) != encoded:
        raise InvalidRequest(f"{name} is not canonical Base64")
    if not text or len(data) > limit or "\0" in text:
        raise InvalidRequest(f"{name} is empty, too long or contains NUL")
    return text
