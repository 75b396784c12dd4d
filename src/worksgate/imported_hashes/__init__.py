"""Password hashes that other software made: recognised, bounded and checked.

People who are imported with such a hash keep their password. It is checked here until they sign
in for the first time; after that it is kept as argon2id like everybody's (``credentials``).

Known are, as their makers write them:

* argon2, alone, after ``{ARGON2}`` (OpenLDAP) or ``argon2`` (Django);
* bcrypt ``$2a$``, ``$2b$``, ``$2y$``, alone or after ``{CRYPT}``, ``bcrypt$`` or
  ``bcrypt_sha256$`` (Django);
* scrypt: ``scrypt$…`` (Django), ``$scrypt$…`` (passlib);
* PBKDF2: ``pbkdf2_sha256$…`` (Django), ``$pbkdf2-sha256$…`` (passlib), ``{PBKDF2-SHA256}…``
  (OpenLDAP), and the same with SHA-1 and SHA-512;
* a password credential of a Keycloak export (PBKDF2 or argon2), the JSON as it stands there;
* ``{SSHA}``, ``{SSHA256}``, ``{SSHA384}``, ``{SSHA512}``;
* SHA-crypt ``$5$`` and ``$6$``, alone or after ``{CRYPT}``.

Whoever makes the file decides how much work a check is. So each cost has a limit of about a second
and of 256 MiB: no import can plant a hash that keeps the others waiting.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

OURS = "$argon2id$"
"""How the hashes begin that are made here; an imported one like them gets ``{ARGON2}`` before."""

MAX_LENGTH = 2_048

_MARK = "{ARGON2}"
_MAX_MEMORY = 256 * 1024 * 1024
"""Bytes that one check may take."""

_TOO_WEAK = re.compile(
    r"\{(?:SHA\d*|S?MD5|CLEAR(?:TEXT)?)\}"  # without a salt, or MD5
    r"|(?:\{CRYPT\})?\$1\$|\{CRYPT\}[./0-9A-Z]"  # MD5 and DES
    r"|(?:unsalted_)?(?:md5|sha1)\$",  # Django's oldest
    re.IGNORECASE | re.ASCII,
)
_N = "{1,9}"
_B64 = r"[A-Za-z0-9+/]+={0,2}"
_AB64 = r"[A-Za-z0-9./]+"
"""Base64 as passlib and OpenLDAP write it: ``.`` for ``+``, and no padding."""

_DIGESTS = {"": "sha1", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512"}

_UNKNOWN = (
    "the password hash is of no kind that is known here; known are argon2, bcrypt, scrypt, PBKDF2, "
    "{SSHA} and SHA-crypt"
)
_BROKEN = "the password hash is broken: no password can have it"


def is_imported(encoded: str) -> bool:
    """Whether a hash that is kept here was not made here."""
    return not encoded.startswith(OURS)


def kind_of(encoded: str) -> str | None:
    """The kind of a hash, such as ``bcrypt``, or None where it is none that can be checked."""
    try:
        return _read(encoded).kind
    except ValueError:
        return None


def check_importable(encoded: str) -> str:
    """Return a foreign hash as it is to be kept. Raises ValueError with a sentence."""
    encoded = encoded.strip()
    _read(encoded)
    return encoded if is_imported(encoded) else f"{_MARK}{encoded}"


def verify(encoded: str, password: str) -> bool:
    """Whether a foreign hash was made of this password; False too where the hash is no good.

    The password counts as it was typed, and in NFKC where that differs: nobody knows what its
    maker did. Takes as long as the hash demands.
    """
    try:
        found = _read(encoded)
        spellings = dict.fromkeys((password, unicodedata.normalize("NFKC", password)))
        return any(found.matches(spelling.encode()) for spelling in spellings)
    except ValueError:  # the hash is no good, or the password cannot be written in UTF-8
        return False


class _Hash(Protocol):
    """A hash that has been read."""

    @property
    def kind(self) -> str: ...

    def check(self) -> None:
        """Raises ValueError, with a sentence, where it is broken or its costs are too high."""

    def matches(self, password: bytes) -> bool:
        """Whether it was made of this password."""


def _read(encoded: str) -> _Hash:
    """A hash that can be checked, its costs within the limits. Raises ValueError."""
    if len(encoded) > MAX_LENGTH:
        raise ValueError("the password hash is too long to be one")
    if _TOO_WEAK.match(encoded):
        raise ValueError(
            "the password hash is of a kind that protects nobody; give this person a new password"
        )
    for read in _READERS:
        found = read(encoded)
        if found is not None:
            found.check()
            return found
    raise ValueError(_UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Argon2:
    encoded: str = field(repr=False)
    memory: int  # KiB
    passes: int
    lanes: int

    kind: ClassVar[str] = "argon2"

    def check(self) -> None:
        _check_salt_and_hash(*map(_decoded, self.encoded.rsplit("$", 2)[1:]))
        _check_cost("argon2 memory", self.memory, _MAX_MEMORY // 1024)
        _check_cost("argon2 memory times passes", self.memory * self.passes, 1024 * 1024)
        _check_cost("argon2 lanes", self.lanes, 16)
        if not (self.passes and self.lanes and self.memory >= 8 * self.lanes):
            raise ValueError(_BROKEN)

    def matches(self, password: bytes) -> bool:
        from argon2 import PasswordHasher
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return PasswordHasher().verify(self.encoded, password)
        except (VerificationError, InvalidHashError):
            return False


@dataclass(frozen=True, slots=True)
class _Bcrypt:
    """Bcrypt, whose makers all took the first 72 bytes and left the rest out."""

    encoded: str = field(repr=False)
    cost: int
    of_sha256: bool

    kind: ClassVar[str] = "bcrypt"

    def check(self) -> None:
        if self.cost < 4:
            raise ValueError(_BROKEN)
        _check_cost("bcrypt cost", self.cost, 14)

    def matches(self, password: bytes) -> bool:
        import bcrypt

        if self.of_sha256:
            password = hashlib.sha256(password).hexdigest().encode()
        if b"\0" in password:
            return False  # bcrypt would read to there, and take a part for the whole
        return bcrypt.checkpw(password[:72], self.encoded.encode())


@dataclass(frozen=True, slots=True)
class _Scrypt:
    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    kind: ClassVar[str] = "scrypt"

    def check(self) -> None:
        _check_salt_and_hash(self.salt, self.hash)
        if self.n < 2 or self.n & (self.n - 1) or not (self.r and self.p):
            raise ValueError(_BROKEN)
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
class _Pbkdf2:
    digest: str
    rounds: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    kind: ClassVar[str] = "pbkdf2"

    def check(self) -> None:
        _check_salt_and_hash(self.salt, self.hash)
        if not self.rounds:
            raise ValueError(_BROKEN)
        blocks = -(-len(self.hash) // hashlib.new(self.digest).digest_size)
        most = 2_500_000 if self.digest == "sha512" else 6_000_000
        _check_cost("PBKDF2 iterations", self.rounds * blocks, most)

    def matches(self, password: bytes) -> bool:
        made = hashlib.pbkdf2_hmac(self.digest, password, self.salt, self.rounds, len(self.hash))
        return hmac.compare_digest(made, self.hash)


@dataclass(frozen=True, slots=True)
class _SaltedSha:
    digest: str
    data: bytes = field(repr=False)
    """The digest, and after it the salt."""

    kind: ClassVar[str] = "salted_sha"

    def check(self) -> None:
        size = hashlib.new(self.digest).digest_size
        _check_salt_and_hash(self.data[size:], self.data[:size])
        if len(self.data) - size < 4:
            raise ValueError("the salt of the password hash is too short to protect anybody")

    def matches(self, password: bytes) -> bool:
        size = hashlib.new(self.digest).digest_size
        made = hashlib.new(self.digest, password + self.data[size:]).digest()
        return hmac.compare_digest(made, self.data[:size])


@dataclass(frozen=True, slots=True)
class _ShaCrypt:
    encoded: str = field(repr=False)
    rounds: int

    kind: ClassVar[str] = "sha_crypt"

    def check(self) -> None:
        if self.rounds < 1_000:
            raise ValueError(_BROKEN)
        _check_cost("SHA-crypt rounds", self.rounds, 700_000)

    def matches(self, password: bytes) -> bool:
        from passlib.hash import (  # type: ignore[import-untyped]  # has no types
            sha256_crypt,
            sha512_crypt,
        )

        if b"\0" in password or len(password) > 512:
            return False  # crypt(3) takes no more, and the work grows with it
        handler = sha256_crypt if self.encoded.startswith("$5$") else sha512_crypt
        return bool(handler.verify(password, self.encoded))


def _read_argon2(encoded: str) -> _Hash | None:
    found = _match(
        r"(?:\{(?i:ARGON2)\}|argon2(?=\$))?"
        rf"(\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=(\d{_N}),t=(\d{_N}),p=(\d{_N})"
        rf"\${_B64}\${_B64})",
        encoded,
    )
    return found and _Argon2(found[1], int(found[2]), int(found[3]), int(found[4]))


def _read_bcrypt(encoded: str) -> _Hash | None:
    """The last letter of the salt has two bits, so only four letters can stand there."""
    found = _match(
        r"(?:\{(?i:CRYPT)\}|bcrypt\$|(bcrypt_sha256\$))?"
        r"(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31})",
        encoded,
    )
    return found and _Bcrypt(found[2], int(found[3]), found[1] is not None)


def _read_scrypt(encoded: str) -> _Hash | None:
    if found := _match(rf"scrypt\$(\d{_N})\$([^$]+)\$(\d{_N})\$(\d{_N})\$({_B64})", encoded):
        n, r, p = int(found[1]), int(found[3]), int(found[4])
        return _Scrypt(n, r, p, found[2].encode(), _decoded(found[5]))
    if found := _match(
        rf"\$scrypt\$ln=(\d{{1,2}}),r=(\d{_N}),p=(\d{_N})\$({_B64})\$({_B64})", encoded
    ):
        n, r, p = 2 ** int(found[1]), int(found[2]), int(found[3])
        return _Scrypt(n, r, p, _decoded(found[4]), _decoded(found[5]))
    return None


def _read_pbkdf2(encoded: str) -> _Hash | None:
    if found := _match(rf"pbkdf2_(sha1|sha256)\$(\d{_N})\$([^$]+)\$({_B64})", encoded):
        return _Pbkdf2(found[1], int(found[2]), found[3].encode(), _decoded(found[4]))
    found = _match(
        r"(?:\$pbkdf2(-sha256|-sha512)?\$|\{(?i:PBKDF2(-sha1|-sha256|-sha512)?)\})"
        rf"(\d{_N})\$({_AB64})\$({_AB64})",
        encoded,
    )
    if found is None:
        return None
    digest = _DIGESTS[(found[1] or found[2] or "").lower().removeprefix("-")]
    return _Pbkdf2(digest, int(found[3]), _decoded(found[4]), _decoded(found[5]))


def _read_salted_sha(encoded: str) -> _Hash | None:
    found = _match(rf"\{{(?i:SSHA)(256|384|512)?\}}({_B64})", encoded)
    return found and _SaltedSha(f"sha{found[1] or 1}", _decoded(found[2]))


def _read_sha_crypt(encoded: str) -> _Hash | None:
    found = _match(
        r"(?:\{(?i:CRYPT)\})?"
        rf"(\$[56]\$(?:rounds=(\d{_N})\$)?[./A-Za-z0-9]{{1,16}}\$([./A-Za-z0-9]+))",
        encoded,
    )
    if found is None:
        return None
    if len(found[3]) != {"5": 43, "6": 86}[found[1][1]]:
        raise ValueError(_BROKEN)
    return _ShaCrypt(found[1], int(found[2] or 5_000))


def _read_keycloak(encoded: str) -> _Hash | None:
    """A credential of type password, whose two parts are JSON texts of their own."""
    text = re.sub(r"^\{keycloak\}", "", encoded, flags=re.IGNORECASE)
    if not text.startswith("{") or not text.endswith("}") or '"' not in text:
        return None
    try:
        credential = json.loads(text)
        secret, data = (_part(credential, name) for name in ("secretData", "credentialData"))
        return _keycloak_hash(secret, data)
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError, ValueError):
        raise ValueError(
            "the password hash is not a password credential as Keycloak exports it"
        ) from None


def _part(credential: dict[str, Any], name: str) -> dict[str, Any]:
    part: dict[str, Any] = json.loads(credential[name])
    return part


def _keycloak_hash(secret: dict[str, Any], data: dict[str, Any]) -> _Hash:
    salt, made = _decoded(secret["salt"]), _decoded(secret["value"])
    algorithm, rounds = data["algorithm"], int(data["hashIterations"])
    if algorithm == "argon2":
        more = {name: values[0] for name, values in data["additionalParameters"].items()}
        version = {"1.0": 16, "1.3": 19}[more["version"]]
        memory, lanes = int(more["memory"]), int(more["parallelism"])
        encoded = (
            f"$argon2{more['type']}$v={version}$m={memory},t={rounds},p={lanes}"
            f"${_encoded(salt)}${_encoded(made)}"
        )
        return _Argon2(encoded, memory, rounds, lanes)
    return _Pbkdf2(_DIGESTS[algorithm.removeprefix("pbkdf2").lstrip("-")], rounds, salt, made)


_READERS: tuple[Callable[[str], _Hash | None], ...] = (
    _read_argon2,
    _read_bcrypt,
    _read_scrypt,
    _read_pbkdf2,
    _read_salted_sha,
    _read_sha_crypt,
    _read_keycloak,
)


def _check_salt_and_hash(salt: bytes, made: bytes) -> None:
    """A short hash would fit many passwords; a long one is work without end."""
    if not 0 < len(salt) <= 256 or not 16 <= len(made) <= 128:
        raise ValueError(_BROKEN)


def _check_cost(what: str, cost: int, most: int) -> None:
    if cost > most:
        raise ValueError(
            f"the password hash would take too long to check: its {what} is {cost}, "
            f"and at most {most} is taken"
        )


def _decoded(text: str) -> bytes:
    """The bytes of base64 with or without padding, in either alphabet. Raises ValueError."""
    plain = text.rstrip("=").replace(".", "+")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        raise ValueError(_BROKEN) from None


def _encoded(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def _match(pattern: str, encoded: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, encoded, re.ASCII)
