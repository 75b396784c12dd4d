"""``worksgate serve``."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from types import FrameType

import click

from worksgate.cli.doctor import findings_of
from worksgate.cli.options import config_option
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import check_access, left_out, quietly, read_settings, run
from worksgate.settings.addresses.valkey import is_valkey
from worksgate.settings.loading import file_to_read
from worksgate.settings.options import Settings


@click.command("serve")
@config_option
@click.option("--host", metavar="HOST", help="The address to listen on.")
@click.option("--port", type=int, metavar="PORT", help="The port to listen on.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Number of serving processes.",
)
@click.option(
    "--tls-cert",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A certificate chain (PEM), to serve https without a proxy.",
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
    """Run the server until SIGTERM or Ctrl-C.

    SIGHUP makes it read its settings and its certificate again.
    """
    with left_out("rich"):  # with it, structlog's colored tracebacks cost 6 MiB
        import structlog  # noqa: F401  # everything after this has it without them
    settings = read_settings(config, host=host, port=port)
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key must be given together")
    if workers > 1 and settings.store_url == "memory:":
        raise Refusal("store_url memory: works with one process only; use --workers 1")
    check_access(settings)
    from worksgate.bootstrap import server
    from worksgate.database.first_start import prepare_file
    from worksgate.database.installation_id import identify
    from worksgate.doctor.console_examiner import ConsoleExaminer
    from worksgate.server.settings_reload import SettingsSource

    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # there is nothing to reload yet
    # Report problems with the database or Valkey now, in one line. A database that several nodes
    # share is migrated only by its administrator.
    if settings.database_file is not None:
        run(prepare_file(settings.database_url, time.time()))
    database = run(identify(settings.database_url))
    quietly(_check_master_key(settings))
    if is_valkey(settings.store_url):
        quietly(_check_store(settings))
    try:
        server.serve(
            settings,
            workers=workers,
            database=database,
            tls_cert=tls_cert,
            tls_key=tls_key,
            source=SettingsSource(file_to_read(config, os.environ), {"host": host, "port": port}),
            examiner=partial(ConsoleExaminer, everything=partial(findings_of, config)),
        )
    except KeyboardInterrupt:
        pass
    except SystemExit as ended:  # uvicorn has its own exit code for a failed start
        sys.exit(ended.code and 1)


async def _check_master_key(settings: Settings) -> None:
    from worksgate.bootstrap.stores import check_master_key

    await check_master_key(settings)


async def _check_store(settings: Settings) -> None:
    """Open the store and close it again. Raises StoreUnavailable."""
    from worksgate.bootstrap.stores import open_store

    await (await open_store(settings)).close()


def _leave(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM or Ctrl-C before the server serves."""
    raise SystemExit(0)
