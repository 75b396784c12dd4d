"""OpenTelemetry spans: of each request, and in it of the store and of the identity sources.

Enabled if the standard variable OTEL_EXPORTER_OTLP_ENDPOINT (or the one for traces) is set and the
packages of the extra ``otel`` are installed; otherwise nothing is imported. External data is kept
out: a span contains its endpoint, the status, the number of the error, the kind of an exception and
the ``login_id``, and never an address, a header, a query string or the text of an exception. A
caller's own trace is not continued, since it is external too.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import structlog

from worksgate.audit import AuditEvent, AuditLog
from worksgate.observability.instruments import Meter

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter

VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
CLOSING_TIME = 2.0
"""Seconds within which the last spans may be sent."""

_log = structlog.get_logger("worksgate.observability")


def open_tracing(environ: Mapping[str, str]) -> "Tracing | None":
    """The tracer, or None if traces are disabled or the packages are missing."""
    if not any(environ.get(name) for name in VARIABLES):
        return None
    if not all(map(_is_installed, PACKAGES)):
        _log.warning("tracing.off", detail="install worksgate[otel] to send traces")
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return Tracing(OTLPSpanExporter(), environ.get("OTEL_SERVICE_NAME") or "worksgate")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


class Tracing:
    """Creates spans and passes them to ``exporter``, from a thread of its own."""

    def __init__(self, exporter: "SpanExporter", service_name: str = "worksgate") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": service_name})
        self._provider: TracerProvider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("worksgate")

    def meter(self, endpoint: str, outage: str = "") -> Meter:
        """A meter whose every request is a span."""
        return _TracedMeter(endpoint, outage, self)

    def audit(self, audit: AuditLog) -> AuditLog:
        """The same audit log; from it, spans learn which sign-in they belong to."""
        return _TracedAudit(audit, self.note_login)

    def note_login(self, login_id: str) -> None:
        """The current span belongs to this sign-in."""
        from opentelemetry import trace

        trace.get_current_span().set_attribute("worksgate.login_id", login_id)

    def span(self, name: str) -> AbstractContextManager[object]:
        """Around work for a request."""
        return self._child(name)

    async def close(self) -> None:
        """Send pending spans, for a moment."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        until = time.monotonic() + CLOSING_TIME
        while closing.is_alive() and time.monotonic() < until:  # noqa: ASYNC110  # a thread, no task
            await asyncio.sleep(0.02)

    def begin(self, name: str) -> "Token[Context]":
        """Begin the span of a request; pass the result to ``end``."""
        from opentelemetry import context, trace

        span = self._tracer.start_span(
            name, context=context.Context(), kind=trace.SpanKind.SERVER, record_exception=False
        )
        return context.attach(trace.set_span_in_context(span, context.Context()))

    def end(self, token: "Token[Context]", attributes: Mapping[str, Any], *, failed: bool) -> None:
        from opentelemetry import context, trace

        span = trace.get_current_span()
        span.set_attributes(attributes)
        if failed:
            span.set_status(trace.StatusCode.ERROR)
        span.end()
        context.detach(token)

    @contextmanager
    def _child(self, name: str) -> Iterator[None]:
        from opentelemetry import trace

        if not trace.get_current_span().is_recording():  # not on behalf of a request
            yield
            return
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise


_token: "ContextVar[Token[Context]]" = ContextVar("worksgate_span")


class _TracedMeter(Meter):
    __slots__ = ("_tracing",)

    def __init__(self, endpoint: str, outage: str, tracing: Tracing) -> None:
        super().__init__(endpoint, outage)
        self._tracing = tracing

    def begin(self) -> float:
        _token.set(self._tracing.begin(self.endpoint))
        return super().begin()

    def end(self, began: float, status: int, code: str = "") -> None:
        super().end(began, status, code)
        attributes = {
            "worksgate.endpoint": self.endpoint,
            "http.response.status_code": status,
            "worksgate.error": code,
        }
        self._tracing.end(_token.get(), attributes, failed=status >= 500)


class _TracedAudit:
    def __init__(self, audit: AuditLog, note_login: Callable[[str], None]) -> None:
        self._audit = audit
        self._note_login = note_login

    def record(self, event: AuditEvent) -> None:
        if event.login_id is not None:
            self._note_login(event.login_id)
        self._audit.record(event)

    async def room(self) -> None:
        await self._audit.room()

    async def flush(self) -> None:
        await self._audit.flush()
