"""``worksgate changes``, and ``worksgate changes undo``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.asking import confirm
from worksgate.cli.options import (
    CommandGroup,
    check_alone,
    check_form,
    config_option,
    json_option,
    limit_option,
    since_option,
    until_option,
    yes_option,
)
from worksgate.cli.printing import iso, local_time, note, print_json, print_line
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration.changes import ShownChange
    from worksgate.directory.change_log import FieldChange

_KINDS = ("client", "person", "role")
"""As in ``change_log``, without loading it for other commands; a test compares them."""


@click.group("changes", cls=CommandGroup, invoke_without_command=True)
@click.option("--kind", type=click.Choice(_KINDS), help="What was changed.")
@click.option("--about", metavar="TEXT", help="A client, or a person by whatever is known of them.")
@click.option("--by", metavar="NAME", help="An administrator, or a user of the command line.")
@click.option("--session", metavar="NAME", help="A session of the console, as it names them.")
@click.option("--request", metavar="ID", help="A request to the console, as its log names them.")
@since_option
@until_option
@limit_option(100_000)
@click.option("--csv", "as_csv", is_flag=True, help="Print a row for each field as CSV.")
@config_option
@json_option
@click.pass_context
def changes(
    context: click.Context,
    *,
    kind: str | None,
    about: str | None,
    by: str | None,
    session: str | None,
    request: str | None,
    since: float | None,
    until: float | None,
    limit: int,
    as_csv: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show what administrators changed, before and after.

    Shows the latest matching changes, the oldest of them first; for a secret, only that it changed.
    """
    if context.invoked_subcommand is not None:
        check_alone(context)
        context.obj = config
        return
    check_form(as_csv=as_csv, as_json=as_json)
    from worksgate.directory.change_log import ChangeKind

    found = administer(
        read_installation(config),
        lambda administration: administration.changes.page(
            kinds=None if kind is None else [ChangeKind(kind)],
            about=about,
            by=by,
            session=session,
            request_id=request,
            since=since,
            until=until,
            limit=limit,
        ),
    )
    _print(found[::-1], as_csv=as_csv, as_json=as_json)


@changes.command("undo")
@click.argument("number", type=click.IntRange(min=1))
@config_option
@yes_option
def undo(*, number: int, config: Path | None, yes: bool) -> None:
    """Undo a change, by a new one.

    Refused if the same thing has been changed since. Whoever was removed comes back, within 30
    days. Secrets, ended sessions and what else was removed do not.
    """
    from worksgate.directory.change_log import ChangeKind

    settings = read_installation(config)
    confirm(f"Undo change {number}?", yes=yes)
    administer(
        settings, lambda administration: administration.changes.undo(number, list(ChangeKind))
    )
    print_line(f"Change {number} is undone.")


def _print(found: "Sequence[ShownChange]", *, as_csv: bool, as_json: bool) -> None:
    if as_json:
        print_json([each.document(iso) for each in found])
    elif as_csv:
        _print_csv(found)
    elif not found:
        note("No change matches.")
    for each in () if as_json or as_csv else found:
        _print_one(each)


def _print_csv(found: "Sequence[ShownChange]") -> None:
    from worksgate.administration.changes import COLUMNS
    from worksgate.cli.people_file import print_csv

    print_csv(COLUMNS, (row for each in found for row in each.rows(iso)))


def _print_one(shown: "ShownChange") -> None:
    """A line, and one for each field."""
    change = shown.change
    facts = [str(change.number), local_time(change.at), change.kind, shown.name, change.actor]
    if change.undoes is not None:
        facts.append(f"undoes {change.undoes}")
    print_line("  ".join(filter(None, facts)))
    for each in change.fields:
        print_line(f"    {_said(each, is_person=change.kind == 'person')}")


def _said(each: "FieldChange", *, is_person: bool) -> str:
    from worksgate.directory.change_log import EXISTS

    if each.field == EXISTS:
        return "removed" if not each.after else "restored" if is_person else "added"
    if each.is_secret:
        return f"{each.field}: changed"
    return f"{each.field}: {_value(each.before)} -> {_value(each.after)}"


def _value(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)
