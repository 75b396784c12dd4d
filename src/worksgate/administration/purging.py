"""Removes expired data: in the running server, or at once with ``worksgate purge`` (R-110).

Both work in small steps with a pause after each, in which requests have the database to themselves.
The removal of audit records is recorded in the audit log, and is by whole seals (R-150). The same
rounds record the owners of user keys that a server of the previous release assigned (R-115), and
repair what it wrote for lists of people (R-240).

Of all processes on all nodes one does it for the others, the holder of a lease. The lease also
shows whether a server is running (``moving``, ``backup``); servers that remove nothing hold another
lease for that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial

import structlog

from worksgate.administration.deployers import KEPT_EXPIRED
from worksgate.administration.sealing import seal_waiting
from worksgate.database import DatabaseUnavailable
from worksgate.database.leases import PURGING, SECONDS, SERVING, Turn
from worksgate.directory.database import Directory
from worksgate.directory.removed_accounts import KEPT_FOR
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
    """Remove what has expired, people who were removed 30 days ago, old records and changes.

    That is artifacts, secrets, and sessions, links and jobs of the console. Yields the number after
    each step.

    ``audit_retention`` is in seconds, 0 keeps audit records and changes forever. Raises
    StoreUnavailable or DatabaseUnavailable; what was removed before stays removed.
    """
    async for removed in _in_steps(partial(store.purge, now, STEP)):
        yield removed
    yield await directory.purge_secrets(now)
    yield await directory.administrators.purge(now)
    yield await directory.invitations.purge(now)
    yield await directory.deployer_tokens.purge(now - KEPT_EXPIRED)
    async for removed in _in_steps(partial(directory.jobs.purge, now, STEP)):
        yield removed
    async for _ in _in_steps(partial(directory.record_unrecorded_keys, now, STEP)):
        pass
    of_removed = partial(directory.removed_accounts.purge, now - KEPT_FOR, now, STEP, actor)
    async for removed in _in_steps(of_removed):
        yield removed
    async for _ in _in_steps(partial(directory.people_index.repair, STEP)):
        yield 0
    if not audit_retention:
        return
    past = partial(directory.change_log.purge, now - audit_retention, STEP)
    async for removed in _in_steps(past):
        yield removed
    async for _ in seal_waiting(directory, now):  # only sealed records are removed
        yield 0
    # Whole hours: a busy server would otherwise record the end of a few records at each round.
    await directory.seals.expire((now - audit_retention) // _HOUR * _HOUR, now, actor=actor)
    async for removed in _in_steps(partial(directory.seals.remove_expired, STEP)):
        yield removed


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
    turn = Turn(directory.leases, lease, PURGING)
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
    turn = Turn(directory.leases, lease, SERVING)
    try:
        while True:
            with suppress(DatabaseUnavailable):
                await turn.take()
            await asyncio.sleep(lease / 3)
    finally:
        await turn.release()


async def _in_steps(purge: Callable[[], Awaitable[int]]) -> AsyncIterator[int]:
    while removed := await purge():
        yield removed
        await asyncio.sleep(PAUSE)
