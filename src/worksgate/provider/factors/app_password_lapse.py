"""An e-mail to the owner before app passwords lapse.

App passwords of people whose source cannot look them up lapse some time after their last sign-in
there (``app_password_lapse``), and mail programs just stop. People who still work there sign in
once and keep them. The e-mail is a notice like those of changes: the directory announces it once it
is committed, with its audit record. Every process checks; one of them sends it.
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
from worksgate.sources import SourceUnavailable

BEFORE: Final = 7 * 86_400.0
"""Seconds before the lapse at which a person is notified; at most half of the lapse."""
EVERY: Final = 3_600.0
"""Seconds between two checks."""
AT_ONCE: Final = 100
"""People of a source notified per check: where all moved on one day, e-mails take hours."""

_log = structlog.get_logger("worksgate.provider.factors.app_password_lapse")


class LapseNotices:
    """Notifies people whose app passwords lapse soon; ``lapse`` is in seconds."""

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

    async def notify(self) -> int:
        """Notify everybody who is due, and return how many. Raises an outage, after the others.

        A source that is down delays nobody but its own people.
        """
        notified, outage = 0, None
        for source in (*self._sources.passwords, *self._sources.redirects):
            try:
                notified += await self._notify_of(source)
            except SourceUnavailable as down:
                outage = outage or down
        if outage is not None:
            raise outage
        return notified

    async def _notify_of(self, source: str) -> int:
        """Notify the people of a source. Raises an outage."""
        now, notified = self._clock(), 0
        before = min(BEFORE, self._lapse / 2)
        after = now - self._lapse
        for each in await self._people.lapsing((source,), after, after + before, AT_ONCE):
            subject_id = each.person.subject_id
            until = await self._sources.trusted_until(subject_id, self._lapse)
            event = None  # their source can look people up: nothing lapses
            if until is not None:
                holder = Holder(subject_id=subject_id, username=each.person.username)
                detail = f"no sign-in for {(now - each.vouched_at) / 86_400:.0f} days"
                event = holder.event(Event.APP_PASSWORD_LAPSING, now, detail)
            noted = await self._people.note_lapse(subject_id, each.vouched_at, now, event)
            notified += noted and event is not None
        return notified

    async def notify_forever(self) -> None:
        """Check periodically; never returns. An outage is waited out."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.notify()
            except Unavailable as outage:
                _log.warning("app_password_lapse.postponed", detail=str(outage))
