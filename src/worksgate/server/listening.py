"""What a server needs before it can start: a port of this machine, and a certificate with its key.

Both are checked first, so that a problem is reported in one sentence before anything has started.
The port may be a socket from systemd, which stays open while one server replaces another.
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
    """The port or the certificate is unusable; one sentence."""


def passed_by_systemd(environment: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """The socket on which systemd listens for this process, or None.

    The variables that announce it are removed, since child processes do not get it. Raises
    CannotListen unless it is one listening TCP socket.
    https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
    """
    passed = [environment.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES")]
    pid, number, _ = passed
    if pid != str(os.getpid()):
        return None
    if number != "1":
        raise CannotListen(f"systemd has passed {number or 0} sockets; there must be one")
    try:
        listening = socket.socket(fileno=_FIRST_PASSED)
        is_tcp = listening.family in (socket.AF_INET, socket.AF_INET6)
        listens = listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise CannotListen(
            f"systemd has passed something that is not a socket: {error.strerror}"
        ) from None
    if not (is_tcp and listens):
        listening.close()
        raise CannotListen("the socket of systemd must be ListenStream= with a port, and Accept=no")
    listening.set_inheritable(False)
    return listening


def listen(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """A bound socket that worker processes inherit.

    ``option`` is the option for another port. Raises CannotListen.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol, or asyncio leaves the delay of small packets on.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CannotListen(_why_not(error, host, port, option)) from None
    listening.set_inheritable(True)
    return listening


def url_of(listening: socket.socket, *, https: bool = False) -> str:
    """The address of a listening socket, as shown to people."""
    host, port = listening.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if https else 'http'}://{name}:{port}"


def check_certificate(certificate: Path, key: Path) -> None:
    """Raise CannotListen unless the files are a certificate chain and its unencrypted key (PEM)."""
    for file in (certificate, key):
        file.open("rb").close()  # an OSError that names the file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise CannotListen(f"{certificate} is not a PEM certificate") from None
    try:
        context.load_cert_chain(certificate, key, password="")  # never prompts on the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CannotListen(f"{key} is not the key of {certificate}") from None
        raise CannotListen(f"{key} is not a PEM private key without a passphrase") from None


def _why_not(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with {option}"
    if error.errno == errno.EACCES:
        return (
            f"port {port} on {host} needs privileges that this user does not have; choose "
            "one above 1023"
        )
    return f"{host} is not an address of this machine: {error.strerror}"
