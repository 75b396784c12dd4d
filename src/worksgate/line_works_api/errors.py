"""What can go wrong in a call of the LINE WORKS API.

    ApiError
    ├── ApiUnavailable   no usable answer, also after retries; also ``limits.outages.Unavailable``
    ├── TokenRefused     the app, its key or its scopes are refused: no access token
    └── ApiRefused       a call is refused, with a status
        └── AccessRefused    401 or 403: no call of this kind will succeed

Texts are sentences for the administrator. They quote at most ``MOST_SHOWN`` characters of what LINE
WORKS said, and no secret.
"""

from typing import Final

from worksgate.limits.outages import Unavailable

MOST_SHOWN: Final = 200


class ApiError(Exception):
    """LINE WORKS refuses, or gives no usable answer."""


class ApiUnavailable(ApiError, Unavailable):
    """There was no usable answer. A change may have taken place or not: read it again."""


class TokenRefused(ApiError):
    """The authorization server refuses an access token."""


class ApiRefused(ApiError):
    """A call was refused; ``code`` and ``description`` are what LINE WORKS said, or empty."""

    def __init__(self, operation: str, status: int, code: str = "", description: str = "") -> None:
        self.status = status
        self.code = shown(code)
        self.description = shown(description)
        super().__init__(f"LINE WORKS refused to {operation}: {self.reason}")

    @property
    def reason(self) -> str:
        """The status and what LINE WORKS said, without the operation."""
        said = ": ".join(filter(None, (self.code, self.description)))
        return f"status {self.status}" + (f", {said}" if said else "")

    @property
    def is_about_content(self) -> bool:
        """Whether other content may be accepted: somebody in it is unknown, a key is taken."""
        return self.status in (400, 404, 409, 410)


class AccessRefused(ApiRefused):
    """The access token is refused, or the app may not do this: a scope is missing, or the plan."""


def shown(text: object) -> str:
    """What LINE WORKS said, short and on one line."""
    return " ".join(str(text).split())[:MOST_SHOWN]
