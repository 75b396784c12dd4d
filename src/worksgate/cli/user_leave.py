"""``worksgate user leave``."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.options import Moment, config_option, json_option
from worksgate.cli.printing import (
    counted,
    iso,
    local_time,
    note,
    print_json,
    print_line,
    print_table,
)
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.administration.departures.steps import StepOutcome
    from worksgate.directory.departures import Departure

_LINE_WORKS = (
    "LINE WORKS does not know yet: the Directory API is not set up. Suspend or delete the member "
    "in the console of LINE WORKS; until then, apps that are signed in stay so."
)
_BY_HAND = "do this in the console of LINE WORKS"


class LeavingTime(click.ParamType[float]):
    """Seconds since the epoch: a date and time, or a date, which stands for the end of that day."""

    name = "TIME"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            day = datetime.strptime(value, "%Y-%m-%d")  # local, as in Moment
        except ValueError:
            return Moment().convert(value, param, ctx)
        return (day + timedelta(days=1)).timestamp()


_STEPS = ("disabled", "signed_out", "app_passwords", "suspended_there", "signed_out_there")
"""Those that can be tried, as JSON calls them, without loading ``departures``; a test compares."""


@click.command("leave")
@click.argument("username", required=False)
@click.option(
    "--source",
    metavar="NAME",
    help="The identity source they sign in with, if not the built-in directory.",
)
@click.option(
    "--on",
    type=LeavingTime(),
    metavar="TIME",
    help="Not now but at a time (2026-12-31T18:00, local if no zone is given), or at the end of a "
    "day (2026-12-31).",
)
@click.option(
    "--suspend",
    is_flag=True,
    help="Have LINE WORKS suspend the member, too; its API must be set up.",
)
@click.option(
    "--only",
    type=click.Choice([each.replace("_", "-") for each in _STEPS]),
    help="Try one step again, of a departure that is not finished, or that LINE WORKS has refused.",
)
@click.option("--cancel", is_flag=True, help="Drop the departure that is planned.")
@click.option("--list", "is_list", is_flag=True, help="List the departures that are planned.")
@config_option
@json_option
def leave(
    *,
    username: str | None,
    source: str | None,
    on: float | None,
    suspend: bool,
    only: str | None,
    cancel: bool,
    is_list: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Disable a person who leaves, and end everything they hold.

    They can no longer sign in, and their sessions, codes, tokens and app passwords end. If the API
    of LINE WORKS is set up, it is then asked to sign them out on every device. What fails is tried
    again by the server. With --on, the server does all of that at a later time.
    """
    if is_list and (username or source or on is not None or suspend or cancel or only):
        raise click.UsageError("--list goes with --json only")
    if cancel and (on is not None or suspend):
        raise click.UsageError("--cancel contradicts --on and --suspend")
    if only and (on is not None or suspend or cancel):
        raise click.UsageError("--only contradicts --on, --suspend and --cancel")
    if is_list:
        _list(config, as_json=as_json)
    elif username is None:
        raise click.UsageError("Missing argument 'USERNAME'.")
    elif only is not None:
        _try_step(username, source, only, config, as_json=as_json)
    elif cancel:
        _cancel(username, source, config, as_json=as_json)
    elif on is not None:
        _plan(username, source, on, config, suspends=suspend, as_json=as_json)
    else:
        _leave(username, source, config, suspends=suspend, as_json=as_json)


def _leave(
    username: str, source: str | None, config: Path | None, *, suspends: bool, as_json: bool
) -> None:
    departure, outcomes = administer(
        read_installation(config),
        lambda administration: administration.departures.leave(username, source, suspends=suspends),
    )
    is_complete = not any(outcome.problem for outcome in outcomes)
    if as_json:
        steps = [_outcome_document(outcome) for outcome in outcomes]
        print_json({**_document(departure), "complete": is_complete, "steps": steps})
    else:
        print_line(f"{departure.username} leaves:")
        for outcome in outcomes:
            print_line(_outcome_line(outcome))
        print_line("  –  second factors stay; they open nothing for a disabled person")
        if not any(outcome.step.is_there for outcome in outcomes):
            print_line(f"  –  {_LINE_WORKS}")
    if any(outcome.is_open for outcome in outcomes):
        note("The server tries again what failed; so does the same command.")
    if not is_complete:
        sys.exit(1)


