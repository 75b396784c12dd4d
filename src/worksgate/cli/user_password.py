"""``worksgate user set-password``, ``reset-link`` and ``reset-code``: a new password."""

import time
from pathlib import Path

import click

from worksgate.cli.asking import new_password
from worksgate.cli.options import (
    Duration,
    config_option,
    json_option,
    password_option,
    temporary_option,
)
from worksgate.cli.printing import iso, local_time, note, print_json, print_line
from worksgate.cli.running import administer, read_installation
from worksgate.cli.user_printing import print_new
from worksgate.directory import Account

IDENTIFIED = ("called-back", "in-person", "vouched-for")
"""Those of ``administration.users``, which would load the database; a test compares them."""


@click.command("set-password")
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


@click.command("reset-link")
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


@click.command("reset-code")
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
