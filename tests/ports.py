"""Ports for the servers that tests start, each of which is one test's alone.

A port that was only looked up is anybody's a moment later: of another worker of pytest-xdist, or
of a connection to somewhere. So the socket that found it stays bound: nobody who asks for any port
gets this one, while a server that asks for this very one does, since servers set ``SO_REUSEADDR``,
and does again after it was killed. Until it listens, connections are refused.
"""

import socket
from collections import deque
from typing import Final

_KEPT: Final = 100
"""So many ports of this process stay its own; a file has fewer servers at once."""

_reserved: deque[socket.socket] = deque()


def free_port() -> int:
    """A port of 127.0.0.1 at which nobody listens, and which nobody else is given."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    _reserved.append(reserved)
    if len(_reserved) > _KEPT:
        _reserved.popleft().close()
    port: int = reserved.getsockname()[1]
    return port


def free_ports(number: int) -> list[int]:
    """So many of them."""
    return [free_port() for _ in range(number)]
