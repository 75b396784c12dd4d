"""Options that several commands share, and how their values are read."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The settings file.  [default: $WORKSGATE_CONFIG, or ./worksgate.toml if there]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask whether this is meant.")
force_option = click.option("--force", is_flag=True, help="Replace the file if it exists.")
password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)
reuse_option = click.option(
    "--reuse-retired-keys",
    is_flag=True,
    help="Give a user key that was somebody else's, and with it their place in LINE WORKS.",
)


class CommandGroup(click.Group):
    """Commands that are listed in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class Duration(click.ParamType[float]):
    """Seconds: ``90``, ``90s``, ``15m``, ``12h`` or ``7d``."""

    name = "TIME"
    units = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}  # noqa: RUF012

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value))
        if not found:
            self.fail(f"{value!r} is not a time such as 90s, 15m, 12h or 7d", param, ctx)
        return float(int(found[1]) * self.units[found[2]])


class Moment(click.ParamType[float]):
    """Seconds since the epoch: a date and time (ISO 8601, UTC where not said), or so long ago."""

    name = "TIME"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        if re.fullmatch(r"\d{1,9}[smhd]", value):
            age = timedelta(seconds=Duration().convert(value, param, ctx))
            return (datetime.now(UTC) - age).timestamp()
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a time such as 2026-01-31T09:00 nor an age such as 12h",
                param,
                ctx,
            )
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
