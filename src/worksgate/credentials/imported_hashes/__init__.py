"""Password hashes made by other software: recognized, bounded and checked.

People who are imported with such a hash keep their password. It is checked here until their first
sign-in; after that it is stored as argon2id like everybody's.

    formats    one table: the format of each maker, and refused formats by name
    kinds      parsed hashes: whether their cost is acceptable, whether a password matches
    keycloak   the password credentials of a realm's export, JSON within JSON
    libcrypt   the system's crypt(3), for formats that nothing else supports
    turns      who may have a hash checked now, so that nobody learns whose takes long

The file decides how much work a check is. So each cost has a limit of about a second and 256 MiB:
no import can plant a hash that keeps others waiting.
"""

import re
import unicodedata

from worksgate.credentials.imported_hashes.formats import FORMATS, REFUSED
from worksgate.credentials.imported_hashes.keycloak import read_keycloak
from worksgate.credentials.imported_hashes.kinds import Hash

OURS = "$argon2id$"
"""The prefix of our own hashes; an imported one like them gets ``{ARGON2}`` in front."""

MAX_LENGTH = 2_048

_MARK = "{ARGON2}"

_UNKNOWN = (
    "the password hash has an unknown format; supported are argon2, bcrypt, scrypt, "
    "yescrypt, PBKDF2, {SSHA}, SHA-crypt and phpass, as common software writes them"
)


def is_imported(encoded: str) -> bool:
    """Whether a stored hash was made elsewhere."""
    return not encoded.startswith(OURS)


def kind_of(encoded: str) -> str | None:
    """The kind of a hash, such as ``bcrypt``, or None if it cannot be checked."""
    try:
        return _read(encoded).kind
    except ValueError:
        return None


def check_importable(encoded: str) -> str:
    """Return the stored form of an imported hash. Raises ValueError with a sentence."""
    encoded = encoded.strip()
    _read(encoded)
    return encoded if is_imported(encoded) else f"{_MARK}{encoded}"


def verify(encoded: str, password: str) -> bool:
    """Whether an imported hash matches this password; False also for an invalid hash.

    The password is tried as typed, and in NFKC if that differs: it is unknown what its maker did.
    Takes as long as the hash requires.
    """
    try:
        found = _read(encoded)
        spellings = dict.fromkeys((password, unicodedata.normalize("NFKC", password)))
        return any(found.matches(spelling.encode()) for spelling in spellings)
    except ValueError:  # invalid hash, or the password cannot be encoded in UTF-8
        return False


def _read(encoded: str) -> Hash:
    """Parse a supported hash with acceptable costs. Raises ValueError."""
    if len(encoded) > MAX_LENGTH:
        raise ValueError("the password hash is too long to be valid")
    for refused in REFUSED:
        if refused.pattern.match(encoded):
            raise ValueError(
                f"the password hash is {refused.name}, which is not secure; give this person a "
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
