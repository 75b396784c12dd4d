"""``worksgate demo``."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from worksgate.cli.key_file import write_key
from worksgate.settings.options import Settings

PORT = 8080
SIMULATOR_PORT = 8090


@click.command("demo")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=PORT,
    show_default=True,
    metavar="PORT",
    help="Worksgate's port.",
)
@click.option(
    "--simulator-port",
    type=click.IntRange(1, 65_535),
    default=SIMULATOR_PORT,
    show_default=True,
    metavar="PORT",
    help="The port of the LINE WORKS simulator.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The folder of its database and master key.  [default: temporary, removed at the end]",
)
def demo(*, port: int, simulator_port: int, folder: Path | None) -> None:
    """Show a complete sign-in with a LINE WORKS simulator.

    Starts the server, the simulator and another company's OpenID provider, with two clients, four
    people, of whom one is disabled and one has an authenticator app, and one of another company. It
    listens on this machine only, and does not read your settings or your database.
    """
    if port == simulator_port:
        raise click.UsageError("--port and --simulator-port must differ")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _show(folder, port, simulator_port)
        return
    with TemporaryDirectory(prefix="worksgate-demo-") as temporary:
        _show(Path(temporary), port, simulator_port)


def _show(folder: Path, port: int, simulator_port: int) -> None:
    database = f"sqlite:///{folder.resolve() / 'demo.db'}"
    from worksgate.cli.demo.servers import run

    key = folder / "master.key"
    if not key.exists():
        write_key(key)
    settings = Settings(
        port=port, database_url=database, master_key_file=str(key), log_level="warning"
    )
    run(settings, simulator_port=simulator_port)
