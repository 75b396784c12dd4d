"""Errors as LINE WORKS' API puts them on the wire: a status, and a `code` with its `description`.

    Refused
    ├── BadRequest        400
    ├── Unauthorized      401
    ├── Forbidden         403
    ├── NotFound          404
    ├── Conflict          409
    ├── Gone              410
    └── TooManyRequests   429
https://developers.worksmobile.com/jp/docs/error-codes
"""

from collections.abc import Mapping
from typing import ClassVar


class Refused(Exception):
    """A call that is refused."""

    status: ClassVar[int]

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description

    @property
    def headers(self) -> Mapping[str, str]:
        return {}


class BadRequest(Refused):
    """A parameter that is missing, malformed or out of range."""

    status = 400

    def __init__(self, description: str, code: str = "INVALID_PARAMETER") -> None:
        super().__init__(code, description)


class Unauthorized(Refused):
    """No token, or one that is unknown or expired (RFC 6750 §3)."""

    status = 401

    def __init__(self, description: str, *, error: str | None) -> None:
        super().__init__("UNAUTHORIZED", description)
        self.error = error

    @property
    def headers(self) -> Mapping[str, str]:
        """A request without a token gets no `error` (RFC 6750 §3.1)."""
        challenge = 'Bearer realm="works"'
        if self.error is not None:
            challenge += f', error="{self.error}", error_description="{self.description}"'
        return {"WWW-Authenticate": challenge}


class Forbidden(Refused):
    """A token that may not do this."""

    status = 403

    def __init__(self, description: str, code: str = "FORBIDDEN") -> None:
        super().__init__(code, description)


class NotFound(Refused):
    """Nobody, or nothing, of that name."""

    status = 404

    def __init__(self, description: str, code: str = "NOT_FOUND") -> None:
        super().__init__(code, description)


class Conflict(Refused):
    """Somebody else has it, or is changing it."""

    status = 409

    def __init__(self, description: str, code: str = "CONFLICT") -> None:
        super().__init__(code, description)


class Gone(Refused):
    """A person who was deleted and may still come back."""

    status = 410

    def __init__(self, description: str) -> None:
        super().__init__("DELETED", description)


class TooManyRequests(Refused):
    """Over the limit. The body is LINE WORKS' own to the letter."""

    status = 429

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("TOO_MANY_REQUESTS", "API rate limit exceeded")
        self._headers = headers

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers
