"""Work that nobody waits for: so many pieces at once, and so many that wait for their turn.

What a page begins here must not change the time of its answer, and what nobody waits for must not
pile up without end. A piece that fails is logged by the kind of its failure alone, as its text may
hold what no log may hold (R-106).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context

import structlog

Work = Callable[[], Awaitable[None]]

TOLD_EVERY = 60.0
"""Seconds between two warnings that one is full."""

_log = structlog.get_logger("worksgate.limits.background")


class BackgroundQueue:
    """Does what it is given in the background; all calls belong to one event loop.

    ``name`` is how the log calls it.
    """

    def __init__(self, name: str, *, at_once: int, waiting: int) -> None:
        self._name = name
        self._at_once = at_once
        self._room = waiting
        self._waiting: deque[Work] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._at_work = 0
        self._is_closed = False
        self._told_at = float("-inf")

    def add(self, work: Work, *, kept_free: int = 0) -> bool:
        """Take a piece of work; False where there is no room for it, or all has been closed.

        ``kept_free`` places are not for whoever brings it.
        """
        if self._is_closed or len(self._waiting) >= self._room - kept_free:
            self._tell_that_it_is_full()
            return False
        self._waiting.append(work)
        # A worker that has just found nothing more to do is still a task, and takes nothing.
        if self._at_work < self._at_once:
            self._at_work += 1
            # Each piece is on its own: the request that brought one must not name the next ones.
            worker = asyncio.get_running_loop().create_task(self._run(), context=Context())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return True

    async def close(self, within: float = 5.0) -> None:
        """Take nothing more and finish for at most ``within`` seconds; the rest is dropped."""
        self._is_closed = True
        workers = set(self._workers)
        if not workers:
            return
        _, late = await asyncio.wait(workers, timeout=within)
        if late:
            _log.warning(
                "backlog.dropped", backlog=self._name, count=len(self._waiting) + len(late)
            )
        self._waiting.clear()
        for worker in late:
            worker.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._do(self._waiting.popleft())
        finally:
            self._at_work -= 1

    async def _do(self, work: Work) -> None:
        try:
            await work()
        except Exception as error:  # its text may hold a secret
            _log.error("backlog.failed", backlog=self._name, kind=type(error).__name__)

    def _tell_that_it_is_full(self) -> None:
        """Once a minute: what fills a backlog, and fills each place that is free, must not fill
        the log too.
        """
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY and not self._is_closed:
            self._told_at = now
            _log.warning("backlog.full", backlog=self._name, waiting=len(self._waiting))
