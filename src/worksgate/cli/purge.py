"""``worksgate purge``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import config_option, json_option
from worksgate.cli.printing import counted, print_json, print_line, progress_bar
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration import Administration


@click.command("purge")
@config_option
@json_option
def purge(*, config: Path | None, as_json: bool) -> None:
    """Remove expired data.

    That is codes, tokens, sessions, old secrets and old audit records. The server does so itself
    while it runs.
    """

    async def work(administration: "Administration") -> int:
        with progress_bar("Removing expired data", None) as progress:
            return await administration.upkeep.purge(progress)

    removed = administer(read_installation(config), work)
    if as_json:
        print_json({"removed": removed})
    else:
        print_line(f"Removed {counted(removed, 'expired row', 'expired rows')}.")
