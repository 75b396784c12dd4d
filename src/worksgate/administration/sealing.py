"""Seals the audit log in the running server (R-149); ``directory.audit.seals`` says how.

Of all processes on all nodes one does it for the others, the holder of a lease. Each seal's number
and digest go into the log stream as well: those lines are out of reach of someone who can write to
the database, and ``worksgate audit verify --expect`` takes them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import structlog

from worksgate.database.leases import SEALING, Turn
from worksgate.directory.audit.seal_form import Seal
from worksgate.directory.database import Directory
from worksgate.limits.outages import Unavailable
from worksgate.observability.instruments import SealFigures

INTERVAL = 60.0
"""Seconds between two rounds."""
PAUSE = 0.02
"""Seconds after each seal, in which requests have the database to themselves."""
_LEASE = 3 * INTERVAL

_log = structlog.get_logger("worksgate.audit")


async def seal_waiting(directory: Directory, now: float) -> AsyncIterator[Seal]:
    """Seal all records that have come until now; yields each seal. Raises DatabaseUnavailable.

    None is sealed if a transaction that writes to the audit log does not end in time.
    """
    until = await directory.seals.settled()
    while (seal := await directory.seals.seal_next(until, now)) is not None:
        _log_seal(seal)
        yield seal
        await asyncio.sleep(PAUSE)


async def seal_forever(
    directory: Directory,
    clock: Callable[[], float],
    *,
    interval: float = INTERVAL,
    lease: float = _LEASE,
    figures: SealFigures | None = None,
) -> None:
    """Seal the audit log every ``interval`` seconds, if nobody else does; never returns.

    If the holder of the lease is killed, somebody else gets it after ``lease`` seconds. Outages are
    waited out. ``figures`` are kept up to date; at first the last round counts as finished now.
    """
    figures = figures or SealFigures()
    figures.last_finished = clock()
    turn = Turn(directory.leases, lease, SEALING)
    is_mine = False
    try:
        while True:
            try:
                was_mine, is_mine = is_mine, await turn.take()
                if is_mine and not was_mine and (last := await directory.seals.last()) is not None:
                    _log_seal(last)  # whoever made it may have ended before its line was written
                if is_mine:
                    async for _ in seal_waiting(directory, clock()):
                        figures.sealed += 1
                        if not await turn.keep():
                            break
                figures.last_finished = clock()  # the holder of the lease reports if it is late
            except Unavailable as outage:
                figures.postponed += 1
                _log.warning("audit.sealing_postponed", detail=str(outage))
            await asyncio.sleep(interval)
    finally:
        await turn.release()


def _log_seal(seal: Seal) -> None:
    _log.info(
        "audit.sealed",
        number=seal.number,
        digest=seal.digest,
        first_id=seal.first_id,
        last_id=seal.last_id,
    )
