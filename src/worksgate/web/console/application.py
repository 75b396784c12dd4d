"""A request's way through the console: address, session, permission, form, page.

What a request may do is decided here, before any handler runs: by the table of ``routes``. Each
request has an ID, which is in its lines of the log, in the changes that it makes, and in the header
``X-Request-ID`` of its response.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from urllib.parse import urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from worksgate.administration import Forbidden, NotFound, Outdated, Refused, Unfinished
from worksgate.administration.console.browsers import ConsoleBrowser
from worksgate.administration.console.sessions import SignedIn, SignInOver
from worksgate.administration.console.sign_in import UnknownPasskey, WrongCode
from worksgate.catalogues import sentence_of
from worksgate.credentials.secrets import new_request_id, new_secret
from worksgate.database import Conflict
from worksgate.limits.networks import is_within
from worksgate.limits.outages import Unavailable
from worksgate.oauth.errors import OAuthError
from worksgate.provider.throttle import TooManyAttempts
from worksgate.settings.options import Settings
from worksgate.web.body import Disconnected, read_form
from worksgate.web.calls.endpoints import peer_of
from worksgate.web.console import bearer, cookies
from worksgate.web.console.outdated_forms import PROOF
from worksgate.web.console.pages import LANGUAGES, StaticFile, Words
from worksgate.web.console.routes import AGAIN, BY_PATH, Route
from worksgate.web.console.uploads import has_file, read_form_with_file
from worksgate.web.console.visit import Console, Visit, readable
from worksgate.web.crashes import report
from worksgate.web.headers import page_headers
from worksgate.web.pages.browser_names import browser_name
from worksgate.web.pages.catalogues import choose_language

OpenConsole = Callable[[], AbstractAsyncContextManager[Console]]

MAX_FORM = 64 * 1024
"""Bytes of a form: a page of ticked people is more than LINE WORKS ever sends."""
MAX_FORM_FIELDS = 128

_log = structlog.get_logger("worksgate.console")


class ConsoleApplication:
    """The console as an ASGI application; ``open_console`` is called when it starts."""

    def __init__(self, settings: Settings, open_console: OpenConsole) -> None:
        address = urlsplit(settings.console_address)
        self._origin = f"{address.scheme}://{address.netloc}"
        self._host = address.netloc.encode()
        self._allowed = settings.console_allowed_addresses
        self._open = open_console
        self._headers = page_headers(is_https=address.scheme == "https")
        self._opening: AbstractAsyncContextManager[Console] | None = None
        self._console: Console | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> Console:
        """Open resources; once is enough. Raises what opening raises."""
        async with self._lock:
            if self._console is None:
                opening = self._open()
                self._console = await opening.__aenter__()
                self._opening = opening
            return self._console

    async def close(self) -> None:
        """Release all resources."""
        async with self._lock:
            opening, self._opening, self._console = self._opening, None, None
            if opening is not None:
                await opening.__aexit__(None, None, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # One that a browser sends would be the browser's word, in our log.
            request_id = new_request_id()
            with bound_contextvars(request_id=request_id):
                await self._respond(scope, receive, send, request_id)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _respond(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        response = await self._answer(scope, receive, request_id)
        if response is None:
            return
        response = _for_htmx(scope, response)
        own = {name for name, _ in response.raw_headers}
        response.raw_headers += [each for each in self._headers if each[0] not in own]
        response.headers["X-Request-ID"] = request_id
        await response(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            report("console.start_failed", error)
            await send({"type": "lifespan.startup.failed", "message": "the console cannot start"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Response | None:
        if not self._is_for_us(scope):
            return Response("not found\n", 404, media_type="text/plain")
        request = Request(scope, receive)
        try:
            console = await self.start()
            if (static := console.pages.files.get(scope["path"])) is not None:
                return _static(static)
            visit = _visit(console, request, request_id)
        except Exception as error:
            report("console.unavailable", error)
            return Response("unavailable\n", 503, {"Retry-After": "2"}, "text/plain")
        try:
            response = await self._page(visit, receive)
        except Disconnected:
            return None
        except Exception as error:
            response = _refusal(visit, error)
        _log_form(visit, response)
        return response

    def _is_for_us(self, scope: Scope) -> bool:
        """Whether a request names the console's own host, and comes from an allowed network.

        A page elsewhere whose name is made to lead here has another host (DNS rebinding).
        """
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if hosts != [self._host]:
            return False
        return not self._allowed or is_within(peer_of(scope), self._allowed)

    async def _page(self, visit: Visit, receive: Receive) -> Response:
        request = visit.request
        path: str = request.scope["path"]
        methods = BY_PATH.get(path)
        route = (methods or {}).get("GET" if request.method == "HEAD" else request.method)
        if route is not None and route.by_token:
            return await bearer.answer(visit, route.permission, route.handler)
        session, _ = cookies.read(request.scope)
        comes_again = route is not None and route.comes_again and AGAIN in visit.query
        visit.signed_in = await visit.console.sign_in.sessions.find(
            session, is_used=not comes_again
        )
        _speak(visit)
        if methods is None:
            return _sign_in(visit) if visit.signed_in is None else _notice(visit, "not_found", 404)
        if route is None:
            response = _notice(visit, "method", 405)
            response.headers["Allow"] = ", ".join(methods)
            return response
        if route.permission is not None:
            if visit.signed_in is None:
                return visit.to("/sign-in", ended="1") if comes_again else _sign_in(visit)
            if not visit.may(route.permission):
                _log.warning("console.forbidden", path=path, role=visit.signed_in.role.value)
                return _notice(visit, "forbidden", 403)
        if route.method == "POST":
            await _read(route, visit, receive)
            # A body may take seconds, in which a session can end or lose its role.
            if not await self._is_still(visit, session):
                return _sign_in(visit)
            if not self._is_own_form(visit):
                has_cookie = visit.has_step or visit.signed_in is not None
                return _notice(visit, "forged" if has_cookie else "no_cookie", 403)
        return await _proved(route, visit)

    async def _is_still(self, visit: Visit, session: str | None) -> bool:
        """Whether whoever is signed in still is, in the same role."""
        before = visit.signed_in
        visit.signed_in = await visit.console.sign_in.sessions.find(session)
        return visit.role == (None if before is None else before.role)

    def _is_own_form(self, visit: Visit) -> bool:
        """Whether a form was posted from a page of the console, in this browser."""
        headers = visit.request.headers
        site, origin = headers.get("sec-fetch-site", "same-origin"), headers.get("origin")
        token = visit.form.get("csrf", "")
        return (
            site == "same-origin"
            # A browser that is told to send no referrer sends "null" here.
            and origin in (None, "null", self._origin)
            and visit.console.anti_forgery.is_right(token, visit.form_secret)
        )


async def _read(route: Route, visit: Visit, receive: Receive) -> None:
    """The form of a request, with its file if it may have one."""
    scope = visit.request.scope
    if route.file_bytes and has_file(scope):
        form, visit.file = await read_form_with_file(scope, receive, route.file_bytes)
    else:
        form = await read_form(scope, receive, MAX_FORM, MAX_FORM_FIELDS)
    visit.form = readable(form)


async def _proved(route: Route, visit: Visit) -> Response:
    """The page of a route; if that needs it, after the second factor was asked for again.

    The form is kept in the question, and goes on after it.
    """
    who = visit.signed_in
    if not await route.needs_proof(visit) or who is None or who.is_proved(visit.now):
        return await route.handler(visit)
    problem = await _problem_of_proof(visit, who)
    if problem is None:
        return await route.handler(visit)
    return visit.page(
        "prove.html",
        401 if problem else 200,
        kept={name: value for name, value in visit.form.items() if name not in PROOF},
        problem=problem,
        has_app=await visit.console.sign_in.has_app_of(who),
        action=route.path,
        question=await visit.console.sign_in.passkeys.ask_again(
            who.session.subject_id, who.session.key
        ),
    )


async def _problem_of_proof(visit: Visit, who: SignedIn) -> str | None:
    """What is wrong with the second factor of a form: empty without one, None if it is right."""
    form, sign_in = visit.form, visit.console.sign_in
    try:
        if code := form.get("proof"):
            await sign_in.prove(who, code, visit.browser)
        elif answer := form.get("proof_passkey"):
            asked = form.get("proof_asked", "")
            await sign_in.prove_by_passkey(who, asked, answer, visit.browser)
        else:
            return ""
    except WrongCode:
        return "wrong"
    except UnknownPasskey:
        return "wrong_passkey"
    return None


def _speak(visit: Visit) -> None:
    """Use the language that whoever is signed in has chosen, unless the address says another."""
    if visit.signed_in is None or visit.request.query_params.get("lang"):
        return
    if (chosen := visit.signed_in.account.language) in LANGUAGES:
        visit.words = replace(visit.words, language=chosen)
        visit.browser = replace(visit.browser, language=chosen)


def _log_form(visit: Visit, response: Response) -> None:
    """Log what an administrator has sent, without its fields: each may have changed something."""
    if visit.request.method == "POST" and visit.signed_in is not None:
        _log.info(
            "console.form",
            path=visit.request.scope["path"],
            status=response.status_code,
            actor=visit.actor.name,
            session=visit.signed_in.session.name,
        )


def _visit(console: Console, request: Request, request_id: str) -> Visit:
    scope = request.scope
    _, step = cookies.read(scope)
    language = choose_language(
        request.query_params.get("lang"), request.headers.get("accept-language", "")
    )
    return Visit(
        console=console,
        request=request,
        request_id=request_id,
        browser=ConsoleBrowser(
            address=peer_of(scope),
            name=browser_name(request.headers.get("user-agent", "")),
            secret=step or new_secret(),
            device=cookies.device(scope),
            language=language,
        ),
        words=Words(language if language in LANGUAGES else "en", cookies.zone(request)),
        has_step=step is not None,
    )


def _for_htmx(scope: Scope, response: Response) -> Response:
    """A response that htmx understands, if it asked: only a page as it is goes into another one.

    Where the page leads elsewhere, such as to the sign-in, or is refused, the browser goes there.
    """
    if (b"hx-request", b"true") not in scope["headers"] or not 300 <= response.status_code < 500:
        return response
    location = response.headers.get("location")
    headers = {"HX-Refresh": "true"} if location is None else {"HX-Redirect": location}
    return Response(None, 204, headers)


def _static(static: StaticFile) -> Response:
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(static.content, 200, headers, static.media_type)


def _sign_in(visit: Visit) -> Response:
    """Where nobody is signed in, there is only the sign-in."""
    return visit.to("/sign-in")


def _notice(visit: Visit, what: str, status: int, detail: str = "") -> Response:
    return visit.page("notice.html", status, what=what, detail=detail)


def _refusal(visit: Visit, error: Exception) -> Response:
    """The page of what could not be done."""
    match error:
        case SignInOver():
            return _sign_in(visit)
        case NotFound():
            return _notice(visit, "not_found", 404, sentence_of(error))
        case Forbidden():
            return _notice(visit, "forbidden", 403, sentence_of(error))
        case Refused() | Conflict():
            return _notice(visit, "refused", 409, sentence_of(error))
        case Outdated():
            return _notice(visit, "outdated", 409, sentence_of(error))
        case Unfinished():
            return _notice(visit, "unfinished", 503, sentence_of(error))
        case TooManyAttempts():
            response = _notice(visit, "too_many", 429)
            response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
            return response
        case OAuthError():
            return _notice(visit, "bad_request", error.status)
        case Unavailable():
            _log.warning("console.unavailable", reason=str(error))
            response = _notice(visit, "unavailable", 503)
            response.headers["Retry-After"] = "2"
            return response
        case _:
            report("console.crashed", error, path=visit.request.scope["path"])
            return _notice(visit, "crashed", 500)
