"""Validation of ``Host`` (RFC 9110, 7.2), alone and against the request target."""

import re

_HOST = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+(?::[0-9]*)?"
    rb"|\[[0-9A-Fa-f:.]+\](?::[0-9]*)?"
)


def is_host(value: bytes) -> bool:
    """Whether this is a name or an address, with or without a port; an empty value is neither."""
    return _HOST.fullmatch(value) is not None


def is_target_of(target: bytes, host: bytes, method: bytes) -> bool:
    """Whether a request target is a path, or the address of something on this host.

    ``*`` is valid for OPTIONS only (RFC 9112, 3.2.4). A target has no fragment (RFC 9112, 3.2): a
    proxy that compares paths would see a different one.
    """
    if b"#" in target:
        return False
    if target == b"*":
        return method == b"OPTIONS"
    if target.startswith(b"/"):
        return True
    scheme, found, rest = target.partition(b"://")
    authority = rest.partition(b"/")[0].partition(b"?")[0]
    is_web = scheme.lower() in (b"http", b"https")
    return bool(found) and is_web and authority.lower() == host.lower()
