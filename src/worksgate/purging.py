"""What has expired is removed: by the server as it runs, or at once by ``worksgate purge`` (R-110).

Both go in small steps with a pause after each, in which requests have the database to themselves.
That audit records were removed is itself a record of the audit log.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import structlog

from worksgate.audit import AuditEvent, Event
from worksgate.directory import DirectoryUnavailable
from worksgate.directory.database import Directory
from worksgate.store import Store, StoreUnavailable

STEP = 500
"""Rows to a step."""
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
    """Remove artifacts, old secrets and old audit records; yields how many after each step.

    ``audit_retention`` is in seconds, 0 keeps audit records for ever. Raises StoreUnavailable or
    DirectoryUnavailable; what was removed before that is gone.
    """
    async for removed in _in_steps(partial(store.purge, now, STEP)):
        yield removed
    yield await directory.purge_secrets(now)
    if not audit_retention:
        return
    # Whole hours: a busy server would else record the end of a few records at each round.
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
) -> None:
    """Remove what has expired every ``interval`` seconds; an outage is waited out."""
    while True:
        await asyncio.sleep(interval)
        try:
            async for _ in remove_expired(
                store, directory, clock(), audit_retention=audit_retention
            ):
                pass
        except (StoreUnavailable, DirectoryUnavailable) as outage:
            _log.warning("purge.postponed", detail=str(outage))


async def _in_steps(purge: Callable[[], Awaitable[int]]) -> AsyncIterator[int]:
    while removed := await purge():
        yield removed
        await asyncio.sleep(PAUSE)
