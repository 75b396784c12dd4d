"""Background work: a limited number of tasks at once, and a limited queue.

Work that a page starts here must not affect its response time, and must not pile up without limit.
A failed task is logged by its kind only, since its text may contain something that must not be
logged (R-106).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context

import structlog

Work = Callable[[], Awaitable[None]]

WARNING_INTERVAL = 60.0
"""Seconds between two warnings about a full queue."""

_log = structlog.get_logger("worksgate.limits.background")


class BackgroundQueue:
    """Runs work in the background; all calls belong to one event loop.

    ``name`` identifies it in the log.
    """

    def __init__(self, name: str, *, at_once: int, waiting: int) -> None:
        self._name = name
        self._at_once = at_once
        self._room = waiting
        self._waiting: deque[Work] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._at_work = 0
        self._is_closed = False
        self._warned_at = float("-inf")

    def add(self, work: Work, *, kept_free: int = 0) -> bool:
        """Queue a task; False if there is no room, or after closing.

        The caller may not use ``kept_free`` of the places.
        """
        if self._is_closed or len(self._waiting) >= self._room - kept_free:
            self._warn_of_full_queue()
            return False
        self._waiting.append(work)
        # A worker that has just found the queue empty is still a task, but takes nothing more.
        if self._at_work < self._at_once:
            self._at_work += 1
            # A fresh context: the request that queued a task must not appear in the logs of later
            # ones.
            worker = asyncio.get_running_loop().create_task(self._run(), context=Context())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return True

    async def close(self, within: float = 5.0) -> None:
        """Accept no more and finish for at most ``within`` seconds; the rest is dropped."""
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

    def _warn_of_full_queue(self) -> None:
        """Once a minute: whoever fills the queue must not fill the log too."""
        now = time.monotonic()
        if now - self._warned_at >= WARNING_INTERVAL and not self._is_closed:
            self._warned_at = now
            _log.warning("backlog.full", backlog=self._name, waiting=len(self._waiting))
