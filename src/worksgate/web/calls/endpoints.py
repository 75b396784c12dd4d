"""The endpoints for LINE WORKS: parse the form, call the provider, write the response as JSON.

Two of the paths decide how fast people get in, so they are plain ASGI. Every response is JSON, even
if the path, the method or the body is wrong, and is sent within ``answer_deadline`` (R-52).
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

import msgspec
from starlette.types import Receive, Scope, Send

from worksgate.clients.registry import ClientRegistry
from worksgate.oauth.errors import (
    InvalidRequest,
    OAuthError,
    RequestTooLarge,
    TemporarilyUnavailable,
)
from worksgate.oauth.model import ErrorStatus, ErrorStyle
from worksgate.observability.instruments import GONE, Meter, Traffic
from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.provider.calls.tokens import LineWorksCalls
from worksgate.server.single_write import on_the_wire, writer_of
from worksgate.settings.options import Settings
from worksgate.web.body import BodyTimeout, Disconnected, read_form
from worksgate.web.crashes import report
from worksgate.web.deadline import Deadline, within
from worksgate.web.headers import Headers

Outcome = tuple[int, str]
"""The HTTP status of a response, and its error number, or an empty text."""

ANSWERED: Outcome = (200, "")
NO_ANSWER: Outcome = (GONE, "")

RETRY_AFTER = b"1"
"""Seconds after which a 503 is worth a retry."""


class UnknownPath(InvalidRequest):
    status = 404


class MethodNotAllowed(InvalidRequest):
    status = 405


class InsecureRequest(InvalidRequest):
    """The call came over plain http although ``public_url`` is https (R-95)."""


class ServerError(TemporarilyUnavailable):
    """An unexpected error; it is a refusal too (R-108)."""

    status = 500


class Answer(Protocol):
    """A response value of ``oauth``."""

    def as_json(self) -> Mapping[str, Any]: ...


Call = Callable[[dict[str, str], str], Coroutine[Any, Any, Answer]]


class JsonCalls:
    """How calls of LINE WORKS are answered and refused.

    Each is served as ``await …(scope, receive, send)``; ``method`` is its HTTP method.
    """

    method = "POST"

    def __init__(
        self, settings: Settings, clients: ClientRegistry, headers: Headers, traffic: Traffic
    ) -> None:
        self._clients = clients
        self._traffic = traffic
        self._deadline = settings.answer_deadline
        self._https_only = settings.is_https
        self._unavailable = RateLimitedWarning("request.unavailable")
        self._insecure = RateLimitedWarning("request.insecure")
        self._headers: Headers = [
            (b"content-type", b"application/json; charset=utf-8"),
            *headers,
        ]
        self._head = on_the_wire(self._headers)

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A path below one of the calls: wrong, but LINE WORKS still expects JSON."""
        error = UnknownPath("there is nothing at this path")
        await self._refuse_unserved(error, scope["path"], send)

    async def malformed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An invalid request; its path may contain a secret and is not logged."""
        await self._refuse_unserved(InvalidRequest("the request is not valid HTTP/1.1"), "", send)

    async def _refuse_unserved(self, error: OAuthError, path: str, send: Send) -> None:
        meter = self._traffic.other
        began, outcome = meter.begin(), NO_ANSWER
        try:
            outcome = await self._refuse(error, path, send)
        finally:
            meter.end(began, *outcome)

    def _check_way(self, scope: Scope) -> None:
        """Raises MethodNotAllowed, or InsecureRequest: never a redirect."""
        if scope["method"] != self.method:
            raise MethodNotAllowed(f"only {self.method} is served here")
        if self._https_only and scope["scheme"] != "https":
            raise InsecureRequest("the call came over http; is trusted_proxies set?")

    async def _fail(self, error: Exception, path: str, send: Send, client_id: str = "") -> Outcome:
        """Refuse a call because of an exception; unexpected ones are logged."""
        if isinstance(error, TimeoutError):
            error = TemporarilyUnavailable("no response in time")
        elif not isinstance(error, OAuthError):
            report("request.crashed", error, path=path)
            error = ServerError("unexpected")
        return await self._refuse(error, path, send, client_id)

    async def _refuse(
        self, error: OAuthError, path: str, send: Send, client_id: str = ""
    ) -> Outcome:
        style, policy = await self._error_form(error, client_id)
        headers: Headers = []
        if isinstance(error, TemporarilyUnavailable):
            headers.append((b"retry-after", RETRY_AFTER))
        elif isinstance(error, MethodNotAllowed):
            headers.append((b"allow", self.method.encode()))
        elif isinstance(error, RequestTooLarge | BodyTimeout):
            # Unread bytes would be taken for the next request.
            headers.append((b"connection", b"close"))
        self._tell_administrator(error, path)
        status = error_status(error, policy)
        content = msgspec.json.encode(error_body(error, style))
        await self._send(status, content, send, headers)
        return status, error.number

    def _tell_administrator(self, error: OAuthError, path: str) -> None:
        """Log what is not the caller's fault."""
        if isinstance(error, InsecureRequest):
            self._insecure.log(path, error.detail)
        elif isinstance(error, TemporarilyUnavailable) and not isinstance(error, ServerError):
            self._unavailable.log(path, error.detail)

    async def _error_form(
        self, error: OAuthError, client_id: str
    ) -> tuple[ErrorStyle, ErrorStatus]:
        """How to write a refusal; outages have one form, without asking the failed part again."""
        with suppress(TimeoutError):
            if not isinstance(error, TemporarilyUnavailable):
                with Deadline(self._deadline):
                    return await self._clients.error_form(client_id)
        return ErrorStyle.CODE, ErrorStatus.STANDARD

    async def _answer(self, answer: Answer, scope: Scope, send: Send) -> None:
        """Send the response, in one call if the server supports it."""
        content = msgspec.json.encode(answer.as_json())
        write = writer_of(scope)
        if write is None or not write(200, self._head, content):
            await self._send(200, content, send)

    async def _send(
        self, status: int, content: bytes, send: Send, headers: Headers | None = None
    ) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    *self._headers,
                    *(headers or ()),
                    (b"content-length", str(len(content)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})


