"""The operations port: metrics, liveness and readiness.

It listens on this machine unless the settings say otherwise; nothing else is served there.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from worksgate.web.crashes import report

Handler = Callable[[Request], Awaitable[Response]]


class Operations:
    """An ASGI application; ``handlers`` are by path."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._respond(Request(scope, receive))
            response.headers["Cache-Control"] = "no-store"
            response.headers["X-Content-Type-Options"] = "nosniff"
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        handler = self._handlers.get(request.scope["path"])
        if handler is None:
            return JSONResponse({"error": "there is nothing at this path"}, 404)
        if request.method not in ("GET", "HEAD"):
            return JSONResponse({"error": "only GET is served here"}, 405, {"Allow": "GET, HEAD"})
        try:
            return await handler(request)
        except Exception as error:
            report("operations.failed", error)
            return JSONResponse({"error": "this is not available right now"}, 500)
