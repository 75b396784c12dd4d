"""``worksgate doctor`` requests the public address, as LINE WORKS would from outside."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.installation import prepared
from tests.security.test_tls import certificate
from tests.served import listening, served

from worksgate.doctor import Finding, Severity
from worksgate.doctor import public_address_check as check
from worksgate.settings.options import Settings

__all__ = ["certificate"]


def found(public_url: str) -> list[Finding]:
    async def ask() -> list[Finding]:
        settings = Settings(public_url=public_url)
        return [each async for each in check.examine_public_address(settings)]

    return asyncio.run(ask())


@contextmanager
def installation(folder: Path, certificate: tuple[Path, Path]) -> Iterator[str]:
    """The public address of a server with TLS."""
    cert, key = certificate
    with listening() as listener:
        url = "https://{}:{}".format(*listener.getsockname())
        settings, _ = asyncio.run(prepared(folder, public_url=url))
        with served(listener, settings, tls_cert=cert, tls_key=key):
            yield url


def test_an_address_of_this_machine_alone_is_not_asked() -> None:
    assert found("http://127.0.0.1:9") == []


def test_a_name_that_cannot_be_resolved_is_reported() -> None:
    (finding,) = found("https://sso.example.invalid")
    assert finding.severity is Severity.WARN
    assert finding.text == "this machine cannot resolve sso.example.invalid"


def test_an_installation_that_answers_is_well(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with installation(tmp_path, certificate) as url:
        answer, ending = found(url)
    assert answer.severity is Severity.OK
    assert answer.text.startswith(f"{url} responds within ")
    assert ending.text.startswith("the certificate ends in ")


@pytest.mark.parametrize(("days", "severity"), [(22, Severity.OK), (20.5, Severity.WARN)])
def test_a_certificate_that_ends_soon_is_reported(days: float, severity: Severity) -> None:
    now = 1_800_000_000.0
    finding = check._of_certificate(now + days * 86_400, now)
    assert finding.severity is severity
    assert finding.text == f"the certificate ends in {int(days)} days, on " + (
        "2027-02-06" if days == 22 else "2027-02-04"
    )


def test_a_certificate_that_line_works_would_refuse_is_a_failure(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    with installation(tmp_path, certificate) as url:
        (finding,) = found(url)
    assert finding.severity is Severity.FAIL
    assert "self-signed certificate" in finding.text


def test_an_address_at_which_nobody_listens_is_reported() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (finding,) = found("https://127.0.0.1:{1}".format(*free.getsockname()))
    assert finding.severity is Severity.WARN
    assert "does not respond, from this machine" in finding.text


def test_an_address_that_is_too_slow_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CONNECT_TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        (finding,) = found("https://127.0.0.1:{1}".format(*silent.getsockname()))
    assert "does not respond in time" in finding.text


def test_another_server_at_the_address_is_a_failure(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(65_536)
                secured.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
                )

        thread = threading.Thread(target=answer)
        thread.start()
        (finding,) = found("https://127.0.0.1:{1}".format(*listener.getsockname()))
        thread.join()
    assert finding.severity is Severity.FAIL
    assert finding.text.endswith("/healthz returns 200, and not from Worksgate")
