"""From a request to its response: which operation, whose token, how often, and what goes wrong.

One listener serves the authorization server and the API, below different paths; with the hosts
given, each of them answers under its own name only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from worksgate.conformance.directory_api import operations
from worksgate.conformance.directory_api.asked import Asked, read_form, read_json, single_values
from worksgate.conformance.directory_api.calls import Call
from worksgate.conformance.directory_api.faults import Fault, Faults, Planned
from worksgate.conformance.directory_api.key_calls import batch_size
from worksgate.conformance.directory_api.limits import RateLimits
from worksgate.conformance.directory_api.operations import Found, Operation
from worksgate.conformance.directory_api.refusals import (
    BadRequest,
    Forbidden,
    Refused,
    TooManyRequests,
    Unauthorized,
)
from worksgate.conformance.directory_api.rules import Rules
from worksgate.conformance.directory_api.token_endpoint import (
    Token,
    TokenEndpoint,
    TokenRefused,
    refusal,
    requested_scopes,
    with_text_lifetime,
)

Handler = Callable[[Asked], Awaitable[Response]]

_PIECES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The base paths; with a host, only requests for that host are answered there."""

    auth_path: str
    api_path: str
    storage_path: str
    auth_host: str | None
    api_host: str | None
    storage_host: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application needs of the simulator. `rules` is read at every call."""

    rules: Callable[[], Rules]
    clock: Callable[[], float]
    addresses: Addresses
    tokens: TokenEndpoint
    limits: RateLimits
    handlers: Mapping[Operation, Handler]
    faults: Faults
    record: Callable[[Call], None]


class Application:
    """The ASGI application."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._in_flight = 0
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        found = self._find(request)
        self._in_flight += 1
        try:
            call = self._begun(request, found)
            response = await self._respond(request, found, call)
            await response(scope, receive, send)
        finally:
            self._in_flight -= 1

    async def _respond(self, request: Request, found: Found | None, call: Call) -> Response:
        """The response. The call is recorded before it is sent: whoever has it finds the record."""
        if found is None:
            self._parts.record(replace(call, status=404))
            return Response(status_code=404)
        planned = self._parts.faults.take(found.endpoint.operation)
        call = replace(call, fault=None if planned is None else planned.fault)
        if planned is not None and planned.fault.is_before:
            response = _failure(planned)
        else:
            response, call = await self._answer(request, found, call)
            response = _spoilt(response, planned)
        status = None if isinstance(response, Withheld) else response.status_code
        self._parts.record(replace(call, status=status))
        return response

    def _find(self, request: Request) -> Found | None:
        """The operation of a request, by host and path as they were sent."""
        addresses, host = self._parts.addresses, request.headers.get("host", "")
        for path, own_host, endpoints in (
            (addresses.auth_path, addresses.auth_host, (operations.TOKEN,)),
            (addresses.api_path, addresses.api_host, operations.ENDPOINTS),
            (addresses.storage_path, addresses.storage_host, (operations.AUDIT_FILE,)),
        ):
            below = raw_path(request).removeprefix(f"{path}/")
            if below != raw_path(request) and own_host in (None, host):
                return operations.find(endpoints, request.method, below)
        return None

    def _begun(self, request: Request, found: Found | None) -> Call:
        self._count += 1
        return Call(
            number=self._count,
            at=self._parts.clock(),
            operation=None if found is None else found.endpoint.operation,
            method=request.method,
            path=raw_path(request),
            parameters=tuple(request.query_params),
            status=None,
            code=None,
            client_id=None,
            scopes=frozenset(),
            people=None,
            in_flight=self._in_flight,
            fault=None,
        )

    async def _answer(self, request: Request, found: Found, call: Call) -> tuple[Response, Call]:
        if found.endpoint is operations.TOKEN:
            return await self._grant(request, call)
        return await self._serve(request, found, call)

    # The authorization server

    async def _grant(self, request: Request, call: Call) -> tuple[Response, Call]:
        form: dict[str, str] = {}
        try:
            form = await self._token_form(request)
            granted = self._parts.tokens.grant(form)
        except TokenRefused as refused:
            response = refusal(refused, self._parts.rules().token_errors)
            return response, replace(
                call,
                code=refused.error,
                client_id=form.get("client_id"),
                scopes=requested_scopes(form),
            )
        if call.fault is Fault.EXPIRES_IN_AS_TEXT:
            granted = with_text_lifetime(granted)
        response = JSONResponse(granted, headers={"Cache-Control": "no-store"})
        return response, replace(call, client_id=form["client_id"], scopes=requested_scopes(form))

    async def _token_form(self, request: Request) -> dict[str, str]:
        try:
            return await read_form(request)
        except BadRequest as refused:
            raise TokenRefused("invalid_request", refused.description) from refused

    # The API

    async def _serve(self, request: Request, found: Found, call: Call) -> tuple[Response, Call]:
        headers: dict[str, str] = {}
        try:
            token = self._token(request)
            call = replace(call, client_id=token.client_id, scopes=token.scopes)
            headers = self._counted(token, found, call)
            _check_scope(token, found)
            asked = await self._asked(request, found, token)
            if found.endpoint.operation is Operation.SET_KEYS:
                call = replace(call, people=batch_size(asked.content))
            response = await self._parts.handlers[found.endpoint.operation](asked)
        except Refused as refused:
            call = replace(call, code=refused.code)
            response = _refusal(refused)
        if not found.endpoint.operation.is_redirect:
            response.headers.update(headers)
        return response, call

    def _token(self, request: Request) -> Token:
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("A Bearer token is required", error=None)
        token = self._parts.tokens.find(sent)
        if token is None or token.expires_at <= self._parts.clock():
            raise Unauthorized("The access token is unknown or expired", error="invalid_token")
        return token

    def _counted(self, token: Token, found: Found, call: Call) -> dict[str, str]:
        """Count the call and return the headers of the limit. Raises TooManyRequests."""
        rules = self._parts.rules()
        window = self._parts.limits.count(token.client_id, found.endpoint.operation)
        headers = window.headers(rules.rate_headers)
        if window.is_over or (rules.refuses_concurrent_calls and call.in_flight > 1):
            raise TooManyRequests(headers)
        return headers

    async def _asked(self, request: Request, found: Found, token: Token) -> Asked:
        host = request.headers.get("host", "")
        return Asked(
            path=found.parameters,
            query=_query(request),
            token=token,
            origin=f"{request.url.scheme}://{host}",
            content=await read_json(request),
        )


