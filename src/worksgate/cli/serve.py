"""``worksgate serve``."""

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from worksgate.cli.options import config_option
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import check_access, read_settings, run


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
    if workers > 1 and settings.store_url == "memory:":
        raise Refusal("store_url memory: serves one process only; use --workers 1")
    check_access(settings)
    from worksgate import server
    from worksgate.directory.migrations import migrate

    run(migrate(settings.database_url))  # what is wrong with it is told now, and in one line
    signal.signal(signal.SIGTERM, _leave)
    try:
        server.serve(settings, workers=workers, tls_cert=tls_cert, tls_key=tls_key)
    except KeyboardInterrupt:
        pass
    except SystemExit as ended:  # uvicorn has its own code for a start that failed
        sys.exit(ended.code and 1)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """uvicorn raises the signal once more when all is closed; the last log lines are due then."""
    raise SystemExit(0)
