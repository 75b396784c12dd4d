"""The kinds of password hashes, as parsed values.

``check`` limits the cost of a check; ``matches`` is the check.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from worksgate.credentials.imported_hashes.libcrypt import crypt, knows_yescrypt

BROKEN = "the password hash is broken: no password can match it"

_MAX_MEMORY = 256 * 1024 * 1024
"""Bytes of memory that one check may take."""
_ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The digits of crypt(3) and of phpass."""


class Hash(Protocol):
    """A parsed hash."""

    @property
    def kind(self) -> str: ...

    def check(self) -> None:
        """Raises ValueError, with a sentence, if it is broken or its costs are too high."""

    def matches(self, password: bytes) -> bool:
        """Whether it was made of this password."""


@dataclass(frozen=True, slots=True)
class Argon2:
    encoded: str = field(repr=False)
    memory: int  # KiB
    passes: int
    lanes: int

    kind: ClassVar[str] = "argon2"

    def check(self) -> None:
        _check_salt_and_hash(*map(decoded, self.encoded.rsplit("$", 2)[1:]))
        _check_cost("argon2 memory", self.memory, _MAX_MEMORY // 1024)
        _check_cost("argon2 memory times passes", self.memory * self.passes, 1024 * 1024)
        _check_cost("argon2 lanes", self.lanes, 16)
        if not (self.passes and self.lanes and self.memory >= 8 * self.lanes):
            raise ValueError(BROKEN)

    def matches(self, password: bytes) -> bool:
        from argon2 import PasswordHasher
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return PasswordHasher().verify(self.encoded, password)
        except (VerificationError, InvalidHashError):
            return False


@dataclass(frozen=True, slots=True)
class Bcrypt:
    """Bcrypt, which all makers apply to the first 72 bytes only."""

    encoded: str = field(repr=False)
    cost: int
    before: str = ""
    """The preprocessing of the password: ``django`` or ``wordpress``."""

    kind: ClassVar[str] = "bcrypt"

    def check(self) -> None:
        if self.cost < 4:
            raise ValueError(BROKEN)
        _check_cost("bcrypt cost", self.cost, 13)

    def matches(self, password: bytes) -> bool:
        import bcrypt

        if self.before == "django":
            password = hashlib.sha256(password).hexdigest().encode()
        elif self.before == "wordpress":
            trimmed = password.strip(b" \t\n\r\0\v")  # as PHP's trim()
            password = b64encode(hmac.digest(b"wp-sha384", trimmed, "sha384"))
        if b"\0" in password:
            return False  # bcrypt would stop there, and accept a prefix
        return bcrypt.checkpw(password[:72], self.encoded.encode())


@dataclass(frozen=True, slots=True)
class Scrypt:
    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    kind: ClassVar[str] = "scrypt"

    def check(self) -> None:
        _check_salt_and_hash(self.salt, self.hash)
        if self.n < 2 or self.n & (self.n - 1) or not (self.r and self.p):
            raise ValueError(BROKEN)
        _check_cost("scrypt memory", 128 * self.n * self.r, _MAX_MEMORY)
        _check_cost("scrypt work", self.n * self.r * self.p, 2**22)

    def matches(self, password: bytes) -> bool:
        made = hashlib.scrypt(
            password,
            salt=self.salt,
            n=self.n,
            r=self.r,
            p=self.p,
            maxmem=2 * _MAX_MEMORY,  # OpenSSL counts a little more than the memory of the formula
            dklen=len(self.hash),
        )
        return hmac.compare_digest(made, self.hash)


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    digest: str
    rounds: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    kind: ClassVar[str] = "pbkdf2"

    def check(self) -> None:
        _check_salt_and_hash(self.salt, self.hash)
        if not self.rounds:
            raise ValueError(BROKEN)
        blocks = -(-len(self.hash) // hashlib.new(self.digest).digest_size)
        most = 2_500_000 if self.digest == "sha512" else 6_000_000
        _check_cost("PBKDF2 iterations", self.rounds * blocks, most)

    def matches(self, password: bytes) -> bool:
        made = hashlib.pbkdf2_hmac(self.digest, password, self.salt, self.rounds, len(self.hash))
        return hmac.compare_digest(made, self.hash)


@dataclass(frozen=True, slots=True)
class SaltedSha:
    digest: str
    data: bytes = field(repr=False)
    """The digest, and after it the salt."""

    kind: ClassVar[str] = "salted_sha"

    def check(self) -> None:
        size = hashlib.new(self.digest).digest_size
        _check_salt_and_hash(self.data[size:], self.data[:size])
        if len(self.data) - size < 4:
            raise ValueError("the salt of the password hash is too short to be secure")

    def matches(self, password: bytes) -> bool:
        size = hashlib.new(self.digest).digest_size
        made = hashlib.new(self.digest, password + self.data[size:]).digest()
        return hmac.compare_digest(made, self.data[:size])


@dataclass(frozen=True, slots=True)
class ShaCrypt:
    encoded: str = field(repr=False)
    rounds: int

    kind: ClassVar[str] = "sha_crypt"

    def check(self) -> None:
        if len(self.encoded.rpartition("$")[2]) != {"5": 43, "6": 86}[self.encoded[1]]:
            raise ValueError(BROKEN)
        if self.rounds < 1_000:
            raise ValueError(BROKEN)
        _check_cost("SHA-crypt rounds", self.rounds, 700_000)

    def matches(self, password: bytes) -> bool:
        from passlib.hash import sha256_crypt, sha512_crypt  # type: ignore[import-untyped]  # has no types

        if b"\0" in password or len(password) > 512:
            return False  # crypt(3) accepts no more, and the work grows with it
        handler = sha256_crypt if self.encoded.startswith("$5$") else sha512_crypt
        return bool(handler.verify(password, self.encoded))


@dataclass(frozen=True, slots=True)
class Yescrypt:
    """yescrypt, the default of most Linux distributions, using the system's crypt(3)."""

    encoded: str = field(repr=False)
    log2_n: int

    kind: ClassVar[str] = "yescrypt"

    def check(self) -> None:
        _check_cost("yescrypt cost", self.log2_n, 15)
        if not knows_yescrypt():
            raise ValueError(
                "the password hash is yescrypt, which this system's libcrypt does not "
                "support; import it where libcrypt.so.1 (libxcrypt) is installed"
            )

    def matches(self, password: bytes) -> bool:
        if b"\0" in password or len(password) > 512:
            return False  # crypt(3) accepts no more
        made = crypt(password, self.encoded)
        return made is not None and hmac.compare_digest(made, self.encoded.encode())


@dataclass(frozen=True, slots=True)
class Phpass:
    """The iterated digests of phpass: MD5 in WordPress and phpBB, SHA-512 in Drupal 7."""

    digest: str
    log2_rounds: int
    salt: bytes = field(repr=False)
    made: str = field(repr=False)

    kind: ClassVar[str] = "phpass"

    @classmethod
    def read(cls, digest: str, log2_rounds: str, salt: str, made: str) -> "Phpass":
        return cls(digest, _ITOA64.index(log2_rounds), salt.encode(), made)

    def check(self) -> None:
        if self.log2_rounds < 7:
            raise ValueError(BROKEN)
        _check_cost("phpass rounds (a power of two)", self.log2_rounds, 17)

    def matches(self, password: bytes) -> bool:
        if len(password) > 512:
            return False  # like its makers: the work grows with it
        made = hashlib.new(self.digest, self.salt + password).digest()
        for _ in range(1 << self.log2_rounds):
            made = hashlib.new(self.digest, made + password).digest()
        return hmac.compare_digest(_itoa64(made)[: len(self.made)], self.made)


def decoded(text: str) -> bytes:
    """Decode base64 with or without padding, in either alphabet. Raises ValueError."""
    plain = text.rstrip("=").replace(".", "+")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        raise ValueError(BROKEN) from None


def _itoa64(data: bytes) -> str:
    """Encode bytes in the alphabet of phpass, least significant six bits first."""
    groups = (data[at : at + 3] for at in range(0, len(data), 3))
    return "".join(
        _ITOA64[int.from_bytes(group, "little") >> 6 * digit & 63]
        for group in groups
        for digit in range(len(group) + 1)
    )


def _check_salt_and_hash(salt: bytes, made: bytes) -> None:
    """A short hash would match many passwords; a long one would cost too much."""
    if not 0 < len(salt) <= 256 or not 16 <= len(made) <= 256:
        raise ValueError(BROKEN)


def _check_cost(what: str, cost: int, most: int) -> None:
    if cost > most:
        raise ValueError(
            f"the password hash would take too long to check: its {what} is {cost}, and at "
            f"most {most} is allowed"
        )
