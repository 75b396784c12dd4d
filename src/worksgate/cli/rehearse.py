"""``worksgate rehearse``: who would get in at LINE WORKS, and who would not."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.console_file import (
    client_option,
    csv_option,
    encoding_option,
    read_at_most,
)
from worksgate.cli.options import check_form, config_option, json_option
from worksgate.cli.printing import counted, iso, note, print_json, print_line, print_table
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration.external_keys.faults import BadMembersFile
    from worksgate.administration.going_live.operations import Examined

_COLUMNS = ("finding", "account", "name", "subject_id", "username", "key_here", "key_there")


@click.command("rehearse")
@click.argument("file", metavar="[FILE.csv]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--line-works",
    "asks",
    is_flag=True,
    help="Read the members and their keys from LINE WORKS itself, by its API.",
)
@client_option
@encoding_option
@click.option("--key-column", metavar="HEADER", help="The column of the External Key.")
@click.option("--account-column", metavar="HEADER", help="The column of the LINE WORKS account.")
@csv_option
@config_option
@json_option
def rehearse(
    *,
    file: Path | None,
    asks: bool,
    client: str | None,
    encoding: str | None,
    key_column: str | None,
    account_column: str | None,
    as_csv: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Compare the members of LINE WORKS with the people here.

    FILE.csv is the file that the Developer Console of LINE WORKS exports (ExternalKey_member.csv);
    - is standard input. With --line-works the members are read through the API of LINE WORKS
    instead: their accounts and External Keys only. Without either, the report covers only the
    people here. Nothing is changed. The exit code is 1 if anybody could not sign in.
    """
    from worksgate.administration.going_live import STOPS, BadMembersFile, Choices
    from worksgate.administration.going_live.members_file import MOST_BYTES
    from worksgate.doctor.source_people import people_at_sources

    check_form(as_csv=as_csv, as_json=as_json)
    if asks and file is not None:
        raise click.UsageError("FILE.csv and --line-works exclude each other")
    settings = read_installation(config)
    data = None if file is None else read_at_most(file, MOST_BYTES)
    choices = Choices(encoding, key_column, account_column)
    sources = partial(people_at_sources, settings)
    try:
        done = administer(
            settings,
            lambda administration: (
                administration.going_live.examine_asked(client, sources)
                if asks
                else administration.going_live.examine(data, client, choices, sources)
            ),
        )
    except BadMembersFile as bad:
        _print_wrong_rows(bad)
        raise Refusal(f"{file}: {bad}") from None
    if as_json:
        print_json(_document(done))
    elif as_csv:
        _print_csv(done)
    else:
        _print(done)
    if any(done.rehearsal.count(each) for each in STOPS):
        sys.exit(1)


def _print_wrong_rows(bad: "BadMembersFile") -> None:
    from worksgate.administration.external_keys.faults import ROW_FAULTS

    if bad.rows:
        rows = [(each.line, each.account, ROW_FAULTS[each.fault]) for each in bad.rows]
        print_table(("Line", "Account", "What is wrong"), rows)


def _print(done: "Examined") -> None:
    from worksgate.administration.going_live.wording import ADVICE, NAMES

    rehearsal = done.rehearsal
    print_line(
        f"{rehearsal.ready} of {counted(rehearsal.total, 'person', 'people')} would get in at "
        f"{rehearsal.client}."
    )
    if rehearsal.left_out:
        print_line(f"{rehearsal.left_out} suspended or deleted at LINE WORKS are left out.")
    if rehearsal.met_twice:
        members = counted(rehearsal.met_twice, "member", "members")
        note(f"Somebody changes LINE WORKS at this time: it named {members} twice. Rehearse again.")
    print_line()
    rows = [
        (NAMES[each], rehearsal.count(each), ADVICE.get(each, ""))
        for each in rehearsal.findings()
        if rehearsal.count(each)
    ]
    print_table(("Finding", "People", "What to do"), rows)
    if rehearsal.members is None:
        note(
            "Without the file of LINE WORKS, or --line-works, nothing is known of its members and "
            "their keys."
        )
    for each in rehearsal.unasked:
        note(f"Of the source {each} only those who have signed in are known.")
    note("Everybody by name: --csv")


def _print_csv(done: "Examined") -> None:
    from worksgate.cli.people_file import print_csv

    rows = ([getattr(row, name) for name in _COLUMNS] for row in done.rows)
    print_csv(_COLUMNS, rows)


def _document(done: "Examined") -> dict[str, Any]:
    rehearsal = done.rehearsal
    findings = {each.value: rehearsal.count(each) for each in rehearsal.findings()}
    return {
        "at": iso(rehearsal.at),
        "client": rehearsal.client,
        "user_key": rehearsal.user_key,
        "members": rehearsal.members,
        "asked_line_works": rehearsal.is_asked,
        "met_twice": rehearsal.met_twice,
        "left_out": rehearsal.left_out,
        "people": rehearsal.people,
        "ready": rehearsal.ready,
        "unasked": list(rehearsal.unasked),
        "findings": findings,
        "rows": [{name: getattr(row, name) for name in _COLUMNS} for row in done.rows],
    }
