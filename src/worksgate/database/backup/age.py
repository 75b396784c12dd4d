"""Encryption with a passphrase in the age format, version 1, a piece at a time.

The format is public and has several implementations: ``age --decrypt`` can open a backup without
Worksgate. A file key is wrapped by scrypt of the passphrase and ChaCha20-Poly1305; the header is
authenticated by an HMAC; the rest is STREAM: chunks of 64 KiB, each encrypted and authenticated
with its number, the last one marked. So a truncated, altered or reordered file is refused.
https://age-encryption.org/v1

The primitives are those of ``cryptography``, a dependency anyway. The Python package for age,
pyrage, supports passphrases only for data in memory, and a backup may be larger than that; the
tests compare the two.
"""

import base64
import binascii
import os
import re
from io import BufferedIOBase
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from worksgate.database.backup import BackupError

MAGIC: Final = b"age-encryption.org/v1"

WORK_FACTOR = 18
"""The cost of a guess is 2 to this power: 256 MiB of memory, and most of a second."""
_MOST_WORK = 20
"""A file that asks for more is refused: it could keep this machine busy for hours."""

_PIECE = 64 * 1024
_TAG = 16
_FILE_KEY = 16
_NONCE = bytes(12)
_LONGEST_LINE = 256
_SCRYPT = re.compile(rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)")

_DAMAGED = "the backup is damaged: it was truncated or altered"


class Encrypting(BufferedIOBase):
    """A file to write to; its content is encrypted to ``to``. ``close`` marks the end.

    ``to`` stays open.
    """

    def __init__(self, to: BinaryIO, passphrase: bytes, *, work_factor: int | None = None) -> None:
        work_factor = work_factor or WORK_FACTOR
        file_key, salt, nonce = os.urandom(_FILE_KEY), os.urandom(16), os.urandom(16)
        wrapped = _wrapping(passphrase, salt, work_factor).encrypt(_NONCE, file_key, None)
        header = b"%s\n-> scrypt %s %d\n%s\n---" % (
            MAGIC,
            _encoded(salt),
            work_factor,
            _encoded(wrapped),
        )
        to.write(b"%s %s\n%s" % (header, _encoded(_mac(file_key, header).finalize()), nonce))
        self._to = to
        self._cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
        self._number = 0
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # bytes are all that we are given
        self._waiting += data
        # The last chunk is marked, so a full one waits until another follows.
        while len(self._waiting) > _PIECE:
            self._put(bytes(self._waiting[:_PIECE]), last=False)
            del self._waiting[:_PIECE]
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._put(bytes(self._waiting), last=True)
            super().close()

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._to.write(self._cipher.encrypt(_piece_nonce(self._number, last=last), piece, None))
        self._number += 1


class Decrypting(BufferedIOBase):
    """A file to read from: the decrypted content of ``source``. Raises BackupError.

    Only after its end has been read is it known to be complete.
    """

    def __init__(self, source: BinaryIO, passphrase: bytes) -> None:
        self._source = source
        self._cipher = ChaCha20Poly1305(_read_header(source, passphrase))
        self._number = 0
        self._ahead = source.read(_PIECE + _TAG)
        self._clear = b""
        self._at_end = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        remaining = None if size is None or size < 0 else size
        parts: list[bytes] = []
        while (remaining is None or remaining > 0) and (self._clear or self._next()):
            part = self._clear if remaining is None else self._clear[:remaining]
            self._clear = self._clear[len(part) :]
            remaining = None if remaining is None else remaining - len(part)
            parts.append(part)
        return b"".join(parts)

    def _next(self) -> bool:
        """Decrypt one more chunk; False at the end."""
        if self._at_end:
            return False
        piece, self._ahead = self._ahead, self._source.read(_PIECE + _TAG)
        self._at_end = not self._ahead
        nonce = _piece_nonce(self._number, last=self._at_end)
        try:
            self._clear = self._cipher.decrypt(nonce, piece, None)
        except (InvalidTag, ValueError):
            raise BackupError(_DAMAGED) from None
        if not self._clear and self._number:  # the last chunk is empty only for empty content
            raise BackupError(_DAMAGED)
        self._number += 1
        return bool(self._clear)


def _read_header(source: BinaryIO, passphrase: bytes) -> bytes:
    """Read up to the first chunk; the key of the chunks."""
    lines = [source.readline(_LONGEST_LINE).removesuffix(b"\n") for _ in range(4)]
    stanza, nonce = _SCRYPT.fullmatch(lines[1]), source.read(16)
    footer, _, mac = lines[3].partition(b" ")
    if lines[0] != MAGIC or stanza is None or footer != b"---" or len(nonce) != 16:
        raise BackupError("the backup is not encrypted with a passphrase, or it is damaged")
    work_factor = int(stanza[2])
    if work_factor > _MOST_WORK:
        raise BackupError("the backup demands more computation than any that Worksgate has written")
    wrapped = _decoded(lines[2])
    if len(wrapped) != _FILE_KEY + _TAG:  # before decryption, as the format requires
        raise BackupError(_DAMAGED)
    wrapping = _wrapping(passphrase, _decoded(stanza[1]), work_factor)
    try:
        file_key = wrapping.decrypt(_NONCE, wrapped, None)
    except (InvalidTag, ValueError):
        raise BackupError("the passphrase does not match this backup") from None
    try:
        _mac(file_key, b"\n".join((*lines[:3], b"---"))).verify(_decoded(mac))
    except InvalidSignature:
        raise BackupError(_DAMAGED) from None
    return _derived(file_key, nonce, b"payload")


def _wrapping(passphrase: bytes, salt: bytes, work_factor: int) -> ChaCha20Poly1305:
    salted = MAGIC + b"/scrypt" + salt
    return ChaCha20Poly1305(
        Scrypt(salted, length=32, n=2**work_factor, r=8, p=1).derive(passphrase)
    )


def _mac(file_key: bytes, header: bytes) -> HMAC:
    mac = HMAC(_derived(file_key, b"", b"header"), SHA256())
    mac.update(header)
    return mac


def _derived(file_key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=salt, info=purpose).derive(file_key)


def _piece_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _encoded(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise BackupError(_DAMAGED) from None
    if _encoded(data) != text:  # only the canonical encoding is valid
        raise BackupError(_DAMAGED)
    return data
