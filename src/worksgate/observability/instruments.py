"""Counters and histograms, updated where things happen and read on demand.

Counting costs a fraction of a microsecond, and needs no library and no lock: each number is written
by one thread. Readers (``figures``) fetch the numbers on request. No number carries a name, an
address or an external value.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Buckets for response times: 1 second is our promise, 3 seconds is LINE WORKS' timeout."""
COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
BATCH_SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)

OUTAGE = "server_error"
"""The number of an outage in the calls of LINE WORKS (``oauth.errors``)."""
GONE = 499
"""Replaces the status if the client had disconnected before there was one."""


class Distribution:
    """A histogram: ``counts[i]`` values are at most ``bounds[i]``, the last are above all.

    Each value is counted once; ``total`` is their sum.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Meter:
    """Responses of one endpoint, their duration, and requests in flight.

    ``answers`` counts by HTTP status and by the number of the protocol's error, empty without one.
    The best and the worst exist from the start, since monitoring sees an increase only after it has
    seen a value. ``outage`` is the number of an outage.
    """

    __slots__ = ("answers", "endpoint", "running", "seconds")

    def __init__(self, endpoint: str, outage: str = "") -> None:
        self.endpoint = endpoint
        self.answers: dict[tuple[int, str], int] = {(200, ""): 0, (503, outage): 0}
        self.seconds = Distribution(ANSWER_SECONDS)
        self.running = 0

    def begin(self) -> float:
        """A request has arrived; pass the result to ``end``."""
        self.running += 1
        return time.perf_counter()

    def end(self, began: float, status: int, code: str = "") -> None:
        """The request has its response, or GONE."""
        self.running -= 1
        self.seconds.observe(time.perf_counter() - began)
        answer = (status, code)
        self.answers[answer] = self.answers.get(answer, 0) + 1


class Traffic:
    """A meter for each endpoint. There are no others, whatever paths are requested."""

    def __init__(self, make: Callable[..., Meter] = Meter) -> None:
        self.login = make("login")
        self.token = make("token", OUTAGE)
        self.user_info = make("user_info", OUTAGE)
        self.imap = make("imap", OUTAGE)
        self.logout = make("logout")
        self.account = make("account")
        self.other = make("other")

    @property
    def meters(self) -> Sequence[Meter]:
        return (
            *(self.login, self.token, self.user_info, self.imap),
            *(self.logout, self.account, self.other),
        )


class StoreFigures(Protocol):
    """What every store reports."""

    @property
    def waiting(self) -> int:
        """How many requests wait for a commit to begin, or for a free connection."""
        ...

    @property
    def unavailable(self) -> int:
        """How many requests have failed with StoreUnavailable."""
        ...


@dataclass(slots=True)
class CommitFigures:
    """Statistics of a writer that puts many requests into one commit."""

    batch_sizes: Distribution = field(default_factory=lambda: Distribution(BATCH_SIZES))
    seconds: Distribution = field(default_factory=lambda: Distribution(COMMIT_SECONDS))


@runtime_checkable
class HasCommits(Protocol):
    """A store that puts many requests into one commit."""

    @property
    def commits(self) -> CommitFigures: ...


@runtime_checkable
class OnServer(Protocol):
    """A store on a database server, which may have too few connections, or a full disk."""

    async def check_connections(self) -> None:
        """Raise StoreUnavailable while that is so; everything is served."""
        ...

    async def check_disk(self) -> None:
        """Raise StoreUnavailable if its server has refused a write lately: its disk is full."""
        ...


@dataclass(slots=True)
class PurgeFigures:
    """Removal of expired data. Times are in seconds since the epoch."""

    last_finished: float = 0.0
    removed: int = 0
    postponed: int = 0


@dataclass(slots=True)
class SealFigures:
    """Seals of the audit log. Times are in seconds since the epoch."""

    last_finished: float = 0.0
    sealed: int = 0
    postponed: int = 0


class SourceOutcome(StrEnum):
    """The result of a source at a sign-in; BUSY also if it had no capacity."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    DISABLED = "disabled"
    REFUSED = "refused"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


class Breaker(Protocol):
    """Spares a service that is down."""

    @property
    def is_closed(self) -> bool: ...

    @property
    def failures(self) -> int:
        """Number of consecutive failures."""
        ...


@runtime_checkable
class HasBreakers(Protocol):
    """A source with a circuit breaker."""

    @property
    def circuits(self) -> Sequence[Breaker]: ...


def _no_breakers() -> Sequence[Breaker]:
    return ()


@dataclass(slots=True)
class SourceFigures:
    """Results of one source at sign-ins, their duration, and whether it is spared."""

    name: str
    breakers: Callable[[], Sequence[Breaker]] = _no_breakers
    outcomes: dict[SourceOutcome, int] = field(
        default_factory=lambda: dict.fromkeys(SourceOutcome, 0)
    )
    seconds: Distribution = field(default_factory=lambda: Distribution(ANSWER_SECONDS))

    @property
    def is_up(self) -> bool:
        """Whether the source was up at the last call, as far as it can tell."""
        return all(each.is_closed for each in self.breakers())

    @property
    def failures(self) -> int:
        return max((each.failures for each in self.breakers()), default=0)


class AuditFigures(Protocol):
    """What goes to the audit log: events by kind, those waiting, those lost."""

    @property
    def recorded(self) -> Mapping[str, int]: ...

    @property
    def waiting(self) -> int: ...

    @property
    def dropped(self) -> int: ...


class ClientFigures(Protocol):
    """The clients in memory."""

    @property
    def count(self) -> int: ...

    @property
    def age(self) -> float | None:
        """Seconds since they were read, or None."""
        ...
