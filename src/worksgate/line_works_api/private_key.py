"""The private key of an app, as it is read from PEM.

https://developers.worksmobile.com/en/docs/auth-jwt
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_LONGEST_PEM = 16_384


def checked_key(pem: str, fewest_bits: int) -> str:
    """The key of a PEM text, PKCS#8 or PKCS#1, as PKCS#8 without anything around it.

    ``fewest_bits`` of its modulus. Raises ValueError with a sentence that repeats nothing of it.
    """
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = _read(pem)
    if key.key_size < fewest_bits:
        raise ValueError(f"the private key has {key.key_size} bits; {fewest_bits} is the least")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def fingerprint(pem: str) -> str:
    """SHA-256 of the public key (DER), in hex; whoever has it learns nothing of the private one."""
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = _read(pem).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _read(pem: str) -> "RSAPrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if len(pem) > _LONGEST_PEM:
        raise ValueError("the private key is too long")
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("the private key is protected by a password: remove it first") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            "the private key must be the PEM file that the Developer Console gave: it begins with "
            "-----BEGIN PRIVATE KEY-----"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the private key is not an RSA key")  # noqa: TRY004  # about its content
    return key
