"""``worksgate user remove`` and ``restore``, and who was removed."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.asking import confirm
from worksgate.cli.options import config_option, yes_option
from worksgate.cli.printing import (
    iso,
    local_time,
    note,
    print_json,
    print_line,
    print_table,
)
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.settings.options import Settings

_MOST = 10_000
"""Whom a list shows."""


@click.command("remove")
@click.argument("username")
@click.option("--now", is_flag=True, help="Remove them for good: they cannot be brought back.")
@config_option
@yes_option
def remove(*, username: str, now: bool, config: Path | None, yes: bool) -> None:
    """Remove a person; for good after 30 days.

    Until then, worksgate user restore brings them back. With --now they are removed for good, also
    if they were removed before. Their user keys are retired: nobody else gets them without
    --reuse-retired-keys.
    """
    settings = read_installation(config)
    confirm(f"Remove {username} for good?" if now else f"Remove {username}?", yes=yes)
    if now:
        account = administer(
            settings, lambda administration: administration.removals.remove_for_good(username)
        )
        print_line(f"{account.username} has been removed for good.")
        return
    account = administer(settings, lambda administration: administration.users.remove(username))
    name = account.username
    print_line(f"{name} has been removed; for 30 days, worksgate user restore brings them back.")


@click.command("restore")
@click.argument("username")
@config_option
def restore(*, username: str, config: Path | None) -> None:
    """Bring back a person who was removed, as they were.

    They keep their password and second factors; sessions and app passwords have ended. If several
    had this name, the last to be removed comes back.
    """
    account = administer(
        read_installation(config),
        lambda administration: administration.removals.restore(username),
    )
    still = "" if account.enabled else ", and is disabled as before: worksgate user enable"
    print_line(f"{account.username} has been restored{still}.")


def list_removed(settings: "Settings", text: str | None, *, as_json: bool) -> None:
    """Print who can be brought back, and until when; ``text`` is part of a name or a user key."""
    from worksgate.directory.removed_accounts import KEPT_FOR

    found = administer(
        settings, lambda administration: administration.removals.page(text or "", limit=_MOST)
    )
    if as_json:
        print_json(
            [
                {
                    "username": each.account.username,
                    "name": each.account.name,
                    "subject_id": each.account.person.subject_id,
                    "removed_at": iso(each.removed_at),
                    "removed_by": each.actor,
                    "purged_at": iso(each.removed_at + KEPT_FOR),
                }
                for each in found
            ]
        )
    elif found:
        rows = [
            (
                *(each.account.username, each.account.name, local_time(each.removed_at)),
                *(each.actor, local_time(each.removed_at + KEPT_FOR)),
            )
            for each in found
        ]
        columns = ("Username", "Name", "Removed", "By", "Until")
        print_table(columns, rows, whole=("Username", "Until"))
    else:
        note("Nobody who was removed matches.")
