"""Password hashing, in a bounded thread pool.

Passwords are chosen by people, so they are stored as argon2id, hashed in dedicated threads, fewer
than the cores, at a lower priority: however many people sign in at once, responses to LINE WORKS go
first (F-24). New passwords are estimated in another thread, so choosing one never takes a thread
from people who sign in.
"""

import asyncio
import os
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import HashingError, InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import error_to_str

from worksgate.credentials import imported_hashes
from worksgate.credentials.imported_hashes.turns import Turn, Turns
from worksgate.credentials.password_policy import Strength, check_new_password, password_strength
from worksgate.credentials.secrets import new_secret
from worksgate.limits.outages import Unavailable
from worksgate.limits.thread_pool import PoolFull, ThreadPool

T = TypeVar("T")
MAX_PASSWORD_BYTES = 4_096
"""A longer password is refused before it is hashed (R-76)."""
ARGON2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's recommendation for argon2id: 19 MiB, two passes, one lane (R-75)."""
_NO_MEMORY = error_to_str(-22)
"""argon2's error when it cannot allocate memory (ARGON2_MEMORY_ALLOCATION_ERROR)."""
_TOO_MANY_PASSWORDS = "too many passwords are waiting to be checked"
_NICENESS = 5
"""Relative to the process: a third of the share of its other threads. With 10 it would be a
ninth: next to busy programs on two cores, a mail client's sign-in took more than half a second."""
IMPORTED_WAITING = 8
"""Passwords that may wait for the one thread that checks imported hashes; more would be late."""
_ALL_METERS = "meters"
"""A turn for an estimate; keyed by the subject ID of the person who chooses a password."""


class HashingBusy(Unavailable):
    """More people are signing in than can be checked in time; a retry may succeed."""


class BusyRefusal(HashingBusy):
    """A refusal that says no more than ``HashingBusy``, since an imported hash had no turn (R-145).

    The password was wrong, or that of a person with such a hash, and then it was not checked. Both
    count as a definite no, or the count would tell them apart. Its text is for the audit log.
    """

    def __init__(self) -> None:
        super().__init__(
            "wrong name or password, or not checked: too many imported hashes are waiting"
        )


def normalise_password(password: str) -> bytes:
    """The bytes of a password that are hashed: NFKC, then UTF-8, in full (R-73).

    Raises ValueError if it is empty, longer than ``MAX_PASSWORD_BYTES`` or not text.
    """
    if not password or len(password) > MAX_PASSWORD_BYTES:
        raise ValueError("the password is empty or too long")
    data = unicodedata.normalize("NFKC", password).encode()
    if len(data) > MAX_PASSWORD_BYTES:
        raise ValueError("the password is too long")
    return data


KEPT_FOR_KNOWN = 0.25
"""Share of the places in the queue that unauthenticated callers leave to browsers in which people
have signed in before: however many networks an attacker has, those get in."""


