"""As much of the protocol of PostgreSQL as it takes to run statements without a program.

To start ``psql`` takes longer than what it is told to do.
"""

import socket
import struct
from collections.abc import Iterator

_VERSION = 3 << 16


def simple_query(
    connection: socket.socket, sql: str, *, user: str, database: str
) -> list[tuple[str, ...]]:
    """The rows of some statements as texts, on a new connection to a server that trusts us.

    They are one transaction, as those of ``psql -c``; NULL is an empty text. Raises AssertionError
    with what the server says where it refuses.
    """
    names = f"user\0{user}\0database\0{database}\0\0".encode()
    connection.sendall(struct.pack("!ii", len(names) + 8, _VERSION) + names)
    _rows_until_ready(connection)
    connection.sendall(_message(b"Q", sql.encode() + b"\0"))
    rows = _rows_until_ready(connection)
    connection.sendall(_message(b"X"))
    return rows


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _rows_until_ready(connection: socket.socket) -> list[tuple[str, ...]]:
    """What it answers until it waits for the next query."""
    rows, refusal = [], ""
    with connection.makefile("rb") as stream:
        while True:
            head = stream.read(5)
            assert len(head) == 5, refusal or "the server has hung up"
            body = stream.read(struct.unpack("!i", head[1:])[0] - 4)
            match head[:1]:
                case b"D":
                    rows.append(tuple(_columns(body)))
                case b"E":
                    refusal = body.replace(b"\0", b" ").decode()
                case b"Z":
                    assert not refusal, refusal
                    return rows


def _columns(body: bytes) -> Iterator[str]:
    at = 2
    while at < len(body):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        yield body[at : at + max(size, 0)].decode()
        at += max(size, 0)
