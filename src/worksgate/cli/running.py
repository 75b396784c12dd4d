"""How a command reaches the administration: settings, database, one piece of work."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

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
    import asyncio
    from dataclasses import replace

    from worksgate.bootstrap import open_administration

    async def run() -> T:
        async with open_administration(settings) as administration:
            return await work(administration)

    # what a command has to say it prints itself; the audit record is in the database
    log.configure(replace(settings, log_format="text", log_level="error"), to=2)
    try:
        return asyncio.run(run())
    finally:
        log.close()
