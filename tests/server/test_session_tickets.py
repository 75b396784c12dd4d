"""A TLS session is resumed by whichever worker process answers."""

import os
import signal
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.served import wait_until
from tests.server.processes import Running, make_certificate, serving

from worksgate.server import session_tickets
from worksgate.server.session_tickets import TicketKeys
from worksgate.server.tls import Certificate, CertificateFiles

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder)
    return CertificateFiles(folder / "cert.pem", folder / "key.pem")


class Client:
    """One client, who connects to one context or another in memory."""

    def __init__(self, version: ssl.TLSVersion) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._context.minimum_version = self._context.maximum_version = version
        self.session: ssl.SSLSession | None = None

    def resumes(self, server: ssl.SSLContext) -> bool:
        """Connect with the last session, if there is one, and keep the new one."""
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        theirs = server.wrap_bio(to_server, to_client, server_side=True)
        ours = self._context.wrap_bio(to_client, to_server, session=self.session)
        agreed: set[ssl.SSLObject] = set()
        while len(agreed) < 2:
            for side in (ours, theirs):
                try:
                    side.do_handshake()
                    agreed.add(side)
                except ssl.SSLWantReadError:
                    pass
        theirs.write(b"after which the tickets of TLS 1.3 have been read")
        ours.read()
        self.session = ours.session
        return ours.session_reused is True


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_a_session_goes_on_at_another_process(
    files: CertificateFiles, version: ssl.TLSVersion
) -> None:
    keys = TicketKeys()
    with capture_logs() as logged:
        first, second = Certificate(files, keys), Certificate(files, keys)
    assert logged == []
    client = Client(version)
    assert not client.resumes(first.context)
    assert client.resumes(second.context)
    assert second.renew()
    assert client.resumes(second.context)


def test_a_session_goes_on_after_a_renewal_also_where_there_is_one_process(
    files: CertificateFiles,
) -> None:
    certificate, client = Certificate(files), Client(ssl.TLSVersion.TLSv1_3)
    first = certificate.context
    assert not client.resumes(first)
    assert certificate.renew()
    assert certificate.context is not first
    assert client.resumes(certificate.context)


@pytest.mark.parametrize("name", [b"caf\xc3\xa9.example", b"\xff" * 12])
def test_a_server_name_that_is_none_is_no_line_in_the_log(
    files: CertificateFiles, name: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", written.append)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    plain = b"x" * len(name)
    context = ssl.create_default_context()
    client = context.wrap_bio(ssl.MemoryBIO(), to_server, server_hostname=plain.decode())
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = to_server.read()
    assert plain in hello
    to_server.write(hello.replace(plain, name))
    server = Certificate(files).context.wrap_bio(to_server, to_client, server_side=True)
    with suppress(ssl.SSLError):
        server.do_handshake()
    assert written == []


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_no_session_goes_on_at_a_server_with_other_keys(
    files: CertificateFiles, version: ssl.TLSVersion
) -> None:
    client = Client(version)
    assert not client.resumes(Certificate(files, TicketKeys()).context)
    assert not client.resumes(Certificate(files, TicketKeys()).context)
    assert not client.resumes(Certificate(files).context)


def no_library(_: str) -> object:
    raise OSError("there is no such file")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_KNOWN", ()),  # another version of Python
        ("LENGTH", 48),  # an OpenSSL with keys of another length
        ("ctypes.CDLL", no_library),
        ("ctypes.CDLL", lambda _: object()),  # with hidden functions
    ],
)
def test_where_keys_cannot_be_shared_each_process_keeps_its_own(
    files: CertificateFiles, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(f"{session_tickets.__name__}.{name}", value)
    assert not TicketKeys().install(Certificate(files).context)
    with capture_logs() as logged:
        Certificate(files, TicketKeys())
    assert [each["event"] for each in logged] == ["tls.sessions_not_shared"]


def test_the_keys_are_in_no_text() -> None:
    keys = TicketKeys()
    assert "keys" not in repr(keys)
    assert keys != TicketKeys()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_resumes_when_every_worker_is_another_one(tmp_path: Path, version: str) -> None:
    make_certificate(tmp_path)
    tls = ("--tls-cert", "cert.pem", "--tls-key", "key.pem")
    with serving(tmp_path, *tls, "--workers", "2", scheme="https") as running:
        running.wait_for("worker.ready", 2)
        kept = tmp_path / "session.pem"
        assert "Reused, " not in _said_by_openssl(running, version, "-sess_out", str(kept))
        first = running.workers()
        for pid in first:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not set(running.workers()) & set(first))
        assert "Reused, " in _said_by_openssl(running, version, "-sess_in", str(kept))


def _said_by_openssl(running: Running, *options: str) -> str:
    """What the client of OpenSSL reports about a connection, with one request on it."""
    address = f"127.0.0.1:{running.port}"
    done = subprocess.run(
        ["openssl", "s_client", "-connect", address, "-ign_eof", *options],
        input=f"GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "HTTP/1.1 200" in done.stdout, done.stderr
    return done.stdout
