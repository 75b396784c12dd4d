"""Many processes on one port: any of them reports the metrics of all."""

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from tests.observability.site import Site, site
from tests.served import wait_until

pytestmark = pytest.mark.programs

REQUESTS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("workers"), "--workers", "2") as server:
        wait_until(lambda: server.log.count("worker.ready") == 2)
        yield server


def refused_tokens(server: Site) -> float:
    found = server.metrics().all("worksgate_requests_total", endpoint="token", status="400")
    return sum(value for _, value in found)


def make_requests(server: Site) -> None:
    """Each on a connection of its own, so that both processes get some."""

    def one(_: int) -> int:
        with httpx2.Client(base_url=server.http.base_url, timeout=60, trust_env=False) as http:
            return http.post("/accessToken", data={"a": "b"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(REQUESTS))) == {400}


def test_numbers_of_all_processes_are_added_up(server: Site) -> None:
    before = refused_tokens(server)
    make_requests(server)
    wait_until(lambda: refused_tokens(server) == before + REQUESTS)
    told = server.metrics()
    assert told.value("worksgate_request_seconds_count", endpoint="token") == before + REQUESTS
    assert told.value("worksgate_workers") == 2
    assert told.value("worksgate_hashing_threads") == 2
    assert told.value("worksgate_build_info") == 1
    assert told.value("worksgate_clients") == 1


def test_counters_never_fall_whoever_answers(server: Site) -> None:
    before = last = refused_tokens(server)
    for _ in range(25):
        server.http.post("/accessToken", data={"a": "b"})
        with httpx2.Client(
            base_url=server.operations.base_url, timeout=60, trust_env=False
        ) as watcher:
            text = watcher.get("/metrics").text
        now = _first(text, 'worksgate_requests_total{code="201",endpoint="token",status="400"}')
        assert now >= last
        last = now
    wait_until(lambda: refused_tokens(server) == before + 25)


def test_settings_that_are_read_again_cost_no_number(server: Site) -> None:
    before, reads = refused_tokens(server), server.log.count('"event":"settings.read"')
    file = server.folder / "worksgate.toml"
    file.write_text(file.read_text("utf-8") + 'company_name = "Another"\n', "utf-8")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.log.count('"event":"settings.read"') == reads + 2)
    assert refused_tokens(server) >= before
    make_requests(server)
    wait_until(lambda: refused_tokens(server) >= before + REQUESTS)
    assert server.metrics().value("worksgate_workers") == 2


def test_a_process_that_is_killed_keeps_what_it_has_counted(server: Site) -> None:
    before = refused_tokens(server)
    make_requests(server)
    wait_until(lambda: refused_tokens(server) == before + REQUESTS)
    before, ready = refused_tokens(server), server.log.count("worker.ready")
    victim = int(re.findall(r'"event":"worker.started","pid":(\d+)', server.log)[0])
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: server.log.count("worker.ready") == ready + 1)
    assert refused_tokens(server) >= before
    wait_until(lambda: server.metrics().value("worksgate_workers") == 2)


def _first(text: str, sample: str) -> float:
    (line,) = [each for each in text.splitlines() if each.startswith(sample)]
    return float(line.rpartition(" ")[2])
