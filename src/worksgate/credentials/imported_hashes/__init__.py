"""Password hashes that other software made: recognised, bounded and checked.

People who are imported with such a hash keep their password. It is checked here until they sign
in for the first time; after that it is kept as argon2id like everybody's (``credentials``).

    formats    one table: how each maker writes its hashes, and what is refused by name
    kinds      what a hash is once it is read: whether its costs are bounded, whether it matches
    keycloak   the password credentials of a realm's export, JSON within JSON
    libcrypt   the system's crypt(3), for what only it knows
    turns      who may have a hash checked now, so that nobody learns whose takes long

Whoever makes the file decides how much work a check is. So each cost has a limit of about a second
and of 256 MiB: no import can plant a hash that keeps the others waiting.
"""

import re
import unicodedata

from worksgate.credentials.imported_hashes.formats import FORMATS, REFUSED
from worksgate.credentials.imported_hashes.keycloak import read_keycloak
from worksgate.credentials.imported_hashes.kinds import Hash

OURS = "$argon2id$"
"""How the hashes begin that are made here; an imported one like them gets ``{ARGON2}`` before."""

MAX_LENGTH = 2_048

_MARK = "{ARGON2}"

_UNKNOWN = (
    "the password hash is of no kind that is known here; known are argon2, bcrypt, scrypt, "
    "yescrypt, PBKDF2, {SSHA}, SHA-crypt and phpass, as docs/commands.md lists them"
)


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


def _read(encoded: str) -> Hash:
    """A hash that can be checked, its costs within the limits. Raises ValueError."""
    if len(encoded) > MAX_LENGTH:
        raise ValueError("the password hash is too long to be one")
    for refused in REFUSED:
        if refused.pattern.match(encoded):
            raise ValueError(
                f"the password hash is {refused.name}, which protects nobody; give this person a "
                "new password"
            )
    found = _known(encoded)
    if found is None:
        raise ValueError(_UNKNOWN)
    found.check()
    return found


def _known(encoded: str) -> Hash | None:
    for known in FORMATS:
        if match := known.pattern.fullmatch(encoded):
            return known.read(match)
    return read_keycloak(re.sub(r"^\{keycloak\}", "", encoded, flags=re.IGNORECASE))
