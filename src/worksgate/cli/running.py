"""How a command reaches the administration: settings, database, one piece of work."""

import errno
import os
import pwd
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from worksgate import config, log
from worksgate.cli.refusals import Refusal
from worksgate.settings import Settings

if TYPE_CHECKING:
    from worksgate.administration import Administration

T = TypeVar("T")


def read_settings(file: Path | None, **overrides: object) -> Settings:
    """The settings for this command. Raises ConfigurationError."""
    return config.load(file, os.environ, overrides)


def read_installation(file: Path | None) -> Settings:
    """The settings of an installation that somebody has named, or whose database is there.

    Without a settings file or a variable the database is looked for in the working folder: made
    there by mistake, an empty one would look like the real one. Raises ConfigurationError, or
    Refusal.
    """
    settings = read_settings(file)
    database = settings.database_file
    if database is not None and not database.exists() and not _is_named(file):
        raise Refusal(
            f"there is no database at {database}; there is no {config.FILE_NAME} here and no "
            f"{config.SYSTEM_FILE}: name the settings with --config FILE, or make an installation "
            "with worksgate init"
        )
    check_access(settings)
    return settings


def _is_named(file: Path | None) -> bool:
    """Whether a settings file or the environment says where the database is."""
    variable = f"{config.PREFIX}DATABASE_URL"
    in_environment = variable in os.environ or f"{variable}_FILE" in os.environ
    return in_environment or config.file_to_read(file, os.environ) is not None


def check_access(settings: Settings) -> None:
    """Raise PermissionError where a database is there and this user may not use it."""
    database = settings.database_file
    if database is not None and database.exists() and not os.access(database, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(database))


def administer(settings: Settings, work: Callable[["Administration"], Awaitable[T]]) -> T:
    """Open the administration, do one piece of work, close it again, and return the result."""
    from worksgate.bootstrap import open_administration

    async def administering() -> T:
        async with open_administration(settings, actor=actor()) as administration:
            return await work(administration)

    return quietly(administering())


def quietly(work: Coroutine[Any, Any, T]) -> T:
    """Run one piece of work whose log lines are not wanted: a command prints what it has to say."""
    log.configure(Settings(log_format="text", log_level="error"), to=2)
    try:
        return run(work)
    finally:
        log.close()


def actor() -> str:
    """Who is at work, for the audit log: who called sudo, or else the user of this process."""
    if name := os.environ.get("SUDO_USER"):
        return f"cli:{name}"
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container may run as a number without a name
        return f"cli:{os.getuid()}"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one piece of asynchronous work in a loop of its own."""
    import asyncio

    return asyncio.run(work)
