"""The system's crypt(3), for hashes that no Python library supports.

Python has had no module for it since 3.13. libxcrypt, part of Linux distributions, has a
thread-safe function that uses only memory of the caller.
"""

import ctypes
from functools import cache
from typing import Any

_ROOM = 65_536
"""Size of libxcrypt's ``struct crypt_data`` with a reserve: it needs 32,768 bytes."""


def crypt(password: bytes, encoded: str) -> bytes | None:
    """The hash of a password with the salt and costs of ``encoded``, or None on failure."""
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
    """``crypt_rn``, which returns NULL on failure, or None if the system has none."""
    for name in ("libcrypt.so.1", "libcrypt.so.2"):
        try:
            function = ctypes.CDLL(name).crypt_rn
        except (OSError, AttributeError):  # not installed, or an old one
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
        return function
    return None
