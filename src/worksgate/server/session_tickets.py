"""Keys of TLS session tickets that all workers share, so that each can resume any session.

OpenSSL generates the keys for each context, so a client that reaches another worker needs a full
handshake: with four workers three times of four. Python cannot set these keys; OpenSSL can, in the
context behind Python's. The supervisor generates them, workers get them over a pipe, and they are
never written to disk.
"""

import _ssl
import ctypes
import secrets
import ssl
import sys
from dataclasses import dataclass, field

LENGTH = 80
"""Bytes of OpenSSL's keys for tickets: a name, a key for HMAC and one for AES."""
_SET_KEYS = 59  # SSL_CTRL_SET_TLSEXT_TICKET_KEYS in OpenSSL's ssl.h
_KNOWN = ((3, 11), (3, 12), (3, 13), (3, 14))
"""Versions of CPython where the first member of an ``SSLContext`` is OpenSSL's context."""


@dataclass(frozen=True, slots=True)
class TicketKeys:
    """The keys of all workers of a server."""

    _keys: bytes = field(default_factory=lambda: secrets.token_bytes(LENGTH), repr=False)

    def install(self, context: ssl.SSLContext) -> bool:
        """Let a context use them; False where that is not possible, and it keeps its own."""
        control = _control_of(context)
        return control is not None and control(_SET_KEYS, LENGTH, self._keys) == 1


class _Control:
    """``SSL_CTX_ctrl`` of one context. Raises AttributeError or OSError if it is out of reach."""

    def __init__(self, context: ssl.SSLContext) -> None:
        library = ctypes.CDLL(_ssl.__file__)  # the OpenSSL that this module is linked with
        self._call = library.SSL_CTX_ctrl
        self._call.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
        self._call.restype = ctypes.c_long
        self._address = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)

    def __call__(self, command: int, number: int, value: bytes | None) -> int:
        return int(self._call(self._address, command, number, value))


def _control_of(context: ssl.SSLContext) -> _Control | None:
    if sys.implementation.name != "cpython" or sys.version_info[:2] not in _KNOWN:
        return None
    try:
        control = _Control(context)
    except (AttributeError, OSError):  # OpenSSL is part of Python, and its functions are hidden
        return None
    # Without keys the answer is the length that this OpenSSL expects.
    return control if control(_SET_KEYS, 0, None) == LENGTH else None
