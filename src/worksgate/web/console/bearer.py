"""Requests with the token of a deployer: from a program, answered in JSON (R-236).

Cookies are not looked at, and neither is a session: what a browser sends by itself does nothing
here. No other origin may send the header, since there is no answer to its preflight.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.responses import JSONResponse, Response

from worksgate.administration import Forbidden, NotFound, Outdated, Refused
from worksgate.administration.deployers import UnknownToken
from worksgate.administration.roles import Permission, may
from worksgate.database import Conflict
from worksgate.limits.outages import Unavailable
from worksgate.oauth.errors import OAuthError
from worksgate.provider.throttle import TooManyAttempts
from worksgate.web.body import Disconnected, read_json
from worksgate.web.console.visit import Visit
from worksgate.web.crashes import report

MOST_BYTES: Final = 1024 * 1024
"""Of a document; a file of clients has some hundred bytes for each."""

_log = structlog.get_logger("worksgate.console")


async def answer(
    visit: Visit, permission: Permission | None, handler: Callable[[Visit], Awaitable[Response]]
) -> Response:
    """The answer of a handler to whoever has a token with that permission.

    The token is looked at before the body is read, and again after it: that may take seconds, in
    which a token can be ended. Raises Disconnected.
    """
    try:
        await _check_token(visit, permission)
        request = visit.request
        visit.document = await read_json(request.scope, request.receive, MOST_BYTES)
        await _check_token(visit, permission)
        return await handler(visit)
    except Disconnected:
        raise
    except Exception as error:
        return problem(visit, error)


async def check_still(visit: Visit) -> None:
    """Raise UnknownToken if the token has been ended meanwhile."""
    secret, address = _token(visit), visit.browser.address
    visit.deployer = await visit.console.deployers.find(secret, address)


def problem(visit: Visit, error: Exception, **more: Any) -> JSONResponse:
    """What could not be done, as a sentence; with ``more`` of the answer."""
    status, headers, sentence = HTTPStatus.INTERNAL_SERVER_ERROR, {}, "the console has failed"
    match error:
        case UnknownToken():
            status, sentence = HTTPStatus.UNAUTHORIZED, "this needs the token of a deployer"
            headers = {"WWW-Authenticate": 'Bearer realm="worksgate"'}
        case TooManyAttempts():
            status, sentence = HTTPStatus.TOO_MANY_REQUESTS, "there were too many wrong tokens"
            headers = {"Retry-After": str(max(1, round(error.retry_after)))}
        case Forbidden():
            status, sentence = HTTPStatus.FORBIDDEN, str(error)
        case Outdated() | Conflict():
            status, sentence = HTTPStatus.CONFLICT, str(error)
        case Refused() | NotFound():
            status, sentence = HTTPStatus.UNPROCESSABLE_ENTITY, str(error)
        case OAuthError():
            status, sentence = HTTPStatus(error.status), str(error)
        case Unavailable():
            _log.warning("console.unavailable", reason=str(error))
            status, sentence = HTTPStatus.SERVICE_UNAVAILABLE, "try again in a moment"
            headers = {"Retry-After": "2"}
        case _:
            report("console.crashed", error, path=visit.request.scope["path"])
    return JSONResponse({"error": sentence, **more}, status, headers)


async def _check_token(visit: Visit, permission: Permission | None) -> None:
    """Raises UnknownToken, TooManyAttempts, or Forbidden."""
    await check_still(visit)
    role = None if visit.deployer is None else visit.deployer.role
    if permission is None or not may(role, permission):
        raise Forbidden("a deployer may only apply a file of clients")


def _token(visit: Visit) -> str:
    """The token in the header, or an empty one, which is none."""
    values = visit.request.headers.getlist("authorization")
    kind, _, token = (values[0] if len(values) == 1 else "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
