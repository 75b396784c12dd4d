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
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from worksgate import foreign_hashes
from worksgate.bounded_pool import BoundedPool, PoolFull

T = TypeVar("T")

SECRET_BYTES = 32
MAX_PASSWORD_BYTES = 4_096
"""A longer password is refused before it is hashed (R-76)."""
MIN_PASSWORD_LENGTH = 15
"""Code points, where the password stands alone (R-70)."""
MAX_PASSWORD_LENGTH = 1_024

_OUR_WORDS = ("worksgate", "lineworks", "naverworks", "password")
_COMMON_ABROAD = (
    *("sakura", "arigatou", "gozaimasu", "daisuki", "aishiteru", "konnichiwa", "ohayou"),
    *("yoroshiku", "onegaishimasu", "himitsu", "anzen", "nippon", "pasuwaado"),
    *("パスワード", "ありがとう", "ございます", "だいすき", "大好き", "愛してる", "よろしく"),
    *("お願いします", "おねがいします", "こんにちは", "ひみつ", "いろはにほへと", "あいうえお"),
    *("arigatougozaimasu", "ありがとうございます", "よろしくお願いします"),
    *("saranghae", "saranghaeyo", "annyeong", "annyeonghaseyo", "daehanminguk", "bimilbeonho"),
    *("비밀번호", "사랑해", "사랑해요", "안녕하세요", "대한민국", "가나다라마바사"),
    # The same on a keyboard that was not switched to Hangul.
    *("qlalfqjsgh", "tkfkdgo", "tkfkdgody", "dkssudgktpdy", "eogksalsrnr", "rkskekfkakqktk"),
)
"""First words of Japanese and Korean passwords, which the lists of zxcvbn lack (R-72)."""
_MIN_GUESSES = 10**8
"""What zxcvbn calls safely unguessable for a slow hash; any four common words are far above it."""
_STRENGTHS = (10**3, 10**6, _MIN_GUESSES, 10**12)
"""Guesses below which a password is worth 0, 1, 2 or 3 of 4."""
_ESTIMATED_LENGTH = 72
"""Characters that zxcvbn looks at; its work grows with the square."""
_ESTIMATING = threading.Lock()
"""zxcvbn keeps the words of the person in a global: one password at a time."""

ARGON2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's line for argon2id: 19 MiB, two passes, one lane (R-75)."""

_NICENESS = 10


class HashingBusy(Exception):
    """More people are signing in than can be checked in time; try again in a moment."""


