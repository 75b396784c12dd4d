"""Passwords that are hashed at little cost, in the quick tests that are not about that cost.

It is the same argon2id, in the same threads, in one pass over 64 KiB instead of two over 19 MiB. A
test that is about the cost, or about what comes first while a hash is made, carries the mark
``hashing``, and gets the real one; ``make test`` has the real one throughout.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from argon2 import PasswordHasher

from worksgate.credentials import password_hashing
from worksgate.provider.factors import recovery

_LIGHT = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@contextmanager
def light_hashing() -> Iterator[None]:
    """Let new passwords and recovery codes cost next to nothing."""
    with patch.object(password_hashing, "ARGON2", _LIGHT), patch.object(recovery, "ARGON2", _LIGHT):
        yield
