"""The master key, which is kept outside the database and encrypts the secrets in it.

**The database contains no usable secret.** Secrets that must be read again, those of authenticator
apps and the key that signs cookies and forms, are encrypted under a master key that only the
servers have: a stolen file, dump or backup cannot pass a second factor or forge a form (R-130).

A ``MasterKey`` has a short public ID, which precedes everything it has encrypted. A ``Keyring``
holds the current key and, during a rotation, the previous one.

    wgkey-<43 characters of base64url>    a master key as text: 256 random bits
    ``wg1`` id nonce ciphertext tag       what is stored; AES-256-GCM (NIST SP 800-38D)

The associated data names the table, the column and the row, so a secret stored for one person is
not valid for another (R-131). Each purpose has a key of its own (HKDF-SHA256, RFC 5869).
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from worksgate.credentials.derived_keys import KEY_BYTES, derived_key
from worksgate.settings.master_key_text import master_key_bytes, master_key_text

_PREFIX: Final = b"wg1"
_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
HEADER_BYTES = len(_PREFIX) + _ID_BYTES
"""Of a ciphertext; they say which master key it is under."""
_OVERHEAD = HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES


class UnknownMasterKey(Exception):
    """A stored secret is encrypted under a master key that is not configured: ``id`` names it."""

    def __init__(self, id: str) -> None:  # noqa: A002  # the name of the field
        super().__init__(f"master key {id} is not configured")
        self.id = id


class DamagedSecret(Exception):
    """The stored value was altered, or belongs to another row."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a secret: table, column and row. ``purpose`` is the table's."""

    table: str
    column: str
    row: str

    @property
    def purpose(self) -> str:
        return f"{self.table}.{self.column}"

    def associated_data(self, header: bytes) -> bytes:
        """The associated data of a ciphertext, unique per place."""
        return header + json.dumps([self.table, self.column, self.row]).encode()


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that encrypts secrets in the database. ``id`` is public."""

    material: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the key from a file or a variable; surrounding white space is ignored.

        Raises ValueError with the end of a sentence; it does not repeat the text.
        """
        return cls(master_key_bytes(text))

    @property
    def text(self) -> str:
        """The text form of the key."""
        return master_key_text(self.material)

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that do not reveal the key."""
        return self._id_bytes.hex()

    @property
    def _id_bytes(self) -> bytes:
        return hashlib.sha256(b"worksgate master key id" + self.material).digest()[:_ID_BYTES]

    def seal(self, secret: bytes, place: Place) -> bytes:
        """The ciphertext of a secret, different each time."""
        header, nonce = _PREFIX + self._id_bytes, os.urandom(_NONCE_BYTES)
        cipher = AESGCM(derived_key(self.material, place.purpose))
        return header + nonce + cipher.encrypt(nonce, secret, place.associated_data(header))

    def unseal(self, stored: bytes, place: Place) -> bytes:
        """Decrypt a secret of this place. Raises DamagedSecret."""
        header, rest = stored[:HEADER_BYTES], stored[HEADER_BYTES:]
        cipher = AESGCM(derived_key(self.material, place.purpose))
        try:
            return cipher.decrypt(
                rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], place.associated_data(header)
            )
        except (InvalidTag, ValueError):
            raise DamagedSecret(
                f"the secret in {place.purpose} was altered, or belongs to another row"
            ) from None

    def code_of(self, message: bytes, purpose: str) -> bytes:
        """A code of a message that only the holder of the key can make (HMAC-SHA256)."""
        return hmac.digest(derived_key(self.material, purpose), message, "sha256")


def key_id_of(stored: bytes) -> str | None:
    """The ID of the master key of a ciphertext; None for plain text.

    Plain-text secrets have 20 or 32 random bytes: too short to be confused with ciphertexts.
    """
    if len(stored) < _OVERHEAD or not stored.startswith(_PREFIX):
        return None
    return stored[len(_PREFIX) : HEADER_BYTES].hex()


def key_ids(stored: Iterable[bytes]) -> tuple[str, ...]:
    """The IDs of the master keys of all these ciphertexts, in order."""
    return tuple(sorted({found for each in stored if (found := key_id_of(each)) is not None}))


@dataclass(frozen=True, slots=True)
class Keyring:
    """The master keys of a process; ``previous`` is set during a rotation."""

    current: MasterKey | None = None
    previous: MasterKey | None = None

    @classmethod
    def of(cls, current: str, previous: str = "") -> Self:
        """The keys of the settings, where an empty text means none. Raises ValueError."""
        return cls(
            MasterKey.parse(current) if current else None,
            MasterKey.parse(previous) if previous else None,
        )

    def __iter__(self) -> Iterator[MasterKey]:
        return (key for key in (self.current, self.previous) if key is not None)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(key.id for key in self)

    def key(self, id: str) -> MasterKey:  # noqa: A002  # the name of the field
        """The key with this ID. Raises UnknownMasterKey."""
        for key in self:
            if key.id == id:
                return key
        raise UnknownMasterKey(id)

    def unseal(self, stored: bytes, place: Place) -> bytes:
        """The secret, decrypted if it is encrypted. Raises UnknownMasterKey, DamagedSecret."""
        id = key_id_of(stored)  # noqa: A001  # the name of the field
        return stored if id is None else self.key(id).unseal(stored, place)


NO_MASTER_KEY: Final = Keyring()
"""For installations whose secrets are in plain text."""
