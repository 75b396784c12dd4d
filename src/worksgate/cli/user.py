"""``worksgate user``: people in the built-in directory; the larger commands are in ``user_…``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.asking import confirm, new_password
from worksgate.cli.options import (
    CommandGroup,
    Moment,
    config_option,
    json_option,
    password_option,
    reuse_option,
    temporary_option,
    yes_option,
)
from worksgate.cli.printing import counted, local_time, print_line
from worksgate.cli.running import administer, read_installation
from worksgate.cli.user_csv import export, import_users
from worksgate.cli.user_invite import invite
from worksgate.cli.user_leave import leave
from worksgate.cli.user_password import reset_code, reset_link, set_password
from worksgate.cli.user_printing import print_account, print_new
from worksgate.cli.user_removal import remove, restore
from worksgate.cli.user_show import list_users, show, source_option
from worksgate.directory import Account

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.directory.key_ownership import KeyOwner

name_option = click.option("--name", metavar="NAME", help="Their display name.")
reading_option = click.option(
    "--reading", metavar="READING", help="How the name is read, such as ふりがな."
)
external_key_option = click.option(
    "--external-key", metavar="KEY", help="The External Key by which LINE WORKS knows them."
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
    help="A group they are in. Repeatable; replaces the whole list.",
)


@click.group("user", cls=CommandGroup)
def app() -> None:
    """People: the accounts of the built-in directory."""


@app.command("add")
@click.argument("username")
@name_option
@reading_option
@external_key_option
@works_account_option
@email_option
@group_option
@click.option(
    "--administrator",
    is_flag=True,
    help="Mark them as an administrator; rights come from a role (worksgate admin set-role).",
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
    reading: str | None,
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

    Prompts for the password; without a terminal one is generated and shown only once.
    """
    settings = read_installation(config)
    account = Account(id="", username=username, name=name or "", email=email or None)
    password = new_password(account, settings, from_stdin=password_stdin)
    made = administer(
        settings,
        lambda administration: administration.users.add(
            username,
            password=password,
            name=name or "",
            reading=reading or "",
            external_key=external_key or None,
            works_account=works_account or None,
            email=email or None,
            groups=[group for group in groups if group],
            administrator=administrator,
            temporary=not password_stdin if temporary is None else temporary,
            reuse_retired_keys=reuse_retired_keys,
        ),
    )
    print_new(made, f"{made.account.username} has been added.", as_json=as_json)


app.add_command(import_users)
app.add_command(export)
app.add_command(list_users)
app.add_command(show)


