"""Removes expired data: in the running server, or at once with ``worksgate purge`` (R-110).

Both work in small steps with a pause after each, in which requests have the database to themselves.
The removal of audit records is recorded in the audit log. The same rounds record the owners of user
keys that a server of the previous release assigned (R-115).

Of all processes on all nodes one does it for the others, the holder of a lease. The lease also
shows whether a server is running (``moving``, ``backup``); servers that remove nothing hold another
lease for that.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial

import structlog

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable
from worksgate.database.leases import PURGING, SECONDS, SERVING
from worksgate.directory.database import Directory
from worksgate.limits.outages import Unavailable
from worksgate.observability.instruments import PurgeFigures
from worksgate.store import Store

STEP = 500
"""Rows per step."""
PAUSE = 0.02
"""Seconds between two steps."""

_HOUR = 3_600.0

_log = structlog.get_logger("worksgate")


async def remove_expired(
    store: Store,
    directory: Directory,
    now: float,
    *,
    audit_retention: float,
    actor: str | None = None,
) -> AsyncIterator[int]:
    """Remove artifacts, old secrets and old audit records; yields the number after each step.

    ``audit_retention`` is in seconds, 0 keeps audit records forever. Raises StoreUnavailable or
    DatabaseUnavailable; what was removed before stays removed.
    """
    async for removed in _in_steps(partial(store.purge, now, STEP)):
        yield removed
    yield await directory.purge_secrets(now)
    async for _ in _in_steps(partial(directory.record_unrecorded_keys, now, STEP)):
        pass
    if not audit_retention:
        return
    # Whole hours: a busy server would otherwise record the end of a few records at each round.
    before, old = (now - audit_retention) // _HOUR * _HOUR, 0
    async for removed in _in_steps(partial(directory.purge_audit, before, STEP)):
        old += removed
        yield removed
    if old:
        detail = f"{old} audit records were past their time"
        await directory.record([AuditEvent(event=Event.SYSTEM, at=now, actor=actor, detail=detail)])


async def purge_forever(
    store: Store,
    directory: Directory,
    clock: Callable[[], float],
    *,
    interval: float,
    audit_retention: float,
    lease: float = SECONDS,
    figures: PurgeFigures | None = None,
) -> None:
    """Remove expired data every ``interval`` seconds, if nobody else does; never returns.

    The holder of the lease keeps it until this is cancelled; if it is killed, somebody else gets it
    after ``lease`` seconds. Outages are waited out. ``figures`` are kept up to date; at first the
    last round counts as finished now.
    """
    figures = figures or PurgeFigures()
    figures.last_finished = clock()
    turn = _Turn(directory, lease, PURGING)
    due = time.monotonic() + interval
    try:
        while True:
            try:
                if not await turn.take():
                    figures.last_finished = clock()  # the holder of the lease reports if it is late
                elif time.monotonic() >= due:
                    async for removed in remove_expired(
                        store, directory, clock(), audit_retention=audit_retention
                    ):
                        figures.removed += removed
                        if not await turn.keep():
                            break
                    else:
                        figures.last_finished = clock()
                    due = time.monotonic() + interval
            except Unavailable as outage:
                figures.postponed += 1
                _log.warning("purge.postponed", detail=str(outage))
            await asyncio.sleep(min(interval, lease / 3))
    finally:
        await turn.release()


async def hold_lease(directory: Directory, *, lease: float = SECONDS) -> None:
    """Show that a server runs that removes nothing; never returns. Outages are waited out."""
    turn = _Turn(directory, lease, SERVING)
    try:
        while True:
            with suppress(DatabaseUnavailable):
                await turn.take()
            await asyncio.sleep(lease / 3)
    finally:
        await turn.release()


class _Turn:
    """This process's share in a lease. Its name identifies it to an administrator."""

    def __init__(self, directory: Directory, seconds: float, name: str) -> None:
        self._leases, self._name = directory.leases, name
        self._holder = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._seconds = seconds
        self._taken = 0.0

    async def take(self) -> bool:
        """Take the lease, or renew it; False while another has it. Raises DatabaseUnavailable."""
        self._taken = time.monotonic()
        return await self._leases.take(self._name, self._holder, self._seconds)

    async def keep(self) -> bool:
        """Renew it if due; False if it was lost. Raises DatabaseUnavailable."""
        if time.monotonic() - self._taken < self._seconds / 3:
            return True
        return await self.take()

    async def release(self) -> None:
        """Release it for the next one; if that fails, it expires by itself."""
        with suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._leases.release(self._name, self._holder)


async def _in_steps(purge: Callable[[], Awaitable[int]]) -> AsyncIterator[int]:
    while removed := await purge():
        yield removed
        await asyncio.sleep(PAUSE)
