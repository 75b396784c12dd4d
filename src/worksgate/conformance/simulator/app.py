"""The simulator's pages and the two endpoints that the customer's side calls.

Pages work without JavaScript, contain no secret, and are only shown to the browser that began the
login they are about. Reloading or going back shows the result again; nothing runs twice.
"""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from worksgate.conformance.exchange import Exchange, decode_parameters
from worksgate.conformance.line_works import (
    LOGIN_LIFETIME,
    SESSION_KEY_INVALID,
    SESSION_KEY_VALID,
    LineWorks,
    with_parameters,
)
from worksgate.conformance.simulator import diagram, mail_app, misbehaviour
from worksgate.conformance.simulator.headers import SecurityHeaders
from worksgate.conformance.simulator.mail_app import MailLogin
from worksgate.conformance.simulator.memory import Clock, Memory
from worksgate.conformance.simulator.settings import PresentCode, SimulatorSettings, origin_of
from worksgate.conformance.simulator.sign_in import Kind, Login, begin, complete, read_callback
from worksgate.conformance.simulator.texts import LANGUAGES, Texts, choose_language

_HERE: Final = Path(__file__).parent
_LARGEST_FORM: Final = 4096
_LONGEST_SHOWN: Final = 1200
_DAY: Final = 24 * 60 * 60
_LONGEST_WORKS_ID: Final = 256
_LONGEST_EMAIL: Final = 320
_LONGEST_LIFE: Final = 2**31
_NO_BREAK_SPACE: Final = "\N{NO-BREAK SPACE}"  # a name reads badly when a line ends inside it
_BREAKS: Final = re.compile(r"(?<=[@/])(?!/|$)")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in to the simulator. `ends_at` follows the token's `expires_in`."""

    user_id: str
    login: Login
    ends_at: float


def create_simulator(settings: SimulatorSettings, *, clock: Clock = time.monotonic) -> Starlette:
    """Return the simulator as an ASGI application. `clock` is monotonic, in seconds."""
    return _Simulator(settings, clock).application()


