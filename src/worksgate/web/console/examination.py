"""The last examination of the installation, by the code of ``worksgate doctor``.

It may take seconds: it asks the sources, the mail server and the public address. So no page waits
for it. It runs in the background of the console's process, at most once at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from worksgate.administration.errors import Refused
from worksgate.web.console.examiner import Finding
from worksgate.web.console.single_task import SingleTask

OLD: Final = 600.0
"""Seconds after which a page that shows findings asks for new ones."""
LEAST: Final = 5.0
"""Seconds between two examinations that somebody asks for."""
PATIENCE: Final = 120.0
"""Seconds that an examination may take."""

_log = structlog.get_logger("worksgate.console")


Examine = Callable[[], AsyncIterator[Finding]]


@dataclass(frozen=True, slots=True)
class Examined:
    """The findings of an examination that ended at ``at``, in seconds since the epoch."""

    at: float
    findings: tuple[Finding, ...]

    def of(self, severity: str) -> list[Finding]:
        """Those of one severity, in the order in which they were found."""
        return [each for each in self.findings if each.severity == severity]

    @property
    def bad(self) -> list[Finding]:
        """What does not work, and then what will not for long."""
        return [*self.of("fail"), *self.of("warn")]


class Examination(SingleTask):
    """Runs ``examine``, and remembers what it found; ``latest`` is None before the first time.

    ``is_possible`` is false once it was refused: then there is never anything to show.
    """

    def __init__(self, examine: Examine, clock: Callable[[], float]) -> None:
        super().__init__()
        self._examine = examine
        self._clock = clock
        self._began_at = float("-inf")
        self.latest: Examined | None = None
        self.is_possible = True

    def refresh(self) -> None:
        """Begin an examination if the last one is old; returns at once."""
        if self._clock() - self._began_at >= OLD:
            self.begin()

    def begin(self) -> None:
        """Begin an examination unless one runs or has just begun; returns at once."""
        now = self._clock()
        if self.is_running or now - self._began_at < LEAST:
            return
        self._began_at = now
        self._start(self._run())

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                found = tuple([each async for each in self._examine()])
        except Refused:
            self.is_possible = False
            return
        except Exception as error:  # its text may hold a secret of an address
            _log.warning("console.not_examined", kind=type(error).__name__)
            return
        self.latest = Examined(self._clock(), found)
