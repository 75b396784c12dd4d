"""A real server on 127.0.0.1 for tests, in a thread, configured as ``worksgate serve`` does it."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.installation import application_of

from worksgate.bootstrap.server import with_trusted_proxies
from worksgate.server.connection import ServerConfig
from worksgate.server.process import Server
from worksgate.server.tls import Certificate, CertificateFiles
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings
from worksgate.web.overload import Refusals

READ_TIMEOUT = 60.0


@dataclass(frozen=True)
class Served:
    """Where the server listens, and how to talk to it byte by byte."""

    host: str
    port: int
    settings: Settings

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=READ_TIMEOUT)

    def raw(self, request: bytes) -> bytes:
        """Send these bytes and return all that comes back until the server hangs up."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket on a free port: its number is needed before the server starts."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        yield listener


@contextmanager
def served(
    listener: socket.socket,
    settings: Settings,
    *,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> Iterator[Served]:
    """Serve an installation until the end of the block."""
    host, port = listener.getsockname()[:2]
    certificate = None
    if tls_cert is not None and tls_key is not None:
        certificate = Certificate(CertificateFiles(tls_cert, tls_key))
    config = server_config(
        lambda: with_trusted_proxies(application_of(settings), settings.trusted_proxies),
        settings,
        refusals_of=Refusals.of,
        certificate=certificate,
    )
    with in_thread(config, listener):
        yield Served(host, port, settings)


@contextmanager
def in_thread(config: ServerConfig, listener: socket.socket) -> Iterator[None]:
    """Serve what is configured until the end of the block."""
    server = Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield
    finally:
        server.should_exit = True
        thread.join(READ_TIMEOUT)
        assert not thread.is_alive()


def wait_until(condition: object, *, seconds: float = 120.0) -> None:
    """Return as soon as a condition holds; on a busy machine it may take a while."""
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def read_all(connection: socket.socket | ssl.SSLSocket) -> bytes:
    """Everything until the end of the connection; a reset is an end too."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received
