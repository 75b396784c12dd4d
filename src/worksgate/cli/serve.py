"""``worksgate serve``."""

import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType

import click

from worksgate.cli.options import config_option
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import read_settings


@click.command("serve")
@config_option
@click.option("--host", metavar="HOST", help="The address to listen on.")
@click.option("--port", type=int, metavar="PORT", help="The port to listen on.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="How many processes answer.",
)
@click.option(
    "--tls-cert",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A certificate chain (PEM), to speak https without a proxy.",
)
@click.option(
    "--tls-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The private key of the certificate (PEM).",
)
def serve(
    *,
    config: Path | None,
    host: str | None,
    port: int | None,
    workers: int,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> None:
    """Run the server until it is told to stop (SIGTERM or Ctrl-C)."""
    settings = read_settings(config, host=host, port=port)
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    for file in filter(None, (tls_cert, tls_key)):
        file.open("rb").close()  # better now than in every worker
    if workers > 1 and settings.store_url == "memory:":
        raise Refusal("store_url memory: serves one process only; use --workers 1")
    from worksgate import server

    signal.signal(signal.SIGTERM, _leave)
    with suppress(KeyboardInterrupt):
        server.serve(settings, workers=workers, tls_cert=tls_cert, tls_key=tls_key)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """uvicorn raises the signal once more when all is closed; the last log lines are due then."""
    raise SystemExit(0)
