"""The secret of an authenticator app between the QR code and the first correct code.

Meanwhile it is stored with the sign-in or the session, where every node finds it: in the database,
or on Valkey. It is encrypted under a key of the server (R-130), for one person.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Self

from worksgate.credentials.derived_keys import derived_key
from worksgate.credentials.master_key import DamagedSecret, MasterKey, Place


class PendingSecrets:
    """Seals a secret that a caller keeps for a person until their next request."""

    def __init__(self, key: MasterKey) -> None:
        self._key = key

    @classmethod
    def new(cls) -> Self:
        """With a random key: its ciphertexts are useless to other processes."""
        return cls(MasterKey.new())

    @classmethod
    def under(cls, signing_key: bytes) -> Self:
        return cls(MasterKey(derived_key(signing_key, "authenticator app on its way")))

    def seal(self, secret: str, subject_id: str) -> str:
        """The ciphertext of a secret, as text."""
        return urlsafe_b64encode(self._key.seal(secret.encode(), _place(subject_id))).decode()

    def unseal(self, kept: str, subject_id: str) -> str | None:
        """The secret, or None if it was not sealed for this person by this installation."""
        try:
            return self._key.unseal(urlsafe_b64decode(kept), _place(subject_id)).decode()
        except (DamagedSecret, Error, ValueError):
            return None


def _place(subject_id: str) -> Place:
    return Place("interims", "data", subject_id)
