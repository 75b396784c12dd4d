"""One key per purpose, derived from a stored key (HKDF-SHA256, RFC 5869)."""

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32


def derived_key(key: bytes, purpose: str) -> bytes:
    """The 256-bit key for one purpose; the keys of two purposes are independent."""
    info = f"worksgate {purpose}".encode()
    return HKDF(SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)
