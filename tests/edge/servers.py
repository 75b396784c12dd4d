"""Worksgate under every supported server, and behind every proxy of ``deploy/``."""

import asyncio
import re
import select
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.docs.proxies import HOST, Certificate, Ports
from tests.docs.test_proxies import Start, needs
from tests.edge.framings import post
from tests.installation import prepared
from tests.ports import free_ports
from tests.served import listening, served, wait_until
from tests.server.processes import is_listening, write_settings
from tests.unhurried import answer_deadline

ALIVE = post(
    b"Connection: close",
    b"Content-Length: 46",
    body=b"client_id=a&client_secret=b&access_token=c&d=e",
    path=b"/userInfo",
)
"""A call that is answered with error 301; no proxy limits how often."""
PATIENCE = 60.0
"""Seconds for one answer; a busy machine is slow."""

MODULE = "import worksgate\n\napp = worksgate.create_app()\n"
FOREIGN: dict[str, Sequence[str]] = {
    "uvicorn": ("uvicorn", "sso:app", "--port=PORT", "--ws=none"),
    "hypercorn": ("hypercorn", "sso:app", "--bind=127.0.0.1:PORT"),
    "granian": ("granian", "sso:app", "--interface=asgi", "--port=PORT"),
}
"""How ``docs/library.md`` runs the application under servers of others."""


@cache
def _trusting() -> ssl.SSLContext:
    """For all connections: to read the authorities of the machine for each takes as long as it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass(frozen=True)
class Edge:
    """What listens, and where; ``output`` is what the server wrote."""

    name: str
    port: int
    is_tls: bool = False
    output: Path | None = None

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.is_tls:
            return connection
        return _trusting().wrap_socket(connection, server_hostname=HOST)

    def answers(self, *parts: bytes, pause: float = 0.001) -> list[bytes]:
        """All answers on one connection to what is sent part by part, and then to ``ALIVE``.

        Those with a status below 200 are left out.
        """
        with self.connect() as connection:
            received = b""
            with suppress(OSError):  # it may hang up before it has heard all
                for part in parts[:-1]:
                    connection.sendall(part)
                    time.sleep(pause)
                connection.sendall(parts[-1])
                connection.sendall(ALIVE)
            with suppress(OSError):
                while part := connection.recv(65_536):
                    received += part
        found = re.split(rb"(?=HTTP/1\.[01] [1-5][0-9][0-9] )", received)
        return [each for each in found if each and not each[9:12].startswith(b"1")]


class Caller:
    """Somebody else, who calls on a connection of their own for as long as the server lets them."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._connection = edge.connect()
        self._used_at = time.monotonic()

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, request: bytes) -> bytes:
        """The whole answer; a connection that was closed, or may be soon, is opened again."""
        is_old = time.monotonic() - self._used_at > 4  # some close it after five seconds
        if is_old or select.select([self._connection], [], [], 0)[0]:
            self._connection.close()
            self._connection = self._edge.connect()
        self._connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received or len(received) < _size_of(received):
            part = self._connection.recv(65_536)
            assert part, f"hung up after {received!r}"
            received += part
        self._used_at = time.monotonic()
        if b"\r\nconnection: close\r\n" in received.lower():
            self._connection.close()
            self._connection = self._edge.connect()
        return received


def _size_of(answer: bytes) -> int:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return len(head) + 4 + int(head.partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])


@contextmanager
def ours(folder: Path) -> Iterator[Edge]:
    """``worksgate serve``, in a thread."""
    with listening() as listener:
        port = listener.getsockname()[1]
        url, patient = f"http://127.0.0.1:{port}", answer_deadline()
        settings, _ = asyncio.run(prepared(folder, public_url=url, answer_deadline=patient))
        with served(listener, settings):
            yield Edge("worksgate", port)


@contextmanager
def foreign(name: str, folder: Path) -> Iterator[Edge]:
    """``create_app`` under a server of others, as a process."""
    (port,) = free_ports(1)
    asyncio.run(prepared(folder, public_url=f"http://127.0.0.1:{port}"))
    write_settings(folder, public_url=f"http://127.0.0.1:{port}")
    (folder / "sso.py").write_text(MODULE, "utf-8")
    output = folder / "output.log"
    arguments = [each.replace("PORT", str(port)) for each in FOREIGN[name]]
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=folder, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            wait_until(lambda: is_listening(port) or process.poll() is not None, seconds=120)
            assert process.poll() is None, output.read_text()
            yield Edge(name, port, output=output)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:  # a busy machine; it must not outlive the test
                process.kill()
                process.wait()


@contextmanager
def behind(start: Start, folder: Path, certificate: Certificate) -> Iterator[Edge]:
    """Our server behind a proxy."""
    settings = {
        "public_url": f"https://{HOST}",
        "trusted_proxies": ("127.0.0.1/32",),
        "answer_deadline": answer_deadline(),
    }
    chosen, _ = asyncio.run(prepared(folder, **settings))  # type: ignore[arg-type]  # all are settings
    with listening() as listener, served(listener, chosen) as upstream:
        https, http = free_ports(2)
        ports = Ports(https, http, upstream.port)
        with needs(start)(folder, ports, certificate):
            yield Edge(start.__name__, ports.https, is_tls=True)
