"""The server: Worksgate under uvicorn.

``serve`` is what ``worksgate serve`` does. ``server_config`` is the one way in which we configure
uvicorn. It writes no access log, since query strings hold secrets (R-106), says nothing about
itself, and believes no forwarded header: the application does, if it is told whose.

How connections are accepted, bounded and drained, and how several processes work together, stands
in ``serving``. The application itself is imported in the process that serves it, and by nobody
else.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import structlog
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from worksgate import log
from worksgate.listening import check_certificate, listen, url_of
from worksgate.serving.admission import Admission, Limits
from worksgate.serving.configuration import ServerConfig
from worksgate.serving.in_use import ApplicationInUse, Version
from worksgate.serving.line import Line, Reload
from worksgate.serving.process import Server
from worksgate.serving.protocol import BoundedHttpProtocol
from worksgate.serving.reload import Reloading, SettingsSource
from worksgate.serving.tls import Certificate, CertificateFiles, Expiry
from worksgate.serving.workers import Supervisor
from worksgate.settings import Settings
from worksgate.watching.figures import ProcessFigures

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

    from worksgate.watching.watch import Watch

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What every process that serves is made from; it travels to the workers."""

    settings: Settings
    source: SettingsSource | None = None
    tls: CertificateFiles | None = None
    operations: socket | None = None
    """The operator's own port, where there is one."""
    workers_folder: Path | None = None
    """Where workers tell each other their numbers."""


def serve(
    settings: Settings,
    *,
    workers: int = 1,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    source: SettingsSource | None = None,
) -> None:
    """Run the server until it is told to stop (SIGTERM, SIGINT).

    At SIGHUP the certificate is read again, and the settings if ``source`` says where they are.
    Raises CannotListen, or OSError for a certificate that cannot be read.
    """
    tls = None
    if tls_cert is not None and tls_key is not None:
        check_certificate(tls_cert, tls_key)
        tls = CertificateFiles(tls_cert, tls_key)
    listening = listen(settings.host, settings.port)
    operations = None
    if settings.admin_port:
        operations = listen(settings.admin_host, settings.admin_port, option="admin_port")
    log.configure(settings)
    _allow_many_connections()
    _log.info(
        "server.starting",
        version=version("worksgate"),
        address=url_of(listening, https=tls is not None),
        public_url=settings.public_url,
        database=settings.database_url.partition(":")[0],
        workers=workers,
    )
    plan = Plan(settings, source, tls, operations)
    if workers == 1:
        _serve_alone(plan, listening)
    else:
        with tempfile.TemporaryDirectory(prefix="worksgate-") as folder:
            _supervise(replace(plan, workers_folder=Path(folder)), listening, workers)
    log.close()


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as this process may: each connection is one (F-29)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# One process


def _serve_alone(plan: Plan, listening: socket) -> None:
    _server(plan, expiry=_expiry(plan)).run([listening])


def _work(plan: Plan, listening: socket, line: Line) -> None:
    """What a worker process does."""
    log.configure(plan.settings)
    try:
        if plan.tls is not None and not plan.tls.are_usable():  # replaced since the first start
            raise SystemExit(1)
        _server(plan, line=line).run([listening])
    finally:
        log.close()


def _server(plan: Plan, *, expiry: Expiry | None = None, line: Line | None = None) -> Server:
    settings = plan.settings
    certificate = Certificate(plan.tls) if plan.tls is not None else None
    config = server_config(lambda: in_use, certificate=certificate)
    version_of = partial(_version_of, watch=_watch(plan, config.admission))
    in_use = ApplicationInUse(version_of(settings))
    reloading = Reloading(
        settings,
        in_use,
        version_of,
        config.admission,
        source=plan.source,
        certificate=certificate,
    )
    return Server(config, settings, reloading=reloading, expiry=expiry, line=line)


def _watch(plan: Plan, admission: Admission) -> "Watch | None":
    """What tells the numbers of this process; nothing is imported where nobody can ask."""
    if plan.operations is None and not plan.settings.metrics_public:
        return None
    from worksgate.serving.beside import OperationsServer
    from worksgate.watching.watch import Watch

    figures = ProcessFigures(
        admission=admission, certificate_ends_at=plan.tls.ends_at if plan.tls else None
    )
    beside = OperationsServer(plan.operations, plan.settings) if plan.operations else None
    return Watch(figures, folder=plan.workers_folder, listener=beside)


def _version_of(settings: Settings, *, watch: "Watch | None" = None) -> Version:
    from worksgate.bootstrap import create_app

    application = create_app(settings, watch=watch)
    return Version(application, with_trusted_proxies(application, settings.trusted_proxies))


def _operations_config(application: ASGIApp) -> ServerConfig:
    return server_config(lambda: application)


# Several processes


@dataclass(slots=True)
class _Company:
    """What the supervisor knows of the installation: from what it makes workers."""

    plan: Plan
    listening: socket
    expiry: Expiry | None

    def start(self, line: Line) -> SpawnProcess:
        return get_context("spawn").Process(
            target=_work, args=(self.plan, self.listening, line), daemon=True
        )

    def reload(self) -> Reload:
        """Read what can be read again; workers that start later get it too."""
        source, tls = self.plan.source, self.plan.tls
        settings = source.read(self.plan.settings) if source is not None else None
        if settings is not None:
            self.plan = replace(self.plan, settings=settings)
        if self.expiry is not None:
            self.expiry.forget()
        return Reload(settings, certificate=tls is not None and tls.are_usable())

    def look(self) -> None:
        if self.expiry is not None:
            self.expiry.look(time.time())


def _supervise(plan: Plan, listening: socket, workers: int) -> None:
    with TemporaryDirectory(prefix="worksgate-") as folder:
        plan = replace(plan, workers_folder=Path(folder))
        company = _Company(plan, listening, _expiry(plan))
        Supervisor(workers, company.start, company.reload, company.look).run(listening)


def _expiry(plan: Plan) -> Expiry | None:
    return None if plan.tls is None else Expiry(plan.tls)


# How uvicorn is configured


def with_trusted_proxies(application: ASGIApp, proxies: tuple[str, ...]) -> ASGIApp:
    """Believe X-Forwarded-For and -Proto from these networks, and from nobody else (R-96)."""
    if not proxies:
        return application
    # Starlette and uvicorn each have types of their own for the same ASGI.
    trusting = ProxyHeadersMiddleware(cast("ASGI3Application", application), list(proxies))
    return cast(ASGIApp, trusting)


def server_config(
    factory: Callable[[], ASGIApp],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    certificate: Certificate | None = None,
) -> ServerConfig:
    """The one way in which we configure a server; one that is given its socket needs no host."""
    return ServerConfig(
        factory,
        Admission(Limits.of(Settings())),
        factory=True,
        host=host,
        port=port,
        loop="uvloop",
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=4_096,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        ssl_context_factory=None if certificate is None else lambda *_: certificate.context,
    )
