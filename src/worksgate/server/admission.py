"""Limits of one process, and what it refuses beyond them (F-22, F-23, F-29).

Connections are counted when they are accepted, in total and per address; a trusted reverse proxy
stands for many people and is not limited by address. Requests are counted once they have arrived
completely: a slow body holds a connection, but nobody else's place.

Pages are refused before calls: LINE WORKS gives up after 3 seconds and shows people an error, while
a person reads the page and tries again. A process with a lagging event loop refuses pages too,
since whatever it accepted now would be answered late.
"""

import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from worksgate.limits.networks import is_within, network_of
from worksgate.observability.instruments import LAG_SECONDS, Distribution
from worksgate.settings.options import Settings

CALLS_AND_PAGES = 2
"""Calls are refused at this multiple of the limit for pages."""
TICK = 0.1
"""Seconds between two ticks of the event loop."""
LATE = 0.5
"""Seconds by which two consecutive ticks must be late before pages are refused."""
RESERVED_FILES = 128
"""File descriptors reserved for databases, logs and other hosts."""


class Refusals(Protocol):
    """Complete responses to refused requests, ready to be written."""

    @property
    def call(self) -> bytes: ...

    @property
    def page(self) -> bytes: ...

    def is_call(self, url: bytes) -> bool:
        """Whether a request is refused last, and with ``call``."""
        ...

    def malformed(self, url: bytes, status: int) -> bytes:
        """The complete response to invalid HTTP; the address is as much of it as was readable."""
        ...


RefusalsOf = Callable[[Settings], Refusals]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one process; 0 for an address means no limit."""

    connections: int
    connections_per_address: int
    pages: int
    trusted: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        has_limit = files != resource.RLIM_INFINITY
        most = max(files - RESERVED_FILES, 16) if has_limit else settings.max_connections
        return cls(
            min(settings.max_connections, most),
            settings.max_connections_per_address,
            settings.max_requests_in_flight,
            settings.trusted_proxies,
        )

    @property
    def calls(self) -> int:
        return CALLS_AND_PAGES * self.pages


@dataclass(slots=True, eq=False)
class Place:
    """The place of one connection; releasing it twice has no effect."""

    _admission: "Admission"
    _peer: str | None
    _is_taken: bool = True

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._admission.release(self._peer)


@dataclass(slots=True, eq=False)
class Admission:
    """Counts what a process has admitted.

    Without ``refusals`` no request is refused. ``lag`` is the delay of the event loop's ticks, in
    seconds.
    """

    limits: Limits
    refusals: Refusals | None = None
    lag: Distribution = field(default_factory=lambda: Distribution(LAG_SECONDS))
    is_draining: bool = False
    connections: int = 0
    reading: set[object] = field(default_factory=set)
    """Connections whose request is being served, although its body has not arrived completely."""
    refused_connections: int = 0
    refused_requests: int = 0
    _by_address: Counter[str] = field(default_factory=Counter)
    _late: float = 0.0
    _late_before: float = 0.0
    _ticked_at: float | None = None
    _refusals_of: RefusalsOf | None = None

    @classmethod
    def of(cls, settings: Settings, refusals_of: RefusalsOf | None) -> "Admission":
        """``refusals_of`` creates the refusals, now and whenever other settings are applied."""
        refusals = refusals_of(settings) if refusals_of else None
        return cls(Limits.of(settings), refusals, _refusals_of=refusals_of)

    def apply(self, settings: Settings) -> None:
        """Apply these settings to limits and refusals from now on."""
        self.limits = Limits.of(settings)
        if self._refusals_of is not None:
            self.refusals = self._refusals_of(settings)

    def place_for(self, address: str) -> Place | None:
        """A place for a connection from this address, or None if there is none left."""
        peer = self._counted_as(address)
        is_full = self.connections >= self.limits.connections
        if is_full or (peer and self._by_address[peer] >= self.limits.connections_per_address):
            self.refused_connections += 1
            return None
        self.connections += 1
        if peer:
            self._by_address[peer] += 1
        return Place(self, peer)

    def release(self, peer: str | None) -> None:
        self.connections -= 1
        if peer:
            self._by_address[peer] -= 1
            if not self._by_address[peer]:
                del self._by_address[peer]

    def has_room(self, tasks: int, *, is_call: bool) -> bool:
        """Whether another request is admitted while so many tasks are running."""
        in_flight = tasks - len(self.reading)
        if is_call:
            return in_flight < self.limits.calls
        return in_flight < self.limits.pages and not self.is_behind

    @property
    def is_behind(self) -> bool:
        """Whether the event loop has been late twice in a row: once is a hiccup."""
        return min(self._late, self._late_before) > LATE

    def tick(self, now: float | None = None) -> None:
        """Called every ``TICK`` seconds by the event loop, or later when it lags."""
        now = time.monotonic() if now is None else now
        if self._ticked_at is not None:
            self._late_before, self._late = self._late, max(0.0, now - self._ticked_at - TICK)
            self.lag.observe(self._late)
        self._ticked_at = now

    def _counted_as(self, address: str) -> str | None:
        if not self.limits.connections_per_address or is_within(address, self.limits.trusted):
            return None
        return network_of(address)