@app.command("set")
@click.argument("username")
@click.option("--username", "new_username", metavar="USERNAME", help="A new username.")
@name_option
@reading_option
@external_key_option
@works_account_option
@email_option
@group_option
@click.option(
    "--administrator/--no-administrator",
    default=None,
    help="Whether they are marked as an administrator; rights come from a role.",
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
        raise click.UsageError("nothing to change; --help lists the options")
    account = administer(
        read_installation(config),
        lambda administration: administration.users.change(
            username, reuse_retired_keys=reuse_retired_keys, **changes
        ),
    )
    print_account(account, as_json=as_json)


app.add_command(set_password)
app.add_command(reset_link)
app.add_command(invite)
app.add_command(reset_code)


@app.command("reset-factors")
@click.argument("username")
@source_option
@config_option
@yes_option
def reset_factors(*, username: str, source: str | None, config: Path | None, yes: bool) -> None:
    """Remove the second factors of a person who has lost them.

    Their sessions end. Verify first that the request really comes from them.
    """
    settings = read_installation(config)
    confirm(f"Remove the second factors of {username}?", yes=yes)
    removed = administer(
        settings, lambda administration: administration.people.reset_factors(username, source)
    )
    print_line(f"{username} {'has' if removed else 'had'} no second factor{' now' * removed}.")


@app.command("release-key")
@click.argument("key")
@config_option
@yes_option
def release_key(*, key: str, config: Path | None, yes: bool) -> None:
    """Free a user key of a former owner.

    The next person who signs in or is added with it gets their place in LINE WORKS: for people who
    move from one identity source to another.
    """
    settings = read_installation(config)
    confirm(f"Allow somebody else to have the user key {key}?", yes=yes)

    async def work(administration: "Administration") -> "tuple[list[KeyOwner], dict[str, str]]":
        released = await administration.user_keys.release(key)
        return released, await administration.audit_log.last_usernames(
            each.subject_id for each in released
        )

    released, usernames = administer(settings, work)
    if not released:
        print_line(f"{key} was already free.")
    for owner in released:
        known = replace(owner, holder=owner.holder or usernames.get(owner.subject_id))
        print_line(f"The {owner.key} is free. It belonged to {known}.")


@app.command("disable")
@click.argument("username")
@source_option
@config_option
def disable(*, username: str, source: str | None, config: Path | None) -> None:
    """Disable a person.

    They can no longer sign in, and their sessions, codes, tokens and app passwords are void.
    """
    print_line(f"{_set_enabled(username, source, config, enabled=False)} is disabled.")


@app.command("enable")
@click.argument("username")
@source_option
@config_option
def enable(*, username: str, source: str | None, config: Path | None) -> None:
    """Let a disabled person sign in again."""
    print_line(f"{_set_enabled(username, source, config, enabled=True)} is enabled.")


def _set_enabled(username: str, source: str | None, config: Path | None, *, enabled: bool) -> str:
    """Disable or enable a person; returns their username as stored."""

    async def work(administration: "Administration") -> str:
        if source is not None:
            person = await administration.people.set_enabled(username, source, enabled=enabled)
            return person.username
        change = administration.users.enable if enabled else administration.users.disable
        return (await change(username)).username

    return administer(read_installation(config), work)


@app.command("allow-attempt")
@click.argument("username")
@source_option
@config_option
def allow_attempt(*, username: str, source: str | None, config: Path | None) -> None:
    """Allow a person who has to wait one more attempt.

    After too many wrong passwords people have to wait. It counts where they tried last and where
    they have signed in before, for 15 minutes; if the password is wrong, they wait as before.
    """
    allowed = administer(
        read_installation(config),
        lambda administration: administration.extra_attempts.allow_one(username, source),
    )
    print_line(f"{allowed.person.username} may try once more, until {local_time(allowed.until)}.")


app.add_command(leave)


app.add_command(remove)
app.add_command(restore)


@app.command("sign-out")
@click.argument("username")
@source_option
@click.option(
    "--everything",
    is_flag=True,
    help="Remove their app passwords, too.",
)
@click.option(
    "--factors-since",
    type=Moment(),
    metavar="TIME",
    help="With --everything: also remove second factors added since a time (2026-01-31T09:00, "
    "local if no zone is given) or an age (12h).",
)
@config_option
def sign_out(
    *,
    username: str,
    source: str | None,
    everything: bool,
    factors_since: float | None,
    config: Path | None,
) -> None:
    """End a person's sessions here, their codes and tokens.

    Remembered browsers are forgotten. They can sign in again.
    """
    if everything:
        _end_everything(username, source, factors_since, config)
        return
    if factors_since is not None:
        raise click.UsageError("--factors-since requires --everything")

    async def work(administration: "Administration") -> tuple[str, int]:
        if source is not None:
            return username, await administration.people.sign_out(username, source)
        account = await administration.users.get(username)
        return account.username, await administration.users.sign_out(account.username)

    found, ended = administer(read_installation(config), work)
    what = counted(ended, "session, code or token", "sessions, codes and tokens")
    print_line(f"{found} is signed out: {what} ended.")


def _end_everything(
    username: str, source: str | None, factors_since: float | None, config: Path | None
) -> None:
    person, ended = administer(
        read_installation(config),
        lambda administration: administration.people.end_everything(
            username, source, factors_since=factors_since
        ),
    )
    held = counted(ended.held, "session, code or token", "sessions, codes and tokens")
    passwords = counted(ended.app_passwords, "app password", "app passwords")
    factors = counted(ended.factors, "second factor", "second factors")
    print_line(f"{person.username} is signed out: {held}, {passwords} and {factors} ended.")