class Withheld(Response):
    """No answer: until the caller gives up, or for that many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(status_code=500)
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while (await receive())["type"] != "http.disconnect":
                    pass


class InPieces(Response):
    """A response whose body comes slowly, or not to its end."""

    def __init__(self, response: Response, *, seconds: float = 0, is_cut: bool = False) -> None:
        super().__init__(status_code=response.status_code)
        self.body = response.body
        self.raw_headers = response.raw_headers
        self._seconds = seconds
        self._is_cut = is_cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_start(self))
        size = -(-len(self.body) // _PIECES) or 1
        ends = range(size, len(self.body) // 2 if self._is_cut else len(self.body), size)
        sent = 0
        for end in ends:
            await asyncio.sleep(self._seconds / _PIECES)
            await send(_piece(bytes(self.body[sent:end]), more=True))
            sent = end
        if not self._is_cut:
            await asyncio.sleep(self._seconds / _PIECES)
            await send(_piece(bytes(self.body[sent:]), more=False))


def raw_path(request: Request) -> str:
    """The path as it was sent, still encoded."""
    raw: bytes | None = request.scope.get("raw_path")
    return quote(request.scope["path"]) if raw is None else raw.decode("latin-1")


def _query(request: Request) -> dict[str, str]:
    return single_values(request.scope["query_string"].decode("latin-1"))


def _check_scope(token: Token, found: Found) -> None:
    if not token.scopes & found.endpoint.scopes:
        raise Forbidden("The scope of the token does not allow this")
    if token.user_id is not None and found.endpoint.operation is not Operation.GET_USER:
        raise Forbidden("The token is an ordinary user's", "ACCESS_DENIED")


def _refusal(refused: Refused) -> Response:
    body = {"code": refused.code, "description": refused.description}
    return JSONResponse(body, refused.status, refused.headers)


def _failure(planned: Planned) -> Response:
    """The response to a call that fails before it is looked at."""
    if planned.fault is Fault.NO_ANSWER:
        return Withheld(planned.seconds)
    status, code = (
        (500, "INTERNAL_SERVER_ERROR")
        if planned.fault is Fault.INTERNAL_ERROR
        else (503, "SERVICE_UNAVAILABLE")
    )
    return JSONResponse({"code": code, "description": "Simulated"}, status)


def _spoilt(response: Response, planned: Planned | None) -> Response:
    """What becomes of a response on its way."""
    match None if planned is None else planned.fault:
        case Fault.SLOW_BODY if planned is not None:
            return InPieces(response, seconds=planned.seconds)
        case Fault.CUT_BODY if response.body:
            return InPieces(response, is_cut=True)
        case Fault.LOST_ANSWER | Fault.CUT_BODY if planned is not None:
            return Withheld(planned.seconds)
        case Fault.WRONG_CONTENT_TYPE:
            response.headers["content-type"] = "text/html; charset=utf-8"
    return response


def _start(response: Response) -> dict[str, Any]:
    return {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }


def _piece(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}
