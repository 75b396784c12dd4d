"""Secrets: their generation, and their stored form.

Codes, tokens and client secrets have 256 bits from the system's generator, so a plain SHA-256
suffices for storage (R-33, R-46).
"""

import hashlib
import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable

SECRET_BYTES = 32
_REQUEST_BYTES = 8
_REQUEST = re.compile(rf"[0-9a-f]{{{2 * _REQUEST_BYTES}}}")
_TIME_LENGTH = 11
"""Hexadecimal digits of a time in milliseconds, until the year 2527."""
_ORDERED = re.compile(rf"([0-9a-f]{{{_TIME_LENGTH}}})(?:[A-Za-z0-9_-]{{14}}|[A-Za-z0-9_-]{{43}})")
"""An identifier or a secret that begins with a time."""


def new_secret() -> str:
    """A new client secret or other unguessable value: 43 characters of base64url."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_ordered_secret() -> str:
    """A new code, token or session ID: 11 digits of the time and a ``new_secret``; 54 in total."""
    return _time_of_now() + new_secret()


def new_id() -> str:
    """A new identifier, not secret: 22 characters of base64url, of which the first is no hyphen."""
    while not (made := secrets.token_urlsafe(16))[0].isalnum():
        pass
    return made


def new_request_id() -> str:
    """A new identifier of a request, not secret: 16 hexadecimal digits, which can be typed."""
    return secrets.token_hex(_REQUEST_BYTES)


def is_request_id(text: str) -> bool:
    """Whether a text may be one of ``new_request_id``."""
    return _REQUEST.fullmatch(text) is not None


def new_ordered_id() -> str:
    """A new identifier, not secret: the time in milliseconds, then 80 random bits.

    For values with an index of their own and a new row at every sign-in: rows of the same moment
    are adjacent, so a commit writes a few pages of the index instead of one per row.
    """
    return _time_of_now() + secrets.token_urlsafe(10)


def is_ordered_id(text: str) -> bool:
    """Whether a text may be one of ``new_ordered_id``."""
    return len(text) == _TIME_LENGTH + 14 and _ORDERED.fullmatch(text) is not None


def _time_of_now() -> str:
    """The time in milliseconds, in ``_TIME_LENGTH`` hexadecimal digits."""
    return f"{time.time_ns() // 1_000_000:0{_TIME_LENGTH}x}"


def digest(secret: str) -> str:
    """The stored form of a secret: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def storage_key(ordered: str) -> str:
    """The key of the row for an ordered secret or identifier.

    It is the time in it, which is not secret, and the digest of the whole: so the index by this key
    is ordered as well. In base64url it has 54 characters: Valkey stores rows without a value of
    more than 64 in far less memory. For anything that cannot be one of ours it is the digest only.
    """
    made_at = _ORDERED.fullmatch(ordered)
    if made_at is None:
        return digest(ordered)
    whole = hashlib.sha256(ordered.encode()).digest()
    return made_at[1] + urlsafe_b64encode(whole)[:-1].decode()


def matches_any(secret: str, digests: Iterable[str]) -> bool:
    """Whether a secret has one of these digests, in constant time."""
    presented = digest(secret)
    found = False
    for known in digests:
        found |= hmac.compare_digest(presented, known)
    return found
