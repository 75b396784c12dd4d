"""``worksgate admin``: administrators of the console, and the links with which they begin."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import CommandGroup, Duration, config_option, json_option
from worksgate.cli.printing import (
    counted,
    iso,
    local_time,
    note,
    print_json,
    print_line,
    print_table,
)
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, read_installation
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.directory.administrators import AdministratorAccount
    from worksgate.directory.console_sessions import ConsoleSession
    from worksgate.directory.deployer_tokens import DeployerToken
    from worksgate.directory.invitations import Invitation

NO_ROLE = "none"
ROLES = ("owner", "admin", "help_desk", "auditor")
"""Those of people in ``administration.roles``, which loads the database; a test compares them."""
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


@app.command("invite")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--email", metavar="ADDRESS", help="The e-mail address of their new account.")
@config_option
@json_option
def invite(*, name: str, role: str, email: str | None, config: Path | None, as_json: bool) -> None:
    """Make a link with which another administrator begins.

    Hand it over only to them: whoever opens it first gets the role. It works once, for three days,
    in a browser that reaches the console. They choose a user name, and how they sign in.
    """
    from worksgate.administration.roles import Role

    made = administer(
        _with_console(config),
        lambda each: each.invitations.invite(name, Role(role), email=email),
    )
    if as_json:
        print_json({**_invitation(made.invitation), "url": made.link})
        return
    print_line(made.link)
    note(f"It works once, until {local_time(made.invitation.expires_at)}.")


@app.command("invitations")
@config_option
@json_option
def list_invitations(*, config: Path | None, as_json: bool) -> None:
    """List the open invitations."""
    found = administer(read_installation(config), lambda each: each.invitations.valid())
    if as_json:
        print_json([_invitation(each) for each in found])
    elif found:
        rows = [
            (each.id, each.name, each.role, each.actor, local_time(each.expires_at) or "")
            for each in found
        ]
        print_table(("ID", "Name", "Role", "Invited by", "Until"), rows, whole=("ID",))
    else:
        note("There is none.")


@app.command("withdraw")
@click.argument("id")
@config_option
def withdraw(*, id: str, config: Path | None) -> None:  # noqa: A002  # as the list names it
    """Withdraw an open invitation.

    Its ID is in the list of invitations.
    """
    ended = administer(read_installation(config), lambda each: each.invitations.withdraw(id))
    print_line(f"The invitation for {ended.name} is withdrawn.")


@app.group("token", cls=CommandGroup)
def token() -> None:
    """Tokens for pipelines, which apply a file of clients.

    They do nothing else: see worksgate client apply --to.
    """


@token.command("add")
@click.argument("name")
@click.option(
    "--for",
    "lifetime",
    type=Duration(),
    metavar="TIME",
    help="For how long it is accepted; 0 is until it is ended.  [default: 90d]",
)
@config_option
@json_option
def add_token(*, name: str, lifetime: float | None, config: Path | None, as_json: bool) -> None:
    """Make a token; it is shown only once.

    The audit log has its NAME for all that it changes.
    """
    given = {} if lifetime is None else {"lifetime": lifetime or None}
    made = administer(_with_console(config), lambda each: each.deployers.make(name, **given))
    if as_json:
        print_json({**_token(made.token), "token": made.secret})
        return
    print_line(made.secret)
    until = local_time(made.token.expires_at) or "it is ended"
    note(f"It is shown only once, and is accepted until {until}.")


@token.command("list")
@config_option
@json_option
def list_tokens(*, config: Path | None, as_json: bool) -> None:
    """List the tokens of deployers, and when each was last used."""
    found = administer(read_installation(config), lambda each: each.deployers.all())
    if as_json:
        print_json([{**_token(each.token), "state": each.state.value} for each in found])
    elif found:
        rows = [
            (
                each.token.name,
                each.token.actor,
                local_time(each.token.expires_at) or "",
                local_time(each.token.used_at) or "",
                each.state.value,
            )
            for each in found
        ]
        print_table(("Name", "Made by", "Until", "Last used", "State"), rows, whole=("Name",))
    else:
        note("There is none.")


@token.command("end")
@click.argument("name")
@config_option
def end_token(*, name: str, config: Path | None) -> None:
    """Revoke a token at once.

    NAME is its name or its ID in the list.
    """
    ended = administer(read_installation(config), lambda each: each.deployers.end(name))
    print_line(f"The token {ended.name} has ended.")


@app.command("sessions")
@config_option
@json_option
def list_sessions(*, config: Path | None, as_json: bool) -> None:
    """List the open sessions of the console, the last used first."""
    found = administer(read_installation(config), lambda each: each.administrators.sessions())
    if as_json:
        print_json([_session(*each) for each in found])
    elif found:
        rows = [
            (who.username, each.browser or "", each.address or "", local_time(each.used_at) or "")
            for each, who in found
        ]
        print_table(("Username", "Browser", "Address", "Last used"), rows, whole=("Username",))
    else:
        note("Nobody is signed in to the console.")


@app.command("end-sessions")
@click.argument("username")
@click.option("--source", metavar="NAME", help="The source of a person who is not built in.")
@config_option
def end_sessions(*, username: str, source: str | None, config: Path | None) -> None:
    """End all sessions of an administrator in the console.

    They can sign in again: disable them, or take their role, to keep them out.
    """

    async def work(administration: "Administration") -> int:
        administrators = administration.administrators
        who = await administrators.find(username, source)
        return await administrators.end_sessions(who.subject_id)

    ended = administer(read_installation(config), work)
    print_line(f"{counted(ended, 'session has', 'sessions have')} ended.")


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


def _invitation(invitation: "Invitation") -> dict[str, object]:
    return {
        "id": invitation.id,
        "name": invitation.name,
        "email": invitation.email,
        "role": invitation.role,
        "invited_by": invitation.actor,
        "expires_at": iso(invitation.expires_at),
    }


def _token(token: "DeployerToken") -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "made_by": token.actor,
        "made_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "used_at": iso(token.used_at),
    }


def _session(session: "ConsoleSession", who: "AdministratorAccount") -> dict[str, object]:
    return {
        "username": who.username,
        "source": who.source,
        "browser": session.browser,
        "address": session.address,
        "since": iso(session.created_at),
        "used_at": iso(session.used_at),
    }


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
