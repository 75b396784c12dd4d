"""The only place where uvicorn is configured.

It writes no access log, since query strings contain secrets (R-106), does not identify itself, and
trusts no forwarded header: the application does, for configured proxies.
"""

from collections.abc import Callable

from starlette.types import ASGIApp

from worksgate.server.admission import Admission, RefusalsOf
from worksgate.server.connection import (
    MAX_BODY_ON_THE_WIRE,
    BoundedHttpProtocol,
    ServerConfig,
)
from worksgate.server.tls import Certificate
from worksgate.settings.options import Settings

ANNOUNCED_IDLE = 90
"""Seconds after which a client should stop using a connection, sent in ``Keep-Alive``."""
IDLE = ANNOUNCED_IDLE + 5
"""Seconds after which it is closed: later than clients close it themselves (Go after 90), since a
request sent while we close gets no response, and a code is not posted twice (R-114)."""


def server_config(
    factory: Callable[[], ASGIApp],
    settings: Settings,
    *,
    refusals_of: RefusalsOf | None = None,
    certificate: Certificate | None = None,
    has_lifespan: bool = True,
    max_body: int = MAX_BODY_ON_THE_WIRE,
) -> ServerConfig:
    """How to serve the application of ``factory``; ``settings`` contain the limits.

    Beyond the limits, requests get the responses of ``refusals_of``; without it nothing is refused.
    A request with more than ``max_body`` bytes after its headers is not read to its end.
    """
    return ServerConfig(
        factory,
        Admission.of(settings, refusals_of),
        max_body=max_body,
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on" if has_lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=4_096,
        headers=[("Keep-Alive", f"timeout={ANNOUNCED_IDLE}")],
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=5,
        certificate=certificate,
    )
