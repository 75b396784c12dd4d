"""The ASGI application: one object that a server runs or another application mounts.

It starts what it needs when its server starts it, or, mounted under an application that tells it
nothing, at the first request. A request goes straight to its handler: there are few paths, and
each is a setting.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worksgate.directory import DirectoryUnavailable
from worksgate.measures import GONE, Meter, Traffic
from worksgate.oauth.errors import TemporarilyUnavailable
from worksgate.oauth.model import ErrorStyle
from worksgate.password_meter import PasswordMeter
from worksgate.password_reset import PasswordReset
from worksgate.provider import IdentityProvider
from worksgate.self_service import SelfService
from worksgate.settings import Settings
from worksgate.store import StoreUnavailable
from worksgate.upstream_logins import LANDING_PATH
from worksgate.watching.figures import Figures
from worksgate.web.account import AccountHandlers
from worksgate.web.account_desk import AccountDesk
from worksgate.web.anti_forgery import AntiForgery
from worksgate.web.body import Disconnected
from worksgate.web.crashes import report
from worksgate.web.endpoints import RETRY_AFTER, BackChannel, Headers, error_body
from worksgate.web.login import LoginPages
from worksgate.web.mail_clients import MailClients
from worksgate.web.openapi import describe_api
from worksgate.web.operations import Operations
from worksgate.web.pace import Pace, TooManyPages
from worksgate.web.pages import Notice, Pages
from worksgate.web.password_reset import FORGOT_PATH, PasswordResetHandlers
from worksgate.web.readiness import Check, Readiness, Report
from worksgate.web.strength import StrengthHandlers

log = structlog.get_logger("worksgate.web")

Handler = Callable[[Request], Awaitable[Response]]

ONE_YEAR = 31_536_000
_HEALTH = ("/healthz", "/readyz", "/metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What an installation serves once it is open: logins, and people's own accounts.

    ``form_key`` signs the forms of the account pages. Without a built-in directory there are no
    passwords to be reset. ``checks`` are the parts that must answer before we are ready,
    ``figures`` the numbers of what is open.
    """

    provider: IdentityProvider
    self_service: SelfService
    password_reset: PasswordReset | None
    password_meter: PasswordMeter | None = None
    form_key: bytes = field(repr=False)
    clock: Callable[[], float] = time.time
    checks: Mapping[str, Check] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)


class Watcher(Protocol):
    """Tells the numbers of applications to who watches."""

    @property
    def content_type(self) -> str: ...

    async def attach(self, figures: Figures, operations: ASGIApp) -> None:
        """Begin with an application; ``operations`` is what it serves to operators alone."""
        ...

    async def detach(self, figures: Figures) -> None: ...

    async def page(self) -> bytes:
        """All metrics, as text of ``content_type``."""
        ...


Installation = Callable[[], AbstractAsyncContextManager[Opened]]


@dataclass(frozen=True, slots=True)
class _Running:
    """What serves requests once the application has started."""

    provider: IdentityProvider
    pages: LoginPages
    back_channel: BackChannel
    mail_clients: MailClients
    plain: Mapping[str, ASGIApp]
    json_prefixes: tuple[str, ...]
    handlers: Mapping[str, Mapping[str, Handler]]
    meters: Mapping[str, Meter]
    figures: Figures
    readiness: Readiness


