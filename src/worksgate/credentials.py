"""Secrets: how new ones are made, what is kept of them, and how a password is checked.

Codes, tokens and client secrets are 256 bits from the system's generator, so a plain SHA-256 of
them is all that needs keeping (R-33, R-46). Passwords are chosen by people, so they are kept as
argon2id, in threads of their own, fewer than the cores, at a lower priority: however many people
sign in at once, the answers to LINE WORKS go first (F-24).
"""

import hashlib
import hmac
import os
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from worksgate.bounded_pool import BoundedPool, PoolFull

T = TypeVar("T")

SECRET_BYTES = 32
MAX_PASSWORD_BYTES = 4_096
"""A longer password is refused before it is hashed (R-76)."""
MIN_PASSWORD_LENGTH = 15
"""Code points, where the password stands alone (R-70)."""
MAX_PASSWORD_LENGTH = 1_024

_OUR_WORDS = ("worksgate", "lineworks", "naverworks", "password")
_MIN_GUESSES = 10**8
"""What zxcvbn calls safely unguessable for a slow hash; any four common words are far above it."""
_ESTIMATED_LENGTH = 72
"""Characters that zxcvbn looks at; its work grows with the square."""

ARGON2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's line for argon2id: 19 MiB, two passes, one lane (R-75)."""

_NICENESS = 10


class HashingBusy(Exception):
    """More people are signing in than can be checked in time; try again in a moment."""


class WeakPassword(ValueError):
    """A new password that would not protect anybody; the text is for the person who chose it."""


def new_secret() -> str:
    """A new code, token, client secret or session id: 43 characters of base64url."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_id() -> str:
    """A new identifier that is no secret: 22 characters of base64url."""
    return secrets.token_urlsafe(16)


def new_ordered_id() -> str:
    """A new identifier that is no secret: the time in milliseconds, then 80 random bits.

    For what has an index of its own and a new row at every login: rows of the same moment stand
    together there, so a commit writes a few pages of the index instead of one for each row.
    """
    return f"{time.time_ns() // 1_000_000:011x}{secrets.token_urlsafe(10)}"


def digest(secret: str) -> str:
    """What is kept of a secret: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches_any(secret: str, digests: Iterable[str]) -> bool:
    """Whether a secret has one of these digests, in time that does not tell which."""
    presented = digest(secret)
    found = False
    for known in digests:
        found |= hmac.compare_digest(presented, known)
    return found


def normalise_password(password: str) -> bytes:
    """The bytes of a password that are hashed: NFKC, then UTF-8, whole (R-73).

    Raises ValueError when it is empty, longer than ``MAX_PASSWORD_BYTES`` or not text.
    """
    if not password or len(password) > MAX_PASSWORD_BYTES:
        raise ValueError("the password is empty or too long")
    data = unicodedata.normalize("NFKC", password).encode()
    if len(data) > MAX_PASSWORD_BYTES:
        raise ValueError("the password is too long")
    return data


class PasswordHashing:
    """Argon2id in a bounded pool: never more than ``threads`` at once, nor ``waiting`` queued.

    A call beyond that raises HashingBusy at once.
    """

    def __init__(self, threads: int | None = None, waiting: int = 64) -> None:
        self._pool = BoundedPool(
            threads or max(1, (os.cpu_count() or 2) - 1),
            waiting,
            name="password-hashing",
            initializer=_yield_to_others,
        )
        self._decoy = ARGON2.hash(new_secret())

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash of a password, parameters and salt inside."""
        data = normalise_password(password)
        return await self._run(lambda: ARGON2.hash(data))

    async def verify(self, password: str, encoded: str | None) -> bool:
        """Whether a password has this hash; with None the same work is done for nothing (R-77)."""
        try:
            data = normalise_password(password)
        except ValueError:
            data, encoded = b"-", None
        right = await self._run(lambda: _verify(encoded or self._decoy, data))
        return right and encoded is not None

    def needs_rehash(self, encoded: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return ARGON2.check_needs_rehash(encoded)

    def close(self) -> None:
        """Stop the threads; what waits is dropped."""
        self._pool.close(wait=True)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await self._pool.run(work)
        except PoolFull:
            raise HashingBusy("too many passwords are waiting to be checked") from None


def check_new_password(password: str, context: Iterable[str] = ()) -> str:
    """Return a password that somebody may choose (R-70 to R-72).

    ``context`` are words that it must not consist of: the person's names, the company's.
    Raises WeakPassword with a sentence for the person. No rules of composition.
    """
    text = unicodedata.normalize("NFKC", password)
    if min(len(text), len(password)) < MIN_PASSWORD_LENGTH:  # NFKC makes 18 of some single ones
        raise WeakPassword(f"use at least {MIN_PASSWORD_LENGTH} characters; several words do well")
    if max(len(text), len(password)) > MAX_PASSWORD_LENGTH:
        raise WeakPassword(f"use at most {MAX_PASSWORD_LENGTH} characters")
    if "\0" in text:
        raise WeakPassword("a password cannot hold the NUL character")
    _check_block_list(text.casefold(), sorted({*map(_squeezed, context), *_OUR_WORDS}, key=len))
    return password


def _check_block_list(text: str, words: list[str]) -> None:
    """Refuse what is common, a walk over the keyboard, a repetition, or made of these words."""
    from zxcvbn import zxcvbn  # 8 MiB that only a new password needs

    if zxcvbn(text[:_ESTIMATED_LENGTH], user_inputs=words)["guesses"] < _MIN_GUESSES:
        raise WeakPassword("this password is one of the first that anybody would try")
    rest = squeezed = _squeezed(text)
    for word in reversed(words):  # the longest first: a shorter one may be a part of it
        if len(word) >= 3:
            rest = rest.replace(word, "")
    if len(rest) < 8 and rest != squeezed:
        raise WeakPassword("a password must be more than names that belong to you or this site")


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _verify(encoded: str, data: bytes) -> bool:
    try:
        return ARGON2.verify(encoded, data)
    except VerifyMismatchError:
        return False
    except (VerificationError, InvalidHashError):
        return False


def _yield_to_others() -> None:
    """Linux gives each thread its own niceness: hashing must never delay the event loop."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
