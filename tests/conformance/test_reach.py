"""What is wrong before a request arrives: plain http, ports, certificates, connections."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.conformance.implementation import Implementations, serving
from tests.conformance.raw_servers import Authority, answering, deaf
from tests.conformance.runs import NEEDS_MORE, Done, run_checks, target_at

from worksgate.conformance.checks.examination import CHECKS, CouldNotRunError
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.recording import Redactor
from worksgate.conformance.checks.run import Run
from worksgate.conformance.checks.verdicts import Finding, Outcome
from worksgate.conformance.exchange import TimeLimits

HOST = "sso.example.com"
OF_CERTIFICATE = ("reach.handshake", "reach.chain", "reach.name", "reach.validity")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def at(url: str, port: int, *only: str, **changes: Any) -> Done:
    """Run checks against a URL whose host is this machine's port."""
    target = target_at(
        url, "it", person=None, mailbox=None, connect_to=("127.0.0.1", port), **changes
    )
    return await run_checks(target, only)


async def failures(
    context: ssl.SSLContext | None, authority: Authority, trusted: Path | None = None
) -> set[str]:
    async with answering(context) as port:
        ca_file = trusted or authority.file
        done = await at(f"https://{HOST}", port, *OF_CERTIFICATE, ca_file=ca_file)
    return done.ids(Outcome.FAIL)


async def test_a_right_certificate_passes(authority: Authority) -> None:
    async with answering(authority.context(HOST)) as port:
        done = await at(f"https://{HOST}", port, "reach", ca_file=authority.file)
    assert done.ids(Outcome.PASS) == {*OF_CERTIFICATE, "reach.https", "reach.port"}


@pytest.mark.slow
async def test_r200_over_tls_all_is_tested_and_passes(authority: Authority) -> None:
    """As before a change of DNS: the name in the URL is right, and leads elsewhere."""
    with serving(Implementations(), authority.certificate(HOST)) as origin:
        port = urlsplit(origin).port
        assert port is not None
        target = target_at(
            *(f"https://{HOST}", "plain"),
            connect_to=("127.0.0.1", port),
            ca_file=authority.file,
        )
        done = await run_checks(target)
    assert done.ids(Outcome.FAIL) == set()
    assert done.ids(Outcome.NOT_TESTED) == NEEDS_MORE


CERTIFICATES: dict[str, Callable[[Authority], ssl.SSLContext | None]] = {
    "reach.handshake": lambda _: None,
    "reach.name": lambda authority: authority.context("another.example.com"),
    "reach.validity": lambda authority: authority.context(HOST, days=(-30, -1)),
}


@pytest.mark.parametrize("check", CERTIFICATES)
async def test_r200_a_wrong_certificate_is_noticed(check: str, authority: Authority) -> None:
    assert await failures(CERTIFICATES[check](authority), authority) == {check}


async def test_r200_a_certificate_of_an_unknown_authority_is_noticed(
    authority: Authority, tmp_path: Path
) -> None:
    unknown = Authority(tmp_path)
    assert await failures(unknown.context(HOST), authority) == {"reach.chain"}


async def test_r201_no_secret_is_sent_to_a_server_that_cannot_be_trusted(
    authority: Authority, tmp_path: Path
) -> None:
    unknown = Authority(tmp_path)
    async with answering(unknown.context(HOST)) as port:
        done = await at(f"https://{HOST}", port, ca_file=authority.file)
    tried = {name for name, result in done.results.items() if result.sent}
    assert tried == set()
    assert done.ids(Outcome.FAIL) == {"reach.chain"}


async def test_r201_no_secret_is_sent_to_another_machine_over_plain_http() -> None:
    async with answering(None) as port:
        done = await at(f"http://{HOST}", port, "token", "framing")
        allowed = await at(f"http://{HOST}", port, "token.grant_type", allows_plain_http=True)
    assert {result.sent for result in done.results.values()} == {()}
    assert done.ids(Outcome.NOT_TESTED) == done.results.keys()
    assert allowed.ids(Outcome.FAIL) == {"token.grant_type"}


async def test_r201_a_page_on_this_machine_does_not_vouch_for_apis_on_another() -> None:
    async with answering(None) as port:
        target = target_at(f"http://{HOST}:8080", "it", person=None, mailbox=None)
        ends = replace(target.endpoints, web_login=f"http://127.0.0.1:{port}/login")
        target = replace(target, endpoints=ends, connect_to=("127.0.0.1", port))
        done = await run_checks(target, ["reach", "token.grant_type"])
    assert done.ids(Outcome.FAIL) == {"reach.https", "reach.port"}
    assert "token.grant_type" in done.ids(Outcome.NOT_TESTED)


async def test_r201_localhost_that_leads_to_another_machine_is_not_this_one() -> None:
    url = "http://localhost"
    target = target_at(url, "it", connect_to=("192.0.2.1", 80))
    run = Run(target, None, Meter(Redactor()))
    with pytest.raises(Finding, match="plain_http"):
        await CHECKS["reach.https"].body(run)
    await run.aclose()
    assert target_at(url, "it", connect_to=("127.0.0.1", 80)).stays_here(url)


async def test_r200_plain_http_and_another_port_are_noticed() -> None:
    async with answering(None) as port:
        done = await at(f"http://{HOST}:8080", port, "reach")
    assert done.ids(Outcome.FAIL) == {"reach.https", "reach.port"}


@pytest.mark.slow
async def test_r200_a_connection_that_does_not_come_is_noticed() -> None:
    with deaf() as port:
        limits = TimeLimits(0.3, 0.3)
        done = await at(
            *(f"http://{HOST}", port, "time.connect"), limits=limits, allows_plain_http=True
        )
    assert done.ids(Outcome.FAIL) == {"time.connect"}


async def test_where_nothing_listens_it_could_not_run() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(CouldNotRunError, match="nothing answers"):
        await at(f"http://{HOST}", port)
