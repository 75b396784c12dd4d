"""How a command reaches the administration: settings, database, one piece of work."""

import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from worksgate import config, log
from worksgate.settings import Settings

if TYPE_CHECKING:
    from worksgate.administration import Administration

T = TypeVar("T")


def read_settings(file: Path | None, **overrides: object) -> Settings:
    """The settings for this command. Raises ConfigurationError."""
    return config.load(file, os.environ, overrides)


def administer(settings: Settings, work: Callable[["Administration"], Awaitable[T]]) -> T:
    """Open the administration, do one piece of work, close it again, and return the result."""
    from worksgate.bootstrap import open_administration

    async def administering() -> T:
        async with open_administration(settings) as administration:
            return await work(administration)

    # what a command has to say it prints itself; the audit record is in the database
    log.configure(replace(settings, log_format="text", log_level="error"), to=2)
    try:
        return run(administering())
    finally:
        log.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one piece of asynchronous work in a loop of its own."""
    import asyncio

    async def running() -> T:
        try:
            return await work
        except BaseException:
            await _connections_have_ended()
            raise

    return asyncio.run(running())


async def _connections_have_ended() -> None:
    """Wait a little for the threads of connections that could not be opened.

    aiosqlite stops such a thread but does not wait for it; if the loop is closed before, the
    thread writes a traceback to the administrator's terminal.
    """
    import asyncio

    for _ in range(100):
        if not any("_connection_worker" in thread.name for thread in threading.enumerate()):
            return
        await asyncio.sleep(0.01)
