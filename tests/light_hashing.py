"""Cheap passwords, for tests that are not about their cost.

It is the same argon2id, in the same threads, in one pass over 64 KiB instead of two over 19 MiB;
and how many guesses a new password takes is found out once for all tests, which takes 10 ms. A
test that is about the cost, or about what comes first while a hash is made, carries the mark
``hashing``, and gets the real one.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from tests.changes import Change, changed

if TYPE_CHECKING:
    from argon2 import PasswordHasher


@cache
def _light() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


def _lightly(module: ModuleType) -> AbstractContextManager[object]:
    return patch.object(module, "ARGON2", _light())


def _estimated_once(module: ModuleType) -> AbstractContextManager[object]:
    return patch.object(module, "_guesses", _remembered(module._guesses))


@cache
def _remembered(estimate: Callable[[str, list[str]], int]) -> Callable[[str, list[str]], int]:
    """The same estimates, each made once; they depend on nothing else."""
    known = cache(lambda text, words: estimate(text, list(words)))
    return lambda text, words: known(text, tuple(words))


_CHANGES: Final[Mapping[str, Change]] = {
    "worksgate.credentials.password_policy": _estimated_once,
    "worksgate.credentials.password_hashing": _lightly,
    "worksgate.provider.factors.recovery": _lightly,
}


@contextmanager
def light_hashing() -> Iterator[None]:
    """Let new passwords and recovery codes cost next to nothing."""
    with changed(_CHANGES):
        yield
