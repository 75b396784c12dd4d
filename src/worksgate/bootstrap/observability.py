"""The metrics of an installation, and its traces if they are enabled."""

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass

from worksgate.audit import AuditLog
from worksgate.directory.database import Directory
from worksgate.observability.instruments import Traffic
from worksgate.observability.tracing import Tracing, open_tracing
from worksgate.sources.metrics import SourceMetrics
from worksgate.store import Store
from worksgate.store.traced import TracedStore


@dataclass(frozen=True, slots=True)
class Observability:
    """Metrics, and traces if they are enabled."""

    tracing: Tracing | None
    sources: SourceMetrics
    traffic: Traffic

    def traced(self, store: Store) -> Store:
        if self.tracing is None:
            return store
        return TracedStore(store, self.tracing.span, self.tracing.note_login)

    def trace_reads_of(self, directory: Directory) -> None:
        if self.tracing is not None:
            directory.read_ahead.span = self.tracing.span

    def traced_audit(self, audit: AuditLog) -> AuditLog:
        return self.tracing.audit(audit) if self.tracing is not None else audit


def open_observability(stack: AsyncExitStack) -> Observability:
    tracing = open_tracing(os.environ)
    if tracing is None:
        return Observability(None, SourceMetrics(), Traffic())
    stack.push_async_callback(tracing.close)
    return Observability(tracing, SourceMetrics(tracing.span), Traffic(tracing.meter))
