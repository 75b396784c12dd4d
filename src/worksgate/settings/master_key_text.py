"""The text form of a master key: ``wgkey-`` and 43 characters of base64url, 256 bits."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_WRITTEN = re.compile(r"wgkey-([A-Za-z0-9_-]{43})")


def master_key_bytes(text: str) -> bytes:
    """Parse a key into its 32 bytes; surrounding white space is ignored.

    Raises ValueError with the end of a sentence; it does not repeat the text.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError("is not a master key; worksgate key new creates one")
    return urlsafe_b64decode(found[1] + "=")


def master_key_text(material: bytes) -> str:
    """The text form of a key."""
    return f"wgkey-{urlsafe_b64encode(material).rstrip(b'=').decode()}"
