"""The registered clients, held in memory.

The calls of LINE WORKS look a client up in a snapshot of all of them, so an unknown client costs
what a known one costs (R-49), and the database is asked only when the snapshot has grown old. An
administrator's change is seen everywhere within ``MAX_AGE``.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from worksgate.oauth.model import Client, ErrorStatus, ErrorStyle

MAX_AGE = 0.2
"""Seconds that a snapshot is good for."""

Load = Callable[[], Awaitable[Iterable[Client]]]


class ClientRegistry:
    """All clients by ``client_id``; ``load`` reads them anew and may raise DirectoryUnavailable."""

    def __init__(
        self,
        load: Load,
        *,
        max_age: float = MAX_AGE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._max_age = max_age
        self._monotonic = monotonic
        self._clients: Mapping[str, Client] = {}
        self._good_until = float("-inf")
        self._loading: asyncio.Task[Mapping[str, Client]] | None = None

    async def snapshot(self) -> Mapping[str, Client]:
        """All clients as they were at most ``max_age`` ago. Raises what ``load`` raises."""
        if self._monotonic() < self._good_until:
            return self._clients
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._refresh())
        # One caller that gives up must not take the answer from the others.
        return await asyncio.shield(self._loading)

    def expire(self) -> None:
        """Ask the database at the next call: something is known to have changed."""
        self._good_until = float("-inf")

    def error_form(self, client_id: str) -> tuple[ErrorStyle, ErrorStatus]:
        """How a client wants errors written; for a stranger, as all clients do, if they agree."""
        client = self._clients.get(client_id)
        if client is not None:
            return client.error_style, client.error_status
        forms = {(known.error_style, known.error_status) for known in self._clients.values()}
        return forms.pop() if len(forms) == 1 else (ErrorStyle.CODE, ErrorStatus.STANDARD)

    async def _refresh(self) -> Mapping[str, Client]:
        asked_at = self._monotonic()
        clients = {client.client_id: client for client in await self._load()}
        self._clients, self._good_until = clients, asked_at + self._max_age
        return clients


@dataclass(slots=True)
class _Count:
    since: float
    value: int = 0


class PeerTally:
    """Counts what strangers do, per client and peer in each minute, in bounded memory.

    It bounds what a flood costs; it never stands in the way of a right secret, so nobody can lock
    a client out with it (R-48).
    """

    WINDOW = 60.0

    def __init__(self, limit: int, *, size: int = 4_096) -> None:
        self._limit = limit
        self._size = size
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def exceeded(self, client_id: str, peer: str, now: float) -> bool:
        """Count one more; whether that is beyond the limit."""
        place = (client_id[:64], peer)
        count = self._counts.pop(place, None)
        if count is None or not 0 <= now - count.since < self.WINDOW:
            count = _Count(now)
        count.value += 1
        self._counts[place] = count
        while len(self._counts) > self._size:
            self._counts.popitem(last=False)
        return count.value > self._limit
