"""TLS as ``worksgate serve --tls-cert --tls-key`` speaks it."""

import asyncio
import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from tests.installation import prepared
from tests.served import Served, listening, read_all, served
from tests.unhurried import PATIENT


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return cert, key


@pytest.fixture(scope="module")
def server(
    certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    cert, key = certificate
    with listening() as listener:
        url = "https://{}:{}".format(*listener.getsockname())
        chosen, _ = asyncio.run(
            prepared(tmp_path_factory.mktemp("tls"), public_url=url, answer_deadline=PATIENT)
        )
        with served(listener, chosen, tls_cert=cert, tls_key=key) as running:
            yield running


def trusting(cert: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(cert))


def of_version(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Make a context speak this version alone, however old it is."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is the point
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
        context.minimum_version = version
    return context


def agree(client: ssl.SSLContext, server: ssl.SSLContext) -> bool:
    """Whether the two come to terms, in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ends[0].version() == ends[1].version() is not None


def test_r94_today_s_versions_are_spoken(server: Served, certificate: tuple[Path, Path]) -> None:
    for version, name in (
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ):
        context = of_version(trusting(certificate[0]), version)
        with context.wrap_socket(server.connect(), server_hostname=server.host) as connection:
            assert connection.version() == name


def test_r94_older_versions_are_refused_by_the_server(
    server: Served, certificate: tuple[Path, Path]
) -> None:
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = of_version(trusting(certificate[0]), version)
        lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        lenient.load_cert_chain(*certificate)
        # The client could: it is our server that does not want to.
        assert agree(context, of_version(lenient, version))
        with server.connect() as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname=server.host)


def test_r94_r95_over_tls_the_calls_are_served_with_hsts(
    server: Served, certificate: tuple[Path, Path]
) -> None:
    url = f"https://{server.host}:{server.port}"
    with httpx2.Client(base_url=url, verify=trusting(certificate[0])) as http:
        response = http.post("/accessToken", data={"x": "1"})
        assert response.status_code == 400
        assert response.json()["error"] == "201"
        assert response.headers["strict-transport-security"] == "max-age=31536000"
        assert http.get("/healthz").status_code == 200


def test_r95_plain_http_on_the_tls_port_gets_nothing(server: Served) -> None:
    with socket.create_connection((server.host, server.port), timeout=15) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in read_all(connection)
