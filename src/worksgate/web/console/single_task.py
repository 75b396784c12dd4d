"""Work in the background of the console's process, for which no page waits long."""

import asyncio
from collections.abc import Coroutine


class SingleTask:
    """A task of which one runs at a time; its subclass begins it while none ``is_running``."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def finished(self, within: float) -> None:
        """Return when none runs any more, or after so many seconds."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=within)

    async def close(self) -> None:
        """Cancel the one that runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
