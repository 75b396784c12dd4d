"""Counts the requests and the time of a run, keeps both bounded, and records what was sent."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from worksgate.conformance.checks.recording import Redactor, Sent
from worksgate.conformance.checks.verdicts import Untested
from worksgate.conformance.exchange import Exchange

MOST_REQUESTS: Final = 300
"""Requests of one run. A run with everything on makes about 200."""
MOST_SECONDS: Final = 300.0
"""Seconds of one run, without the time in which it waits for a person."""

Keep = Callable[[Exchange], Exchange]


class Meter:
    """The bounds of a run, and the record of its requests.

    `seconds` is the time that all requests and pauses together may take.
    """

    def __init__(
        self,
        redactor: Redactor,
        *,
        most_requests: int = MOST_REQUESTS,
        seconds: float = MOST_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redactor = redactor
        self._most_requests = most_requests
        self._now = now
        self._deadline = now() + seconds
        self._kept: list[tuple[Exchange, Sent]] = []
        self.requests = 0

    @property
    def exchanges(self) -> list[Exchange]:
        """All that were made so far, in order."""
        return [exchange for exchange, _ in self._kept]

    @asynccontextmanager
    async def request(self) -> AsyncIterator[Keep]:
        """Allow one request; the block passes its exchange to what it is given.

        Raises Untested once the requests or the time of this run are used up.
        """
        if self.requests >= self._most_requests or self._now() > self._deadline:
            raise Untested("out_of_budget")
        self.requests += 1
        yield self._keep

    def _keep(self, exchange: Exchange) -> Exchange:
        self._kept.append((exchange, self._redactor.sent(exchange)))
        return exchange

    def hide(self, text: str) -> str:
        """Return a text of the server as a report may show it."""
        return self._redactor.hide(text)

    @contextmanager
    def waiting_for_a_person(self) -> Iterator[None]:
        """Do not count the time of the block."""
        started = self._now()
        try:
            yield
        finally:
            self._deadline += self._now() - started

    def sent_since(self, mark: int) -> tuple[Sent, ...]:
        """Return the requests after the first `mark`, as a report shows them."""
        return tuple(sent for _, sent in self._kept[mark:])

    def mark(self) -> int:
        """Return how many exchanges are kept, for ``sent_since``."""
        return len(self._kept)

    def sent(self, exchange: Exchange) -> Sent | None:
        """Return one request as a report shows it."""
        return next((sent for kept, sent in self._kept if kept is exchange), None)
