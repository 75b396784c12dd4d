"""crypt(3) of the system, for hashes that no library of Python checks.

Python has had no module of its own for it since 3.13. libxcrypt, which Linux distributions bring,
has a function that is safe in threads and takes nothing but memory of the caller's.
"""

import ctypes
from functools import cache
from typing import Any

_ROOM = 65_536
"""Bytes of libxcrypt's ``struct crypt_data`` and to spare: 32,768 is what it asks for."""


def crypt(password: bytes, encoded: str) -> bytes | None:
    """The hash of a password with the salt and costs of ``encoded``, or None where it fails."""
    function = _function()
    if function is None:
        return None
    room = ctypes.create_string_buffer(_ROOM)
    made: bytes | None = function(password, encoded.encode(), room, _ROOM)
    return made


def knows_yescrypt() -> bool:
    """Whether this system can check yescrypt."""
    return crypt(b"", "$y$j75$abcdefgh$") is not None


@cache
def _function() -> Any:
    """``crypt_rn``, which says by NULL where it cannot, or None where the system has none."""
    for name in ("libcrypt.so.1", "libcrypt.so.2"):
        try:
            function = ctypes.CDLL(name).crypt_rn
        except (OSError, AttributeError):  # not there, or an old one
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
        return function
    return None
