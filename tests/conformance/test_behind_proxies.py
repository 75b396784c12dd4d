"""The check finds nothing wrong with Worksgate behind each proxy of ``deploy/``."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conformance.runs import NEEDS_MORE, run_checks
from tests.conformance.test_worksgate import furnished
from tests.docs import proxies
from tests.docs.test_proxies import Start, needs
from tests.ports import free_ports
from tests.served import served

from worksgate.conformance.checks.verdicts import Outcome

pytestmark = pytest.mark.programs

STARTS: tuple[Start, ...] = (proxies.nginx, proxies.caddy, proxies.haproxy, proxies.httpd)


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__)
def test_r203_worksgate_behind_a_proxy_passes(start: Start, tmp_path: Path) -> None:
    ports = proxies.Ports(*free_ports(3))
    certificate = proxies.make_certificate(tmp_path)
    settings, target = asyncio.run(furnished(tmp_path, f"https://{proxies.HOST}"))
    target = replace(target, connect_to=("127.0.0.1", ports.https), ca_file=certificate.chain)
    folder = tmp_path / "proxy"
    folder.mkdir()
    with (
        socket.create_server(("127.0.0.1", ports.upstream)) as listener,
        served(listener, replace(settings, trusted_proxies=("127.0.0.1",))),
        needs(start)(folder, ports, certificate),
    ):
        done = asyncio.run(run_checks(target))
    failed = {
        check: (result.message, result.sent)
        for check, result in done.results.items()
        if result.outcome is Outcome.FAIL
    }
    assert failed == {}
    assert done.ids(Outcome.NOT_TESTED) == NEEDS_MORE
