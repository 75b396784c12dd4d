"""The messages of commands that could not do what was asked."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worksgate.observability.log import escape
from worksgate.settings.loading import ConfigurationError


class Refusal(Exception):
    """A command refuses; the text is one sentence for the person at the terminal."""


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Make errors of a temporary file name the file that was asked for."""
    try:
        yield
    except OSError as error:
        error.filename = str(file)
        raise


def sentences(error: Exception) -> Iterator[str]:
    """One line for each problem. No traceback, and nothing that could be a secret."""
    if isinstance(error, ConfigurationError):
        yield from map(escape, error.problems)
    elif isinstance(error, Refusal) or _has_readable_message(error):
        yield escape(" ".join(str(error).split()))
    elif isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        hint = _owner(Path(str(error.filename))) if isinstance(error, PermissionError) else ""
        yield escape(f"{name}{error.strerror or type(error).__name__}{hint}")
    elif isinstance(error, UnicodeEncodeError) and _is_of_an_argument(error):
        yield "an argument is no text in UTF-8"
    else:
        yield _of_the_unexpected(error)


def _has_readable_message(error: Exception) -> bool:
    """Whether another room wrote the message for people. Imported lazily: only errors need them."""
    from worksgate.administration import NotFound, Outdated, Refused, Unfinished
    from worksgate.credentials.password_policy import WeakPassword
    from worksgate.database import Conflict, DatabaseInUse
    from worksgate.database.backup import BackupError
    from worksgate.database.migrations import SchemaTooNew
    from worksgate.database.moving import MoveRefused
    from worksgate.limits.outages import Unavailable
    from worksgate.line_works_api.errors import ApiError
    from worksgate.server.listening import CannotListen

    return isinstance(
        error,
        NotFound
        | Outdated
        | Refused
        | Unfinished
        | Conflict
        | WeakPassword
        | DatabaseInUse
        | SchemaTooNew
        | BackupError
        | CannotListen
        | MoveRefused
        | Unavailable
        | ApiError,
    )


def _owner(path: Path) -> str:
    """The owner of a file that may not be used, or of the folder that hides it.

    Empty for root, who is not kept out by owners.
    """
    if os.geteuid() == 0:
        return ""
    for place in (path, *path.absolute().parents):
        with suppress(OSError, KeyError):
            return f" (it belongs to {place.owner()}; run this as that user)"
    return ""


def _is_of_an_argument(error: UnicodeEncodeError) -> bool:
    """Whether it is about a byte that Python could not decode, which only an argument has."""
    return all(
        "\udc80" <= character <= "\udcff" for character in error.object[error.start : error.end]
    )


def _of_the_unexpected(error: Exception) -> str:
    """A bug of ours: where it is, but not its message, which may quote anything."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "worksgate" in frame.filename] or frames
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"this should not happen; please report it: {type(error).__name__}{place}"
