"""The last sign-in that was tried as LINE WORKS would make it, in the background, one at a time.

What is kept of it has no secret, and is gone with the process.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from worksgate.administration.set_up import ConsoleField, Tick, Trial, Tried
from worksgate.administration.set_up.trial import PATIENCE
from worksgate.web.console.single_task import SingleTask

TrySignIn = Callable[[Trial], AsyncIterator[Tried]]
Ended = Callable[[Trial, int], Coroutine[Any, Any, None]]
"""Is told of a trial how many values work."""

_log = structlog.get_logger("worksgate.console")


@dataclass(slots=True, kw_only=True)
class TriedSignIn:
    """Who tried whom, where and when, and what was found so far.

    ``is_broken`` is whether it ended before its end: it took too long, or failed.
    """

    at: float
    actor: str
    client_id: str
    client_name: str
    username: str
    found: dict[ConsoleField, Tried] = field(default_factory=dict)
    is_broken: bool = False


class SignInTrial(SingleTask):
    """Tries a sign-in, and remembers what it found; ``latest`` is None before the first time."""

    def __init__(self, try_sign_in: TrySignIn, clock: Callable[[], float]) -> None:
        super().__init__()
        self._try = try_sign_in
        self._clock = clock
        self.latest: TriedSignIn | None = None

    def begin(self, trial: Trial, actor: str, ended: Ended) -> bool:
        """Begin, in the name of an administrator, and return at once; False while one runs."""
        if self.is_running:
            return False
        tried = TriedSignIn(
            at=self._clock(),
            actor=actor,
            client_id=trial.client_id,
            client_name=trial.client_name,
            username=trial.username,
        )
        self.latest = tried
        self._start(self._run(trial, tried, ended))
        return True

    async def _run(self, trial: Trial, tried: TriedSignIn, ended: Ended) -> None:
        try:
            try:
                async with asyncio.timeout(PATIENCE):
                    async for each in self._try(trial):
                        tried.found[each.field] = each
            finally:
                works = [each for each in tried.found.values() if each.tick is Tick.WORKS]
                await ended(trial, len(works))
        except Exception as error:  # its text may hold what was typed
            _log.warning("console.trial_broken", kind=type(error).__name__)
            tried.is_broken = True
