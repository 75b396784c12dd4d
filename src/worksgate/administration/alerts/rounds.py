"""Looks and tells once a minute; of all processes on all nodes one does it for the others."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from worksgate.administration.alerts.telling import Teller
from worksgate.administration.alerts.watching import Watch
from worksgate.database.leases import ALERTING, Turn
from worksgate.directory.database import Directory
from worksgate.limits.outages import Unavailable

INTERVAL: Final = 60.0
"""Seconds between two rounds."""
MOST: Final = 20
"""Occurrences that are told of in one round."""
_LEASE: Final = 3 * INTERVAL

_log = structlog.get_logger("worksgate.alerts")


async def alert_forever(
    directory: Directory,
    watch: Watch,
    teller: Teller,
    clock: Callable[[], float],
    *,
    interval: float = INTERVAL,
) -> None:
    """Look, note and tell every ``interval`` seconds, if nobody else does; never returns.

    Outages are waited out, and an error ends one round alone.
    """
    turn = Turn(directory.leases, max(_LEASE, 3 * interval), ALERTING)
    try:
        while True:
            await asyncio.sleep(interval)  # first, too: a server that starts has enough to do
            try:
                if await turn.take():
                    await one_round(directory, watch, teller, clock())
            except Unavailable as outage:
                _log.warning("alert.postponed", detail=str(outage))
            except Exception as error:  # its text may name people
                _log.error("alert.crashed", kind=type(error).__name__)
    finally:
        await turn.release()


async def one_round(directory: Directory, watch: Watch, teller: Teller, now: float) -> int:
    """Look, note and tell; return how many were told. Raises DatabaseUnavailable."""
    if new := await directory.alerts.note(await watch.look(now), now):
        _log.warning("alert.raised", count=new)
    told = 0
    for occurrence in await directory.alerts.untold(teller.channels, MOST):
        channels = await teller.tell(occurrence, now)
        await directory.alerts.told(occurrence.key, channels, now)
        told += bool(channels)
    return told
