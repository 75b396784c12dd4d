"""Where the numbers are: those of an application, and those of the process that serves it."""

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
    SourceFigures,
    StoreFigures,
    Traffic,
)


@dataclass(slots=True, kw_only=True)
class Figures:
    """The numbers of one application; None stands for what it does not have."""

    traffic: Traffic = field(default_factory=Traffic)
    hashing: ThreadPool | None = None
    store: StoreFigures | None = None
    commits: CommitFigures | None = None
    clients: ClientFigures | None = None
    purge: PurgeFigures | None = None
    audit: AuditFigures | None = None
    sources: Sequence[SourceFigures] = ()


class AdmissionFigures(Protocol):
    """What a process takes on and what it refuses before an application sees it."""

    connections: int
    lag: Distribution
    """How late the event loop was each time, in seconds."""
    refused_connections: int
    refused_requests: int

    @property
    def is_behind(self) -> bool: ...


@dataclass(slots=True, kw_only=True)
class ProcessFigures:
    """The numbers of one process, whatever application it serves.

    ``certificate_ends_at`` is in seconds since the epoch; it may raise OSError or ValueError.
    """

    admission: AdmissionFigures | None = None
    certificate_ends_at: Callable[[], float] | None = None