class BackChannel(JsonCalls):
    """Serves the two back-channel calls."""

    def __init__(
        self,
        calls: LineWorksCalls,
        settings: Settings,
        clients: ClientRegistry,
        headers: Headers,
        traffic: Traffic,
    ) -> None:
        super().__init__(settings, clients, headers, traffic)
        self._calls = calls

    def token(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """``POST /accessToken``."""
        return self._serve(self._calls.exchange_code, self._traffic.token, scope, receive, send)

    def user_info(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """``POST /userInfo``."""
        return self._serve(self._calls.user_info, self._traffic.user_info, scope, receive, send)

    async def _serve(
        self, call: Call, meter: Meter, scope: Scope, receive: Receive, send: Send
    ) -> None:
        began, outcome = meter.begin(), NO_ANSWER
        form: dict[str, str] = {}
        try:
            self._check_way(scope)
            form = await read_form(scope, receive)
            answer = await within(self._deadline, call(form, peer_of(scope)))
        except Disconnected:
            pass
        except Exception as error:
            outcome = await self._fail(error, scope["path"], send, form.get("client_id", ""))
        else:
            await self._answer(answer, scope, send)
            outcome = ANSWERED
        finally:
            meter.end(began, *outcome)


def error_body(error: OAuthError, style: ErrorStyle) -> Mapping[str, str]:
    """The JSON of a refusal, according to ``error_style``."""
    if isinstance(error, TemporarilyUnavailable):
        return {"error": error.number, "error_description": error.description}
    if style is ErrorStyle.TEXT:
        return {"error": error.message, "error_description": error.description}
    return {
        "error": error.number,
        "error_description": f"{error.message}: {error.description}",
    }


def error_status(error: OAuthError, policy: ErrorStatus) -> int:
    """The HTTP status of a refusal; an outage is 503 regardless of ``error_status``."""
    if policy is ErrorStatus.ALWAYS_200 and not isinstance(error, TemporarilyUnavailable):
        return 200
    return error.status


def peer_of(scope: Scope) -> str:
    """The client's address, or an empty text if the server does not know it."""
    client = scope.get("client")
    return client[0] if client else ""