def _try_step(
    username: str, source: str | None, only: str, config: Path | None, *, as_json: bool
) -> None:
    from worksgate.directory.departures import Step

    step = Step[only.replace("-", "_").upper()]
    _, outcome = administer(
        read_installation(config),
        lambda administration: administration.departures.try_step(username, step, source),
    )
    if as_json:
        print_json(_outcome_document(outcome))
    else:
        print_line(_outcome_line(outcome).strip())
    if outcome.problem:
        sys.exit(1)


def _plan(
    username: str,
    source: str | None,
    on: float,
    config: Path | None,
    *,
    suspends: bool,
    as_json: bool,
) -> None:
    departure, is_told = administer(
        read_installation(config),
        lambda administration: _planned(administration, username, source, on, suspends=suspends),
    )
    if as_json:
        print_json(_document(departure))
        return
    print_line(f"{departure.username} leaves at {local_time(departure.due_at)}.")
    told = "LINE WORKS is then asked to sign them out." if is_told else _LINE_WORKS
    print_line(f"Until then everything stays. {told}")


async def _planned(
    administration: "Administration",
    username: str,
    source: str | None,
    on: float,
    *,
    suspends: bool,
) -> "tuple[Departure, bool]":
    """The plan, and whether LINE WORKS will be told."""
    departure = await administration.departures.plan(username, on, source, suspends=suspends)
    is_told = await administration.line_works_members.can_tell(departure.source)
    return departure, is_told


def _cancel(username: str, source: str | None, config: Path | None, *, as_json: bool) -> None:
    departure = administer(
        read_installation(config),
        lambda administration: administration.departures.cancel(username, source),
    )
    if as_json:
        print_json(_document(departure))
    else:
        print_line(f"The departure of {departure.username} is no longer planned.")


def _list(config: Path | None, *, as_json: bool) -> None:
    planned = administer(
        read_installation(config), lambda administration: administration.departures.planned()
    )
    if as_json:
        print_json([_document(each) for each in planned])
    elif planned:
        print_table(
            ("Username", "Source", "Leaves at", "Planned by"),
            [(each.username, each.source, local_time(each.due_at), each.actor) for each in planned],
            whole=("Username", "Leaves at"),
        )
    else:
        note("No departure is planned.")


def _outcome_line(outcome: "StepOutcome") -> str:
    from worksgate.directory.departures import Step

    if outcome.problem:
        by_hand = f"; {_BY_HAND}" if outcome.is_final else ""
        is_sign_out = outcome.step is Step.SIGNED_OUT_THERE
        what = "signed out at LINE WORKS" if is_sign_out else outcome.step.value
        record = f" (record {outcome.record})" if outcome.record else ""
        return f"  ✗  not {what}: {outcome.problem}{by_hand}{record}"
    done = {
        Step.DISABLED: "disabled",
        Step.SIGNED_OUT: counted(
            outcome.count, "session, code or token ended", "sessions, codes and tokens ended"
        ),
        Step.APP_PASSWORDS: counted(outcome.count, "app password removed", "app passwords removed"),
        Step.SUSPENDED_THERE: "suspended at LINE WORKS",
        Step.SIGNED_OUT_THERE: "LINE WORKS has accepted the request to sign them out; devices "
        "are signed out within 5 minutes",
    }[outcome.step]
    return f"  ✓  {done} (record {outcome.record})"


def _outcome_document(outcome: "StepOutcome") -> dict[str, Any]:
    return {
        "step": outcome.step.name.lower(),
        "done": not outcome.problem,
        "count": outcome.count,
        "record": outcome.record,
        "problem": outcome.problem or None,
    }


def _document(departure: "Departure") -> dict[str, Any]:
    return {
        "username": departure.username,
        "source": departure.source,
        "subject_id": departure.subject_id,
        "due_at": iso(departure.due_at),
        "planned_at": iso(departure.planned_at),
        "actor": departure.actor,
    }
