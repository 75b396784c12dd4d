"""Threads for work that would block the event loop, limited in number and with a bounded queue.

The queue of an executor is unbounded. When people wait for a response, work that cannot be done in
time must be refused at once, so that the caller can report it.
"""

import asyncio
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class PoolFull(Exception):
    """All threads and all places in the queue are taken, or the system has no more threads."""


class ThreadPool:
    """Runs at most ``threads`` tasks at once, with at most ``waiting`` more in the queue.

    ``initializer`` is called in each new thread. Calls may come from any event loop; those that use
    turns must come from the same one.
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
        self._turns: dict[str, Future[None]] = {}
        self._executor = ThreadPoolExecutor(
            threads, thread_name_prefix=name, initializer=initializer
        )

    @property
    def running(self) -> int:
        """Number of running tasks."""
        return min(self.threads, self._taken)

    @property
    def waiting(self) -> int:
        """Number of tasks that wait for a thread."""
        return max(0, self._taken - self.threads)

    @property
    def _taken(self) -> int:
        return self.threads + self.places - self._room

    async def run(self, work: Callable[[], T], turns: Collection[str] = ()) -> T:
        """Run the work in a thread, with the caller's context variables, and return its result.

        Raises PoolFull at once, or whatever the work raises. If the caller is cancelled, running
        work continues to its end and keeps its place, and its turn. Of all work with the same turn,
        one task has a place at a time; the others wait outside until the turn is free.
        """
        while taken := [turn for name in turns if (turn := self._turns.get(name))]:
            await asyncio.wait([asyncio.wrap_future(turn) for turn in taken])
        future = self._begin(work)
        if turns:
            self._take(turns, future)
        return await asyncio.wrap_future(future)

    def check_capacity(self, kept_free: int = 0) -> None:
        """Raise PoolFull if work would be refused now, and count it as refused.

        The caller may not use ``kept_free`` of the places.
        """
        with self._lock:
            self._check_room(kept_free)

    def close(self) -> None:
        """Accept no more work and drop what waits; running work is not awaited."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _begin(self, work: Callable[[], T]) -> Future[T]:
        self._enter()
        pending = [work]
        context = copy_context()
        try:
            future = self._executor.submit(lambda: context.run(pending[0]))
        except RuntimeError as error:  # the system has no more threads (F-29), or it is closed
            pending[0] = _nothing  # the executor keeps it for a future thread
            self._leave()
            raise PoolFull(str(error)) from error
        except BaseException:
            self._leave()
            raise
        future.add_done_callback(lambda _: self._leave())
        return future

    def _take(self, turns: Collection[str], future: Future[T]) -> None:
        turn: Future[None] = Future()
        self._turns.update(dict.fromkeys(turns, turn))
        future.add_done_callback(partial(self._pass_on, turns, turn))

    def _pass_on(self, turns: Collection[str], turn: Future[None], _: object) -> None:
        for name in turns:
            del self._turns[name]
        turn.set_result(None)

    def _enter(self) -> None:
        with self._lock:
            self._check_room()
            self._room -= 1

    def _check_room(self, kept_free: int = 0) -> None:
        if self._room <= kept_free:
            self.refused += 1
            raise PoolFull

    def _leave(self) -> None:
        with self._lock:
            self._room += 1


def _nothing() -> Any:
    """The rest of abandoned work."""
