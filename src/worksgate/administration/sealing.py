"""Seals the audit log in the running server (R-149); ``directory.audit.seals`` says how.

Of all processes on all nodes one does it for the others, the holder of a lease. Each seal's number
and digest go into the log stream as well: those lines are out of reach of someone who can write to
the database, and ``worksgate audit verify --expect`` takes them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Self

import structlog

from worksgate.audit import AuditEvent, Event
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
    newest: _Newest | None = None
    try:
        while True:
            await asyncio.sleep(interval)  # first, too: a server that starts has enough to do
            try:
                if not await turn.take():
                    newest = None
                else:
                    newest = newest or await _Newest.found(directory)
                    await newest.check(clock())
                    async for seal in seal_waiting(directory, clock()):
                        await newest.follow(seal, clock())
                        figures.sealed += 1
                        if not await turn.keep():
                            break
                figures.last_finished = clock()  # the holder of the lease reports if it is late
            except Unavailable as outage:
                figures.postponed += 1
                _log.warning("audit.sealing_postponed", detail=str(outage))
    finally:
        await turn.release()


class _Newest:
    """The newest seal, as this process remembers it: nobody can change it in the database."""

    def __init__(self, directory: Directory, seal: Seal | None) -> None:
        self._directory = directory
        self.seal = seal

    @classmethod
    async def found(cls, directory: Directory) -> Self:
        """As it is when this process begins to seal; its line may not have been written yet."""
        if (seal := await directory.seals.last()) is not None:
            _log_seal(seal)
        return cls(directory, seal)

    async def check(self, now: float) -> None:
        """Log and record if the seal is gone, or was changed."""
        if self.seal is not None and not await self._directory.seals.keeps(self.seal):
            await self._report(self.seal, now)
            self.seal = await self._directory.seals.last()

    async def follow(self, seal: Seal, now: float) -> None:
        """The next seal has been made; log and record if the one before was gone by then."""
        if self.seal is not None and seal.number <= self.seal.number:
            await self._report(self.seal, now)
        self.seal = seal

    async def _report(self, missing: Seal, now: float) -> None:
        _log.error("audit.seal_missing", number=missing.number, digest=missing.digest)
        detail = f"seal {missing.number} of the audit log was removed or changed: {missing.digest}"
        await self._directory.record([AuditEvent(event=Event.SYSTEM, at=now, detail=detail)])


def _log_seal(seal: Seal) -> None:
    _log.info(
        "audit.sealed",
        number=seal.number,
        digest=seal.digest,
        first_id=seal.first_id,
        last_id=seal.last_id,
    )
