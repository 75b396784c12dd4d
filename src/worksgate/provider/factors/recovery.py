"""Ten codes on paper, each valid once, for people who have lost everything else (R-81).

They are short enough to type, so they are stored as slow, salted hashes, like passwords. All ten
have the same salt: a typed code costs one hash, not ten.
"""

import secrets
from collections.abc import Iterable

from argon2.low_level import Type, hash_secret_raw

from worksgate.credentials.password_hashing import ARGON2
from worksgate.provider.factors.codes import grouped, new_code, read_code

CODES = 10
LENGTH = 12
"""Characters, of five bits each."""

_SALT_BYTES = 8
_HASH_BYTES = 24


def new_recovery_codes() -> tuple[str, ...]:
    """Ten new codes, formatted for display."""
    return tuple(grouped(new_code(LENGTH)) for _ in range(CODES))


def digests_of(codes: Iterable[str]) -> tuple[str, ...]:
    """The stored form of one person's codes. Takes a third of a second for ten."""
    salt = secrets.token_hex(_SALT_BYTES)
    return tuple(_digest(code, salt) for code in codes)


def possible_digests(typed: str, kept: Iterable[str]) -> tuple[str, ...]:
    """The stored form of a typed code, for each salt of the stored ones.

    Empty if it cannot be a code. Takes as long as a password.
    """
    salts = {each[: 2 * _SALT_BYTES] for each in kept}
    if read_code(typed, LENGTH) is None:
        return ()
    return tuple(_digest(typed, salt) for salt in sorted(salts))


def _digest(code: str, salt: str) -> str:
    """The salt and the hash in hex: 64 characters."""
    hashed = hash_secret_raw(
        (read_code(code, LENGTH) or "").encode(),
        bytes.fromhex(salt),
        time_cost=ARGON2.time_cost,
        memory_cost=ARGON2.memory_cost,
        parallelism=ARGON2.parallelism,
        hash_len=_HASH_BYTES,
        type=Type.ID,
    )
    return salt + hashed.hex()
