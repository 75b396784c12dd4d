"""What a server needs before it can start: a port of this machine, and a certificate with its key.

Both are tried first, so that what is wrong is told in one sentence and nothing has begun. The port
may be one on which systemd listens for us: it stays open while one server follows another.
"""

import errno
import os
import socket
import ssl
from collections.abc import MutableMapping
from pathlib import Path

_FIRST_PASSED = 3
"""The file descriptor of the first socket that systemd passes, ``SD_LISTEN_FDS_START``."""


class CannotListen(Exception):
    """The port or the certificate cannot be used; one sentence."""


def passed_by_systemd(environment: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """The socket on which systemd listens for this process, or None where there is none.

    The variables that tell of it are removed, for it is not passed to the processes that we start.
    Raises CannotListen unless it is one TCP socket that listens.
    https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
    """
    told = [environment.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES")]
    pid, number, _ = told
    if pid != str(os.getpid()):
        return None
    if number != "1":
        raise CannotListen(f"systemd has passed {number or 0} sockets; there must be one")
    try:
        listening = socket.socket(fileno=_FIRST_PASSED)
        is_tcp = listening.family in (socket.AF_INET, socket.AF_INET6)
        listens = listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise CannotListen(f"what systemd has passed is no socket: {error.strerror}") from None
    if not (is_tcp and listens):
        listening.close()
        raise CannotListen("the socket of systemd must be ListenStream= with a port, and Accept=no")
    listening.set_inheritable(False)
    return listening


def listen(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """A socket that is bound, and inherited by worker processes.

    ``option`` is how another port is asked for. Raises CannotListen.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CannotListen(_why_not(error, host, port, option)) from None
    listening.set_inheritable(True)
    return listening


def url_of(listening: socket.socket, *, https: bool = False) -> str:
    """Where a socket listens, to be shown to people."""
    host, port = listening.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if https else 'http'}://{name}:{port}"


def check_certificate(certificate: Path, key: Path) -> None:
    """Raise CannotListen unless the files are a certificate chain and its own, open key (PEM)."""
    for file in (certificate, key):
        file.open("rb").close()  # an OSError that names the file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise CannotListen(f"{certificate} is no PEM certificate") from None
    try:
        context.load_cert_chain(certificate, key, password="")  # never asks at the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CannotListen(f"{key} is not the key of {certificate}") from None
        raise CannotListen(f"{key} is no PEM private key without a passphrase") from None


def _why_not(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken; choose another with {option}"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} needs rights that this user has not; choose one above 1023"
    return f"{host} is no address of this machine to listen on: {error.strerror}"
