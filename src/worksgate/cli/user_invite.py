"""``worksgate user invite``: links with which many people choose their first password."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import Duration, config_option, force_option
from worksgate.cli.printing import counted, local_time, note, progress_bar
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, read_installation
from worksgate.directory import Account

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.administration.users import UserAdministration

COLUMNS = ("username", "name", "email", "link", "expires_at")


@click.command("invite")
@click.argument("usernames", nargs=-1, metavar="[USERNAME]...")
@click.option(
    "--without-password", is_flag=True, help="Everybody who is enabled and has no password yet."
)
@click.option(
    "--links",
    "file",
    type=click.Path(path_type=Path),
    metavar="LINKS.csv",
    required=True,
    help="The file for the links, for a mail merge; readable by you only.",
)
@click.option(
    "--lifetime",
    type=Duration(),
    default="7d",
    show_default=True,
    help="Lifetime of each link; longer than that of a requested one, since invitations are "
    "read later.",
)
@force_option
@config_option
def invite(
    *,
    usernames: tuple[str, ...],
    without_password: bool,
    file: Path,
    lifetime: float,
    force: bool,
    config: Path | None,
) -> None:
    """Make links with which many people choose a password.

    Give each link to its person only: anyone who has it can set their password.
    """
    from worksgate.cli.people_file import csv_line, save_privately

    if bool(usernames) is without_password:
        raise click.UsageError("name people, or pass --without-password")
    if file.exists() and not force:
        raise Refusal(f"{file} exists; --force replaces it")
    settings = read_installation(config)
    # Before the first link is made, so that no link ends earlier than the file says.
    ends = local_time(time.time() + lifetime) or ""

    async def work(administration: "Administration") -> list[tuple[Account, str]]:
        invited = await _invited(administration.users, usernames)
        with progress_bar("Making links", len(invited)) as progress:
            return await _links(administration.users, invited, lifetime, progress)

    links = administer(settings, work)
    lines = [(each.username, each.name, each.email or "", link, ends) for each, link in links]
    save_privately(file, "".join(csv_line(line) for line in (COLUMNS, *lines)).encode())
    note(f"Wrote {counted(len(links), 'link', 'links')} to {file}; they work once, until {ends}.")


async def _invited(users: "UserAdministration", usernames: Sequence[str]) -> list[Account]:
    """The named people, or else everybody who is enabled and has no password."""
    if usernames:
        return [await users.get(name) for name in usernames]
    return [each async for each in users.all() if each.enabled and each.password_hash is None]


async def _links(
    users: "UserAdministration",
    invited: Sequence[Account],
    lifetime: float,
    progress: Callable[[int], None],
) -> list[tuple[Account, str]]:
    links = []
    for number, account in enumerate(invited, 1):
        link = await users.issue_reset_link(account.username, lifetime=lifetime)
        links.append((account, link))
        progress(number)
    return links
