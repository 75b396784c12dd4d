"""Numbers about what happens here, counted where it happens and read by whoever wants to know.

Counting costs a fraction of a microsecond, needs no library and no lock: each number is written
by one thread. Who watches (``watching``) reads the numbers when they are asked for. No number
bears a name, an address or a value from outside.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Bounds for answers: 1 second is what we promise, 3 seconds is what LINE WORKS waits."""
COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
BATCH_SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)

OUTAGE = "server_error"
"""The number of an outage in the calls of LINE WORKS (``oauth.errors``)."""
GONE = 499
"""Stands for the status where the caller had gone before there was one."""


class Distribution:
    """How values spread: ``counts[i]`` of them are at most ``bounds[i]``, the last are above all.

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
    """What one endpoint has answered, how fast, and how many requests are under way.

    ``answers`` counts by HTTP status and by the number of the protocol's error, empty where there
    is none. The best and the worst are there from the start, for a watcher sees a count grow only
    where it has seen it before. ``outage`` is the number under which an outage is answered.
    """

    __slots__ = ("answers", "endpoint", "running", "seconds")

    def __init__(self, endpoint: str, outage: str = "") -> None:
        self.endpoint = endpoint
        self.answers: dict[tuple[int, str], int] = {(200, ""): 0, (503, outage): 0}
        self.seconds = Distribution(ANSWER_SECONDS)
        self.running = 0

    def begin(self) -> float:
        """A request has come; give what this returns to ``end``."""
        self.running += 1
        return time.perf_counter()

    def end(self, began: float, status: int, code: str = "") -> None:
        """The request has its answer, or GONE."""
        self.running -= 1
        self.seconds.observe(time.perf_counter() - began)
        answer = (status, code)
        self.answers[answer] = self.answers.get(answer, 0) + 1


class Traffic:
    """A meter for each endpoint. There are no others, whatever paths are asked for."""

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
    """What every store tells of itself."""

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn: a commit to begin, or a free connection."""
        ...

    @property
    def unavailable(self) -> int:
        """How many requests have failed with StoreUnavailable."""
        ...


@dataclass(slots=True)
class CommitFigures:
    """What a writer has done that puts many requests into one commit."""

    batch_sizes: Distribution = field(default_factory=lambda: Distribution(BATCH_SIZES))
    seconds: Distribution = field(default_factory=lambda: Distribution(COMMIT_SECONDS))


@runtime_checkable
class HasCommits(Protocol):
    """A store that puts many requests into one commit."""

    @property
    def commits(self) -> CommitFigures: ...


@runtime_checkable
class SharesConnections(Protocol):
    """A store whose server may have fewer connections than all processes want."""

    async def check_connections(self) -> None:
        """Raise StoreUnavailable while that is so; all is served."""
        ...


@dataclass(slots=True)
class PurgeFigures:
    """The rounds in which what has expired is removed. Times are seconds since the epoch."""

    last_finished: float = 0.0
    removed: int = 0
    postponed: int = 0


class SourceOutcome(StrEnum):
    """What a source said when it was asked who somebody is; BUSY also where it had no room."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    DISABLED = "disabled"
    REFUSED = "refused"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


class Breaker(Protocol):
    """Leaves alone what is down."""

    @property
    def is_closed(self) -> bool: ...

    @property
    def failures(self) -> int:
        """How many calls in a row have failed."""
        ...


@runtime_checkable
class HasBreakers(Protocol):
    """A source that leaves alone what is down."""

    @property
    def circuits(self) -> Sequence[Breaker]: ...


def _no_breakers() -> Sequence[Breaker]:
    return ()


@dataclass(slots=True)
class SourceFigures:
    """What one source has said at sign-ins, how fast, and whether it is left alone."""

    name: str
    breakers: Callable[[], Sequence[Breaker]] = _no_breakers
    outcomes: dict[SourceOutcome, int] = field(
        default_factory=lambda: dict.fromkeys(SourceOutcome, 0)
    )
    seconds: Distribution = field(default_factory=lambda: Distribution(ANSWER_SECONDS))

    @property
    def is_up(self) -> bool:
        """Whether the source was not down when it was asked last, as far as it can tell."""
        return all(each.is_closed for each in self.breakers())

    @property
    def failures(self) -> int:
        return max((each.failures for each in self.breakers()), default=0)


class AuditFigures(Protocol):
    """What goes to the audit log: how often each event, what waits, what was lost."""

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
