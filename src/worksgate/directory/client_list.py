"""All clients in memory, updated incrementally: ten thousand cost no more than one.

With them comes the branding that each shows.

A counter is read first. Every change to a client increments it in its own transaction, and marks
the client with the number; so changes since the last read are queried by number, and not at all if
the number is the same.

The previous release does not count. So a few clients at a time are read again, whatever the counter
says, and compared: changes by such a program become visible within ``SWEEP_INTERVAL`` per hundred
clients.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from worksgate.directory.branding_versions import (
    NOTHING_PUBLISHED,
    BrandingVersion,
    PublishedBrandings,
)
from worksgate.oauth.model import Client

AT_ONCE = 100
"""Clients that are read in one step; between two steps the event loop has its turn."""

SWEEP_INTERVAL = 0.8
"""Seconds between two steps of rereading without a counted change."""


class ClientRows(Protocol):
    """The part of the directory that this module needs. Methods may raise DatabaseUnavailable."""

    async def clients_version(self) -> int: ...

    async def client_ids(self, after_version: int = -1) -> list[str]: ...

    async def client_count(self) -> int: ...

    async def clients_by_id(self, ids: Sequence[str]) -> tuple[Client, ...]: ...

    async def published_brandings(
        self, ids: Sequence[str] | None = None
    ) -> list[BrandingVersion]: ...


class ClientList:
    """The clients by their IDs."""

    def __init__(
        self, rows: ClientRows, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rows = rows
        self._monotonic = monotonic
        self._clients: Mapping[str, Client] = {}
        self._brandings = NOTHING_PUBLISHED
        self._version = -1
        self._sweep_at = float("-inf")
        self._to_sweep: list[str] = []
        self._lock = asyncio.Lock()

    def brandings(self) -> PublishedBrandings:
        """The brandings of the last read. Never modified."""
        return self._brandings

    async def read(self) -> Mapping[str, Client]:
        """All clients as they are now. The mapping is never modified; the next may be the same one.

        Raises DatabaseUnavailable.
        """
        async with self._lock:
            version = await self._rows.clients_version()
            if version != self._version:
                first = self._version < 0
                # A lower number is of other clients, whatever their own numbers are.
                known = self._version if version > self._version else -1
                changed = () if first else await self._rows.client_ids(known)
                await self._renew(changed)
                await self._renew_brandings(None if first else changed)
                self._version = version
            elif self._monotonic() >= self._sweep_at:
                await self._renew(self._next_to_sweep())
            else:
                return self._clients
            self._sweep_at = self._monotonic() + SWEEP_INTERVAL
            return self._clients

    async def _renew(self, changed: Iterable[str]) -> None:
        """Read these again, and detect clients added or removed without being counted."""
        known = dict(self._clients)
        await self._load(known, list(changed))
        if await self._rows.client_count() != len(known):
            there = await self._rows.client_ids()
            for gone in known.keys() - there:
                del known[gone]
            await self._load(known, [each for each in there if each not in known])
        if known != self._clients:
            self._clients = known

    async def _renew_brandings(self, ids: Sequence[str] | None) -> None:
        """Read those of changed clients again, or all; removed clients show nothing."""
        if ids is None:
            shown = {each.client_id: each for each in await self._rows.published_brandings()}
        elif not ids and self._brandings.by_client.keys() <= self._clients.keys():
            return
        else:
            kept = self._clients.keys() - set(ids)
            known = self._brandings.by_client.items()
            shown = {client_id: each for client_id, each in known if client_id in kept}
            for start in range(0, len(ids), AT_ONCE):
                found = await self._rows.published_brandings(ids[start : start + AT_ONCE])
                shown |= {each.client_id: each for each in found}
        self._brandings = PublishedBrandings.of(shown)

    async def _load(self, known: dict[str, Client], ids: Sequence[str]) -> None:
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            found = {each.client_id: each for each in await self._rows.clients_by_id(some)}
            for client_id in some:
                if client_id in found:
                    known[client_id] = found[client_id]
                else:
                    known.pop(client_id, None)

    def _next_to_sweep(self) -> Sequence[str]:
        if not self._to_sweep:
            self._to_sweep = list(self._clients)
        some = self._to_sweep[-AT_ONCE:]
        del self._to_sweep[-AT_ONCE:]
        return some
