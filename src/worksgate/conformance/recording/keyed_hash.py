"""What stands for a secret or a name in a recording."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Final

KEY_BYTES: Final = 32
_KEPT_BYTES: Final = 12


class KeyedHash:
    """HMAC-SHA256 under the key of one recording, which is kept nowhere once it has ended.

    Without the key a hash cannot be compared with anything outside its file: not with a list of
    names, and not with another recording. Values for different purposes never have the same hash.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key must have {KEY_BYTES} bytes")
        self._key = key

    @classmethod
    def of_new_key(cls) -> "KeyedHash":
        """Hashes that cannot be compared with those of anybody else."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def __call__(self, purpose: str, value: bytes) -> str:
        """The 16 characters that stand for this value."""
        digest = hmac.digest(self._key, purpose.encode() + b"\0" + value, "sha256")
        return urlsafe_b64encode(digest[:_KEPT_BYTES]).decode()
