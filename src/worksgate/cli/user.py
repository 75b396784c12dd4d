"""``worksgate user``: people in the built-in directory."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.asking import confirm, new_password
from worksgate.cli.options import (
    CommandGroup,
    Duration,
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
    from worksgate.directory.people import RememberedPerson

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

REMEMBERED_COLUMNS = (
    "Username",
    "Name",
    "External key",
    "LINE WORKS account",
    "Enabled",
    "Last sign-in",
)

works_account_option = click.option(
    "--works-account", metavar="ACCOUNT", help="Their LINE WORKS account."
)
email_option = click.option("--email", metavar="ADDRESS", help="Their e-mail address.")
group_option = click.option(
    "--group",
    "groups",
    metavar="GROUP",
    multiple=True,
    help="A group they are in. Can be given several times; the whole list is set.",
)
temporary_option = click.option(
    "--temporary/--permanent",
    default=None,
    help="Whether they must choose a password of their own at the next sign-in, within a week. "
    "Not said, a password that is typed or made here is temporary, and one from standard input "
    "or a file, where it may be their own, is permanent.",
)
source_option = click.option(
    "--source", metavar="NAME", help="The identity source they sign in by, if not the built-in one."
)
encoding_option = click.option(
    "--encoding",
    type=click.Choice(("utf-8", "cp932", "cp949")),
    help="How the file is encoded: cp932 is Japanese, cp949 Korean. It is found out if not said.",
)


@click.group("user", cls=CommandGroup)
def app() -> None:
    """People: the accounts of the built-in directory."""


@app.command("add")
@click.argument("username")
@name_option
@external_key_option
@works_account_option
@email_option
@group_option
@click.option(
    "--administrator",
    is_flag=True,
    help="Mark them for the administration console, which is planned.",
)
@password_option
@temporary_option
@reuse_option
@config_option
@json_option
def add(
    *,
    username: str,
    name: str | None,
    external_key: str | None,
    works_account: str | None,
    email: str | None,
    groups: tuple[str, ...],
    administrator: bool,
    password_stdin: bool,
    temporary: bool | None,
    reuse_retired_keys: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Add a person.

    The password is asked for; where nobody can be asked, one is made and shown this once.
    """
    settings = read_installation(config)
    account = Account(id="", username=username, name=name or "", email=email or None)
    password = new_password(account, settings, from_stdin=password_stdin)
    made = administer(
        settings,
        lambda administration: administration.add_user(
            username,
            password=password,
            name=name or "",
            external_key=external_key or None,
            works_account=works_account or None,
            email=email or None,
            groups=[group for group in groups if group],
            administrator=administrator,
            temporary=not password_stdin if temporary is None else temporary,
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
@encoding_option
@temporary_option
@reuse_option
@config_option
@json_option
def import_users(
    *,
    file: Path,
    dry_run: bool,
    update: bool,
    passwords: Path | None,
    encoding: str | None,
    temporary: bool | None,
    reuse_retired_keys: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Add people from a CSV file, and report row by row.

    The first line names the columns: username, and any of name, external_key, works_account,
    email, groups (separated by ;), password or password_hash, administrator, enabled. Exit code 1
    if a row was refused; the others are imported.
    """
    from worksgate.cli.first_passwords import give_passwords, passwords_in_use, save_passwords
    from worksgate.cli.people_file import read_people

    settings = read_installation(config)
    rows = read_people(file, encoding)
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
                temporary=bool(temporary),
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
@click.option(
    "--encoding",
    type=click.Choice(("utf-8", "utf-8-bom", "cp932", "cp949")),
    default="utf-8",
    help="How it is encoded; Excel opens utf-8-bom without being asked, the last two in Japan "
    "and Korea.  [default: utf-8]",
)
@force_option
@config_option
def export(*, file: Path | None, encoding: str, force: bool, config: Path | None) -> None:
    """Write all people as CSV, as import reads it. Never passwords.

    Without a file it goes to standard output; a file is readable by you alone. A cell that a
    spreadsheet would take for a formula has a ' before it, which import takes off again.
    """
    from worksgate.cli.people_file import save_privately, write_people

    settings = read_installation(config)
    if file is not None and not force:
        _check_is_free(file, "; --force replaces it")
    accounts = administer(settings, _all_users)
    data = write_people(accounts, encoding)
    if file is not None:
        save_privately(file, data)
        note(f"Wrote {_count(len(accounts), 'person', 'people')} to {file}.")
        return
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@app.command("list")
@source_option
@config_option
@json_option
def list_users(*, source: str | None, config: Path | None, as_json: bool) -> None:
    """List the people, and what somebody lacks to sign in.

    With --source, those who have signed in by another source.
    """
    if source is not None:
        _list_people(source, config, as_json=as_json)
        return
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
@email_option
@group_option
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
    groups: tuple[str, ...],
    reuse_retired_keys: bool,
    config: Path | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Change a person. What is not given stays; '' removes a key, an address or all groups."""
    named = [group for group in groups if group] if groups else None
    given = {"username": new_username, "groups": named, **values}
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
@temporary_option
@config_option
@json_option
def set_password(
    *,
    username: str,
    password_stdin: bool,
    temporary: bool | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Give a person a new password, and end their sessions.

    It is asked for; where nobody can be asked, one is made and shown this once.
    """
    settings = read_installation(config)
    account = Account(id="", username=username)
    password = new_password(account, settings, from_stdin=password_stdin)
    made = administer(
        settings,
        lambda administration: administration.set_password(
            username,
            password,
            temporary=not password_stdin if temporary is None else temporary,
        ),
    )
    _print_new(made, f"{made.account.username} has a new password.", as_json=as_json)


@app.command("reset-link")
@click.argument("username")
@click.option("--lifetime", type=Duration(), help="How long the link is good.")
@config_option
@json_option
def reset_link(
    *, username: str, lifetime: float | None, config: Path | None, as_json: bool
) -> None:
    """Make a link by which a person chooses a new password, once.

    Give it to nobody but them: whoever has it can set their password.
    """
    settings = read_installation(config)
    # Before the link is made: never later than it really ends.
    until = iso(time.time() + (settings.reset_link_lifetime if lifetime is None else lifetime))
    link = administer(
        settings,
        lambda administration: administration.issue_reset_link(username, lifetime=lifetime),
    )
    if as_json:
        print_json({"username": username, "link": link, "expires_at": until})
    else:
        print_line(link)
        note(f"It works once, until {until}.")


@app.command("reset-factors")
@click.argument("username")
@source_option
@config_option
@yes_option
def reset_factors(*, username: str, source: str | None, config: Path | None, yes: bool) -> None:
    """Remove the second factors of who has lost them.

    Their sessions end. Be sure that it is they who ask.
    """
    settings = read_installation(config)
    confirm(f"Remove the second factors of {username}?", yes=yes)
    removed = administer(
        settings, lambda administration: administration.reset_factors(username, source)
    )
    print_line(f"{username} {'has' if removed else 'had'} no second factor{' now' * removed}.")


@app.command("release-key")
@click.argument("key")
@config_option
@yes_option
def release_key(*, key: str, config: Path | None, yes: bool) -> None:
    """Free a user key that somebody had.

    Whoever signs in or is added with it next gets their place in LINE WORKS: for people who move
    from one identity source to another.
    """
    settings = read_installation(config)
    confirm(f"Let somebody else have the user key {key}?", yes=yes)
    count = administer(settings, lambda administration: administration.release_key(key))
    print_line(f"{key} is free." if count else f"{key} was free already.")


@app.command("disable")
@click.argument("username")
@source_option
@config_option
def disable(*, username: str, source: str | None, config: Path | None) -> None:
    """Keep a person from signing in, and void what they hold."""
    print_line(f"{_set_enabled(username, source, config, enabled=False)} is disabled.")


@app.command("enable")
@click.argument("username")
@source_option
@config_option
def enable(*, username: str, source: str | None, config: Path | None) -> None:
    """Let a disabled person sign in again."""
    print_line(f"{_set_enabled(username, source, config, enabled=True)} is enabled.")


def _set_enabled(username: str, source: str | None, config: Path | None, *, enabled: bool) -> str:
    """Disable or enable a person; their name as it is written."""

    async def work(administration: "Administration") -> str:
        if source is not None:
            person = await administration.set_person_enabled(username, source, enabled=enabled)
            return person.username
        change = administration.enable_user if enabled else administration.disable_user
        return (await change(username)).username

    return administer(read_installation(config), work)


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
@source_option
@config_option
def sign_out(*, username: str, source: str | None, config: Path | None) -> None:
    """End a person's sessions here, their codes and tokens."""

    async def work(administration: "Administration") -> tuple[str, int]:
        if source is not None:
            return username, await administration.sign_out_person(username, source)
        account = await administration.user(username)
        return account.username, await administration.sign_out(account.username)

    found, ended = administer(read_installation(config), work)
    what = _count(ended, "session, code or token", "sessions, codes and tokens")
    print_line(f"{found} is signed out: {what} ended.")


def _list_people(source: str, config: Path | None, *, as_json: bool) -> None:
    people = administer(
        read_installation(config), lambda administration: administration.people(source)
    )
    if as_json:
        print_json([_person_document(each) for each in people])
    elif people:
        rows = [
            (
                each.person.username,
                each.person.name or None,
                each.person.external_key,
                each.person.works_account,
                each.enabled,
                iso(each.last_login_at),
            )
            for each in people
        ]
        print_table(REMEMBERED_COLUMNS, rows, whole=("Username", "Last sign-in"))
    else:
        note(f"Nobody has signed in by {source} yet.")


def _person_document(remembered: "RememberedPerson") -> dict[str, Any]:
    return {
        **as_document(remembered.person, hidden=("revision", "must_change_password")),
        "source": remembered.source,
        "enabled": remembered.enabled,
        "first_login_at": iso(remembered.first_login_at),
        "last_login_at": iso(remembered.last_login_at),
    }


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


def _password_state(account: Account) -> str | None:
    """Whether somebody has a password of their own here, and what they have instead."""
    from worksgate.foreign_hashes import is_foreign, kind_of

    if account.password_hash is None:
        return None
    if is_foreign(account.password_hash):
        return f"imported ({kind_of(account.password_hash)}), until the first sign-in"
    return "temporary, until the next sign-in" if account.must_change_password else "set"


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
    if made.account.must_change_password:
        print_line("They must choose their own at the next sign-in, within a week.")


def _print_account(account: Account, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(account))
        return
    print_line(account.username)
    shown = {
        "Name": account.name or None,
        "External key": account.external_key,
        "LINE WORKS account": account.works_account,
        "E-mail address": account.email,
        "Groups": ", ".join(account.groups) or None,
        "Enabled": "yes" if account.enabled else "no",
        "Administrator": "yes" if account.administrator else "no",
        "Added": iso(account.created_at),
        "Password set": iso(account.password_changed_at),
        "Password": _password_state(account),
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
