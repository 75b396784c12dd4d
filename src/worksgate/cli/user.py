"""``worksgate user``: people in the built-in directory."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.asking import confirm, new_password
from worksgate.cli.options import (
    CommandGroup,
    config_option,
    force_option,
    json_option,
    password_option,
    reuse_option,
    yes_option,
)
from worksgate.cli.printing import (
    as_document,
    iso,
    note,
    print_facts,
    print_json,
    print_line,
    print_table,
    progress_bar,
)
from worksgate.cli.running import administer, read_installation
from worksgate.directory import Account

if TYPE_CHECKING:
    from worksgate.administration import Administration, NewUser
    from worksgate.directory.import_file import ImportReport

name_option = click.option("--name", metavar="NAME", help="How they are called.")
external_key_option = click.option(
    "--external-key", metavar="KEY", help="The External Key that LINE WORKS knows them by."
)
PEOPLE_COLUMNS = (
    "Username",
    "Name",
    "External key",
    "LINE WORKS account",
    "Enabled",
    "Lacks",
    "Administrator",
    "Last sign-in",
)

works_account_option = click.option(
    "--works-account", metavar="ACCOUNT", help="Their LINE WORKS account."
)


@click.group("user", cls=CommandGroup)
def app() -> None:
    """People: the accounts of the built-in directory."""


@app.command("add")
@click.argument("username")
@name_option
@external_key_option
@works_account_option
@click.option(
    "--administrator",
    is_flag=True,
    help="Mark them for the administration console, which is planned.",
)
@password_option
@reuse_option
@config_option
@json_option
def add(
    *,
    username: str,
    name: str | None,
    external_key: str | None,
    works_account: str | None,
    administrator: bool,
    password_stdin: bool,
    reuse_retired_keys: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Add a person.

    The password is asked for; where nobody can be asked, one is made and shown this once.
    """
    settings = read_installation(config)
    account = Account(id="", username=username, name=name or "")
    password = new_password(account, settings, from_stdin=password_stdin)
    made = administer(
        settings,
        lambda administration: administration.add_user(
            username,
            password=password,
            name=name or "",
            external_key=external_key or None,
            works_account=works_account or None,
            administrator=administrator,
            reuse_retired_keys=reuse_retired_keys,
        ),
    )
    _print_new(made, f"{made.account.username} has been added.", as_json=as_json)


