"""Codes and tokens, in memory.

Nothing here awaits, so each function is atomic in this process, and in no other.
"""

import secrets
import time
from dataclasses import dataclass

CODE_LIFETIME, TOKEN_LIFETIME = 60, 24 * 3600


@dataclass(frozen=True)
class Grant:
    """What a code and its token stand for; ``expires_at`` is in seconds since the epoch."""

    code: str
    user_key: str
    expires_at: float


codes: dict[str, Grant] = {}
tokens: dict[str, Grant] = {}


def new_code(user_key: str) -> str:
    now, code = time.time(), secrets.token_urlsafe(32)
    for kept in (codes, tokens):
        for key in [key for key, grant in kept.items() if grant.expires_at < now]:
            del kept[key]
    codes[code] = Grant(code, user_key, now + CODE_LIFETIME)
    return code


def redeemed(code: str) -> str | None:
    """A token for a code, which is used up by it."""
    grant, now = codes.pop(code, None), time.time()
    if grant is None:  # a second use revokes what the first one got (RFC 6749 §4.1.2)
        for key in [key for key, other in tokens.items() if other.code == code]:
            del tokens[key]
    if grant is None or grant.expires_at < now:
        return None
    token = secrets.token_urlsafe(32)
    tokens[token] = Grant(code, grant.user_key, now + TOKEN_LIFETIME)
    return token


def user_key_of(token: str) -> str | None:
    grant = tokens.get(token)
    return None if grant is None or grant.expires_at < time.time() else grant.user_key
