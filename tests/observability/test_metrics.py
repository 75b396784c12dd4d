"""The metrics of a real server, after real requests."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.observability.site import (
    EMAIL,
    PASSWORD,
    WRONG,
    Metrics,
    Site,
    serving,
    site,
    write_settings,
)
from tests.ports import free_port
from tests.served import wait_until

from worksgate.observability.instruments import Traffic

pytestmark = pytest.mark.programs

ENDPOINTS = {meter.endpoint for meter in Traffic().meters}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("metrics")) as server:
        yield server


@pytest.fixture(scope="module")
def told(server: Site) -> Metrics:
    """What is told after a known number of requests."""
    assert server.http.post("/accessToken", data={"a": "b"}).status_code == 400
    assert server.exchange("canary-code-7b1e").status_code == 400
    assert server.exchange("canary-code-7b1e", client_secret="canary-secret").status_code == 401
    for _ in range(3):
        assert server.user_info("canary-token-0c44").status_code == 401
    assert server.mail_client(PASSWORD).status_code == 200
    for _ in range(2):
        assert server.mail_client(WRONG).status_code == 401
    assert server.http.get("/login?code=canary-query-19aa").status_code == 400
    assert server.http.get("/logout").status_code in (200, 303)
    assert server.http.get("/account").status_code in (303, 401, 200)
    for number in range(30):
        assert server.http.get(f"/canary-path-{number}").status_code == 404
    assert server.http.post("/accessToken/canary-below").status_code == 404
    return server.metrics()


def test_promtool_finds_nothing_to_say_of_the_page(told: Metrics) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=told.text.encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("endpoint", "status", "code", "count"),
    [
        ("token", "400", "201", 1),
        ("token", "400", "302", 1),
        ("token", "401", "301", 1),
        ("token", "503", "server_error", 0),
        ("user_info", "401", "303", 3),
        ("user_info", "200", "", 0),
        ("imap", "200", "", 1),
        ("imap", "401", "invalid_grant", 2),
        ("login", "400", "", 1),
        ("other", "404", "", 30),
        ("other", "404", "201", 1),
    ],
)
def test_answers_are_counted_by_endpoint_status_and_error(
    told: Metrics, endpoint: str, status: str, code: str, count: int
) -> None:
    name = "worksgate_requests_total"
    assert told.all(name, endpoint=endpoint, status=status, code=code) == [
        ({"endpoint": endpoint, "status": status, "code": code}, count)
    ]


def test_every_answer_has_a_duration_and_nothing_is_left_under_way(told: Metrics) -> None:
    for endpoint in ENDPOINTS:
        answers = told.value("worksgate_requests_total", endpoint=endpoint)
        assert told.value("worksgate_request_seconds_count", endpoint=endpoint) == answers
        assert told.value("worksgate_requests_running", endpoint=endpoint) == 0
    assert told.value("worksgate_request_seconds_sum", endpoint="imap") > 0.01  # three hashes


def test_latency_has_the_bounds_of_the_contract(told: Metrics) -> None:
    buckets = told.all("worksgate_request_seconds_bucket", endpoint="token")
    bounds = {labels["le"] for labels, _ in buckets}
    assert {"1.0", "3.0", "+Inf"} <= bounds
    counts = [value for _, value in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == told.value("worksgate_request_seconds_count", endpoint="token")


def test_labels_take_no_value_from_outside(told: Metrics) -> None:
    endpoints = {labels["endpoint"] for labels, _ in told.all("worksgate_requests_total")}
    assert endpoints == ENDPOINTS


def test_logins_are_counted_by_source_and_outcome(told: Metrics) -> None:
    name = "worksgate_logins_total"
    assert told.value(name, source="directory", outcome="accepted") == 1
    assert told.value(name, source="directory", outcome="wrong") == 2
    assert told.value(name) == 3
    assert told.value("worksgate_source_seconds_count", source="directory") == 3


def test_events_are_counted_by_name(told: Metrics) -> None:
    name = "worksgate_events_total"
    assert told.value(name, event="imap.succeeded") == 1
    assert told.value(name, event="imap.failed") == 2
    assert told.value(name, event="code.replayed") == 0


def test_the_parts_report_their_numbers(told: Metrics) -> None:
    assert told.value("worksgate_hashing_threads") == 1
    assert told.value("worksgate_hashing_places") == 64
    assert told.value("worksgate_hashing_waiting") == 0
    assert told.value("worksgate_store_commit_seconds_count") > 0
    assert told.value("worksgate_store_batch_size_count") > 0
    assert told.value("worksgate_store_unavailable_total") == 0
    assert told.value("worksgate_clients") == 1
    assert told.value("worksgate_connections") >= 1
    assert told.value("worksgate_build_info") == 1
    assert told.value("worksgate_purge_last_finished_timestamp_seconds") > 1.7e9
    assert told.value("worksgate_audit_seal_last_finished_timestamp_seconds") > 1.7e9


def test_the_event_loop_is_looked_at_again_and_again(server: Site) -> None:
    name = "worksgate_event_loop_lag_seconds_count"
    before = server.metrics().value(name)
    wait_until(lambda: server.metrics().value(name) > before)


@pytest.mark.parametrize("secret", ["canary", EMAIL, "hana", "Acme"])
def test_r106_no_metric_bears_a_secret_a_name_or_a_query(told: Metrics, secret: str) -> None:
    assert secret not in told.text


def test_r106_no_metric_bears_a_client(server: Site, told: Metrics) -> None:
    assert server.client_id not in told.text
    assert server.client_secret not in told.text


def test_r107_metrics_are_not_on_the_public_port(server: Site) -> None:
    response = server.http.get("/metrics")
    assert response.status_code == 404
    assert "worksgate_" not in response.text


def test_r107_the_operators_port_serves_nothing_else(server: Site) -> None:
    for path in ("/login", "/accessToken", "/account", "/", "/openapi.json"):
        assert server.operations.get(path).status_code == 404
    assert server.operations.post("/metrics").status_code == 405
    assert server.operations.get("/healthz").json() == {"status": "ok"}


def test_the_log_says_nothing_of_who_watches(server: Site) -> None:
    server.metrics()
    assert '"level":"error"' not in server.log


def test_metrics_are_public_only_where_that_is_wanted(tmp_path: Path) -> None:
    with site(tmp_path, metrics_public=True) as server:
        response = server.http.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert Metrics(response.text).value("worksgate_workers") == 1


def test_a_taken_port_is_reported_in_one_line(server: Site, tmp_path: Path) -> None:
    taken = server.operations.base_url.port
    write_settings(tmp_path, public_url="http://127.0.0.1", port=free_port(), admin_port=taken)
    with serving(tmp_path, (), {}) as process:
        assert process.wait(60) == 1
    assert f"port {taken} on 127.0.0.1 is in use; choose another with admin_port" in (
        tmp_path / "log"
    ).read_text("utf-8")
