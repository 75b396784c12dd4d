"""Recordings of LINE WORKS' calls, as the audit log has them: who, why, until when, and the end."""

from datetime import UTC, datetime

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Refused
from worksgate.audit import Event
from worksgate.directory.database import Directory

MOST_OF_A_REASON = 200
"""Characters."""


class RecordingAdministration:
    """Writes the two records of each recording."""

    def __init__(self, directory: Directory, actor: Actor) -> None:
        self._directory = directory
        self._actor = actor

    async def begin(self, reason: str, until: float) -> None:
        """Record that calls are recorded from now on, before any is.

        ``until`` is in seconds since the epoch. Raises Refused if the reason is none.
        """
        if not reason.strip() or not reason.isprintable() or len(reason) > MOST_OF_A_REASON:
            raise Refused(f"a reason is a text of at most {MOST_OF_A_REASON} characters")
        end = datetime.fromtimestamp(int(until), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await self._write(f"calls of LINE WORKS are recorded until {end}: {reason}")

    async def end(self, calls: int, dropped: int, why: str) -> None:
        """Record that the recording has ended, with so many calls, and without so many."""
        what = f"{calls} calls, {dropped} dropped"
        await self._write(f"the recording of LINE WORKS' calls has ended ({why}): {what}")

    async def _write(self, detail: str) -> None:
        await self._directory.record([self._actor.event(Event.SYSTEM, detail)])
