"""The server: Worksgate under uvicorn.

``worksgate serve`` calls ``serve``. The room ``server`` accepts, limits and drains connections, and
coordinates several processes. The application itself is imported only in the process that serves
it.
"""

import resource
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp

from worksgate.database.identity import DatabaseIdentity
from worksgate.observability import log
from worksgate.observability.figures import ProcessFigures
from worksgate.server.admission import Admission, Refusals
from worksgate.server.application_swap import SwappableApplication, Version
from worksgate.server.companion_process import CompanionProcess, end_with
from worksgate.server.forwarded import BehindProxies
from worksgate.server.listening import check_certificate, listen, passed_by_systemd, url_of
from worksgate.server.process import Server, collect_seldom
from worksgate.server.session_tickets import TicketKeys
from worksgate.server.settings_reload import Reloading, SettingsSource, changed
from worksgate.server.supervisor import Supervisor
from worksgate.server.supervisor_pipe import Reload, SupervisorPipe
from worksgate.server.tls import Certificate, CertificateFiles, Expiry
from worksgate.server.uvicorn_config import server_config
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.observability.prometheus import Watch
    from worksgate.web.console.examiner import OpenExaminer

CONSOLE_CONNECTIONS = 256
CONSOLE_REQUESTS = 64
"""The console's bounds: few people use it."""
CONSOLE_BODY = 18 * 1024 * 1024
"""Bytes of a request to the console: its largest file, and what surrounds it on the wire."""

OnChange = Callable[[Settings], None]
"""Called with other settings, once they are in use."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What every serving process is built from; it is sent to the workers."""

    settings: Settings
    database: DatabaseIdentity | None = None
    """The database of the first start, which all processes must find."""
    source: SettingsSource | None = None
    tls: CertificateFiles | None = None
    operations: socket | None = None
    """The operations port, if there is one."""
    console: socket | None = None
    """The console's port, if there is one."""
    examiner: "OpenExaminer | None" = None
    """What the console asks about the installation; only with ``console``."""
    workers_folder: Path | None = None
    """Where workers publish their metrics to each other."""
    tickets: TicketKeys | None = None
    """Only with TLS, where several processes serve."""


def serve(
    settings: Settings,
    *,
    examiner: "OpenExaminer",
    workers: int = 1,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    source: SettingsSource | None = None,
    database: DatabaseIdentity | None = None,
) -> None:
    """Run the server until it is stopped (SIGTERM, SIGINT).

    A socket passed by systemd takes precedence over ``host`` and ``port``. SIGHUP reloads the
    certificate, and the settings if ``source`` says where they are. ``database`` is the one that
    every process must find, now and later, and ``examiner`` what the console asks about the
    installation. Raises CannotListen, or OSError for an unreadable certificate.
    """
    tls = None
    if tls_cert is not None and tls_key is not None:
        check_certificate(tls_cert, tls_key)
        tls = CertificateFiles(tls_cert, tls_key)
    listening = passed_by_systemd() or listen(settings.host, settings.port)
    operations = _listen_if(settings.admin_host, settings.admin_port, "admin_port")
    console = _listen_if(settings.console_host, settings.console_port, "console_port")
    log.configure(settings)
    _allow_many_connections()
    plan = Plan(settings, database, source, tls, operations, console, examiner)
    _log_start(plan, listening, workers)
    with ExitStack() as stack:
        on_change = None
        if console is not None:
            beside = replace(plan, operations=None)
            process = CompanionProcess("console", partial(_console_process, beside))
            on_change = partial(_replace_console, stack.enter_context(process), beside)
        serving = replace(plan, console=None, examiner=None)
        if workers == 1:
            _serve_alone(serving, listening, on_change)
        else:
            _supervise(serving, listening, workers, on_change)
    log.close()


def _listen_if(host: str, port: int | None, option: str) -> socket | None:
    """The socket of a port that settings may leave out."""
    return listen(host, port, option=option) if port else None


def _log_start(plan: Plan, listening: socket, workers: int) -> None:
    settings = plan.settings
    _log.info(
        "server.starting",
        version=version("worksgate"),
        address=url_of(listening, https=plan.tls is not None),
        public_url=settings.public_url,
        operations=url_of(plan.operations) if plan.operations is not None else None,
        console=settings.console_address if plan.console is not None else None,
        database=settings.database_url.partition(":")[0],
        store=settings.store_url.partition(":")[0] or "database",
        workers=workers,
    )


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as permitted: each connection needs one (F-29)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# One process


def _serve_alone(plan: Plan, listening: socket, on_change: OnChange | None) -> None:
    _server(plan, expiry=_expiry(plan), on_change=on_change).run([listening])


def _work(plan: Plan, listening: socket, supervisor: SupervisorPipe) -> None:
    """The main function of a worker process."""
    collect_seldom()
    log.configure(plan.settings)
    try:
        if plan.tls is not None and not plan.tls.are_usable():  # replaced since the first start
            raise SystemExit(1)
        _server(plan, supervisor=supervisor).run([listening])
    finally:
        log.close()


