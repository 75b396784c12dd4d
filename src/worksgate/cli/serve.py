"""``worksgate serve``."""

from pathlib import Path
from typing import Annotated

import typer

from worksgate.cli.options import Config
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import read_settings


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer.")] = 1,
    tls_cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate chain (PEM), to speak https itself."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate's private key (PEM).")
    ] = None,
) -> None:
    """Run the server until it is told to stop (SIGTERM or Ctrl-C)."""
    settings = read_settings(config, host=host, port=port)
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key belong together")
    for file in filter(None, (tls_cert, tls_key)):
        file.open("rb").close()  # better now than in every worker
    if workers > 1 and settings.store_url == "memory:":
        raise Refusal("store_url memory: serves one process only; use --workers 1")
    from worksgate import bootstrap

    bootstrap.serve(settings, workers=workers, tls_cert=tls_cert, tls_key=tls_key)
