"""A port of a test is nobody else's, and its server gets it as often as it starts."""

import socket

import pytest
from tests.ports import free_port, free_ports


def test_only_who_asks_for_a_port_gets_it() -> None:
    port = free_port()
    with socket.socket() as somebody, pytest.raises(OSError, match="in use"):
        somebody.bind(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 60)
    for _ in range(2):
        with (  # which sets SO_REUSEADDR
            socket.create_server(("127.0.0.1", port)) as server,
            socket.create_connection(server.getsockname(), 60),
        ):
            server.accept()[0].close()


def test_each_is_another() -> None:
    assert len(set(free_ports(20))) == 20
