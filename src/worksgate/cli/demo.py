"""``worksgate demo``."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from worksgate.cli.refusals import Refusal
from worksgate.config import load

PORT = 8080
SIMULATOR_PORT = 8090


def demo(
    port: Annotated[int, typer.Option(help="The port of Worksgate.")] = PORT,
    simulator_port: Annotated[
        int, typer.Option(help="The port of the LINE WORKS simulator.")
    ] = SIMULATOR_PORT,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where its database is kept. [default: removed at the end]"
        ),
    ] = None,
) -> None:
    """Show a whole sign-in, with a simulator of LINE WORKS.

    Starts the server and the simulator, with a client and three people. It listens on this machine alone, and reads neither your settings nor your database.
    """
    if port == simulator_port:
        raise typer.BadParameter("--port and --simulator-port must differ")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _show(folder, port, simulator_port)
        return
    with TemporaryDirectory(prefix="worksgate-demo-") as temporary:
        _show(Path(temporary), port, simulator_port)


def _show(folder: Path, port: int, simulator_port: int) -> None:
    if not folder.is_dir():
        raise Refusal(f"{folder} is not a folder")
    database = folder.resolve() / "demo.db"
    options = {"port": port, "database_url": f"sqlite:///{database}", "log_level": "warning"}
    settings = load(Path("/dev/null"), {}, options)
    from worksgate import demonstration

    demonstration.run(settings, simulator_port=simulator_port)
