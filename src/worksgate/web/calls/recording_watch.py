"""Looks whether somebody records the calls of LINE WORKS, and turns the tap on and off.

As long as nobody does, the application looks up one attribute per request, and nothing of all that
recording takes is imported.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from starlette.types import Scope

from worksgate.conformance.recording.rendezvous import Identity, identity_of
from worksgate.web.crashes import describe

if TYPE_CHECKING:
    from worksgate.conformance.recording.worker_link import WorkerLink

_log = structlog.get_logger("worksgate.web")

POLL_INTERVAL: Final = 0.5
"""Seconds between two looks for the socket: one ``lstat``."""
TAPPED: Final = "worksgate.web.calls.recording"


def is_tapped(scope: Scope) -> bool:
    """Whether a request has been through the tap."""
    return TAPPED in scope


class RecordingWatch:
    """Turns the tap on while somebody records on this machine.

    ``turn_on`` is called with what takes the calls at the beginning of a recording, and again when
    a broken connection is replaced, ``turn_off`` at its end; both may be in a thread.
    """

    def __init__(
        self,
        path: Path | None,
        turn_on: Callable[["WorkerLink"], None],
        turn_off: Callable[[], None],
    ) -> None:
        self._path = path
        self._on = turn_on
        self._off = turn_off
        self._link: WorkerLink | None = None
        self._tried: Identity = (0, 0)
        self._is_over = False

    async def run(self) -> None:
        """Look twice a second, until cancelled."""
        try:
            while self._path is not None:
                await self._look(self._path)
                await asyncio.sleep(POLL_INTERVAL)
        finally:
            self._is_over = True
            if self._link is not None:
                await asyncio.to_thread(self._link.close)

    async def _look(self, path: Path) -> None:
        """Connect to a command that has begun to record, or again to one that was too slow."""
        link = self._link
        if link is not None and not link.has_ended:
            return
        found = identity_of(path)
        if found is not None and found == self._tried and link is not None and not link.is_refused:
            await asyncio.to_thread(self._connect, path, link)
            return
        self._link = None
        if link is not None and link.is_counting:
            self._turn_off()
        if found is not None and found != self._tried:
            self._tried = found
            await asyncio.to_thread(self._connect, path, None)

    def _connect(self, path: Path, before: "WorkerLink | None") -> None:
        """In a thread, since what recording takes is imported here."""
        from worksgate.conformance.recording.worker_link import WorkerLink

        self._link = link = WorkerLink(path, self._turn_on, self._turn_off, _report, before)
        if self._is_over:
            link.close()

    def _turn_on(self, link: "WorkerLink") -> None:
        self._on(link)
        _log.info("recording.begun")

    def _turn_off(self) -> None:
        self._off()
        _log.info("recording.ended")


def _report(error: Exception) -> None:
    _log.error("recording.failed", **describe(error))
