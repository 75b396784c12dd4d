"""The operations port, served in the event loop that serves the public one.

It has the same bounds, far lower: few clients monitor it. Processes that were given the same socket
take turns.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace

from starlette.types import ASGIApp

from worksgate.server.admission import RefusalsOf
from worksgate.server.process import Server
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings

CONNECTIONS = 64
REQUESTS = 32
CLOSING_TIME = 2.0
"""Seconds within which requests in flight may end."""


class OperationsServer:
    """Serves on a socket from ``start`` to ``close``."""

    def __init__(
        self, listening: socket.socket, settings: Settings, refusals_of: RefusalsOf
    ) -> None:
        self._listening = listening
        self._settings = replace(
            settings,
            max_connections=CONNECTIONS,
            max_connections_per_address=0,
            max_requests_in_flight=REQUESTS,
        )
        self._refusals_of = refusals_of
        self._server: Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, application: ASGIApp) -> None:
        """Return when it listens."""
        config = server_config(
            lambda: application,
            self._settings,
            refusals_of=self._refusals_of,
            has_lifespan=False,
        )
        server = self._server = _Companion(config)
        task = self._task = asyncio.create_task(server.serve([self._listening]))
        while not server.started and not task.done():  # noqa: ASYNC110  # uvicorn has no event
            await asyncio.sleep(0.01)
        if task.done():
            task.result()

    async def close(self) -> None:
        if self._server is None or self._task is None:
            return
        self._server.should_exit = self._server.force_exit = True
        _, pending = await asyncio.wait([self._task], timeout=CLOSING_TIME)
        for task in pending:
            task.cancel()


class _Companion(Server):
    """Signals and log messages are left to the main server."""

    def log_event(self, event: str, **values: object) -> None:
        pass

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
