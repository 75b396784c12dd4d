"""``worksgate user import`` and ``worksgate user export``: people as a CSV file."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.asking import confirm
from worksgate.cli.options import (
    STANDARD_STREAM,
    config_option,
    force_option,
    json_option,
    reuse_option,
    temporary_option,
    yes_option,
)
from worksgate.cli.printing import (
    as_document,
    counted,
    note,
    print_json,
    print_line,
    print_packed,
    print_table,
    progress_bar,
)
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, all_users, read_installation
from worksgate.directory import Account

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.administration.people_import.columns import ImportReport


@click.command("import")
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Change nothing; report what would happen.")
@click.option("--update", is_flag=True, help="Change people who already exist.")
@click.option(
    "--generate-passwords",
    "passwords",
    type=click.Path(path_type=Path),
    metavar="PASSWORDS.csv",
    help="Generate a password for everybody who would have none, and write them to this file.",
)
@click.option(
    "--encoding",
    type=click.Choice(("utf-8", "cp932", "cp949")),
    help="The file's encoding: cp932 is Japanese, cp949 Korean. Detected by default.",
)
@click.option(
    "--disable-missing",
    is_flag=True,
    help="Disable everybody who is not in the file, except administrators; not if a row was "
    "refused.",
)
@temporary_option
@reuse_option
@yes_option
@config_option
@json_option
def import_users(
    *,
    file: Path,
    dry_run: bool,
    update: bool,
    passwords: Path | None,
    encoding: str | None,
    disable_missing: bool,
    temporary: bool | None,
    reuse_retired_keys: bool,
    yes: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Add people from a CSV file, and report row by row.

    With - for the file, reads standard input. The first line names the columns: username, and any
    of name, external_key, works_account, email, groups (separated by ;), password or password_hash,
    administrator, enabled. The exit code is 1 if a row was refused; the others are imported.
    """
    from worksgate.cli.first_passwords import give_passwords, passwords_in_use, save_passwords
    from worksgate.cli.people_file import read_people

    settings = read_installation(config)
    rows = read_people(file, encoding)
    missing = _missing_from(rows, administer(settings, all_users)) if disable_missing else []
    if missing and not dry_run:
        _confirm_disabling(missing, yes=yes)
    made: dict[int, str] = {}
    if passwords is not None:
        _check_is_free(passwords)
        made = give_passwords(rows, administer(settings, all_users))
        if not dry_run:  # now, so that every password is also in the file, whatever happens
            save_passwords(passwords, rows, made)

    async def work(administration: "Administration") -> "ImportReport":
        with progress_bar("Importing", len(rows)) as progress:
            return await administration.people_import.run(
                rows,
                dry_run=dry_run,
                update=update,
                reuse_retired_keys=reuse_retired_keys,
                temporary=bool(temporary),
                progress=progress,
            )

    report = administer(settings, work)
    if passwords is not None and not dry_run:
        made = passwords_in_use(made, report)
        save_passwords(passwords, rows, made)
        note(f"Wrote {counted(len(made), 'password', 'passwords')} to {passwords}.")
    if missing and not dry_run and not report.refused:
        administer(settings, partial(_disable, missing))
    _print_report(report, missing, as_json=as_json)
    if report.refused:
        sys.exit(1)


def _confirm_disabling(missing: Sequence[Account], *, yes: bool) -> None:
    names = ", ".join(account.username for account in missing[:10])
    more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
    who = counted(len(missing), "person who is", "people who are")
    confirm(f"Disable {who} not in the file ({names}{more})?", yes=yes)


def _missing_from(
    rows: Sequence[Mapping[str | None, str]], people: Iterable[Account]
) -> list[Account]:
    """People missing in a file, to be disabled. Raises Refusal if the file names nobody."""
    from worksgate.credentials.usernames import username_key

    named = {username_key(row["username"]) for row in rows}
    if not named:
        raise Refusal("--disable-missing: the file names nobody, so everybody would be disabled")
    return [
        each
        for each in people
        if each.enabled and not each.administrator and username_key(each.username) not in named
    ]


async def _disable(people: Iterable[Account], administration: "Administration") -> None:
    for account in people:
        await administration.users.disable(account.username)


@click.command("export")
@click.argument("file", metavar="[FILE.csv]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--encoding",
    type=click.Choice(("utf-8", "utf-8-bom", "cp932", "cp949")),
    default="utf-8",
    help="Its encoding; Excel opens utf-8-bom directly, the last two in Japan and Korea.  "
    "[default: utf-8]",
)
@force_option
@config_option
def export(*, file: Path | None, encoding: str, force: bool, config: Path | None) -> None:
    """Write all people as CSV, in the format of import. Passwords are never included.

    Without a file, or with -, it goes to standard output; a file is readable by you only. A cell
    that a spreadsheet would take for a formula gets a leading ', which import removes again.
    """
    from worksgate.cli.people_file import save_privately, write_people

    settings = read_installation(config)
    if file == STANDARD_STREAM:
        file = None
    if file is not None and not force:
        _check_is_free(file, "; --force replaces it")
    accounts = administer(settings, all_users)
    data = write_people(accounts, encoding)
    if file is not None:
        save_privately(file, data)
        note(f"Wrote {counted(len(accounts), 'person', 'people')} to {file}.")
        return
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _check_is_free(file: Path, hint: str = "") -> None:
    if file.exists():
        raise Refusal(f"{file} exists{hint}")


def _print_report(report: "ImportReport", missing: Sequence[Account], *, as_json: bool) -> None:
    from worksgate.administration.people_import.columns import ImportOutcome

    totals = {outcome.value: report.count(outcome) for outcome in ImportOutcome}
    if as_json:
        rows = [as_document(row) for row in report.rows]
        disabled = [] if report.refused else [account.username for account in missing]
        print_json(
            {"dry_run": report.dry_run, "totals": totals, "rows": rows, "disabled": disabled}
        )
        return
    if report.refused:
        refused = [(row.line, row.username, row.reason) for row in report.refused]
        print_table(("Line", "Username", "Refused because"), refused)
        print_line()
    would = "Would have been: " if report.dry_run else ""
    print_line(would + ", ".join(f"{count} {outcome}" for outcome, count in totals.items()) + ".")
    if missing:
        _print_missing(report, missing)
    _print_lacks([row.lacks for row in report.rows if row.lacks])


def _print_missing(report: "ImportReport", missing: Sequence[Account]) -> None:
    who = counted(len(missing), "person is", "people are")
    if report.refused:
        print_line(f"{who} not in the file; nobody was disabled, since a row was refused.")
        return
    done = "would be disabled" if report.dry_run else "disabled"
    print_packed(f"{who} not in the file, and {done}:", (each.username for each in missing))


def _print_lacks(lacks: Sequence[Sequence[str]]) -> None:
    if lacks:
        counts = Counter(thing for things in lacks for thing in things)
        gaps = ", ".join(f"{count} without a {thing}" for thing, count in counts.items())
        print_line(f"{counted(len(lacks), 'person', 'people')} cannot sign in yet: {gaps}.")
