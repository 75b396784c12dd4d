"""``worksgate keys sync`` and ``worksgate keys undo``: external keys, by the API of LINE WORKS."""

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.asking import confirm
from worksgate.cli.console_file import csv_option
from worksgate.cli.options import check_form, config_option, json_option, yes_option
from worksgate.cli.printing import (
    as_document,
    counted,
    note,
    print_json,
    print_line,
    print_table,
    progress_bar,
)
from worksgate.cli.running import administer, ended_in_order, read_installation

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.administration.external_keys.findings import SyncFound
    from worksgate.administration.external_keys.holders import KeyHolder
    from worksgate.administration.external_keys.plan import KeyPlan
    from worksgate.administration.external_keys.sync import KeySync, Outcome
    from worksgate.oauth.model import Client
    from worksgate.settings.options import Settings

_SHOWN = 20
"""Findings of each kind that are printed; all of them are in --csv and --json."""
_COLUMNS = ("finding", "account", "username", "key_here", "key_there", "detail")

_folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    metavar="DIR",
    help="Where the undo file is written, and what an interrupted run needs.  [default: here]",
)
_dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Only show what would be written; nothing is changed."
)


@click.command("sync")
@click.argument("client", required=False)
@click.option(
    "--replace", is_flag=True, help="Put ours in the place of other keys, which are kept otherwise."
)
@click.option(
    "--delete-unknown",
    is_flag=True,
    help="Delete the keys of members who are nobody here; they can then no longer sign in.",
)
@click.option("--abandon", is_flag=True, help="Abandon an interrupted run, and begin a new one.")
@_dry_run_option
@_folder_option
@yes_option
@csv_option
@config_option
@json_option
def sync(
    *,
    client: str | None,
    replace: bool,
    delete_unknown: bool,
    abandon: bool,
    dry_run: bool,
    folder: Path,
    yes: bool,
    as_csv: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Write your people's external keys to LINE WORKS.

    It uses the API of LINE WORKS. A member is found by LINE WORKS account, then by e-mail address.
    Before the first call an undo file is written (worksgate keys undo). An interrupted run is
    resumed first. At the end LINE WORKS is read again; the exit code is 1 if a member does not have
    the key that they should.
    """
    check_form(as_csv=as_csv, as_json=as_json)
    settings = read_installation(config)

    async def work(administration: "Administration") -> "_Result":
        async with administration.key_sync.opened(client, folder, progress_bar) as run:
            if abandon and not dry_run:
                run.abandon()
            people = partial(_people, settings, run.client)
            if (undo_file := run.unfinished) is not None and not abandon:
                note(f"An interrupted run goes on: {undo_file}")
                rest = await run.plan_rest(people)
                if dry_run or not _is_confirmed(rest, run, yes=yes):
                    return _Result(rest)
                return _Result(rest, await run.go_on(people))
            plan = await run.plan(await people(), replaces=replace, deletes_unknown=delete_unknown)
            if run.met_twice:
                members = counted(run.met_twice, "member", "members")
                note(f"Somebody changes LINE WORKS at this time: it named {members} twice.")
            if dry_run or not _is_confirmed(plan, run, yes=yes):
                return _Result(plan)
            return _Result(plan, await run.write(plan))

    with ended_in_order():
        result = administer(settings, work)
    result.print(as_csv=as_csv, as_json=as_json, is_dry_run=dry_run)


@click.command("undo")
@click.argument("file", type=click.Path(path_type=Path))
@_dry_run_option
@_folder_option
@yes_option
@csv_option
@config_option
@json_option
def undo(
    *,
    file: Path,
    dry_run: bool,
    folder: Path,
    yes: bool,
    as_csv: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Give members the external keys that they had before.

    FILE is the undo file of a run of keys sync. Keys that somebody else has changed since are left
    as they are, and nobody is given a key that somebody else has by now; both are reported. This,
    too, writes an undo file.
    """
    check_form(as_csv=as_csv, as_json=as_json)

    async def work(administration: "Administration") -> "_Result":
        async with administration.key_sync.opened_for(file, folder, progress_bar) as run:
            plan = await run.plan_undo(file, partial(_people, settings, run.client))
            if dry_run or not _is_confirmed(plan, run, yes=yes):
                return _Result(plan)
            return _Result(plan, await run.write(plan, kind="undo"))

    settings = read_installation(config)
    with ended_in_order():
        result = administer(settings, work)
    result.print(as_csv=as_csv, as_json=as_json, is_dry_run=dry_run)


async def _people(settings: "Settings", client: "Client") -> "Iterator[KeyHolder]":
    """Everybody whom the client takes, of every source; each is given once."""
    from worksgate.doctor.key_holders import key_holders

    found = await key_holders(settings, client.client_id)
    for each in found.unasked:
        note(f"Of this source only those who have signed in are known: {each}.")
    people = list(found.people)
    return (people.pop() for _ in range(len(people)))


def _is_confirmed(plan: "KeyPlan", run: "KeySync", *, yes: bool) -> bool:
    """Whether there is something to write, and the person wants it. Raises Refusal if not."""
    if not plan.changes and run.unfinished is None:
        return False
    confirm(f"{_in_words(plan)} at LINE WORKS ({run.client.name})?", yes=yes)
    return True


def _in_words(plan: "KeyPlan") -> str:
    """What would be written, as the beginning of a question."""
    keys = {"Add": plan.added, "replace": plan.replaced, "take away": plan.deleted}
    said = ", ".join(f"{does} {number}" for does, number in keys.items() if number) or "Add 0"
    return f"{said[:1].upper()}{said[1:]} external keys"


class _Result:
    """What a command prints, and its exit code."""

    def __init__(self, plan: "KeyPlan", outcome: "Outcome | None" = None) -> None:
        self._plan = plan
        self._outcome = outcome

    def print(self, *, as_csv: bool, as_json: bool, is_dry_run: bool) -> None:
        """Print it; exit with 1 if a member does not have the key that they should."""
        from worksgate.administration.external_keys.findings import HINTS

        missing = self._outcome.missing if self._outcome else ()
        found = list(dict.fromkeys([*missing, *self._plan.found]))  # a run that goes on has both
        if as_json:
            print_json(self._document(found))
        elif as_csv:
            _print_csv(found)
        else:
            self._print_text(found, is_dry_run=is_dry_run)
        if any(each.finding not in HINTS for each in found):
            sys.exit(1)

    def _print_text(self, found: "Sequence[SyncFound]", *, is_dry_run: bool) -> None:
        plan, outcome = self._plan, self._outcome
        members = counted(plan.members, "member", "members")
        print_line(f"{plan.right} of {members} had their key already.")
        rows = [("add", plan.added), ("replace", plan.replaced), ("take away", plan.deleted)]
        print_table(("Keys to", "Number"), rows)
        if outcome is not None:
            print_line(f"LINE WORKS holds {outcome.held} of {outcome.planned} keys of this run.")
            words = ["worksgate", "keys", "undo", str(outcome.undo_file)]
            if config := click.get_current_context().params.get("config"):
                words += ["--config", str(config)]
            print_line(f"To take it back: {shlex.join(words)}")
        _print_found(found)
        if is_dry_run:
            note("Nothing has been changed.")

    def _document(self, found: "Sequence[SyncFound]") -> dict[str, Any]:
        plan, outcome = self._plan, self._outcome
        return {
            "members": plan.members,
            "right": plan.right,
            "added": plan.added,
            "replaced": plan.replaced,
            "deleted": plan.deleted,
            "planned": None if outcome is None else outcome.planned,
            "held": None if outcome is None else outcome.held,
            "undo_file": None if outcome is None else str(outcome.undo_file),
            "findings": [as_document(each) for each in found],
        }


def _print_found(found: "Sequence[SyncFound]") -> None:
    """How many there are of each finding, and the first of them."""
    if not found:
        return
    from worksgate.administration.external_keys.findings import ADVICE, NAMES

    counts = Counter(each.finding for each in found)
    print_line()
    rows = [(name, counts[each], ADVICE[each]) for each, name in NAMES.items() if counts[each]]
    print_table(("Finding", "Number", "What to do"), rows)
    print_line()
    shown = [each for kind in NAMES for each in [f for f in found if f.finding is kind][:_SHOWN]]
    print_table(
        ("Finding", "Member", "Person here", "Key here", "Key there", "Details"),
        [
            (
                NAMES[each.finding],
                each.account,
                each.username,
                each.key_here,
                each.key_there,
                each.detail,
            )
            for each in shown
        ],
    )
    if len(shown) < len(found):
        note("Everybody by name: --csv")


def _print_csv(found: "Sequence[SyncFound]") -> None:
    from worksgate.cli.people_file import print_csv

    print_csv(_COLUMNS, ([getattr(each, name) for name in _COLUMNS] for each in found))
