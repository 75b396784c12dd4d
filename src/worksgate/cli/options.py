"""Options that several commands share, and how their values are read."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The settings file. [default: $WORKSGATE_CONFIG, or ./worksgate.toml if there]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether this is meant.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def duration(text: str) -> float:
    """Seconds: ``90``, ``90s``, ``15m``, ``12h`` or ``7d``. Raises BadParameter."""
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", text)
    if not found:
        raise typer.BadParameter(f"{text!r} is not a time such as 90s, 15m, 12h or 7d")
    return float(int(found[1]) * _UNITS[found[2]])


def moment(text: str) -> float:
    """Seconds since the epoch: a date and time (ISO 8601, UTC where not said), or so long ago.

    Raises BadParameter.
    """
    if re.fullmatch(r"\d+[smhd]", text):
        return (datetime.now(UTC) - timedelta(seconds=duration(text))).timestamp()
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a time such as 2026-01-31T09:00 nor an age such as 12h or 7d"
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
