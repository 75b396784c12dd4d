"""How a command reaches the administration: settings, database, one operation."""

import errno
import os
import pwd
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from worksgate.cli.printing import note
from worksgate.cli.refusals import Refusal
from worksgate.observability import log
from worksgate.settings import loading as config
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.directory import Account
    from worksgate.provider.account.notices import Outcome

T = TypeVar("T")

_NOTIFIED = {
    "sent": "The person has been notified by e-mail.",
    "no address": "The person has not been notified by e-mail: no address is known.",
    "not sent": "The person has not been notified by e-mail: the mail server did not accept it.",
    "no mail": "The person has not been notified by e-mail: mail is not set up (smtp_url).",
}
"""Sentences about the notice of a changed credential, by ``notices.Outcome``."""


@contextmanager
def left_out(package: str) -> Iterator[None]:
    """Make optional packages look as if they were not installed."""
    before = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]  # as importlib has it
    try:
        yield
    finally:
        del sys.modules[package]
        if before is not None:
            sys.modules[package] = before


def read_settings(file: Path | None, **overrides: object) -> Settings:
    """The settings for this command. Raises ConfigurationError."""
    return config.load(file, os.environ, overrides)


def read_installation(file: Path | None) -> Settings:
    """The settings of an installation with an existing database.

    An empty database created by mistake would look like the real one: only init, migrate, serve and
    demo create one, and restore and move their target. Raises ConfigurationError, or Refusal.
    """
    settings = read_settings(file)
    database = settings.database_file
    if database is not None and not database.exists():
        raise Refusal(f"there is no database at {database}; {advice_on_missing(file)}")
    check_access(settings)
    return settings


def check_source(settings: Settings, name: str) -> None:
    """Refuse the name of no source: what is said of it would be about nobody."""
    names = [each.name for each in settings.all_sources]
    if name not in names:
        raise Refusal(f"there is no source {name!r}; the sources are: {', '.join(names)}")


def advice_on_missing(file: Path | None) -> str:
    """What to do if the database does not exist."""
    if is_in_environment("database_url"):
        return "WORKSGATE_DATABASE_URL says so; worksgate migrate creates one there"
    if found := config.file_to_read(file, os.environ):
        return f"see database_url in {found}; worksgate migrate creates one there"
    return (
        f"there is no {config.FILE_NAME} here and no {config.SYSTEM_FILE}: name the settings "
        "with --config FILE, or create an installation with worksgate init"
    )


def is_in_environment(setting: str) -> bool:
    """Whether a variable gives this setting, directly or as a file."""
    variable = config.PREFIX + setting.upper()
    return variable in os.environ or f"{variable}_FILE" in os.environ


def check_access(settings: Settings) -> None:
    """Raise PermissionError if the database exists and this user may not use it."""
    database = settings.database_file
    if database is not None and database.exists() and not os.access(database, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(database))


def administer(settings: Settings, work: Callable[["Administration"], Awaitable[T]]) -> T:
    """Open the administration, run one operation, close it again, and return the result."""
    from worksgate.bootstrap.administration import open_administration
    from worksgate.database.older_copies import check_is_no_copy

    if settings.database_file is not None:
        check_is_no_copy(settings.database_file)
    outcomes: list[Outcome] = []

    async def administering() -> T:
        opening = open_administration(settings, actor=actor(), report=outcomes.append)
        async with opening as administration:
            return await work(administration)

    try:
        return quietly(administering())
    finally:
        for outcome, count in Counter(outcomes).items():
            note(_NOTIFIED[outcome] + (f" ({count})" if count > 1 else ""))


async def all_users(administration: "Administration") -> list["Account"]:
    """All people of the built-in directory, for ``administer``."""
    return [account async for account in administration.users.all()]


def quietly(work: Coroutine[Any, Any, T]) -> T:
    """Run an operation without its log lines: a command prints its own messages."""
    log.configure(Settings(log_format="text", log_level="error"), to=2)
    try:
        return run(work)
    finally:
        log.close()


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Handle signals that would end the program like Ctrl-C: half-written files are removed."""

    def end(number: int, _frame: object) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)  # once is enough; cleaning up takes a while
        sys.exit(128 + number)

    wanted = (signal.SIGTERM, signal.SIGHUP)
    # Signals that are ignored stay ignored, as under nohup.
    ours = [each for each in wanted if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


def actor() -> str:
    """The user for the audit log: who called sudo, or else the user of this process."""
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