class Application:
    """Worksgate as an ASGI application.

    ``open_installation`` opens the stores and gives what is served; it is called once, when the
    application starts. ``watch`` tells its numbers from then on.
    """

    def __init__(
        self,
        settings: Settings,
        open_installation: Installation,
        watch: Watcher | None = None,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._open = open_installation
        self._headers = page_headers(settings)
        self._lock = asyncio.Lock()
        self._pace = Pace()
        self._running: _Running | None = None
        self._installation: AbstractAsyncContextManager[Opened] | None = None

    @property
    def provider(self) -> IdentityProvider | None:
        """What serves the requests, once the application has started."""
        return self._running.provider if self._running else None

    @property
    def operations(self) -> ASGIApp:
        """For a port that only operators can reach: metrics, and readiness with all reasons."""
        return Operations(
            {"/metrics": self._metrics, "/healthz": self._alive, "/readyz": self._told_in_full}
        )

    async def start(self) -> None:
        """Open what is needed; once is enough. Raises what opening raises."""
        async with self._lock:
            if self._running is None:
                installation = self._open()
                opened = await installation.__aenter__()
                self._installation = installation
                self._running = self._assemble(opened)
                if self._watch is None and self._settings.metrics_public:
                    from worksgate.watching.watch import Watch  # for whom it is wanted

                    self._watch = Watch()
                if self._watch is not None:
                    await self._watch.attach(opened.figures, self.operations)

    async def close(self) -> None:
        """Finish what has been accepted and let go of everything."""
        async with self._lock:
            installation, self._installation = self._installation, None
            running, self._running = self._running, None
            if running is not None and self._watch is not None:
                await self._watch.detach(running.figures)
            if installation is not None:
                await installation.__aexit__(None, None, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            running = self._running or await self._started(send)
            if running is not None:
                await self._serve(running, scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    # Start and end

    async def _started(self, send: Send) -> _Running | None:
        try:
            await self.start()
        except Exception as error:
            report("start.failed", error)
            await self._unavailable(send)
        return self._running

    async def _unavailable(self, send: Send) -> None:
        """The answer while nothing could be started: JSON, since LINE WORKS may be the caller."""
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
            report("start.failed", error)
            known = isinstance(error, StoreUnavailable | DirectoryUnavailable)
            message = f"Worksgate cannot start: {error if known else type(error).__name__}"
            await send({"type": "lifespan.startup.failed", "message": message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _assemble(self, opened: Opened) -> _Running:
        settings, provider = self._settings, opened.provider
        figures = opened.figures
        traffic = figures.traffic
        back_channel = BackChannel(provider, call_headers(settings), traffic)
        desk = AccountDesk(settings, AntiForgery(opened.form_key))
        can_reset = opened.password_reset is not None and settings.can_reset_passwords
        pages = LoginPages(
            provider,
            Pages(settings),
            reset_path=desk.path(FORGOT_PATH) if can_reset else None,
        )
        login = {"GET": pages.show, "POST": pages.submit}
        handlers: dict[str, Mapping[str, Handler]] = {
            settings.web_login_path: login,
            f"{settings.web_login_path}/": login,
            **{
                f"{settings.web_login_path}{LANDING_PATH}{name}": {"GET": pages.land}
                for name in provider.landing_names
            },
            settings.logout_path: {"GET": pages.log_out},
            **self._account_handlers(opened, pages, desk),
            "/": {"GET": partial(_to, desk.path(""))},
            "/healthz": {"GET": self._health},
            "/readyz": {"GET": self._ready},
            "/openapi.json": {"GET": self._description},
            "/favicon.ico": {"GET": _icon},
        }
        if settings.metrics_public:
            handlers["/metrics"] = {"GET": self._public_metrics}
        return _Running(
            provider=provider,
            pages=pages,
            plain={
                settings.access_token_path: back_channel.token,
                settings.user_info_path: back_channel.user_info,
            },
            json_prefixes=(f"{settings.access_token_path}/", f"{settings.user_info_path}/"),
            back_channel=back_channel,
            mail_clients=MailClients(provider, call_headers(settings), traffic),
            handlers=handlers,
            meters={path: self._meter(traffic, path) for path in handlers},
            figures=figures,
            readiness=Readiness(opened.checks, figures.sources, settings.answer_deadline),
        )

    def _meter(self, traffic: Traffic, path: str) -> Meter:
        """What counts the answers of a path of ours."""
        settings = self._settings
        if path == settings.logout_path:
            return traffic.logout
        if f"{path}/".startswith(f"{settings.web_login_path}/"):
            return traffic.login
        if f"{path}/".startswith(f"{settings.account_path}/"):
            return traffic.account
        return traffic.other

    def _account_handlers(
        self, opened: Opened, pages: LoginPages, desk: AccountDesk
    ) -> Mapping[str, Mapping[str, Handler]]:
        settings = self._settings
        account = AccountHandlers(opened.self_service, pages, desk, settings.answer_deadline)
        routes = {"/": account.routes[""], **account.routes}
        if opened.password_reset is not None:
            reset = PasswordResetHandlers(
                settings, opened.password_reset, pages, desk, opened.clock
            )
            routes |= reset.routes
        handlers = {settings.account_path + path: methods for path, methods in routes.items()}
        if opened.password_reset is not None and opened.password_meter is not None:
            meters = StrengthHandlers(
                settings,
                opened.password_meter,
                opened.provider,
                opened.self_service,
                opened.password_reset,
                desk,
                opened.clock,
            )
            handlers |= meters.routes
        return handlers

    # One request

    async def _serve(self, running: _Running, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope)
        plain = running.plain.get(path)
        if plain is None:
            plain = self._below(running, path)
        if plain is not None:
            await plain(scope, receive, send)
            return
        meter = running.meters.get(path, running.figures.traffic.other)
        began, status = meter.begin(), GONE
        try:
            response = await self._respond(running, path, Request(scope, receive))
            if response is not None:
                for name, value in self._headers:
                    response.raw_headers.append((name, value))
                await response(scope, receive, send)
                status = response.status_code
        finally:
            meter.end(began, status)

    def _below(self, running: _Running, path: str) -> ASGIApp | None:
        """What serves a path below that of a call, where LINE WORKS expects JSON too."""
        if path.startswith(running.json_prefixes):
            return running.back_channel.not_found
        login = self._settings.imap_login_path
        if path == login or path.startswith(f"{login}/"):
            return partial(running.mail_clients.log_in, path)
        return None

    async def _respond(self, running: _Running, path: str, request: Request) -> Response | None:
        try:
            return await self._dispatch(running, path, request)
        except Disconnected:
            return None
        except Exception as error:
            report("request.crashed", error, path=path)
            return running.pages.notice(request, Notice.CRASHED, 500)

    async def _dispatch(self, running: _Running, path: str, request: Request) -> Response:
        methods = running.handlers.get(path)
        if methods is None:
            return running.pages.notice(request, Notice.NOT_FOUND, 404)
        handler = methods.get(request.method)
        if handler is None:
            response = running.pages.notice(request, Notice.METHOD_NOT_ALLOWED, 405)
            response.headers["Allow"] = ", ".join(methods)
            return response
        if self._must_be_secure(path, request):
            return self._to_https(running, path, request)
        if path not in _HEALTH:
            try:
                await self._pace.wait()
            except TooManyPages:
                response = running.pages.notice(request, Notice.UNAVAILABLE, 503)
                response.headers["Retry-After"] = "2"
                return response
        return await handler(request)

    def _must_be_secure(self, path: str, request: Request) -> bool:
        is_https = request.scope["scheme"] == "https"
        return self._settings.is_https and not is_https and path not in _HEALTH

    def _to_https(self, running: _Running, path: str, request: Request) -> Response:
        """Pages are redirected to https, forms are not: the password has been sent (R-95)."""
        if request.method != "GET":
            return running.pages.notice(request, Notice.BAD_REQUEST, 400)
        query = request.scope["query_string"].decode("latin-1")
        public = self._settings.public_url.rstrip("/")
        return RedirectResponse(f"{public}{path}{'?' if query else ''}{query}", 301)

    async def _health(self, _: Request) -> Response:
        return await self._alive()

    async def _alive(self) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        report = await self._readiness()
        return _as_response(report.for_everybody(), is_ready=report.is_ready)

    async def _told_in_full(self) -> Response:
        report = await self._readiness()
        return _as_response(report.for_operators(), is_ready=report.is_ready)

    async def _readiness(self) -> Report:
        return await self._running.readiness.report() if self._running else Report()

    async def _public_metrics(self, _: Request) -> Response:
        return await self._metrics()

    async def _metrics(self) -> Response:
        if self._watch is None:
            return Response("nobody counts here\n", 503)
        content_type = {"Content-Type": self._watch.content_type}
        return Response(await self._watch.page(), headers=content_type)

    async def _description(self, _: Request) -> Response:
        return JSONResponse(describe_api(self._settings))


def _as_response(told: Mapping[str, object], *, is_ready: bool) -> Response:
    if is_ready:
        return JSONResponse(told)
    return JSONResponse(told, 503, {"Retry-After": "1"})


def path_of(scope: Scope) -> str:
    """The path below the point where the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        path = path[len(root) :]
    return path or "/"


def call_headers(settings: Settings) -> Headers:
    """What every answer carries, and all that an answer to a call needs (R-11, R-12, R-94)."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if settings.is_https:
        headers["strict-transport-security"] = f"max-age={ONE_YEAR}"
    return _encoded(headers)


def page_headers(settings: Settings) -> Headers:
    """What a page carries besides its Content-Security-Policy (R-09, R-10)."""
    headers = {
        "pragma": "no-cache",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
    return [*call_headers(settings), *_encoded(headers)]


def _encoded(headers: Mapping[str, str]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _to(location: str, _: Request) -> Response:
    """People who open the bare address find their own account."""
    return RedirectResponse(location, 303)


async def _icon(_: Request) -> Response:
    icon = files("worksgate.web") / "static" / "icon.svg"
    return Response(icon.read_bytes(), media_type="image/svg+xml")