class Weakness(StrEnum):
    """Why a new password is not accepted."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NUL = "nul"
    COMMON = "common"
    NAMES = "names"
    SAME = "same"


class WeakPassword(ValueError):
    """A new password that would not protect anybody; the text is for the person who chose it."""

    def __init__(self, weakness: Weakness) -> None:
        super().__init__(_SENTENCES[weakness])
        self.weakness = weakness


_SENTENCES = {
    Weakness.TOO_SHORT: f"use at least {MIN_PASSWORD_LENGTH} characters; several words do well",
    Weakness.TOO_LONG: f"use at most {MAX_PASSWORD_LENGTH} characters",
    Weakness.NUL: "a password cannot hold the NUL character",
    Weakness.COMMON: "this password is one of the first that anybody would try",
    Weakness.NAMES: "a password must be more than names that belong to you or this site",
    Weakness.SAME: "this is the password that you have; choose another",
}


@dataclass(frozen=True, slots=True)
class Strength:
    """How well a new password would do: 0 to 4, of which 3 and 4 are accepted.

    ``weakness`` is why it is not accepted, or None.
    """

    score: int
    weakness: Weakness | None = None


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
    """Passwords in a bounded pool: never more than ``threads`` at once, nor ``waiting`` queued.

    A call beyond that raises HashingBusy at once. New hashes are argon2id; those that people were
    imported with are checked too (``foreign_hashes``).
    """

    def __init__(self, threads: int | None = None, waiting: int = 64) -> None:
        self._pool = BoundedPool(
            threads or max(1, (os.cpu_count() or 2) - 1),
            waiting,
            name="password-hashing",
            initializer=_yield_to_others,
        )
        self._decoy = ARGON2.hash(new_secret())

    @property
    def pool(self) -> BoundedPool:
        """The threads, for whoever watches how busy they are."""
        return self._pool

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash of a password, parameters and salt inside."""
        data = normalise_password(password)
        return await self._run(lambda: ARGON2.hash(data))

    async def verify(self, password: str, encoded: str | None) -> bool:
        """Whether a password has this hash; with None the same work is done for nothing (R-77).

        A foreign hash may cost more than one of ours, within its limits, but never less.
        """
        try:
            data = normalise_password(password)
        except ValueError:
            data, encoded = b"-", None
        if encoded is not None and foreign_hashes.is_foreign(encoded):
            return await self._run(lambda: self._verify_foreign(encoded, password, data))
        right = await self._run(lambda: _verify(encoded or self._decoy, data))
        return right and encoded is not None

    def needs_rehash(self, encoded: str) -> bool:
        """Whether a hash was made elsewhere, or with other parameters than today's."""
        return foreign_hashes.is_foreign(encoded) or ARGON2.check_needs_rehash(encoded)

    async def check_new(self, password: str, context: Iterable[str] = ()) -> str:
        """``check_new_password`` in a thread. Raises WeakPassword."""
        words = tuple(context)
        return await self._run(lambda: check_new_password(password, words))

    async def strength(self, password: str, context: Iterable[str] = ()) -> Strength:
        """``password_strength`` in a thread."""
        words = tuple(context)
        return await self._run(lambda: password_strength(password, words))

    def close(self) -> None:
        """Stop the threads; what waits is dropped."""
        self._pool.close(wait=True)

    def _verify_foreign(self, encoded: str, password: str, data: bytes) -> bool:
        """Who is right gets a hash of ours next; who is wrong waits as long (R-77)."""
        if foreign_hashes.verify(encoded, password):
            return True
        _verify(self._decoy, data)
        return False

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
    weakness = _misfit(password) or _assessed(password, context)[1]
    if weakness is not None:
        raise WeakPassword(weakness)
    return password


def password_strength(password: str, context: Iterable[str] = ()) -> Strength:
    """How well a password would do, for a meter: 3 and 4 are what ``check_new_password`` accepts.

    Takes some 20 ms, however long the password is.
    """
    misfit = _misfit(password)
    if not password or misfit in (Weakness.TOO_LONG, Weakness.NUL):
        return Strength(0, misfit)
    guesses, weakness = _assessed(password, context)
    score = sum(guesses >= enough for enough in _STRENGTHS)
    weakness = misfit or weakness
    return Strength(score if weakness is None else min(score, 2), weakness)


def _misfit(password: str) -> Weakness | None:
    """What is wrong with a password before anybody guesses at it."""
    if len(password) > MAX_PASSWORD_LENGTH:
        return Weakness.TOO_LONG
    text = unicodedata.normalize("NFKC", password)
    if min(len(text), len(password)) < MIN_PASSWORD_LENGTH:  # NFKC makes 18 of some single ones
        return Weakness.TOO_SHORT
    if len(text) > MAX_PASSWORD_LENGTH:
        return Weakness.TOO_LONG
    return Weakness.NUL if "\0" in text else None


def _assessed(password: str, context: Iterable[str]) -> tuple[int, Weakness | None]:
    """How many guesses it takes, and whether it is on the block list (R-72).

    That is what is common (30,000 leaked passwords, names and words come with zxcvbn), a walk over
    the keyboard, a repetition, or made of the words of this person and place.
    """
    text = unicodedata.normalize("NFKC", password).casefold()
    words = sorted({*map(_squeezed, context), *_OUR_WORDS}, key=len)
    guesses = _guesses(text[:_ESTIMATED_LENGTH], words)
    if guesses < _MIN_GUESSES:
        return guesses, Weakness.COMMON
    return guesses, Weakness.NAMES if _is_made_of(text, words) else None


def _guesses(text: str, words: list[str]) -> int:
    from zxcvbn import zxcvbn  # 8 MiB that only a new password needs

    with _ESTIMATING:
        return int(zxcvbn(text, user_inputs=[*words, *_COMMON_ABROAD])["guesses"])


def _is_made_of(text: str, words: list[str]) -> bool:
    rest = squeezed = _squeezed(text)
    for word in reversed(words):  # the longest first: a shorter one may be a part of it
        if len(word) >= 3:
            rest = rest.replace(word, "")
    return len(rest) < 8 and rest != squeezed


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