class PasswordHashing:
    """Passwords in a bounded pool: at most ``threads`` at once, and ``waiting`` queued.

    A call beyond that raises HashingBusy at once. New hashes are argon2id; imported ones
    (``imported_hashes``) cost more, and have one thread of their own, so that they delay nobody
    else; ``turns`` decides who may use it. New passwords are estimated one at a time in a pool of
    their own, with as many waiting: ``whose`` is the subject, of whom at most one is in it.
    """

    def __init__(
        self, threads: int | None = None, waiting: int = 64, *, turns: Turns | None = None
    ) -> None:
        self._pool = ThreadPool(
            threads or max(1, (os.cpu_count() or 2) - 1),
            waiting,
            name="password-hashing",
            initializer=_yield_to_others,
        )
        self._imported = ThreadPool(
            1, IMPORTED_WAITING, name="imported-hashes", initializer=_yield_to_others
        )
        self._turns = turns or Turns()
        # Not at a lower priority: an estimate is pure Python and holds the GIL, for which the event
        # loop would wait as long as that thread has to wait.
        self._estimates = ThreadPool(1, waiting, name="password-estimates")
        self._decoy = _decoy(ARGON2)

    @property
    def pool(self) -> ThreadPool:
        """The hashing threads, for metrics."""
        return self._pool

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash of a password, including parameters and salt."""
        data = normalise_password(password)
        return await self._run(lambda: _hash(data))

    def take_turn(self) -> Turn | None:
        """A turn at the thread for imported hashes; None if there is none in time.

        While there are such hashes, every password check takes one, whatever its hash; and without
        one a wrong password is answered with no more than ``BusyRefusal`` (R-145).
        """
        return self._turns.take()

    def release(self, turn: Turn) -> None:
        """End the turn of a right password."""
        self._turns.release(turn)

    async def verify(
        self, password: str, encoded: str | None, *, checks_imported: bool = True
    ) -> bool:
        """Whether a password matches this hash; with None the same work is done in vain (R-77).

        An imported hash takes longer, which a refusal must not reveal (R-121): that is up to the
        caller. Unless ``checks_imported``, such a hash is refused at the cost of a wrong password.
        """
        try:
            data = normalise_password(password)
        except ValueError:
            data, encoded = b"-", None
        if encoded is not None and imported_hashes.is_imported(encoded):
            if checks_imported:
                return await self._verify_imported(password, data, encoded)
            encoded = None
        right = await self._run(lambda: _verify(encoded or self._decoy, data))
        return right and encoded is not None

    def check_capacity(self, *, is_known: bool = True) -> None:
        """Raises HashingBusy, and counts it, if no password could be checked now.

        The last ``KEPT_FOR_KNOWN`` of the places are for known callers.
        """
        kept = 0 if is_known else int(self._pool.places * KEPT_FOR_KNOWN)
        try:
            self._pool.check_capacity(kept)
        except PoolFull:
            raise HashingBusy(_TOO_MANY_PASSWORDS) from None

    def needs_rehash(self, encoded: str) -> bool:
        """Whether a hash was made elsewhere, or with other parameters than the current ones."""
        return imported_hashes.is_imported(encoded) or ARGON2.check_needs_rehash(encoded)

    async def check_new(self, password: str, context: Iterable[str] = (), *, whose: str) -> str:
        """``check_new_password`` in a thread. Raises WeakPassword."""
        words = tuple(context)
        return await self._estimate(lambda: check_new_password(password, words), {whose})

    async def strength(self, password: str, context: Iterable[str] = (), *, whose: str) -> Strength:
        """``password_strength`` in a thread, where a form waits for one meter at most."""
        words = tuple(context)
        return await self._estimate(
            lambda: password_strength(password, words), {whose, _ALL_METERS}
        )

    def close(self) -> None:
        """Stop the threads; waiting work is dropped, running work is not awaited."""
        self._pool.close()
        self._imported.close()
        self._estimates.close()

    async def _verify_imported(self, password: str, data: bytes, encoded: str) -> bool:
        """At the same time do the work of an unknown name, at the moment when it would be done.

        So a full queue of the other threads reveals nothing either.
        """
        ours = asyncio.ensure_future(self._run(lambda: _verify(self._decoy, data)))
        theirs = asyncio.ensure_future(self._run(lambda: _timed(encoded, password), self._imported))
        try:
            _, (right, seconds) = await asyncio.gather(ours, theirs)
        finally:  # if one has no room, the other is in vain
            for check in (ours, theirs):
                check.cancel()
        self._turns.note(seconds)
        return right

    async def _run(self, work: Callable[[], T], pool: ThreadPool | None = None) -> T:
        try:
            return await (pool or self._pool).run(work)
        except PoolFull:
            raise HashingBusy(_TOO_MANY_PASSWORDS) from None
        except MemoryError:
            raise HashingBusy("there is not enough memory to check a password") from None

    async def _estimate(self, work: Callable[[], T], turns: set[str]) -> T:
        try:
            return await self._estimates.run(work, turns)
        except PoolFull:
            raise HashingBusy("too many new passwords are waiting to be estimated") from None


@cache
def _decoy(hasher: PasswordHasher) -> str:
    """A hash of nobody's password, which takes as long to check as any.

    One per process suffices: creating another takes as long again, at every start.
    """
    return hasher.hash(new_secret())


def _hash(data: bytes) -> str:
    """Raises MemoryError."""
    try:
        return ARGON2.hash(data)
    except HashingError as error:
        if str(error) == _NO_MEMORY:
            raise MemoryError from error
        raise


def _timed(encoded: str, password: str) -> tuple[bool, float]:
    """Whether a password matches this imported hash, and the seconds that the check took."""
    began = time.monotonic()
    right = imported_hashes.verify(encoded, password)
    return right, time.monotonic() - began


def _verify(encoded: str, data: bytes) -> bool:
    """Whether these bytes match this hash. Raises MemoryError if that is undecided."""
    try:
        return ARGON2.verify(encoded, data)
    except (VerifyMismatchError, InvalidHashError):
        return False
    except VerificationError as error:
        if str(error) == _NO_MEMORY:
            raise MemoryError from error
        return False


def _yield_to_others() -> None:
    """Linux has a niceness per thread: hashing must never delay the event loop."""
    if hasattr(os, "setpriority"):
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, 19))
