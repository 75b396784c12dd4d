"""A circuit breaker: a service that is down is not called for a while, so that nobody waits for it.

Closed, calls go through. After a number of consecutive outages the circuit opens, and every call is
refused at once. After its time one call goes through as a probe; its result closes the circuit or
opens it again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from worksgate.sources import PersonDisabled, SourceUnavailable

_log = structlog.get_logger("worksgate.sources.circuit_breaker")


class CircuitOpen(SourceUnavailable):
    """The source was down a moment ago and is not called."""


class Circuit:
    """The circuit of one source, for calls from one event loop.

    Opens after ``failures`` consecutive outages, for ``seconds``.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._allowed = failures
        self._seconds = seconds
        self._clock = clock
        self.failures = 0
        """Consecutive outages."""
        self._opened_at: float | None = None
        self._probing = False

    @property
    def is_closed(self) -> bool:
        """Whether calls go through; only a successful call ends an outage."""
        return self._opened_at is None

    @property
    def is_open(self) -> bool:
        """Whether a call would be refused now."""
        if self._opened_at is None:
            return False
        return self._probing or self._clock() - self._opened_at < self._seconds

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around one call. Raises CircuitOpen at once if it may not be made.

        SourceUnavailable counts as an outage; a result and PersonDisabled show that the source
        works. Anything else, such as cancellation, does not count.
        """
        if self.is_open:
            raise CircuitOpen(f"{self._name} was down a moment ago")
        probe = self._opened_at is not None
        self._probing = self._probing or probe
        try:
            yield
        except SourceUnavailable:
            self._failed()
            raise
        except PersonDisabled:
            self._succeeded()
            raise
        else:
            self._succeeded()
        finally:
            if probe:
                self._probing = False

    def _failed(self) -> None:
        self.failures += 1
        if self.failures < self._allowed:
            return
        if self._opened_at is None:
            _log.warning("source.circuit_opened", source=self._name, seconds=self._seconds)
        self._opened_at = self._clock()

    def _succeeded(self) -> None:
        if self._opened_at is not None:
            _log.info("source.circuit_closed", source=self._name)
        self.failures = 0
        self._opened_at = None
