"""Says once when a database server cannot be connected to, and once when it can again."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import structlog
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.directory import DirectoryUnavailable
from worksgate.directory.engine import outages

_log = structlog.get_logger("worksgate.directory")


class Reachability:
    """Watches how connections are opened; what fails on an open one is its caller's to tell."""

    def __init__(self) -> None:
        self._is_away = False

    @asynccontextmanager
    async def watching(
        self, opening: AbstractAsyncContextManager[AsyncConnection]
    ) -> AsyncIterator[AsyncConnection]:
        """The connection. Raises DirectoryUnavailable where there is none."""
        async with AsyncExitStack() as stack:
            try:
                with outages():
                    connection = await stack.enter_async_context(opening)
            except DirectoryUnavailable as error:
                if not isinstance(error.__cause__, PoolTimeout):  # all are taken: it is there
                    self._note_outage(str(error))
                raise
            self._note_connection()
            yield connection

    def _note_outage(self, reason: str) -> None:
        if not self._is_away:
            _log.warning("database.unreachable", reason=reason)
        self._is_away = True

    def _note_connection(self) -> None:
        if self._is_away:
            _log.info("database.connected")
        self._is_away = False