@app.command("import")
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Change nothing; report what would happen.")
@click.option("--update", is_flag=True, help="Change people who are already there.")
@click.option(
    "--generate-passwords",
    "passwords",
    type=click.Path(path_type=Path),
    metavar="PASSWORDS.csv",
    help="Make a password for everybody who would be without one, and write them to this file.",
)
@reuse_option
@config_option
@json_option
def import_users(
    *,
    file: Path,
    dry_run: bool,
    update: bool,
    passwords: Path | None,
    reuse_retired_keys: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Add people from a CSV file, and report row by row.

    The first line names the columns: username, and any of name, external_key, works_account,
    password, administrator, enabled. Exit code 1 if a row was refused; the others are imported.
    """
    from worksgate.cli.first_passwords import give_passwords, passwords_in_use, save_passwords
    from worksgate.cli.people_file import read_people

    settings = read_installation(config)
    rows = read_people(file)
    made: dict[int, str] = {}
    if passwords is not None:
        _check_is_free(passwords)
        made = give_passwords(rows, administer(settings, _all_users))
        if not dry_run:  # now: whatever happens, nobody has a password that is written nowhere
            save_passwords(passwords, rows, made)

    async def work(administration: "Administration") -> "ImportReport":
        with progress_bar("Importing", len(rows)) as progress:
            return await administration.import_users(
                rows,
                dry_run=dry_run,
                update=update,
                reuse_retired_keys=reuse_retired_keys,
                progress=progress,
            )

    report = administer(settings, work)
    if passwords is not None and not dry_run:
        made = passwords_in_use(made, report)
        save_passwords(passwords, rows, made)
        note(f"Wrote {_count(len(made), 'password', 'passwords')} to {passwords}.")
    _print_report(report, as_json=as_json)
    if report.refused:
        sys.exit(1)


@app.command("export")
@click.argument("file", metavar="[FILE.csv]", required=False, type=click.Path(path_type=Path))
@force_option
@config_option
def export(*, file: Path | None, force: bool, config: Path | None) -> None:
    """Write all people as CSV, as import reads it. Never passwords.

    Without a file it goes to standard output; a file is readable by you alone.
    """
    from worksgate.cli.people_file import save_privately, write_people

    settings = read_installation(config)
    if file is not None and not force:
        _check_is_free(file, "; --force replaces it")
    accounts = administer(settings, _all_users)
    if file is not None:
        save_privately(file, write_people(accounts))
        note(f"Wrote {_count(len(accounts), 'person', 'people')} to {file}.")
        return
    for line in write_people(accounts):
        sys.stdout.buffer.write(line.encode())
    sys.stdout.buffer.flush()


@app.command("list")
@config_option
@json_option
def list_users(*, config: Path | None, as_json: bool) -> None:
    """List the people, and what somebody lacks to sign in."""
    accounts = administer(read_installation(config), _all_users)
    if as_json:
        print_json([_document(account) for account in accounts])
    elif accounts:
        print_table(PEOPLE_COLUMNS, map(_row, accounts), whole=("Username", "Last sign-in"))
    else:
        note("There is nobody yet. Add somebody: worksgate user add USERNAME")


@app.command("show")
@click.argument("username")
@config_option
@json_option
def show(*, username: str, config: Path | None, as_json: bool) -> None:
    """Show a person."""
    account = administer(
        read_installation(config), lambda administration: administration.user(username)
    )
    _print_account(account, as_json=as_json)


@app.command("set")
@click.argument("username")
@click.option("--username", "new_username", metavar="USERNAME", help="Another username.")
@name_option
@external_key_option
@works_account_option
@click.option(
    "--administrator/--no-administrator",
    default=None,
    help="Whether they are marked for the administration console, which is planned.",
)
@reuse_option
@config_option
@json_option
def change(
    *,
    username: str,
    new_username: str | None,
    reuse_retired_keys: bool,
    config: Path | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Change a person. What is not given stays; '' removes a key or an account."""
    given = {"username": new_username, **values}
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("say what to change; the options are in --help")
    account = administer(
        read_installation(config),
        lambda administration: administration.change_user(
            username, reuse_retired_keys=reuse_retired_keys, **changes
        ),
    )
    _print_account(account, as_json=as_json)


@app.command("set-password")
@click.argument("username")
@password_option
@config_option
@json_option
def set_password(
    *, username: str, password_stdin: bool, config: Path | None, as_json: bool
) -> None:
    """Give a person a new password, and end their sessions.

    It is asked for; where nobody can be asked, one is made and shown this once.
    """
    settings = read_installation(config)
    account = Account(id="", username=username)
    password = new_password(account, settings, from_stdin=password_stdin)
    made = administer(
        settings, lambda administration: administration.set_password(username, password)
    )
    _print_new(made, f"{made.account.username} has a new password.", as_json=as_json)


@app.command("disable")
@click.argument("username")
@config_option
def disable(*, username: str, config: Path | None) -> None:
    """Keep a person from signing in, and void what they hold."""
    account = administer(
        read_installation(config), lambda administration: administration.disable_user(username)
    )
    print_line(f"{account.username} is disabled.")


@app.command("enable")
@click.argument("username")
@config_option
def enable(*, username: str, config: Path | None) -> None:
    """Let a disabled person sign in again."""
    account = administer(
        read_installation(config), lambda administration: administration.enable_user(username)
    )
    print_line(f"{account.username} is enabled.")


@app.command("remove")
@click.argument("username")
@config_option
@yes_option
def remove(*, username: str, config: Path | None, yes: bool) -> None:
    """Remove a person for good.

    Their user keys are retired: nobody else gets them without --reuse-retired-keys.
    """
    settings = read_installation(config)
    confirm(f"Remove {username}?", yes=yes)
    account = administer(settings, lambda administration: administration.remove_user(username))
    print_line(f"{account.username} has been removed.")


@app.command("sign-out")
@click.argument("username")
@config_option
def sign_out(*, username: str, config: Path | None) -> None:
    """End a person's sessions here, their codes and tokens."""

    async def work(administration: "Administration") -> tuple[str, int]:
        account = await administration.user(username)
        return account.username, await administration.sign_out(account.username)

    found, ended = administer(read_installation(config), work)
    what = _count(ended, "session, code or token", "sessions, codes and tokens")
    print_line(f"{found} is signed out: {what} ended.")


async def _all_users(administration: "Administration") -> list[Account]:
    return [account async for account in administration.users()]


def _check_is_free(file: Path, hint: str = "") -> None:
    from worksgate.cli.refusals import Refusal

    if file.exists():
        raise Refusal(f"{file} exists{hint}")


def _row(account: Account) -> tuple[object, ...]:
    return (
        account.username,
        account.name or None,
        account.external_key,
        account.works_account,
        account.enabled,
        _lacks(account),
        account.administrator or None,
        iso(account.last_login_at),
    )


def _lacks(account: Account) -> str | None:
    from worksgate.directory.account_rules import lacking

    return ", ".join(lacking(account)) or None


def _document(account: Account) -> dict[str, Any]:
    from worksgate.directory.account_rules import lacking

    return {**as_document(account, hidden=("password_hash",)), "lacks": list(lacking(account))}


def _print_new(made: "NewUser", done: str, *, as_json: bool) -> None:
    if as_json:
        secret = {} if made.password is None else {"password": made.password}
        print_json({**_document(made.account), **secret})
        return
    print_line(done)
    if made.password is not None:
        print_facts({"Password": made.password})
        print_line("It is shown this once.")


def _print_account(account: Account, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(account))
        return
    print_line(account.username)
    shown = {
        "Name": account.name or None,
        "External key": account.external_key,
        "LINE WORKS account": account.works_account,
        "Enabled": "yes" if account.enabled else "no",
        "Administrator": "yes" if account.administrator else "no",
        "Added": iso(account.created_at),
        "Password set": iso(account.password_changed_at),
        "Lacks": _lacks(account),
        "Last sign-in": iso(account.last_login_at),
        "ID": account.id,
    }
    print_facts({label: value or "-" for label, value in shown.items()})


def _print_report(report: "ImportReport", *, as_json: bool) -> None:
    from worksgate.directory.import_file import ImportOutcome

    totals = {outcome.value: report.count(outcome) for outcome in ImportOutcome}
    if as_json:
        rows = [as_document(row) for row in report.rows]
        print_json({"dry_run": report.dry_run, "totals": totals, "rows": rows})
        return
    if report.refused:
        refused = [(row.line, row.username, row.reason) for row in report.refused]
        print_table(("Line", "Username", "Refused because"), refused)
        print_line()
    would = "Would have been: " if report.dry_run else ""
    print_line(would + ", ".join(f"{count} {outcome}" for outcome, count in totals.items()) + ".")
    _print_lacks([row.lacks for row in report.rows if row.lacks])


def _print_lacks(lacks: Sequence[Sequence[str]]) -> None:
    if lacks:
        counted = Counter(thing for things in lacks for thing in things)
        told = ", ".join(f"{count} without a {thing}" for thing, count in counted.items())
        print_line(f"{_count(len(lacks), 'person', 'people')} cannot sign in yet: {told}.")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