def _server(
    plan: Plan,
    *,
    expiry: Expiry | None = None,
    supervisor: SupervisorPipe | None = None,
    on_change: OnChange | None = None,
) -> Server:
    settings = plan.settings
    certificate = Certificate(plan.tls, plan.tickets) if plan.tls is not None else None
    config = server_config(
        lambda: application, settings, refusals_of=_refusals_of, certificate=certificate
    )
    version_of = partial(_version_of, watch=_watch(plan, config.admission), database=plan.database)
    application = SwappableApplication(version_of(settings))
    reloading = Reloading(
        settings,
        application,
        version_of,
        config.admission,
        source=plan.source,
        certificate=certificate,
        on_change=on_change,
    )
    return Server(config, reloading=reloading, expiry=expiry, supervisor=supervisor)


def _refusals_of(settings: Settings) -> Refusals:
    from worksgate.web import overload as refusals

    return refusals.Refusals.of(settings)


def _operators_refusals_of(settings: Settings) -> Refusals:
    from worksgate.web import overload as refusals

    return refusals.Refusals.of_operators(settings)


def _watch(plan: Plan, admission: Admission) -> "Watch | None":
    """Exposes this process's metrics; nothing is imported if nobody can read them."""
    if plan.operations is None and not plan.settings.metrics_public:
        return None
    from worksgate.observability.prometheus import Watch
    from worksgate.server.operations_server import OperationsServer

    figures = ProcessFigures(
        admission=admission, certificate_ends_at=plan.tls.ends_at if plan.tls else None
    )
    listener = None
    if plan.operations is not None:
        listener = OperationsServer(plan.operations, plan.settings, _operators_refusals_of)
    return Watch(figures, folder=plan.workers_folder, listener=listener)


def _version_of(
    settings: Settings,
    *,
    watch: "Watch | None" = None,
    database: DatabaseIdentity | None = None,
) -> Version:
    from worksgate.bootstrap.application import create_app

    application = create_app(settings, watch=watch, database=database)
    return Version(application, with_trusted_proxies(application, settings.trusted_proxies))


# The console


def _console_process(plan: Plan, parent: Connection) -> SpawnProcess:
    return get_context("spawn").Process(target=_serve_console, args=(plan, parent), daemon=True)


def _replace_console(process: CompanionProcess, plan: Plan, settings: Settings) -> None:
    """Have the console in a process with these settings, which the others have taken on."""
    process.replace(partial(_console_process, replace(plan, settings=settings)))


def _serve_console(plan: Plan, parent: Connection) -> None:
    """The main function of the console's process: it never slows a call of LINE WORKS."""
    collect_seldom()
    log.configure(plan.settings)
    end_with(parent)
    try:
        if plan.console is None or plan.examiner is None:
            raise SystemExit(1)
        settings = replace(
            plan.settings,
            max_connections=CONSOLE_CONNECTIONS,
            max_connections_per_address=0,
            max_requests_in_flight=CONSOLE_REQUESTS,
        )
        config = server_config(
            partial(_console, plan, plan.examiner),
            settings,
            refusals_of=_operators_refusals_of,
            max_body=CONSOLE_BODY,
        )
        Server(config).run([plan.console])
    finally:
        log.close()


def _console(plan: Plan, examiner: "OpenExaminer") -> ASGIApp:
    from worksgate.bootstrap.console import create_console

    application = create_console(plan.settings, examiner=examiner, database=plan.database)
    return with_trusted_proxies(application, plan.settings.trusted_proxies)


# Several processes


@dataclass(slots=True)
class WorkerFactory:
    """What the supervisor needs to create workers."""

    plan: Plan
    listening: socket
    expiry: Expiry | None
    on_change: OnChange | None = None

    def start(self, pipe: SupervisorPipe) -> SpawnProcess:
        return get_context("spawn").Process(
            target=_work, args=(self.plan, self.listening, pipe), daemon=True
        )

    def reload(self) -> Reload:
        """Reload settings and certificate; workers that start meanwhile get the previous ones."""
        source, tls = self.plan.source, self.plan.tls
        settings = source.read(self.plan.settings) if source is not None else None
        if self.expiry is not None:
            self.expiry.forget()
        return Reload(settings, certificate=tls is not None and tls.are_usable())

    def adopt(self, settings: Settings) -> None:
        """Use these settings for all workers that start later."""
        is_other = changed(self.plan.settings, settings)
        self.plan = replace(self.plan, settings=settings)
        if is_other and self.on_change is not None:
            self.on_change(settings)

    def look(self) -> None:
        if self.expiry is not None:
            self.expiry.look(time.time())


def _supervise(plan: Plan, listening: socket, workers: int, on_change: OnChange | None) -> None:
    with TemporaryDirectory(prefix="worksgate-") as folder:
        tickets = TicketKeys() if plan.tls is not None else None
        plan = replace(plan, workers_folder=Path(folder), tickets=tickets)
        factory = WorkerFactory(plan, listening, _expiry(plan), on_change)
        Supervisor(workers, factory, plan.settings.worker_timeout).run(listening)


def _expiry(plan: Plan) -> Expiry | None:
    return None if plan.tls is None else Expiry(plan.tls)


# Proxies in front


def with_trusted_proxies(application: ASGIApp, proxies: tuple[str, ...]) -> ASGIApp:
    """Trust X-Forwarded-For and X-Forwarded-Proto from these networks only (R-96)."""
    if not proxies:
        return application
    return BehindProxies(application, proxies)
