"""Options that several commands share, and how their values are read."""

import re
from collections import UserDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from worksgate.settings.types import seconds_of

Command = TypeVar("Command", bound=Callable[..., Any])

STANDARD_STREAM = Path("-")
"""Standard input or output, in place of a file."""


def remember_config(context: click.Context, _parameter: click.Parameter, file: Path | None) -> None:
    """Keep a ``--config`` given before the command, as in a shell alias."""
    context.obj = file


def _remembered(
    context: click.Context, _parameter: click.Parameter, file: Path | None
) -> Path | None:
    remembered: Path | None = context.obj
    return file or remembered


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    callback=_remembered,
    help="The settings file.  [default: $WORKSGATE_CONFIG, ./worksgate.toml or "
    "/etc/worksgate/worksgate.toml]",
)
init_config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    callback=_remembered,
    help="The settings file to write.  [default: $WORKSGATE_CONFIG, or ./worksgate.toml]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
yes_option = click.option(
    "--yes",
    "-y",
    is_flag=True,
    help="Do not ask for confirmation; required without a terminal.",
)
force_option = click.option("--force", is_flag=True, help="Replace the file if it exists.")
password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)
temporary_option = click.option(
    "--temporary/--permanent",
    default=None,
    help="Whether they must choose a new password at the next sign-in, within a week. By "
    "default, a password typed or generated here is temporary, and one from standard "
    "input or a file, which may be their own, is permanent.",
)
reuse_option = click.option(
    "--reuse-retired-keys",
    is_flag=True,
    help="Allow a user key that belonged to somebody else, and with it their place in LINE WORKS.",
)


def check_form(*, as_csv: bool, as_json: bool) -> None:
    """Raise a usage error if a command is to print two forms."""
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")


def check_alone(context: click.Context) -> None:
    """Raise a usage error for an option of a group that does not go with a subcommand."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is ParameterSource.COMMANDLINE and parameter.name != "config":
            raise click.UsageError(
                f"{parameter.opts[0]} is for worksgate {context.command.name} without a subcommand",
                context,
            )


class CommandGroup(click.Group):
    """List commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class LazyCommands(UserDict[str, Any]):
    """Commands of a group by name, each imported when it is first asked for.

    They are given as ``module:attribute``, in the order of the group's help.
    """

    def __getitem__(self, name: str) -> click.Command:
        command = self.data[name]
        if isinstance(command, str):
            module, _, attribute = command.partition(":")
            command = self.data[name] = getattr(import_module(module), attribute)
        return cast("click.Command", command)


class Duration(click.ParamType[float]):
    """Whole seconds: ``90``, ``90s``, ``15m``, ``12h`` or ``7d``."""

    name = "TIME"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = seconds_of(value)
        except ValueError:
            seconds = -1.0
        if seconds < 0 or not seconds.is_integer():
            self.fail(f"{value!r} is not a time such as 90s, 15m, 12h or 7d", param, ctx)
        return seconds


class DurationOrNothing(click.ParamType[float | str]):
    """Whole seconds as in ``Duration``; an empty text stays empty."""

    name = "TIME"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        return value and Duration().convert(value, param, ctx)


class Moment(click.ParamType[float]):
    """Seconds since the epoch: a date and time (ISO 8601), or an age.

    A time without a zone is local, as in the tables.
    """

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
        return when.timestamp()


since_option = click.option(
    "--since",
    type=Moment(),
    help="Since a time (2026-01-31T09:00, local if no zone is given) or an age (12h).",
)
until_option = click.option("--until", type=Moment(), help="Until a time or an age.")


def limit_option(most: int) -> Callable[[Command], Command]:
    """``--limit``, of 100 unless more are asked for."""
    return click.option(
        "--limit",
        type=click.IntRange(1, most),
        default=100,
        show_default=True,
        metavar="N",
        help="Show at most this many.",
    )
