"""The metrics endpoint, of one process or of all workers.

On reload a process serves one application after another, for a moment two at once. Their counts are
added up, and kept when they are closed: counters never decrease while the process lives.
"""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import structlog
from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from starlette.types import ASGIApp, Receive, Scope, Send

from worksgate.observability.figures import Figures, ProcessFigures
from worksgate.observability.metric_families import families, process_families
from worksgate.observability.worker_files import WorkersFolder, added_up, as_page, without_gauges

__all__ = ["CONTENT_TYPE", "Watch"]

PUBLISH_INTERVAL = 1.0
"""Seconds between two publications to other processes."""
KEPT_FOR = 1.0
"""Seconds for which a public page is cached."""

_log = structlog.get_logger("worksgate.observability")


class Listener(Protocol):
    """Serves an application on a port of its own."""

    async def start(self, application: ASGIApp) -> None: ...

    async def close(self) -> None: ...


class Watch:
    """Reports the metrics of the applications attached to it.

    With ``folder``, of all processes that share it. ``listener`` serves the operations application
    of the latest one. All of it belongs to one event loop.
    """

    content_type = CONTENT_TYPE

    def __init__(
        self,
        process: ProcessFigures | None = None,
        *,
        folder: Path | None = None,
        listener: Listener | None = None,
    ) -> None:
        self._process = process or ProcessFigures()
        self._folder = WorkersFolder.of_this_process(folder) if folder else None
        self._listener = listener
        self._collector = ProcessCollector(registry=None)
        self._live: list[tuple[Figures, ASGIApp]] = []
        self._ended: list[Metric] = []
        self._publishing = asyncio.Lock()
        self._making = asyncio.Lock()
        self._kept = b""
        self._kept_until = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []

    async def attach(self, figures: Figures, operations: ASGIApp) -> None:
        """Include these numbers from now on. Raises listening errors."""
        self._live.append((figures, operations))
        if not self._tasks:
            await self._start()

    async def detach(self, figures: Figures) -> None:
        """An application is closed: its counts are kept."""
        self._live = [each for each in self._live if each[0] is not figures]
        self._ended = added_up([*self._ended, *without_gauges(families(figures))])
        if not self._live:
            await self._stop()

    async def page(self) -> bytes:
        """All metrics, as text."""
        if self._folder is None:
            return as_page(self._own())
        own = await self._publish(self._folder)
        return await asyncio.to_thread(_page_of_all, self._folder, own)

    async def public_page(self) -> bytes:
        """The page of the last second: rendered once, for any number of clients.

        With several processes each has its own, so a counter may decrease between two pages that
        are less than a second apart, and never otherwise.
        """
        async with self._making:
            now = time.monotonic()
            if now >= self._kept_until:
                self._kept, self._kept_until = await self.page(), now + KEPT_FOR
            return self._kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The operations endpoints of the current application."""
        if self._live:
            await self._live[-1][1](scope, receive, send)

    async def _start(self) -> None:
        if self._folder is not None:
            self._tasks.append(asyncio.create_task(self._publish_forever(self._folder)))
        if self._listener is not None:
            await self._listener.start(self)

    async def _stop(self) -> None:
        if self._listener is not None:
            await self._listener.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._folder is not None:
            with suppress(OSError):  # the folder may be gone already
                self._folder.write(as_page(without_gauges(self._own())))

    def _own(self) -> list[Metric]:
        of_applications = (family for each, _ in self._live for family in families(each))
        return [
            *process_families(self._process),
            *added_up([*self._ended, *of_applications]),
            *self._collector.collect(),
        ]

    async def _publish(self, folder: WorkersFolder) -> list[Metric]:
        """The numbers published to others. One at a time: a later number must remain."""
        async with self._publishing:
            own = self._own()
            await asyncio.to_thread(folder.write, as_page(own))
            return own

    async def _publish_forever(self, folder: WorkersFolder) -> None:
        failing = False
        while True:
            try:
                await self._publish(folder)
                failing = False
            except OSError as error:
                if not failing:
                    _log.warning("metrics.not_shared", detail=error.strerror)
                failing = True
            await asyncio.sleep(PUBLISH_INTERVAL)


def _page_of_all(folder: WorkersFolder, own: list[Metric]) -> bytes:
    return as_page(added_up([*own, *folder.others(time.time())]))
