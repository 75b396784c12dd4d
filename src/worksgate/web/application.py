"""The ASGI application: one object that a server runs or another application mounts.

It starts its resources when its server starts it, or, mounted under an application without lifespan
events, at the first request. A request goes straight to its handler (``routes``).
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worksgate.database import DatabaseUnavailable
from worksgate.directory.credential_changes import coming_from
from worksgate.limits.outages import Unavailable
from worksgate.oauth.errors import TemporarilyUnavailable
from worksgate.oauth.model import ErrorStyle
from worksgate.observability.instruments import GONE
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.server.single_write import on_the_wire, writer_of
from worksgate.settings.options import Settings
from worksgate.store import StoreUnavailable
from worksgate.web.body import Disconnected
from worksgate.web.calls.endpoints import RETRY_AFTER, error_body
from worksgate.web.calls.recording_watch import RecordingWatch, is_tapped
from worksgate.web.crashes import report
from worksgate.web.foreign_servers import adapted, is_foreign
from worksgate.web.headers import kept_headers, page_headers
from worksgate.web.installation import Installation, OpenInstallation
from worksgate.web.operations.listener import Operations
from worksgate.web.operations.readiness import Readiness, Report
from worksgate.web.page_admission import PageAdmission, TooManyPages
from worksgate.web.pages.rendering import Notice
from worksgate.web.routes import HEALTH_PATHS, METRICS_PATH, Handlers, Routes
from worksgate.web.sign_in.responses import SignInPages
from worksgate.web.view import ImmutableResponse, View, origin_of

if TYPE_CHECKING:
    from worksgate.conformance.recording.worker_link import WorkerLink
    from worksgate.observability.prometheus import Watch  # its library is imported where used
    from worksgate.web.calls.recording import Tap

CLIENTS_TIMEOUT = 0.2
"""Seconds that a page waits for the clients before it begins."""


@dataclass(frozen=True, slots=True)
class _Running:
    """What serves requests once the application has started."""

    installation: Installation
    routes: Routes
    readiness: Readiness


class Application:
    """Worksgate as an ASGI application.

    ``open_installation`` opens the stores and returns what is served; it is called once, when the
    application starts. ``watch`` reports its metrics from then on.
    """

    def __init__(
        self,
        settings: Settings,
        open_installation: OpenInstallation,
        watch: "Watch | None" = None,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._open = open_installation
        self._headers = page_headers(is_https=settings.is_https)
        self._head = on_the_wire(self._headers)
        self._kept_headers = kept_headers(self._headers)
        self._lock = asyncio.Lock()
        self._page_admission = PageAdmission()
        self._running: _Running | None = None
        self._tap: Tap | None = None  # while somebody records
        self._recording: asyncio.Task[None] | None = None
        self._opening: AbstractAsyncContextManager[Installation] | None = None

    @property
    def provider(self) -> IdentityProvider | None:
        """The handlers of requests, once the application has started."""
        return self._running.installation.provider if self._running else None

    @property
    def operations(self) -> ASGIApp:
        """For a port that only operators can reach: metrics, and readiness with all details."""
        return Operations(
            {
                METRICS_PATH: self._metrics_of_now,
                "/healthz": self._alive,
                "/readyz": self._ready_in_full,
            }
        )

    async def start(self) -> None:
        """Open resources; once is enough. Raises what opening raises."""
        async with self._lock:
            if self._running is None:
                opening = self._open()
                installation = await opening.__aenter__()
                self._opening = opening
                self._running = self._assemble(installation)
                if self._watch is None and self._settings.metrics_public:
                    from worksgate.observability.prometheus import Watch  # only if enabled

                    self._watch = Watch()
                if self._watch is not None:
                    await self._watch.attach(installation.figures, self.operations)
                socket = self._settings.recording_socket
                watch = RecordingWatch(socket, self._turn_tap_on, self._turn_tap_off)
                self._recording = asyncio.create_task(watch.run())

    async def close(self) -> None:
        """Finish accepted work and release all resources."""
        async with self._lock:
            opening, self._opening = self._opening, None
            running, self._running = self._running, None
            recording, self._recording = self._recording, None
            if recording is not None:
                recording.cancel()
                await asyncio.gather(recording, return_exceptions=True)
            if running is not None and self._watch is not None:
                await self._watch.detach(running.installation.figures)
            if opening is not None:
                await opening.__aexit__(None, None, None)

    def _turn_tap_on(self, link: "WorkerLink") -> None:
        from worksgate.web.calls.recording import Tap  # only while somebody records

        self._tap = Tap(self._settings, link)

    def _turn_tap_off(self) -> None:
        self._tap = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tap = self._tap  # a thread may take it away at any time
        if tap is not None and scope["type"] == "http" and not is_tapped(scope):
            await tap.serve(self, path_of(scope), scope, receive, send)
            return
        if scope["type"] == "http":
            running = self._running or await self._started(send)
            if running is not None:
                path, routes, is_valid = path_of(scope), running.routes, True
                call = routes.calls.get(path) or routes.below_a_call(path)
                if is_foreign(scope):
                    scope, send, is_valid = adapted(scope, send)
                if call is not None and not is_valid:
                    call = routes.malformed_call
                if call is not None:
                    await call(scope, receive, send)
                else:
                    await self._serve_page(routes, path, scope, receive, send, is_valid=is_valid)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    # Lifespan

    async def _started(self, send: Send) -> _Running | None:
        try:
            await self.start()
        except Exception as error:
            _report_start(error)
            await self._unavailable(send)
        return self._running

    async def _unavailable(self, send: Send) -> None:
        """The response while nothing could be started: JSON, since LINE WORKS may be the caller."""
        body = json.dumps(error_body(TemporarilyUnavailable(), ErrorStyle.CODE)).encode()
        headers = [
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", RETRY_AFTER),
            *self._headers,
        ]
        start: Message = {"type": "http.response.start", "status": 503, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            _report_start(error)
            message = f"Worksgate cannot start: {_outage_of(error) or type(error).__name__}"
            await send({"type": "lifespan.startup.failed", "message": message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _assemble(self, installation: Installation) -> _Running:
        settings = self._settings
        health: Handlers = {"/healthz": {"GET": self._alive}, "/readyz": {"GET": self._ready}}
        if settings.metrics_public:
            health = {**health, METRICS_PATH: {"GET": self._metrics}}
        sources = installation.figures.sources
        return _Running(
            installation,
            Routes.of(settings, installation, health),
            Readiness(
                installation.checks,
                sources,
                settings.answer_deadline,
                installation.impairing_checks,
            ),
        )

    # One page

    async def _serve_page(
        self,
        routes: Routes,
        path: str,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        is_valid: bool,
    ) -> None:
        counter = routes.counter(path)
        began, status = counter.begin(), GONE
        try:
            request = Request(scope, receive)
            response = await self._respond(routes, path, request, is_valid=is_valid)
            if response is not None:
                await self._send(response, scope, receive, send)
                status = response.status_code
        finally:
            counter.end(began, status)

    async def _send(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer, in one call where the server can and the answer has a length."""
        if isinstance(response, ImmutableResponse):
            response.raw_headers += self._kept_headers
            await response(scope, receive, send)
            return
        write = writer_of(scope)
        if write is not None:
            headers = [each for each in response.raw_headers if each[0] != b"content-length"]
            if len(headers) < len(response.raw_headers):
                head = on_the_wire(headers) + self._head
                if write(response.status_code, head, bytes(response.body)):
                    return
        response.raw_headers += self._headers
        await response(scope, receive, send)

    async def _respond(
        self, routes: Routes, path: str, request: Request, *, is_valid: bool
    ) -> Response | None:
        try:
            if not is_valid:
                return routes.pages.notice(View(request), Notice.BAD_REQUEST, 400)
            return await self._dispatch(routes, path, request)
        except Disconnected:
            return None
        except Exception as error:
            report("request.crashed", error, path=path)
            return routes.pages.notice(View(request), Notice.CRASHED, 500)

    async def _dispatch(self, routes: Routes, path: str, request: Request) -> Response:
        methods = routes.handlers.get(path)
        if methods is None:
            return routes.pages.notice(View(request), Notice.NOT_FOUND, 404)
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            response = routes.pages.notice(View(request), Notice.METHOD_NOT_ALLOWED, 405)
            response.headers["Allow"] = ", ".join(
                ("HEAD", *methods) if "GET" in methods else methods
            )
            return response
        if self._must_be_secure(path, request):
            return self._to_https(routes.pages, path, request)
        if path not in HEALTH_PATHS:
            try:
                await self._admit()
            except (TooManyPages, StoreUnavailable):
                response = routes.pages.notice(View(request), Notice.UNAVAILABLE, 503)
                response.headers["Retry-After"] = "2"
                return response
        with coming_from(partial(origin_of, request)):
            return await handler(request)

    async def _admit(self) -> None:
        """Let a page begin, once the clients are known and there is room for its records.

        All waiters continue in one turn of the event loop: they wait here, where continuing costs
        nothing, and not in the middle of their pages. Raises TooManyPages, or StoreUnavailable if
        there is no room in time: nothing has happened by then (R-135).
        """
        clients = self.provider.clients if self.provider else None
        if clients is not None and clients.current is None:
            with suppress(DatabaseUnavailable, TimeoutError):  # the page will find out for itself
                async with asyncio.timeout(CLIENTS_TIMEOUT):
                    await clients.snapshot()
        await self._page_admission.admit()
        if self.provider:
            await self.provider.audit.room()

    def _must_be_secure(self, path: str, request: Request) -> bool:
        is_https = request.scope["scheme"] == "https"
        is_watched = path in HEALTH_PATHS or path == METRICS_PATH  # over plain http too
        return self._settings.is_https and not is_https and not is_watched

    def _to_https(self, pages: SignInPages, path: str, request: Request) -> Response:
        """Redirect pages to https, but not forms: the password has already been sent (R-95)."""
        if request.method not in ("GET", "HEAD"):
            return pages.notice(View(request), Notice.BAD_REQUEST, 400)
        query = request.scope["query_string"].decode("latin-1")
        public = self._settings.public_url.rstrip("/")
        return RedirectResponse(f"{public}{path}{'?' if query else ''}{query}", 301)

    # Monitoring

    async def _alive(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        report = await self._readiness()
        return _as_response(report.for_public(), is_ready=report.is_ready)

    async def _ready_in_full(self, _: Request) -> Response:
        report = await self._readiness()
        return _as_response(report.for_operators(), is_ready=report.is_ready)

    async def _readiness(self) -> Report:
        return await self._running.readiness.report() if self._running else Report()

    async def _metrics(self, _: Request) -> Response:
        watch = self._watch
        return _as_metrics(watch, await watch.public_page() if watch else b"")

    async def _metrics_of_now(self, _: Request) -> Response:
        watch = self._watch
        return _as_metrics(watch, await watch.page() if watch else b"")


def _report_start(error: Exception) -> None:
    """Log why an application could not start, in our own words if the cause is known."""
    reason = _outage_of(error)
    report("start.failed", error, **({"reason": reason} if reason else {}))


def _outage_of(error: Exception) -> str | None:
    return str(error) if isinstance(error, Unavailable) else None


def _as_metrics(watch: "Watch | None", page: bytes) -> Response:
    if watch is None:
        return Response("nobody counts here\n", 503)
    return Response(page, headers={"Content-Type": watch.content_type})


def _as_response(document: Mapping[str, object], *, is_ready: bool) -> Response:
    if is_ready:
        return JSONResponse(document)
    return JSONResponse(document, 503, {"Retry-After": "1"})


def path_of(scope: Scope) -> str:
    """The path below the mount point of the application."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        path = path[len(root) :]
    return path or "/"
