"""The ``Host`` of a request: which values are one (RFC 9110, 7.2)."""

import re

_HOST = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+(?::[0-9]*)?"
    rb"|\[[0-9A-Fa-f:.]+\](?::[0-9]*)?"
)


def is_host(value: bytes) -> bool:
    """Whether this is a name or an address, with or without a port; an empty value is none."""
    return _HOST.fullmatch(value) is not None
