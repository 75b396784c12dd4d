"""``worksgate move``."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import json_option
from worksgate.cli.printing import note, print_facts, print_json, print_line, progress_bar
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import actor, quietly

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


@click.command("move")
@click.argument("source")
@click.argument("target")
@json_option
def move(*, source: str, target: str, as_json: bool) -> None:
    """Copy an installation to another database.

    The target must be empty. SOURCE and TARGET are addresses such as
    sqlite:////var/lib/worksgate/worksgate.db and postgresql://worksgate@db.example.com/worksgate.
    Stop the server first; nobody is signed out.
    """
    from worksgate.database import DatabaseUnavailable
    from worksgate.database.engines import driver_url
    from worksgate.database.moving import move as move_database

    addresses = []
    for name, address in (("SOURCE", source), ("TARGET", target)):
        try:
            addresses.append(driver_url(address))
        except ValueError as problem:
            raise Refusal(f"{name}: {problem}") from None
    if any(each.password is not None for each in addresses):
        note(
            "Other users of this machine can see a password on the command line; use "
            "PGPASSWORD or ~/.pgpass instead."
        )
    file = _password_file(addresses)
    try:
        with progress_bar("Moving", 100) as progress:
            moved = quietly(
                move_database(source, target, actor=actor(), now=time.time(), progress=progress)
            )
    except DatabaseUnavailable as error:
        if file is None or "password" not in str(error):
            raise
        raise Refusal(f"{error}; {_where_it_is_looked_for(file)}") from None
    to = addresses[1]
    shown = to.set(drivername=to.get_backend_name(), query={}).render_as_string()
    if as_json:
        print_json({"target": shown, "rows": dict(moved)})
        return
    print_facts({name: str(count) for name, count in moved.items()})
    print_line(
        f"Everything is in {shown} now, and has been compared. Set database_url to it, then start."
    )


def _password_file(addresses: Iterable["URL"]) -> Path | None:
    """The file from which a password is read, or None.

    Raises Refusal if the file is ignored because other users can read it.
    """
    asking = [
        each
        for each in addresses
        if each.get_backend_name() == "postgresql"
        and not {"password", "passfile"} & set(each.query)
        and each.password is None
    ]
    if not asking or "PGPASSWORD" in os.environ:
        return None
    file = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    if file.is_file() and file.stat().st_mode & 0o077:
        raise Refusal(f"{file} is ignored, since others can read it: chmod 600 {file}")
    return file


def _where_it_is_looked_for(file: Path) -> str:
    line = "HOST:PORT:DATABASE:ROLE:PASSWORD"
    if file.is_file():
        return f"check the line for this database in {file}, {line}"
    return f"no password was given: set PGPASSFILE to a file with a line {line}"
