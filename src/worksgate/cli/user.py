"""``worksgate user``: people in the built-in directory."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.asking import confirm, new_password
from worksgate.cli.options import (
    CommandGroup,
    Duration,
    Moment,
    config_option,
    json_option,
    password_option,
    reuse_option,
    temporary_option,
    yes_option,
)
from worksgate.cli.printing import counted, iso, local_time, note, print_json, print_line
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, all_users, quietly, read_installation
from worksgate.cli.user_csv import export, import_users
from worksgate.cli.user_invite import invite
from worksgate.cli.user_leave import leave
from worksgate.cli.user_printing import (
    print_account,
    print_accounts,
    print_new,
    print_people,
    print_remembered,
    print_source_person,
)
from worksgate.cli.user_removal import list_removed, remove, restore
from worksgate.directory import Account
from worksgate.settings.sources.common import BUILT_IN

if TYPE_CHECKING:
    from worksgate.administration import Administration, Holdings, LineWorksKey
    from worksgate.directory.key_ownership import KeyOwner
    from worksgate.directory.people import RememberedPerson
    from worksgate.settings.options import Settings

    Remembered = tuple[RememberedPerson, Holdings, tuple[str, ...], tuple[LineWorksKey, ...]]

IDENTIFIED = ("called-back", "in-person", "vouched-for")
"""Those of ``administration.users``, which would load the database; a test compares them."""

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
source_option = click.option(
    "--source",
    metavar="NAME",
    help="The identity source they sign in with, if not the built-in directory.",
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


@app.command("list")
@click.argument("text", required=False)
@source_option
@click.option("--group", metavar="GROUP", help="Only people in this group.")
@click.option("--enabled/--disabled", default=None, help="Only those who may, or may not, sign in.")
@click.option("--lacking", is_flag=True, help="Only those who cannot sign in yet.")
@click.option(
    "--second-factor/--no-second-factor", default=None, help="Only those with, or without, one."
)
@click.option("--removed", is_flag=True, help="Those who were removed and can be brought back.")
@config_option
@json_option
def list_users(
    *,
    text: str | None,
    source: str | None,
    group: str | None,
    enabled: bool | None,
    lacking: bool,
    second_factor: bool | None,
    removed: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """List people, and what they still need to sign in.

    Each word of TEXT is part of a name, its reading, the username, a user key or an e-mail address.
    With --source, it lists people who have signed in with another source.
    """
    from worksgate.cli.user_filter import Filter

    settings = read_installation(config)
    chosen = Filter(text, group, enabled, lacking=lacking, second_factor=second_factor)
    if removed:
        if source is not None or chosen != Filter(text):
            raise click.UsageError("--removed can only be combined with TEXT")
        list_removed(settings, text, as_json=as_json)
        return

    async def all_accounts(
        administration: "Administration",
    ) -> tuple[list[Account], frozenset[str]]:
        accounts = await all_users(administration)
        return accounts, await administration.people.subjects_with_a_factor()

    if source is None:
        accounts, holders = administer(settings, all_accounts)
        found = [account for account in accounts if chosen.admits_account(account, holders)]
        print_accounts(found, holders, as_json=as_json, is_filtered=chosen.is_set)
        return
    if lacking or second_factor is not None:
        raise click.UsageError(
            "--source can only be combined with TEXT, --group, --enabled and --disabled"
        )
    people = administer(settings, lambda administration: administration.people.remembered(source))
    matching = [each for each in people if chosen.admits(each.person, enabled=each.enabled)]
    print_people(matching, source, as_json=as_json, is_filtered=chosen.is_set)


@app.command("show")
@click.argument("username")
@source_option
@config_option
@json_option
def show(*, username: str, source: str | None, config: Path | None, as_json: bool) -> None:
    """Show a person, their credentials and their sessions.

    Without --source, the built-in directory is searched first, then people who have signed in with
    other sources. With it, an LDAP directory is also asked about people who have never signed in.
    """
    settings = read_installation(config)

    from worksgate.administration import line_works_keys

    async def find(
        administration: "Administration",
    ) -> "tuple[Account, Holdings, tuple[LineWorksKey, ...]] | Remembered | None":
        if source in (None, BUILT_IN):
            remembered = None
            try:
                account = await administration.users.get(username)
            except NotFound:
                if source == BUILT_IN:
                    raise
                remembered = await administration.people.find(username)
                if remembered is None:
                    raise
            else:
                person = account.person
                conflicts = await administration.user_keys.conflicts([person])
                clients = await administration.clients.of_source(BUILT_IN)
                keys = line_works_keys(person, clients, conflicts[0])
                return account, await administration.people.holdings(person), keys
        else:
            remembered = await administration.people.find(username, source)
        if remembered is None:
            return None
        person = remembered.person
        (wrong,) = await administration.user_keys.conflicts([person])
        clients = await administration.clients.of_source(remembered.source)
        keys = line_works_keys(person, clients, wrong)
        return (
            remembered,
            await administration.people.holdings(person),
            tuple(map(str, wrong)),
            keys,
        )

    from worksgate.administration import NotFound

    match administer(settings, find):
        case Account() as account, holdings, keys:
            print_account(account, holdings, keys, as_json=as_json)
        case (remembered, holdings, conflicts, keys):
            print_remembered(remembered, holdings, conflicts, keys, as_json=as_json)
        case None:
            _show_of_source(settings, source or "", username, as_json=as_json)


def _show_of_source(settings: "Settings", name: str, username: str, *, as_json: bool) -> None:
    """A person who has never signed in with a source, as the source returns them."""
    from worksgate.doctor.queried_source import CannotBeQueried
    from worksgate.doctor.source_check import source_of
    from worksgate.doctor.source_people import person_in_source
    from worksgate.sources import SourceUnavailable

    try:
        source = source_of(settings, name)
        seen = quietly(person_in_source(settings, source, username))
    except (CannotBeQueried, SourceUnavailable) as error:
        raise Refusal(f"nobody called {username} has signed in with {name}; {error}") from None
    if seen is None:
        raise Refusal(f"nobody called {username} is in {name}")
    print_source_person(seen, name, as_json=as_json)


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
    """Set a new password, and end the person's sessions.

    Their app passwords end, too. Prompts for the password; without a terminal one is generated and
    shown only once.
    """
    settings = read_installation(config)
    account = Account(id="", username=username)
    password = new_password(account, settings, from_stdin=password_stdin)
    made = administer(
        settings,
        lambda administration: administration.users.set_password(
            username,
            password,
            temporary=not password_stdin if temporary is None else temporary,
        ),
    )
    print_new(made, f"{made.account.username} has a new password.", as_json=as_json)


@app.command("reset-link")
@click.argument("username")
@click.option("--lifetime", type=Duration(), help="Lifetime of the link.")
@config_option
@json_option
def reset_link(
    *, username: str, lifetime: float | None, config: Path | None, as_json: bool
) -> None:
    """Make a one-time link for choosing a new password.

    Give it to that person only: anyone who has it can set their password.
    """
    settings = read_installation(config)
    # Before the link is made, so that the time shown is never later than the real one.
    ends_at = time.time() + (settings.reset_link_lifetime if lifetime is None else lifetime)
    link = administer(
        settings,
        lambda administration: administration.users.issue_reset_link(username, lifetime=lifetime),
    )
    if as_json:
        print_json({"username": username, "link": link, "expires_at": iso(ends_at)})
    else:
        print_line(link)
        note(f"It works once, until {local_time(ends_at)}.")


app.add_command(invite)


@app.command("reset-code")
@click.argument("username")
@click.option(
    "--identified",
    type=click.Choice(IDENTIFIED),
    required=True,
    help="How you made sure who is calling; the audit log has it.",
)
@config_option
@json_option
def reset_code(*, username: str, identified: str, config: Path | None, as_json: bool) -> None:
    """Make a code to read out, for choosing a new password.

    It works once, for 15 minutes. Anyone who hears it can set their password: call back at a number
    of your own records, see them, or ask somebody who knows them.
    """
    from worksgate.administration.users import Identified
    from worksgate.provider.account.reset_links import CODE_LIFETIME, CODE_PATH

    settings, way = read_installation(config), Identified(identified.replace("-", "_"))
    ends_at = time.time() + CODE_LIFETIME
    code = administer(
        settings,
        lambda administration: administration.users.issue_reset_code(username, way),
    ).upper()
    page = settings.account_url + CODE_PATH
    if as_json:
        print_json({"username": username, "code": code, "page": page, "expires_at": iso(ends_at)})
    else:
        print_line(code)
        note(f"They type it at {page}. It works once, until {local_time(ends_at)}.")


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
        lambda administration: administration.attempts.allow_one(username, source),
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