class _Simulator:
    """The endpoints and their state."""

    def __init__(self, settings: SimulatorSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.line_works = LineWorks(
            settings.endpoints, settings.credentials, limits=settings.limits, verify=settings.verify
        )
        # A login is remembered for longer than it is valid, so that a late one gets the right
        # error.
        self.logins: Memory[Login] = Memory(clock, seconds=2 * LOGIN_LIFETIME)
        self.states: Memory[str] = Memory(clock, seconds=2 * LOGIN_LIFETIME)
        self.session_keys: Memory[str] = Memory(clock)
        self.mail_logins: Memory[MailLogin] = Memory(clock)
        self.trials: Memory[misbehaviour.Trial] = Memory(clock)
        self.results: Memory[misbehaviour.Trial] = Memory(clock)
        self.sessions: Memory[Session] = Memory(clock, seconds=_DAY)
        self.pages = _environment()

    def application(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/", self.home),
                Route("/sign-in", self.sign_in, methods=["POST"]),
                Route("/oauth/callback", self.callback),
                Route("/logins/{id}", self.login),
                Route("/mail", self.sign_in_mail_app, methods=["POST"]),
                Route("/mail/{id}", self.mail_login),
                Route("/codes", self.codes),
                Route("/codes.json", self.codes_as_json),
                Route("/sign-out", self.sign_out, methods=["POST"]),
                Route("/signed-out", self.signed_out),
                Route("/misbehave", self.misbehave),
                Route("/misbehave", self.run_all, methods=["POST"]),
                Route("/misbehave/{key}", self.run_scenario, methods=["POST"]),
                Route("/trials/{id}", self.trial),
                Route("/view/oauth/sso/logout", self.sso_logout),
                Route("/login/check/{session_key}", self.check_session_key, methods=["POST"]),
                Route("/static/worksgate.css", self.shared_style),
                Mount("/static", StaticFiles(directory=_HERE / "static"), name="static"),
            ],
            exception_handlers={HTTPException: self.refused},
            lifespan=self._lifespan,
        )
        app.add_middleware(SecurityHeaders, form_targets=self.settings.sso_origins)
        return app

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self.line_works:
            yield

    # Signing in

    async def home(self, request: Request) -> Response:
        if self._is_other_loopback(request):
            # Cookies would get lost: the callback goes to the host of `public_url`.
            return RedirectResponse(f"{self.settings.public_url.rstrip('/')}/", 307)
        logout = self.line_works.logout_url(self.settings.signed_out_uri)
        return self._page(
            request,
            "home.html",
            session=self._session(request),
            codes=self._codes(),
            sso_logout=with_parameters(self.settings.sso_logout_uri, [("redirect_uri", logout)]),
        )

    async def sign_in(self, request: Request) -> Response:
        self._refuse_other_sites(request)
        form = dict(await _form(request))
        return self._begin(
            request,
            kind=Kind.APP if form.get("kind") == Kind.APP else Kind.BROWSER,
            works_id=form.get("worksId", "").strip()[:_LONGEST_WORKS_ID] or None,
        )

    def _begin(
        self,
        request: Request,
        *,
        kind: Kind = Kind.BROWSER,
        works_id: str | None = None,
        intent: str | None = None,
    ) -> Response:
        browser = self._browser(request) or secrets.token_urlsafe(24)
        login = begin(
            self.line_works,
            self.settings.redirect_uri,
            browser=browser,
            now=self.clock(),
            kind=kind,
            works_id=works_id,
            intent=intent,
        )
        self.logins.keep(login.id, login)
        self.states.keep(login.state, login.id)
        if login.session_key is not None:
            self.session_keys.keep(login.session_key, login.id)
        response = RedirectResponse(login.url, 303)
        self._set_cookie(response, "browser", browser)
        return response

    async def callback(self, request: Request) -> Response:
        """Receive the code. Its use is remembered before anything is sent."""
        state = request.query_params.get("state", "")
        login = self.logins.find(self.states.find(state) or "")
        if login is None or login.browser != self._browser(request):
            return self._message(request, "unknown_state", 400)
        if not login.is_over:
            login = await self._complete(login, self._as_sent(request))
        path = f"/logins/{login.id}" if login.trial is None else f"/trials/{login.trial}"
        return self._redirect(path)

    async def _complete(self, login: Login, callback_url: str) -> Login:
        login, code = read_callback(login, callback_url, now=self.clock())
        self._keep(login)
        if code is None:
            return login
        if login.intent is not None:
            trial = await self._try(login.intent, login.browser, code)
            return self._keep(replace(login, trial=trial.id))
        login = self._keep(await complete(login, code, self.line_works))
        if login.user_id is not None:
            lasts = expires_in(login.token) or _DAY
            session = Session(login.user_id, login, self.clock() + lasts)
            self.sessions.keep(login.browser, session)
        return login

    def _keep(self, login: Login) -> Login:
        """Remember a login, without losing that its session key was verified meanwhile."""
        known = self.logins.find(login.id)
        requested = login.session_key_requested or (
            known is not None and known.session_key_requested
        )
        login = replace(login, session_key_requested=requested)
        self.logins.keep(login.id, login)
        return login

    async def login(self, request: Request) -> Response:
        login = self.logins.find(request.path_params["id"])
        if login is None or login.browser != self._browser(request):
            return self._message(request, "forgotten", 404)
        return self._page(
            request,
            "login.html",
            login=login,
            parts=diagram.draw(login),
            failed_step=diagram.failed_step(login),
            lasts=expires_in(login.token),
            session=self._session(request),
        )

    # Other ways to sign in

    async def sign_in_mail_app(self, request: Request) -> Response:
        """Play a mail app: LINE WORKS passes the address and the password on, nothing more."""
        self._refuse_other_sites(request)
        if not self.settings.takes_mail_apps:
            raise HTTPException(404)
        form = dict(await _form(request))
        browser = self._browser(request) or secrets.token_urlsafe(24)
        login = await mail_app.sign_in(
            self.line_works,
            form.get("email", "").strip()[:_LONGEST_EMAIL],
            form.get("password", ""),
            browser=browser,
        )
        self.mail_logins.keep(login.id, login)
        response = self._redirect(f"/mail/{login.id}")
        self._set_cookie(response, "browser", browser)
        return response

    async def mail_login(self, request: Request) -> Response:
        login = self.mail_logins.find(request.path_params["id"])
        if login is None or login.browser != self._browser(request):
            return self._message(request, "forgotten", 404)
        return self._page(
            request,
            "mail.html",
            login=login,
            parts=diagram.draw_mail(login),
            failed_step=diagram.failed_mail_step(login),
        )

    async def codes(self, request: Request) -> Response:
        """Show the codes of people's authenticator apps, for use next to the sign-in page."""
        codes = self._codes()
        if not codes:
            raise HTTPException(404)
        people = [person for person in self.settings.people if person.username in codes]
        return self._page(request, "codes.html", people=people, codes=codes)

    async def codes_as_json(self, _: Request) -> Response:
        """The same for the pages' script, which requests new codes when they expire."""
        return JSONResponse(
            {
                username: {"digits": code.digits, "seconds_left": code.seconds_left}
                for username, code in self._codes().items()
            }
        )

    def _codes(self) -> dict[str, PresentCode]:
        people = self.settings.people
        return {person.username: person.code() for person in people if person.code is not None}

    # Signing out

    async def sign_out(self, request: Request) -> Response:
        """Sign out at LINE WORKS: its session ends, then the browser goes to the Logout URL."""
        self._refuse_other_sites(request)
        self.sessions.take(self._browser(request))
        return RedirectResponse(self.line_works.logout_url(self.settings.signed_out_uri), 303)

    async def sso_logout(self, request: Request) -> Response:
        """End the session at LINE WORKS at the request of the customer's side."""
        self.sessions.take(self._browser(request))
        destination = request.query_params.get("redirect_uri", "")
        if not destination:
            return self._redirect("/signed-out")
        if not self._is_known_place(destination):
            return self._message(request, "unknown_destination", 400)
        return RedirectResponse(destination, 303)

    async def signed_out(self, request: Request) -> Response:
        return self._page(request, "signed_out.html", session=self._session(request))

    def _is_known_place(self, url: str) -> bool:
        origins = (origin_of(self.settings.public_url), *self.settings.sso_origins)
        printable = re.fullmatch(r"[!-~]+", url) is not None
        # Compared by hand: parsers and browsers interpret unusual URLs differently.
        return printable and any(url == o or url.startswith((f"{o}/", f"{o}?")) for o in origins)

    # Misbehaving

    async def misbehave(self, request: Request) -> Response:
        keys = ("bad_redirect_uri", "unknown_client_at_login")
        return self._page(
            request,
            "misbehave.html",
            scenarios=misbehaviour.available(self.settings),
            links={k: misbehaviour.login_link(k, self.line_works, self.settings) for k in keys},
            results={s.key: self._result(request, s.key) for s in misbehaviour.SCENARIOS.values()},
            session=self._session(request),
        )

    async def run_scenario(self, request: Request) -> Response:
        self._refuse_other_sites(request)
        key = request.path_params["key"]
        scenarios = {scenario.key: scenario for scenario in misbehaviour.available(self.settings)}
        if key not in scenarios:
            raise HTTPException(404)
        if scenarios[key].needs_code:
            return self._begin(request, intent=key)
        browser = self._browser(request) or secrets.token_urlsafe(24)
        trial = await self._try(key, browser)
        response = self._redirect(f"/trials/{trial.id}")
        self._set_cookie(response, "browser", browser)
        return response

    async def run_all(self, request: Request) -> Response:
        """Run every scenario that needs no sign-in, all at once."""
        self._refuse_other_sites(request)
        browser = self._browser(request) or secrets.token_urlsafe(24)
        scenarios = misbehaviour.available(self.settings)
        await asyncio.gather(*(self._try(s.key, browser) for s in scenarios if not s.needs_code))
        response = self._redirect("/misbehave")
        self._set_cookie(response, "browser", browser)
        return response

    def _result(self, request: Request, key: str) -> misbehaviour.Trial | None:
        return self.results.find(f"{self._browser(request)}/{key}")

    async def _try(self, key: str, browser: str, code: str = "") -> misbehaviour.Trial:
        trial = await misbehaviour.run_scenario(
            misbehaviour.SCENARIOS[key],
            self.line_works,
            self.settings,
            browser=browser,
            code=code,
        )
        self.trials.keep(trial.id, trial)
        self.results.take(f"{browser}/{key}")
        self.results.keep(f"{browser}/{key}", trial)
        return trial

    async def trial(self, request: Request) -> Response:
        trial = self.trials.find(request.path_params["id"])
        if trial is None or trial.browser != self._browser(request):
            return self._message(request, "forgotten", 404)
        return self._page(
            request,
            "trial.html",
            trial=trial,
            scenario=misbehaviour.SCENARIOS[trial.scenario],
            session=self._session(request),
        )

    # Called by the customer's side

    async def check_session_key(self, request: Request) -> Response:
        """Confirm a session key of ours, once; in the documented format, which is not JSON."""
        form = await _form(request)
        login_id = None
        if ("ssoType", "OAUTH") in form:
            login_id = self.session_keys.take(request.path_params["session_key"])
        login = self.logins.find(login_id or "")
        if login is None:
            return Response(SESSION_KEY_INVALID, media_type="application/json")
        self.logins.keep(login.id, replace(login, session_key_requested=True))
        return Response(SESSION_KEY_VALID, media_type="application/json")

    # Reading and writing

    def _is_other_loopback(self, request: Request) -> bool:
        ours = urlsplit(self.settings.public_url).hostname
        theirs = request.url.hostname
        return ours != theirs and {ours, theirs} <= _LOOPBACK

    def _refuse_other_sites(self, request: Request) -> None:
        """Refuse a cross-site form. Raises HTTPException 403."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            raise HTTPException(403)
        origin = request.headers.get("origin")
        if site is None and origin is not None and origin != origin_of(self.settings.public_url):
            raise HTTPException(403)

    async def shared_style(self, _: Request) -> Response:
        style = _shared_style()
        if style is None:
            raise HTTPException(404)
        return Response(style, media_type="text/css")

    def _as_sent(self, request: Request) -> str:
        """Return the URL that the browser came to, in its original bytes."""
        query = request.scope["query_string"].decode("latin-1")
        return f"{self.settings.redirect_uri}?{query}"

    def _cookie_name(self, name: str) -> str:
        return f"{'__Host-' if self.settings.is_https else ''}simulator-{name}"

    def _set_cookie(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            self._cookie_name(name),
            value,
            max_age=_DAY,
            path="/",
            secure=self.settings.is_https,
            httponly=True,
            samesite="lax",
        )

    def _browser(self, request: Request) -> str:
        return request.cookies.get(self._cookie_name("browser"), "")

    def _session(self, request: Request) -> Session | None:
        session = self.sessions.find(self._browser(request))
        return session if session is not None and session.ends_at > self.clock() else None

    def _redirect(self, path: str) -> RedirectResponse:
        return RedirectResponse(self.settings.path + path, 303)

    async def refused(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._message(request, "not_found" if status == 404 else "refused", status)

    def _message(self, request: Request, name: str, status: int) -> Response:
        session = self._session(request)
        return self._page(request, "message.html", status, name=name, session=session)

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        chosen = request.query_params.get("lang")
        language = choose_language(
            chosen,
            request.cookies.get(self._cookie_name("language")),
            request.headers.get("accept-language", ""),
        )
        settings = self.settings
        route = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        html = self.pages.get_template(template).render(
            t=Texts(
                language,
                product=settings.product.replace(" ", _NO_BREAK_SPACE),
                sso=settings.sso_name,
            ),
            language=language,
            languages=LANGUAGES,
            settings=settings,
            here=settings.path + route,
            path=settings.path,
            **values,
        )
        # A server's response may have half a surrogate pair, which has no bytes in UTF-8.
        response = HTMLResponse(html.encode("utf-8", "replace"), status)
        if chosen == language:
            self._set_cookie(response, "language", language)
        return response


def expires_in(exchange: Exchange | None) -> int | None:
    """Return the lifetime of a token in seconds, if the response gives a sensible one."""
    value = ((exchange.json if exchange is not None else None) or {}).get("expires_in")
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < _LONGEST_LIFE else None


def _environment() -> jinja2.Environment:
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals.update(decode_parameters=decode_parameters, meters_of=diagram.meters_of)
    pages.globals.update(messages=misbehaviour.MESSAGES, expires_in=expires_in)
    pages.filters.update(shown=_shown, shortened=_shortened, phrase=_phrase, path_of=_path_of)
    pages.filters.update(by_place=misbehaviour.by_place, grouped=_grouped, breakable=_breakable)
    return pages


def _shown(body: bytes) -> str:
    """Return a body as text, truncated if it is long: some responses are whole web pages."""
    return _shortened(body.decode("utf-8", "replace"), _LONGEST_SHOWN)


def _shortened(text: str, longest: int = 240) -> str:
    return text if len(text) <= longest else f"{text[:longest]} …"


def _grouped(digits: str) -> str:
    """Return a code as apps show it: in two halves, if it has six digits."""
    return f"{digits[:3]} {digits[3:]}" if len(digits) == 6 else digits


def _breakable(text: str) -> Markup:
    """Return a URL that may wrap after each @ and each part of its path."""
    return Markup("<wbr>").join(_BREAKS.split(text))  # which escapes the parts


def _phrase(status: int) -> str:
    """Return the HTTP phrase of a status, or nothing."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _path_of(url: str) -> str:
    """Return the part of a URL after the host."""
    return "/" + url.partition("://")[2].partition("/")[2]


@cache
def _shared_style() -> bytes | None:
    """Return the stylesheet of the sign-in page, if it exists; read as a file, once."""
    try:
        return files("worksgate").joinpath("web/pages/static/worksgate.css").read_bytes()
    except OSError:
        return None


async def _form(request: Request) -> list[tuple[str, str]]:
    """Return the parameters of a form. Raises HTTPException 413 if it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise HTTPException(413)
    return decode_parameters(body.decode("utf-8", "replace"))
