"""How a master key is written down: ``wgkey-`` and 43 characters of base64url, 256 bits."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_WRITTEN = re.compile(r"wgkey-([A-Za-z0-9_-]{43})")


def master_key_bytes(text: str) -> bytes:
    """The 32 bytes of a written key; surrounding white space is ignored.

    Raises ValueError with the end of a sentence; it does not repeat the text.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError("is no master key: worksgate key new makes one")
    return urlsafe_b64decode(found[1] + "=")


def master_key_text(material: bytes) -> str:
    """A key as it is written down."""
    return f"wgkey-{urlsafe_b64encode(material).rstrip(b'=').decode()}"
