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
from dataclasses import dataclass
from importlib.resources import files

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worksgate.directory import DirectoryUnavailable
from worksgate.oauth.errors import TemporarilyUnavailable
from worksgate.oauth.model import ErrorStyle
from worksgate.provider import IdentityProvider
from worksgate.settings import Settings
from worksgate.store import StoreUnavailable
from worksgate.web.body import Disconnected
from worksgate.web.crashes import report
from worksgate.web.endpoints import RETRY_AFTER, BackChannel, Headers, error_body
from worksgate.web.login import LoginPages
from worksgate.web.openapi import describe_api
from worksgate.web.pages import Notice, Pages

log = structlog.get_logger("worksgate.web")

Installation = Callable[[], AbstractAsyncContextManager[IdentityProvider]]
Handler = Callable[[Request], Awaitable[Response]]

ONE_YEAR = 31_536_000
READY_FOR = 1.0
"""Seconds that an answer of the store to GET /readyz is good for."""


@dataclass(frozen=True, slots=True)
class _Running:
    """What serves requests once the application has started."""

    provider: IdentityProvider
    pages: LoginPages
    back_channel: BackChannel
    plain: Mapping[str, ASGIApp]
    json_prefixes: tuple[str, ...]
    handlers: Mapping[str, Mapping[str, Handler]]


class Application:
    """Worksgate as an ASGI application.

    ``open_installation`` opens the stores and gives the provider; it is called once, when the
    application starts.
    """

    def __init__(self, settings: Settings, open_installation: Installation) -> None:
        self._settings = settings
        self._open = open_installation
        self._headers = page_headers(settings)
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self._is_ready = False
        self._running: _Running | None = None
        self._installation: AbstractAsyncContextManager[IdentityProvider] | None = None

    @property
    def provider(self) -> IdentityProvider | None:
        """What serves the requests, once the application has started."""
        return self._running.provider if self._running else None

    async def start(self) -> None:
        """Open what is needed; once is enough. Raises what opening raises."""
        async with self._lock:
            if self._running is None:
                installation = self._open()
                provider = await installation.__aenter__()
                self._installation = installation
                self._running = self._assemble(provider)

    async def close(self) -> None:
        """Finish what has been accepted and let go of everything."""
        async with self._lock:
            installation, self._installation, self._running = self._installation, None, None
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

    def _assemble(self, provider: IdentityProvider) -> _Running:
        settings = self._settings
        back_channel = BackChannel(provider, call_headers(settings))
        pages = LoginPages(provider, Pages(settings))
        login = {"GET": pages.show, "POST": pages.submit}
        return _Running(
            provider=provider,
            pages=pages,
            plain={
                settings.access_token_path: back_channel.token,
                settings.user_info_path: back_channel.user_info,
            },
            json_prefixes=(f"{settings.access_token_path}/", f"{settings.user_info_path}/"),
            back_channel=back_channel,
            handlers={
                settings.web_login_path: login,
                f"{settings.web_login_path}/": login,
                settings.logout_path: {"GET": pages.log_out},
                "/healthz": {"GET": self._alive},
                "/readyz": {"GET": self._ready},
                "/openapi.json": {"GET": self._description},
                "/favicon.ico": {"GET": _icon},
            },
        )

    # One request

    async def _serve(self, running: _Running, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope)
        plain = running.plain.get(path)
        if plain is None and path.startswith(running.json_prefixes):
            plain = running.back_channel.not_found
        if plain is not None:
            await plain(scope, receive, send)
            return
        response = await self._respond(running, path, Request(scope, receive))
        if response is not None:
            for name, value in self._headers:
                response.raw_headers.append((name, value))
            await response(scope, receive, send)

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
        return await handler(request)

    def _must_be_secure(self, path: str, request: Request) -> bool:
        is_health = path in ("/healthz", "/readyz")
        return self._settings.is_https and request.scope["scheme"] != "https" and not is_health

    def _to_https(self, running: _Running, path: str, request: Request) -> Response:
        """Pages are redirected to https, forms are not: the password has been sent (R-95)."""
        if request.method != "GET":
            return running.pages.notice(request, Notice.BAD_REQUEST, 400)
        query = request.scope["query_string"].decode("latin-1")
        public = self._settings.public_url.rstrip("/")
        return RedirectResponse(f"{public}{path}{'?' if query else ''}{query}", 301)

    async def _alive(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        """Ask the store at most once a second, however often we are asked."""
        now = time.monotonic()
        if now - self._asked_at >= READY_FOR:
            self._asked_at, self._is_ready = now, await self._answers()
        if self._is_ready:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "unavailable"}, 503, {"Retry-After": "1"})

    async def _answers(self) -> bool:
        running = self._running
        try:
            async with asyncio.timeout(self._settings.answer_deadline):
                if running is not None:
                    await running.provider.ping()
        except (StoreUnavailable, DirectoryUnavailable, TimeoutError):
            return False
        return running is not None

    async def _description(self, _: Request) -> Response:
        return JSONResponse(describe_api(self._settings))


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


async def _icon(_: Request) -> Response:
    icon = files("worksgate.web") / "static" / "icon.svg"
    return Response(icon.read_bytes(), media_type="image/svg+xml")
