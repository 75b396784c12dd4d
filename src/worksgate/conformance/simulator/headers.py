"""Security headers for every response of the simulator, like those of the real thing."""

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SecurityHeaders:
    """Adds the headers. `form_targets` are origins that a form here may be redirected to."""

    def __init__(self, app: ASGIApp, form_targets: Iterable[str]) -> None:
        self._app = app
        policy = {
            "default-src": "'none'",
            "style-src": "'self'",
            "script-src": "'self'",
            "img-src": "'self'",
            "connect-src": "'self'",
            # Chrome applies this to redirects after a form, too.
            "form-action": " ".join(("'self'", *form_targets)),
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        self._headers = {
            "Content-Security-Policy": "; ".join(f"{k} {v}" for k, v in policy.items()),
            "X-Content-Type-Options": "nosniff",
            # Not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                is_static = "/static/" in scope["path"]
                headers["Cache-Control"] = "max-age=300" if is_static else "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers)
