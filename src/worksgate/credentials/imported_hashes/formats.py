"""Formats of password hashes: one row per maker.

The patterns match the whole text, in ASCII. Supporting another maker takes one more row.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from worksgate.credentials.imported_hashes.keycloak import DIGESTS
from worksgate.credentials.imported_hashes.kinds import (
    BROKEN,
    Argon2,
    Bcrypt,
    Hash,
    Pbkdf2,
    Phpass,
    SaltedSha,
    Scrypt,
    ShaCrypt,
    Yescrypt,
    decoded,
)

Read = Callable[[re.Match[str]], Hash]

_N = "{1,9}"
_B64 = r"[A-Za-z0-9+/]+={0,2}"
_AB64 = r"[A-Za-z0-9./+]+={0,2}"
"""Base64, including the variant of passlib and OpenLDAP: ``.`` for ``+``, and no padding."""
_BCRYPT = r"(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31})"
"""The last letter of the salt has two bits, so only four letters are possible."""
_SPRING = "@SpringSecurity_v5_8"
_ASPNET_DIGESTS = ("sha1", "sha256", "sha512")
_389_SALT = 64


@dataclass(frozen=True, slots=True)
class Format:
    """The format of one maker; ``read`` may raise ValueError."""

    maker: str
    pattern: re.Pattern[str]
    read: Read


@dataclass(frozen=True, slots=True)
class Refused:
    """A known format that is refused; ``name`` continues "the password hash is"."""

    name: str
    pattern: re.Pattern[str]


def _format(maker: str, pattern: str, read: Read) -> Format:
    return Format(maker, re.compile(pattern, re.ASCII), read)


def _refused(name: str, pattern: str) -> Refused:
    return Refused(name, re.compile(pattern, re.ASCII | re.IGNORECASE))


def _bcrypt(before: str = "") -> Read:
    return lambda found: Bcrypt(found[1], int(found[2]), before)


def _scrypt_of_spring(found: re.Match[str]) -> Hash:
    """The costs are one hexadecimal number: the power of N, then r and p in a byte each."""
    costs = int(found[1], 16)
    n, r, p = 1 << (costs >> 16), costs >> 8 & 0xFF, costs & 0xFF
    return Scrypt(n, r, p, decoded(found[2]), decoded(found[3]))


def _pbkdf2_of_spring(digest: str, rounds: int, salt: int) -> Read:
    """Salt and hash in one, without the costs: those are the defaults of that version."""

    def read(found: re.Match[str]) -> Hash:
        data = bytes.fromhex(found[1])
        return Pbkdf2(digest, rounds, data[:salt], data[salt:])

    return read


def _pbkdf2_of_aspnet(found: re.Match[str]) -> Hash:
    """A byte for the version, and the digest, the rounds and the length of the salt in four each.

    https://github.com/dotnet/aspnetcore/blob/main/src/Identity/Extensions.Core/src/PasswordHasher.cs
    """
    data = decoded(found[0])
    digest, rounds, salt = (int.from_bytes(data[at : at + 4]) for at in (1, 5, 9))
    if digest >= len(_ASPNET_DIGESTS) or not 8 <= salt <= 64:
        raise ValueError(BROKEN)
    end = 13 + salt
    return Pbkdf2(_ASPNET_DIGESTS[digest], rounds, data[13:end], data[end:])


def _pbkdf2_of_389(found: re.Match[str]) -> Hash:
    data = decoded(found[1])
    end = 4 + _389_SALT
    return Pbkdf2("sha256", int.from_bytes(data[:4]), data[4:end], data[end:])


def _pbkdf2_of_atlassian(found: re.Match[str]) -> Hash:
    data = decoded(found[1])
    return Pbkdf2("sha1", 10_000, data[:16], data[16:])


FORMATS: tuple[Format, ...] = (
    _format(
        "argon2 alone, of OpenLDAP, Django and Spring",
        rf"(?:\{{(?i:ARGON2)(?:{_SPRING})?\}}|argon2(?=\$))?"
        rf"(\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=(\d{_N}),t=(\d{_N}),p=(\d{_N})"
        rf"\${_B64}\${_B64})",
        lambda found: Argon2(found[1], int(found[2]), int(found[3]), int(found[4])),
    ),
    _format(
        "bcrypt alone, of crypt(3), Django and Spring",
        rf"(?:\{{(?i:CRYPT|BCRYPT)\}}|bcrypt\$)?{_BCRYPT}",
        _bcrypt(),
    ),
    _format("bcrypt of SHA-256, of Django", rf"bcrypt_sha256\${_BCRYPT}", _bcrypt("django")),
    _format("WordPress from 6.8 on", rf"\$wp{_BCRYPT}", _bcrypt("wordpress")),
    _format(
        "scrypt of Django",
        rf"scrypt\$(\d{_N})\$([^$]+)\$(\d{_N})\$(\d{_N})\$({_B64})",
        lambda found: Scrypt(
            int(found[1]), int(found[3]), int(found[4]), found[2].encode(), decoded(found[5])
        ),
    ),
    _format(
        "scrypt of passlib",
        rf"\$scrypt\$ln=(\d{{1,2}}),r=(\d{_N}),p=(\d{_N})\$({_B64})\$({_B64})",
        lambda found: Scrypt(
            2 ** int(found[1]), int(found[2]), int(found[3]), decoded(found[4]), decoded(found[5])
        ),
    ),
    _format(
        "scrypt of werkzeug",
        rf"scrypt:(\d{_N}):(\d{_N}):(\d{_N})\$([A-Za-z0-9]+)\$((?:[0-9a-f]{{2}})+)",
        lambda found: Scrypt(
            int(found[1]),
            int(found[2]),
            int(found[3]),
            found[4].encode(),
            bytes.fromhex(found[5]),
        ),
    ),
    _format(
        "scrypt of Spring",
        rf"\{{scrypt(?:{_SPRING})?\}}\$([0-9a-f]{{5,6}})\$({_B64})\$({_B64})",
        _scrypt_of_spring,
    ),
    _format(
        "PBKDF2 of Django",
        rf"pbkdf2_(sha1|sha256)\$(\d{_N})\$([^$]+)\$({_B64})",
        lambda found: Pbkdf2(found[1], int(found[2]), found[3].encode(), decoded(found[4])),
    ),
    _format(
        "PBKDF2 of passlib, OpenLDAP, 389 Directory Server and FreeIPA",
        r"(?:\$pbkdf2(-sha256|-sha512)?\$|\{(?i:PBKDF2(-sha1|-sha256|-sha512)?)\})"
        rf"(\d{_N})\$({_AB64})\$({_AB64})",
        lambda found: Pbkdf2(
            DIGESTS[(found[1] or found[2] or "").lower().removeprefix("-")],
            int(found[3]),
            decoded(found[4]),
            decoded(found[5]),
        ),
    ),
    _format(
        "PBKDF2 of 389 Directory Server and FreeIPA, as it was before 2.0",
        rf"\{{(?i:PBKDF2_SHA256)\}}({_B64})",
        _pbkdf2_of_389,
    ),
    _format(
        "PBKDF2 of werkzeug",
        rf"pbkdf2:(sha1|sha256|sha512):(\d{_N})\$([A-Za-z0-9]+)\$((?:[0-9a-f]{{2}})+)",
        lambda found: Pbkdf2(found[1], int(found[2]), found[3].encode(), bytes.fromhex(found[4])),
    ),
    _format(
        "PBKDF2 of Spring from 5.8 on",
        rf"\{{pbkdf2{_SPRING}\}}([0-9a-f]{{96}})",
        _pbkdf2_of_spring("sha256", 310_000, 16),
    ),
    _format(
        "PBKDF2 of Spring before 5.8",
        r"\{pbkdf2\}([0-9a-f]{80})",
        _pbkdf2_of_spring("sha1", 185_000, 8),
    ),
    _format("ASP.NET Identity, version 3", rf"AQAAAA{_B64}", _pbkdf2_of_aspnet),
    _format("Atlassian", r"\{PKCS5S2\}([A-Za-z0-9+/]{64})", _pbkdf2_of_atlassian),
    _format(
        "SSHA of LDAP",
        rf"\{{(?i:SSHA)(256|384|512)?\}}({_B64})",
        lambda found: SaltedSha(f"sha{found[1] or 1}", decoded(found[2])),
    ),
    _format(
        "SHA-crypt",
        r"(?:\{(?i:CRYPT)\})?"
        rf"(\$[56]\$(?:rounds=(\d{_N})\$)?[./A-Za-z0-9]{{1,16}}\$[./A-Za-z0-9]+)",
        lambda found: ShaCrypt(found[1], int(found[2] or 5_000)),
    ),
    _format(
        "yescrypt, with no other costs than libxcrypt's",
        r"(?:\{(?i:CRYPT)\})?(\$y\$j([5-9A-Z])[5T]\$[./A-Za-z0-9]{4,86}\$[./A-Za-z0-9]{43})",
        lambda found: Yescrypt(found[1], int(found[2], 36) + 3),
    ),
    _format(
        "phpass of WordPress before 6.8 and of phpBB",
        r"\$[PH]\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{22})",
        lambda found: Phpass.read("md5", *found.groups()),
    ),
    _format(
        "Drupal 7",
        r"\$S\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{43})",
        lambda found: Phpass.read("sha512", *found.groups()),
    ),
)

REFUSED: tuple[Refused, ...] = (
    _refused("MD5 of Apache ($apr1$)", r"\$apr1\$"),
    _refused("MD5-crypt", r"(?:\{CRYPT\})?\$1\$"),
    _refused("DES-crypt", r"\{CRYPT\}[./0-9A-Z_]|[./0-9A-Z]{13}$"),
    _refused("an NT hash or plain MD5", r"\{(?:NT|MD4|x-nthash)\}|\$3\$|\$NT\$|[0-9A-F]{32}$"),
    _refused(
        "SHA without a salt",
        r"\{SHA\d*\}|(?:unsalted_)?sha1\$|(?:[0-9A-F]{40}|[0-9A-F]{64})$",
    ),
    _refused("MD5", r"\{S?MD5\}|(?:unsalted_)?md5\$"),
    _refused("a password, not a hash of one,", r"\{(?:CLEAR(?:TEXT)?|NOOP|PLAIN)\}"),
)
"""``{noop}`` and similar mark plain text in Spring and others."""
