"""``worksgate migrate`` and ``worksgate purge``."""

from typing import TYPE_CHECKING

from worksgate.cli.options import Config, Json
from worksgate.cli.printing import print_json, print_line, progress_bar
from worksgate.cli.running import administer, read_settings

if TYPE_CHECKING:
    from worksgate.administration import Administration


def migrate(*, config: Config = None, as_json: Json = False) -> None:
    """Bring the database to this version. The server does so itself at its start, on SQLite."""
    import asyncio

    from worksgate.directory.migrations import migrate as migrate_database

    revision = asyncio.run(migrate_database(read_settings(config).database_url))
    if as_json:
        print_json({"revision": revision})
    else:
        print_line(f"The database is at revision {revision}.")


def purge(*, config: Config = None, as_json: Json = False) -> None:
    """Remove what has expired.

    Codes, tokens, sessions, old secrets and old audit records. The server does so itself while it runs.
    """

    async def work(administration: "Administration") -> int:
        with progress_bar("Removing what has expired", None) as progress:
            return await administration.purge(progress)

    removed = administer(read_settings(config), work)
    if as_json:
        print_json({"removed": removed})
    else:
        print_line(f"Removed {removed} expired {'row' if removed == 1 else 'rows'}.")
