"""References to the numbers of an application, and of the process that serves it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from worksgate.limits.thread_pool import ThreadPool
from worksgate.observability.instruments import (
    AuditFigures,
    ClientFigures,
    CommitFigures,
    Distribution,
    PurgeFigures,
    SealFigures,
    SourceFigures,
    StoreFigures,
    Traffic,
)


@dataclass(slots=True, kw_only=True)
class Figures:
    """The numbers of one application; None stands for parts that it does not have."""

    traffic: Traffic = field(default_factory=Traffic)
    hashing: ThreadPool | None = None
    store: StoreFigures | None = None
    commits: CommitFigures | None = None
    clients: ClientFigures | None = None
    purge: PurgeFigures | None = None
    seals: SealFigures | None = None
    audit: AuditFigures | None = None
    sources: Sequence[SourceFigures] = ()


class AdmissionFigures(Protocol):
    """What a process admits and refuses before an application sees it."""

    connections: int
    lag: Distribution
    """Delays of the event loop, in seconds."""
    refused_connections: int
    refused_requests: int

    @property
    def is_behind(self) -> bool: ...


@dataclass(slots=True, kw_only=True)
class ProcessFigures:
    """The numbers of one process, whatever application it serves."""

    admission: AdmissionFigures | None = None
    certificate_ends_at: Callable[[], float] | None = None
