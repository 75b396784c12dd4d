"""``worksgate move``."""

import time

import click

from worksgate.cli.options import json_option
from worksgate.cli.printing import note, print_facts, print_json, print_line, progress_bar
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import actor, quietly


@click.command("move")
@click.argument("source")
@click.argument("target")
@json_option
def move(*, source: str, target: str, as_json: bool) -> None:
    """Copy an installation to another database.

    The other one must be empty. SOURCE and TARGET are addresses such as
    sqlite:////var/lib/worksgate/worksgate.db and postgresql://worksgate@db.example.com/worksgate.
    Stop the server first; nobody is signed out.
    """
    from worksgate.directory.engine import driver_url
    from worksgate.moving import move as move_database

    try:
        addresses = [driver_url(each) for each in (source, target)]
    except ValueError as problem:
        raise Refusal(str(problem)) from None
    if any(each.password is not None for each in addresses):
        note(
            "Others on this machine can see a password on the command line; PGPASSWORD or "
            "~/.pgpass keep it from them."
        )
    with progress_bar("Moving", 100) as progress:
        moved = quietly(
            move_database(source, target, actor=actor(), now=time.time(), progress=progress)
        )
    to = addresses[1]
    shown = to.set(drivername=to.get_backend_name(), query={}).render_as_string()
    if as_json:
        print_json({"target": shown, "rows": dict(moved)})
        return
    print_facts({name: str(count) for name, count in moved.items()})
    print_line(f"All is in {shown} now, and compared. Set database_url to it, then start.")
