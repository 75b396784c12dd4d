"""Threads for work that would block the event loop: so many at once, and so many that wait.

An executor's own queue has no end. Where people wait for an answer, work that cannot be done in
time must be refused at once, so that the caller can say so.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


class PoolFull(Exception):
    """All threads are busy and all places to wait are taken."""


class BoundedPool:
    """At most ``threads`` pieces of work run at once, and at most ``waiting`` more wait.

    ``initializer`` is called in each new thread. Calls may come from any event loop.
    """

    def __init__(
        self,
        threads: int,
        waiting: int,
        *,
        name: str,
        initializer: Callable[[], None] | None = None,
    ) -> None:
        self.threads = threads
        self.places = waiting
        self.refused = 0
        self._room = threads + waiting
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(
            threads, thread_name_prefix=name, initializer=initializer
        )

    @property
    def running(self) -> int:
        """How many pieces of work run now."""
        return min(self.threads, self._taken)

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a thread now."""
        return max(0, self._taken - self.threads)

    @property
    def _taken(self) -> int:
        return self.threads + self.places - self._room

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work in a thread, with the caller's context variables, and return its result.

        Raises PoolFull at once, or what the work raises. A caller that gives up leaves work that
        has begun to its end, and it keeps its place until then.
        """
        self._enter()
        try:
            future = self._executor.submit(copy_context().run, work)
        except BaseException:
            self._leave()
            raise
        future.add_done_callback(lambda _: self._leave())
        return await asyncio.wrap_future(future)

    def close(self, *, wait: bool) -> None:
        """Take no more work and drop what waits; ``wait`` for what runs."""
        self._executor.shutdown(wait=wait, cancel_futures=True)

    def _enter(self) -> None:
        with self._lock:
            if self._room <= 0:
                self.refused += 1
                raise PoolFull
            self._room -= 1

    def _leave(self) -> None:
        with self._lock:
            self._room += 1
