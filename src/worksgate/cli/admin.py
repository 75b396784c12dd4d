"""``worksgate admin``: administrators of the console, and the link with which it begins."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import CommandGroup, config_option, json_option
from worksgate.cli.printing import note, print_json, print_line, print_table
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, read_installation
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.directory.administrators import AdministratorAccount

NO_ROLE = "none"
ROLES = ("owner", "admin", "help_desk", "auditor")
"""Those of ``administration.roles``, which would load the database; a test compares them."""
_COLUMNS = ("Username", "Name", "Source", "Role", "By the group", "Enabled")


@click.group("admin", cls=CommandGroup)
def app() -> None:
    """Administrators of the console, and their roles.

    The console is served at console_url if console_port is set.
    """


@app.command("link")
@config_option
@json_option
def link(*, config: Path | None, as_json: bool) -> None:
    """Make the link with which the first owner begins.

    It works once, for half an hour, as long as there is no owner. Open it in a browser that reaches
    the console. A previous link ends.
    """
    settings = _with_console(config)
    _print_link(administer(settings, lambda each: each.first_owner.issue_link()), as_json=as_json)


@app.command("recover")
@config_option
@json_option
def recover(*, config: Path | None, as_json: bool) -> None:
    """Make a link for another owner, if none can sign in any more.

    The present owners keep their role; take it from them in the console, or with set-role. The link
    is recorded in the audit log, and an alert; its use is also a warning in the log of the console.
    """
    settings = _with_console(config)
    made = administer(settings, lambda each: each.first_owner.issue_link(recovers=True))
    _print_link(made, as_json=as_json)


@app.command("list")
@config_option
@json_option
def list_administrators(*, config: Path | None, as_json: bool) -> None:
    """List the administrators with their roles."""
    found = administer(read_installation(config), lambda each: each.administrators.all())
    if as_json:
        print_json([_document(each) for each in found])
    elif found:
        print_table(_COLUMNS, [_row(each) for each in found], whole=("Username",))
    else:
        note("There is none yet: worksgate admin link, or worksgate admin set-role.")


@app.command("set-role")
@click.argument("username")
@click.argument("role", type=click.Choice([*ROLES, NO_ROLE]))
@click.option(
    "--source", metavar="NAME", help="The source of a person who is not in the built-in one."
)
@config_option
@json_option
def set_role(
    *, username: str, role: str, source: str | None, config: Path | None, as_json: bool
) -> None:
    """Give a person a role, or none.

    They sign in to the console with their password and their authenticator app, which they set up
    at their own account page. Their sessions in the console end. People of other sources are known
    here from their first sign-in.
    """
    from worksgate.administration.roles import Role

    given = None if role == NO_ROLE else Role(role)
    account = administer(
        read_installation(config),
        lambda each: each.administrators.set_role(username, given, source=source),
    )
    if as_json:
        print_json(_document(account))
    elif given is None:
        print_line(f"{account.username} has no role in the console any more.")
    else:
        print_line(f"{account.username} has the role {given.value}.")


def _with_console(config: Path | None) -> Settings:
    settings = read_installation(config)
    if not settings.console_port:
        raise Refusal("the console is off: set console_port, and restart the server")
    return settings


def _print_link(made: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"url": made})
        return
    print_line(made)
    note("It works once, for half an hour. Open it in a browser that reaches the console.")


def _document(account: "AdministratorAccount") -> dict[str, object]:
    return {
        "username": account.username,
        "name": account.name,
        "source": account.source,
        "role": account.effective_role,
        "group": None if account.role else account.role_group,
        "enabled": account.enabled,
    }


def _row(account: "AdministratorAccount") -> tuple[str, ...]:
    return (
        account.username,
        account.name,
        account.source,
        account.effective_role or "",
        "" if account.role else account.role_group or "",
        "yes" if account.enabled else "no",
    )
