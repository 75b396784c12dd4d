"""The last comparison of the audit log with its seals, as ``worksgate audit verify`` makes it.

It reads all records, so it runs in the background, and never twice at once.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from worksgate.directory.audit.seal_verification import Finding, Verified
from worksgate.web.console.single_task import SingleTask

SHOWN: Final = 20
"""Findings that are kept."""

Verify = Callable[
    [Mapping[int, str], Callable[[Finding], None], Callable[[int], None]],
    Coroutine[Any, Any, Verified],
]

_log = structlog.get_logger("worksgate.console")


@dataclass(frozen=True, slots=True)
class Compared:
    """The result of a comparison that ended at ``at``, in seconds since the epoch."""

    at: float
    verified: Verified
    findings: tuple[Finding, ...]


class Verification(SingleTask):
    """Runs a comparison; ``done`` is how many records it has read so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self.latest: Compared | None = None
        self.done = 0

    def begin(self, verify: Verify) -> None:
        """Begin a comparison unless one runs; returns at once."""
        if not self.is_running:
            self.done = 0
            self._start(self._run(verify))

    async def _run(self, verify: Verify) -> None:
        found: list[Finding] = []

        def keep(finding: Finding) -> None:
            if len(found) < SHOWN:
                found.append(finding)

        def progress(done: int) -> None:
            self.done = done

        try:
            verified = await verify({}, keep, progress)
        except Exception as error:  # an outage, or a bug: the last result stays, with its time
            _log.warning("console.not_verified", kind=type(error).__name__)
            return
        self.latest = Compared(self._clock(), verified, tuple(found))
