"""The digests of audit records and of their seals: what exactly is hashed.

Both databases give the same digests, and two different records never have the same form: each value
is preceded by the name of its column, its type and its length. Columns without a value are left
out, so a column that a later version adds does not change the form of older records.

    record     SHA-256 of, for each value: name, type, length, value
    content    SHA-256 of the digests of the records of a seal, by ID
    seal       SHA-256 of the previous seal's digest, the seal's own columns and the content
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from sqlalchemy import Double

from worksgate.credentials.master_key import Keyring, MasterKey, UnknownMasterKey
from worksgate.database import schema

_SEAL: Final = b"worksgate audit seal 1"
_MAC: Final = "audit_seals.mac"
"""The purpose of the key of a seal's code, derived from the master key."""

_COLUMNS: Final = tuple(
    (name, name + b"t", isinstance(column.type, Double))
    for column in schema.audit.c
    for name in [bytes([len(column.name)]) + column.name.encode()]
)
"""Of each column: its name, the same with the type of a text, and whether it has a time."""
_SINGLE: Final = struct.Struct(">cI")
_DOUBLE: Final = struct.Struct(">d")
_length = struct.Struct(">I").pack


def record_digest(row: Iterable[Any]) -> bytes:
    """The digest of an audit record, whose values are in the order of the table's columns.

    Texts are written here: most values are, and every call of LINE WORKS has a record.
    """
    parts: list[bytes] = []
    for (name, text_name, is_double), value in zip(_COLUMNS, row, strict=True):
        if type(value) is str:
            form = value.encode(errors="surrogatepass")
            parts += (text_name, _length(len(form)), form)
        elif value is not None:
            parts += (name, _valued(float(value) if is_double and type(value) is int else value))
    return hashlib.sha256(b"".join(parts)).digest()


def content_digest(records: Iterable[bytes]) -> bytes:
    """The digest of the digests of all records of a seal, in the order of their IDs."""
    return hashlib.sha256(b"".join(records)).digest()


def _valued(value: object) -> bytes:
    """A value with its type and length. Somebody may have stored any type in an SQLite column."""
    match value:
        case str():
            kind, form = b"t", value.encode(errors="surrogatepass")
        case float():
            # SQLite has only one zero.
            kind, form = b"d", _DOUBLE.pack(value + 0.0)
        case bytes():
            kind, form = b"b", value
        case _:
            kind, form = b"i", str(value).encode()
    return _SINGLE.pack(kind, len(form)) + form


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A seal over the audit records ``first_id`` to ``last_id``, and over the seal before.

    ``at`` is when the newest of them was made, in seconds since the epoch; ``mac`` the code that
    only the holder of the master key can make. ``purged`` is the ID of the audit record of their
    removal, 0 while they are kept.
    """

    number: int
    at: float
    first_id: int
    last_id: int
    records: int
    digest: str = ""
    mac: str | None = None
    purged: int = 0

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Self:
        """A stored seal; a value of another type, which nobody of ours has stored, is -1."""
        number, at, first_id, last_id, records, digest, purged, mac = row
        numbers = (number, first_id, last_id, records, purged)
        number, first_id, last_id, records, purged = map(_whole, numbers)
        return cls(
            number=number,
            at=at if isinstance(at, float) else -1.0,
            first_id=first_id,
            last_id=last_id,
            records=records,
            digest=str(digest),
            mac=None if mac is None else str(mac),
            purged=purged,
        )

    def digest_after(self, previous: str, content: bytes) -> str:
        """The digest in hex that this seal has to have. ``previous`` is that of the seal before."""
        own = (self.number, self.at, self.first_id, self.last_id, self.records)
        form = b"".join(map(_valued, (_SEAL, previous, *own, content)))
        return hashlib.sha256(form).hexdigest()

    def sealed(self, previous: str, content: bytes, key: MasterKey | None) -> "Seal":
        """The complete seal, with a code of the master key if there is one."""
        return replace(self, digest=self.digest_after(previous, content))._signed(key)

    def given_up(self, record: int, key: MasterKey | None) -> "Seal":
        """The seal once its records are past their time; ``record`` is the audit record of that."""
        return replace(self, purged=record)._signed(key)

    @property
    def key_id(self) -> str | None:
        """The ID of the master key of its code."""
        return None if self.mac is None else self.mac.partition(":")[0]

    def is_authentic(self, keyring: Keyring) -> bool | None:
        """Whether the holder of the master key made it; None if that key is not configured."""
        if self.mac is None or self.key_id is None:
            return None
        try:
            right = self._code(keyring.key(self.key_id))
        except UnknownMasterKey:
            return None
        return hmac.compare_digest(right.encode(), self.mac.encode(errors="surrogatepass"))

    def _signed(self, key: MasterKey | None) -> "Seal":
        return replace(self, mac=None if key is None else self._code(key))

    def _code(self, key: MasterKey) -> str:
        message = f"{self.digest} {self.purged}".encode(errors="surrogatepass")
        return f"{key.id}:{key.code_of(message, _MAC).hex()}"


def _whole(value: object) -> int:
    return value if isinstance(value, int) else -1
