"""Where a command that records and the processes of the server meet, and whether they trust it.

Every process of the server has this module; it has the rest of the package while somebody records.
"""

import os
import socket
import stat
import struct
from pathlib import Path

Identity = tuple[int, int]


class Untrusted(Exception):
    """Another user listens at the socket; a sentence for the log."""


def identity_of(path: Path) -> Identity | None:
    """What tells this socket from a later one at the same path; None if there is none.

    A symbolic link to a socket is none.
    """
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_ctime_ns) if stat.S_ISSOCK(found.st_mode) else None


def check_peer(connection: socket.socket, path: Path) -> None:
    """Raise Untrusted unless this user or root is at the other end."""
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        owner = struct.unpack("3i", found)[1]
    else:
        owner = path.lstat().st_uid
    if owner not in (0, os.geteuid()):
        raise Untrusted("another user listens at the socket for recordings")
