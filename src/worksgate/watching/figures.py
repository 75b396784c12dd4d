"""Where the numbers are: those of an application, and those of the process that serves it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from worksgate.measures import (
    LAG_SECONDS,
    AuditFigures,
    ClientFigures,
    Distribution,
    GathersRequests,
    Pool,
    PurgeFigures,
    SourceFigures,
    Traffic,
)


@dataclass(slots=True, kw_only=True)
class Figures:
    """The numbers of one application; None stands for what it does not have."""

    traffic: Traffic = field(default_factory=Traffic)
    hashing: Pool | None = None
    store: GathersRequests | None = None
    clients: ClientFigures | None = None
    purge: PurgeFigures | None = None
    audit: AuditFigures | None = None
    sources: Sequence[SourceFigures] = ()


class AdmissionFigures(Protocol):
    """What a process takes on and what it refuses before an application sees it."""

    connections: int
    refused_connections: int
    refused_requests: int

    @property
    def is_behind(self) -> bool: ...


@dataclass(slots=True, kw_only=True)
class ProcessFigures:
    """The numbers of one process, whatever application it serves.

    ``certificate_ends_at`` is in seconds since the epoch; it may raise OSError or ValueError.
    """

    loop_lag: Distribution = field(default_factory=lambda: Distribution(LAG_SECONDS))
    admission: AdmissionFigures | None = None
    certificate_ends_at: Callable[[], float] | None = None
