"""``worksgate demo``."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from worksgate.cli.key_file import write_key
from worksgate.settings.options import Settings

PORT = 8080
SIMULATOR_PORT = 8090
CONSOLE_PORT = 8070


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
    "--console-port",
    type=click.IntRange(1, 65_535),
    default=CONSOLE_PORT,
    show_default=True,
    metavar="PORT",
    help="The port of the administrators' console.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The folder of its database and master key.  [default: temporary, removed at the end]",
)
def demo(*, port: int, simulator_port: int, console_port: int, folder: Path | None) -> None:
    """Show a complete sign-in with a LINE WORKS simulator.

    Starts the server, the administrators' console, the simulator and another company's OpenID
    provider, with a company of 300 people and their sign-ins of four weeks. It listens on this
    machine only, and does not read your settings or your database.
    """
    if len({port, simulator_port, console_port}) < 3:
        raise click.UsageError("--port, --simulator-port and --console-port must differ")
    ports = (port, simulator_port, console_port)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _show(folder, *ports)
        return
    with TemporaryDirectory(prefix="worksgate-demo-") as temporary:
        _show(Path(temporary), *ports)


def _show(folder: Path, port: int, simulator_port: int, console_port: int) -> None:
    database = f"sqlite:///{folder.resolve() / 'demo.db'}"
    from worksgate.cli.demo.servers import run

    key = folder / "master.key"
    if not key.exists():
        write_key(key)
    settings = Settings(
        port=port, database_url=database, master_key_file=str(key), log_level="warning"
    )
    run(settings, simulator_port=simulator_port, console_port=console_port)
