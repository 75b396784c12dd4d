"""Before app passwords lapse, their owner gets one mail.

App passwords of people whose source cannot be asked about them lapse some time after their last
sign-in there (``app_password_lapse``), and mail programs just stop. Whoever still works there signs
in once and keeps them. The mail is a notice like those of changes: the directory announces it once
it is committed, with its audit record. Every process looks, and one of them tells.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from worksgate.audit import Event
from worksgate.directory.people import People
from worksgate.limits.outages import Unavailable
from worksgate.provider.factors import Holder
from worksgate.provider.sources import SourcesInUse

BEFORE: Final = 7 * 86_400.0
"""Seconds before the lapse in which a person is told; half of a lapse that is shorter than twice
that."""
EVERY: Final = 3_600.0
"""Seconds between two looks."""
AT_ONCE: Final = 100
"""People who are told at one look: a company that moved over on one day gets its mails in hours."""

_log = structlog.get_logger("worksgate.provider.factors.app_password_lapse")


class LapseNotices:
    """Tells people whose app passwords lapse soon; ``lapse`` is in seconds."""

    def __init__(
        self,
        people: People,
        sources: SourcesInUse,
        lapse: float,
        clock: Callable[[], float],
    ) -> None:
        self._people = people
        self._sources = sources
        self._lapse = lapse
        self._clock = clock

    async def tell(self) -> int:
        """Tell those who are due, and return how many were. Raises an outage."""
        now, told = self._clock(), 0
        before = min(BEFORE, self._lapse / 2)
        after, sources = now - self._lapse, (*self._sources.passwords, *self._sources.redirects)
        found = await self._people.lapsing(sources, after, after + before, AT_ONCE)
        for each in found:
            subject_id = each.person.subject_id
            until = await self._sources.believed_until(subject_id, self._lapse)
            event = None  # their source can be asked: nothing lapses
            if until is not None:
                holder = Holder(subject_id=subject_id, username=each.person.username)
                detail = f"no sign-in for {(now - each.vouched_at) / 86_400:.0f} days"
                event = holder.event(Event.APP_PASSWORD_LAPSING, now, detail)
            noted = await self._people.note_lapse(subject_id, each.vouched_at, now, event)
            told += noted and event is not None
        return told

    async def tell_forever(self) -> None:
        """Look now and then; never returns. An outage is waited out."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.tell()
            except Unavailable as outage:
                _log.warning("app_password_lapse.postponed", detail=str(outage))
