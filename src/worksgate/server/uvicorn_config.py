"""The one way in which we configure uvicorn.

It writes no access log, since query strings hold secrets (R-106), says nothing about itself, and
believes no forwarded header: the application does, if it is told whose.
"""

from collections.abc import Callable

from starlette.types import ASGIApp

from worksgate.server.admission import Admission, RefusalsOf
from worksgate.server.connection import BoundedHttpProtocol, ServerConfig
from worksgate.server.tls import Certificate
from worksgate.settings.options import Settings

ANNOUNCED_IDLE = 90
"""Seconds after which a caller should use a connection no more; ``Keep-Alive`` says so."""
IDLE = ANNOUNCED_IDLE + 5
"""Seconds after which it is closed: later than callers do it by themselves (Go after 90), for who
sends at the moment in which we close gets no answer, and a code is not posted twice (R-114)."""


def server_config(
    factory: Callable[[], ASGIApp],
    settings: Settings,
    *,
    refusals_of: RefusalsOf | None = None,
    certificate: Certificate | None = None,
    has_lifespan: bool = True,
) -> ServerConfig:
    """How to serve what ``factory`` makes; ``settings`` say how much is taken on.

    What is too much is refused with what ``refusals_of`` makes of them; without it nothing is.
    """
    return ServerConfig(
        factory,
        Admission.of(settings, refusals_of),
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
        ssl_context_factory=None if certificate is None else lambda *_: certificate.context,
    )
