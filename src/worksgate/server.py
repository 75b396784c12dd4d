"""The server: Worksgate under uvicorn.

``serve`` is what ``worksgate serve`` does. ``server_config`` is the one way in which we configure
uvicorn. It writes no access log, since query strings hold secrets (R-106), says nothing about
itself, and believes no forwarded header: the application does, if it is told whose. Connections
that give us nothing to do are closed (F-22).

The application itself is imported in the process that serves it, and by nobody else.
"""

import asyncio
import resource
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from worksgate import log
from worksgate.listening import check_certificate, listen, url_of
from worksgate.settings import Settings

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

HEADER_TIMEOUT = 10.0
"""Seconds in which the headers of a request must have come."""
MAX_HEADERS = 64 * 1024
"""Bytes of a request line and its headers."""
MAX_BODY_ON_THE_WIRE = 256 * 1024
"""Bytes of a request after its headers, chunks and all; the applications accept far less."""
UNREAD_TIMEOUT = 1.0
"""Seconds in which a caller can see an answer that came before the end of its request."""

_log = structlog.get_logger(__name__)

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


def serve(
    settings: Settings,
    *,
    workers: int = 1,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Run the server until it is told to stop (SIGTERM, SIGINT).

    Raises CannotListen, or OSError for a certificate that cannot be read.
    """
    if tls_cert is not None and tls_key is not None:
        check_certificate(tls_cert, tls_key)
    listening = listen(settings.host, settings.port)
    config = server_config(
        ApplicationFactory(settings),
        settings.host,
        settings.port,
        workers=workers,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    log.configure(settings)
    _allow_many_connections()
    _log.info(
        "server.starting",
        version=version("worksgate"),
        address=url_of(listening, https=tls_cert is not None),
        public_url=settings.public_url,
        database=settings.database_url.partition(":")[0],
        workers=workers,
    )
    if workers == 1:
        uvicorn.Server(config).run([listening])
    else:
        Multiprocess(config, [listening]).run()
    log.close()


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as this process may: each connection is one (F-29)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@dataclass(frozen=True, slots=True)
class ApplicationFactory:
    """Makes the application in the process that serves it; the settings travel there with it."""

    settings: Settings

    def __call__(self) -> ASGIApp:
        from worksgate.bootstrap import create_app

        log.configure(self.settings)
        return with_trusted_proxies(create_app(self.settings), self.settings.trusted_proxies)


def with_trusted_proxies(application: ASGIApp, proxies: tuple[str, ...]) -> ASGIApp:
    """Believe X-Forwarded-For and -Proto from these networks, and from nobody else (R-96)."""
    if not proxies:
        return application
    # Starlette and uvicorn each have types of their own for the same ASGI.
    trusting = ProxyHeadersMiddleware(cast("ASGI3Application", application), list(proxies))
    return cast(ASGIApp, trusting)


def server_config(
    factory: Callable[[], ASGIApp],
    host: str,
    port: int,
    *,
    workers: int = 1,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> uvicorn.Config:
    """The one way in which we configure a server. TLS is 1.2 or newer (R-94)."""
    return uvicorn.Config(
        factory,
        factory=True,
        host=host,
        port=port,
        workers=workers,
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
        ssl_certfile=str(tls_cert) if tls_cert else None,
        ssl_keyfile=str(tls_key) if tls_key else None,
    )


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, in which nobody holds a connection or memory without end.

    The headers of a request are bounded in time and size, what follows them in size; trailers count
    for nothing; a request that was answered before its end is not waited for; and no byte leaves a
    connection without a timer.
    """

    _timer: asyncio.TimerHandle | None = None
    _leaving: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _body_bytes = 0
    _in_headers = True
    _in_message = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_bytes += len(data)
        else:
            self._body_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_headers and self._header_bytes > MAX_HEADERS:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._body_bytes > MAX_BODY_ON_THE_WIRE:
            self.transport.abort()
        elif self.cycle is None or self.cycle.response_complete:
            self._start_timer()  # any byte has made uvicorn forget its own

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = self._in_message = True
        self._body_bytes = 0
        self._start_timer()

    def on_headers_complete(self) -> None:
        if self._header_bytes > MAX_HEADERS and self._size_of_headers() > MAX_HEADERS:
            raise ValueError("the headers are too large")  # the parser stops; uvicorn answers 400
        self._in_headers = False
        self._header_bytes = 0
        self._stop_timer()
        super().on_headers_complete()
        self.headers = []  # trailers land there: in the scope they would pass for headers

    def on_message_complete(self) -> None:
        self._in_message = False
        if self._leaving is not None:  # the rest has come after all
            self._leaving.cancel()
            self._leaving = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        unread = self._in_message and not self._in_headers and self.cycle.response_complete
        if unread and not self.transport.is_closing():
            self._leaving = self.loop.call_later(UNREAD_TIMEOUT, self.transport.close)

    def _size_of_headers(self) -> int:
        """What came with them in one read may be a body."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEADER_TIMEOUT, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self.transport.close()
