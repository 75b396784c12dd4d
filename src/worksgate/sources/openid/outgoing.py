"""Requests to another server: an allowlist, and a cache of documents.

Requests go to listed addresses only; redirects are not followed, and responses above ``MAX_ANSWER``
bytes are not read (R-93). While a server is down, its cached documents may still be used (F-19).
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import httpx2
import structlog

from worksgate.limits.outgoing import GuardedTransport
from worksgate.sources import SourceUnavailable

T = TypeVar("T")
Clock = Callable[[], float]

MAX_ANSWER = 256 * 1024
"""Maximum size of a response in bytes."""

LONGEST_OUTAGE = 86_400.0
"""Seconds for which an old document is used while a new one cannot be fetched."""

RENEWAL_PAUSE = 10.0
"""Seconds between two unscheduled renewals."""

_RETRY_AFTER = 60.0

_log = structlog.get_logger("worksgate.sources.openid")


class AllowlistTransport(GuardedTransport):
    """Allows requests to listed addresses only, and no redirects or oversized responses."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, addresses: set[str]) -> None:
        super().__init__(inner, self._is_listed, max_answer=MAX_ANSWER)
        self.allow(addresses)

    def allow(self, addresses: set[str]) -> None:
        """Replace the allowlist."""
        self._addresses = frozenset(str(httpx2.URL(address)) for address in addresses)

    def _is_listed(self, url: httpx2.URL) -> bool:
        return str(url) in self._addresses


class CachedDocument(Generic[T]):
    """A document, fetched once for all who wait for it, and cached for ``lifetime`` seconds.

    If it cannot be renewed within ``patience`` seconds, the old one is used, for a day at most.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[T]], lifetime: float, patience: float, clock: Clock
    ) -> None:
        self._fetch = fetch
        self._lifetime = lifetime
        self._patience = patience
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._failures = 0
        self._fetched_at = -math.inf
        self._stale_at = -math.inf
        self._renewed_at = -math.inf

    async def get(self) -> T:
        """The document. Raises SourceUnavailable."""
        if self._value is not None and self._clock() < self._stale_at:
            return self._value
        failures = self._failures
        async with self._lock:
            if self._value is None:
                if self._failures > failures:  # while this caller waited: once is enough
                    raise SourceUnavailable("it was down a moment ago")
                return await self._take()
            if self._clock() < self._stale_at:
                return self._value
            return await self._refreshed(self._value)

    async def newer_than(self, value: T) -> T:
        """The document, fetched again unless that was done a moment ago.

        Raises SourceUnavailable.
        """
        async with self._lock:
            recent = self._clock() < self._renewed_at + RENEWAL_PAUSE
            if self._value is not None and (self._value is not value or recent):
                return self._value
            fetched = await self._take()
            self._renewed_at = self._clock()
            return fetched

    async def _refreshed(self, old: T) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await self._take()
        except (SourceUnavailable, TimeoutError) as error:
            now = self._clock()
            if now > self._fetched_at + LONGEST_OUTAGE:
                raise SourceUnavailable("it has been down for too long") from None
            self._stale_at = now + _RETRY_AFTER
            _log.warning("source.renewal_failed", reason=str(error) or "it took too long")
            return old

    async def _take(self) -> T:
        try:
            value = self._value = await self._fetch()
        except SourceUnavailable:
            self._failures += 1
            raise
        self._fetched_at = self._clock()
        self._stale_at = self._fetched_at + self._lifetime
        return value
