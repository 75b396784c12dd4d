"""Times of people's last sign-ins, written in the background and many at a time.

No sign-in waits for this or fails because of it. What is noted within ``GATHERED_FOR`` is written
in one transaction. A killed process loses the notes of that moment; no decision depends on them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog

from worksgate.database import DatabaseUnavailable
from worksgate.limits.background import BackgroundQueue

GATHERED_FOR = 0.2
"""Seconds that the first note waits for more."""
MOST = 10_000
"""People whose notes may wait while the database accepts none."""

_log = structlog.get_logger("worksgate.sources")


WriteNotes = Callable[[Mapping[str, float]], Awaitable[None]]
"""Writes times by subject ID, as ``People.note_logins``. Raises DatabaseUnavailable."""


class LastSignIns:
    """Sign-ins whose times are yet to be written; all calls belong to one event loop."""

    def __init__(self, write: WriteNotes, clock: Callable[[], float] = time.time) -> None:
        self._write_notes = write
        self._clock = clock
        self._waiting: dict[str, float] = {}
        # One is written while the next ones gather.
        self._backlog = BackgroundQueue("login_notes", at_once=1, waiting=1)
        self._closing = asyncio.Event()

    def add(self, subject_id: str) -> None:
        """Note that somebody has just signed in."""
        if len(self._waiting) >= MOST:
            _not_noted(subject_id)
            return
        is_first = not self._waiting
        self._waiting[subject_id] = self._clock()
        if is_first and not self._backlog.add(self._write):
            _not_noted(*self._taken())

    async def close(self) -> None:
        """Write pending notes, and nothing more."""
        self._closing.set()
        await self._backlog.close()

    async def _write(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHERED_FOR):
                await self._closing.wait()
        logins = self._taken()
        try:
            await self._write_notes(logins)
        except DatabaseUnavailable:
            _not_noted(*logins)

    def _taken(self) -> Mapping[str, float]:
        taken, self._waiting = self._waiting, {}
        return taken


def _not_noted(*subject_ids: str) -> None:
    for subject_id in subject_ids:
        _log.warning("directory.login_not_noted", subject_id=subject_id)
