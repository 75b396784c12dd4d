"""Traces, as a collector receives them: the content of spans."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from tests.observability.site import EMAIL, PASSWORD, WRONG, Site, site
from tests.served import wait_until

from worksgate.observability.tracing import open_tracing

pytestmark = pytest.mark.programs


@dataclass
class Collector:
    """Takes what exporters send, as OTLP over HTTP."""

    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]

    def serve(self) -> Iterator[None]:
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                is_packed = self.headers.get("content-encoding") == "gzip"
                bodies.append(gzip.decompress(body) if is_packed else body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            self.port = http.server_address[1]
            thread = threading.Thread(target=http.serve_forever, daemon=True)
            thread.start()
            yield
            http.shutdown()
            thread.join()


def attributes(span: Any) -> dict[str, Any]:
    return {
        each.key: each.value.int_value
        if each.value.HasField("int_value")
        else each.value.string_value
        for each in span.attributes
    }


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    serving = collector.serve()
    next(serving)
    yield collector
    next(serving, None)


@pytest.fixture(scope="module")
def traced(
    collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Collector]]:
    """A server whose spans have all come, after one request of each kind."""
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "no_proxy": "*",
    }
    with site(tmp_path_factory.mktemp("traced"), environment=environment) as server:
        assert server.mail_client(PASSWORD).status_code == 200
        assert server.mail_client(WRONG).status_code == 401
        assert server.exchange("canary-code-7b1e").status_code == 400
        headers = {
            "authorization": "Bearer canary-header-22d0",
            "traceparent": "00-11111111111111111111111111111111-2222222222222222-01",
        }
        assert server.http.get("/login?state=canary-query", headers=headers).status_code == 400
        assert server.http.get("/canary-path").status_code == 404
        wait_until(lambda: collector.named("other") and collector.named("token"))
        wait_until(lambda: len(collector.named("imap")) == 2)
        yield server, collector


def test_each_request_is_a_span_with_its_outcome(traced: tuple[Site, Collector]) -> None:
    _, collector = traced
    (token,) = collector.named("token")
    assert attributes(token) == {
        "worksgate.endpoint": "token",
        "http.response.status_code": 400,
        "worksgate.error": "302",
    }
    assert [attributes(each)["http.response.status_code"] for each in collector.named("imap")] == [
        200,
        401,
    ]
    assert collector.named("login")
    assert all(span.kind == 2 for span in collector.named("imap"))  # SERVER


def test_store_and_sources_are_spans_within_it(traced: tuple[Site, Collector]) -> None:
    _, collector = traced
    for parent, child in (("token", "store.redeem"), ("imap", "source.authenticate")):
        parents = {span.span_id: span for span in collector.named(parent)}
        found = [span for span in collector.named(child) if span.parent_span_id in parents]
        assert len(found) == len(parents)
        for span in found:
            request = parents[span.parent_span_id]
            assert span.trace_id == request.trace_id
            assert request.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= request.end_time_unix_nano


def test_what_is_done_for_no_request_is_no_span(traced: tuple[Site, Collector]) -> None:
    _, collector = traced
    served = {span.span_id for span in collector.spans if not span.parent_span_id}
    assert {span.name.partition(".")[0] for span in collector.spans if span.span_id in served} <= {
        *("login", "token", "user_info", "imap", "logout", "account", "other")
    }


def test_a_span_of_a_login_bears_its_login_id(traced: tuple[Site, Collector]) -> None:
    server, collector = traced
    succeeded = next(
        attributes(span)
        for span in collector.named("imap")
        if attributes(span)["http.response.status_code"] == 200
    )
    login_id = succeeded["worksgate.login_id"]
    assert login_id
    wait_until(lambda: f'"login_id":"{login_id}"' in server.log)


def test_a_trace_from_outside_is_not_gone_on_with(traced: tuple[Site, Collector]) -> None:
    _, collector = traced
    assert all(span.trace_id != bytes.fromhex("11" * 16) for span in collector.spans)


@pytest.mark.parametrize(
    "secret", ["canary", EMAIL, "hana", "mare", "Bearer", "/login", "127.0.0.1"]
)
def test_r106_no_span_bears_a_secret_a_name_or_an_address(
    traced: tuple[Site, Collector], secret: str
) -> None:
    _, collector = traced
    assert len(collector.spans) > 8
    assert not any(secret.encode() in body for body in collector.bodies)


def test_r106_no_span_bears_a_client(traced: tuple[Site, Collector]) -> None:
    server, collector = traced
    for secret in (server.client_id, server.client_secret):
        assert not any(secret.encode() in body for body in collector.bodies)


def test_a_collector_that_is_down_costs_nobody_an_answer(tmp_path_factory: Any) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "no_proxy": "*"}
    with site(tmp_path_factory.mktemp("down"), environment=environment) as server:
        assert server.mail_client(PASSWORD).status_code == 200
    assert server.process.returncode == 0


def test_nobody_is_traced_unasked() -> None:
    assert open_tracing({}) is None
    assert open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}) is None


def test_an_application_that_nobody_watches_loads_neither_library(tmp_path_factory: Any) -> None:
    program = """
import asyncio, sys
from worksgate.bootstrap.application import create_app
from worksgate.settings.options import Settings

async def main():
    application = create_app(Settings(database_url=f"sqlite:///{sys.argv[1]}/worksgate.db"))
    await application.start()
    await application.close()
    names = ("prometheus_client", "opentelemetry")
    print([name for name in sys.modules if name.startswith(names)])

asyncio.run(main())
"""
    folder = tmp_path_factory.mktemp("plain")
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
    )
    *logged, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert all("master_key.missing" in line for line in logged)
