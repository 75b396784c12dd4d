"""The way into the demonstration's console: a link that signs its owner in, on this machine only.

In front of the console it serves one page, whose address has a secret that is made at each start
and printed where the demonstration was started. The page says what is wrong on purpose, shows the
present code of the owner's authenticator app, and has a button that opens a session. Whoever does
not know the secret finds nothing here (R-174). The real console has no such page.
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from worksgate.administration import Actor, NotFound
from worksgate.administration.console.browsers import ConsoleBrowser
from worksgate.administration.console.sessions import SignInOver
from worksgate.bootstrap.console import create_console
from worksgate.cli.demo.company import DemoOwner
from worksgate.cli.demo.installation import code_of
from worksgate.cli.demo.mistakes import MISTAKES
from worksgate.cli.demo.page_templates import page_templates
from worksgate.cli.demo.people import PASSWORD
from worksgate.cli.demo.wording import TEXTS
from worksgate.conformance.simulator.texts import choose_language
from worksgate.credentials.secrets import new_secret
from worksgate.directory.administrators import AdministratorAccount
from worksgate.doctor import Finding, Severity
from worksgate.doctor.console_examiner import ConsoleExaminer
from worksgate.doctor.examination import examine
from worksgate.settings.checks import LOOPBACK_HOSTS
from worksgate.settings.options import Settings

PATH: Final = "/demo"
TOKEN: Final = "token"
_DEMONSTRATED: Final = ("settings", "keys", "audit log")
COOKIE: Final = "__Host-wg_console"
"""The name of the console's cookie: its session is opened here, in the same browser."""
_PEERS: Final = ("127.0.0.1", "::1")

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The address of the page has the secret in it: no other page is told of it."""

StylePath = Callable[[], Awaitable[str]]
OpenSession = Callable[[str], Awaitable[str]]
"""Opens the owner's session for an address; returns its secret. Raises NotFound or SignInOver."""


class ConsoleDoor:
    """The console as an ASGI application, with its owner's door. ``address`` is the console's.

    Raises ValueError unless that is on this machine.
    """

    def __init__(
        self,
        console: ASGIApp,
        address: str,
        owner: DemoOwner,
        *,
        style_path: StylePath,
        open_session: OpenSession,
    ) -> None:
        place = urlsplit(address)
        if place.hostname not in LOOPBACK_HOSTS:
            raise ValueError(f"the demo console is for this machine only, not {address}")
        self._console = console
        self._address = address
        self._host = place.netloc
        self._owner = owner
        self._style_path = style_path
        self._open_session = open_session
        self._secret = new_secret()
        self._pages = page_templates()

    @property
    def link(self) -> str:
        """The address of the page, to be printed: it opens the console as long as this runs."""
        return f"{self._address}{PATH}?{TOKEN}={self._secret}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._console(scope, receive, send)
            return
        response = await self._answer(Request(scope, receive))
        response.headers.update(_HEADERS)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not self._is_for_us(request):
            return Response("not found\n", 404, media_type="text/plain")
        if request.method != "POST":
            return await self._show(request)
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return Response("not from this page\n", 403, media_type="text/plain")
        return await self._open(request)

    def _is_for_us(self, request: Request) -> bool:
        """Whether the printed link was opened, on this machine and by its own name."""
        given = request.query_params.get(TOKEN, "")
        is_right = hmac.compare_digest(given.encode("utf-8", "replace"), self._secret.encode())
        is_near = request.client is not None and request.client.host in _PEERS
        return is_right and is_near and request.headers.getlist("host") == [self._host]

    async def _show(self, request: Request) -> Response:
        chosen = request.query_params.get("lang")
        language = choose_language(chosen, None, request.headers.get("accept-language", ""))
        now = datetime.now().astimezone()
        html = self._pages.get_template("console.html").render(
            language=language,
            t=TEXTS[language],
            style_path=await self._style_path(),
            mistakes=MISTAKES,
            now=now,
            owner=self._owner.account,
            password=PASSWORD,
            code=code_of(self._owner.totp_secret, now.timestamp()),
        )
        return Response(html, 200, {"Content-Language": language}, "text/html")

    async def _open(self, request: Request) -> Response:
        """A session of the owner, who may have changed since; without them, the sign-in page."""
        response = Response(status_code=303)
        try:
            secret = await self._open_session(request.client.host if request.client else "")
        except (NotFound, SignInOver):
            response.headers["Location"] = "/sign-in"
            return response
        response.headers["Location"] = "/"
        response.set_cookie(COOKIE, secret, secure=True, httponly=True, samesite="strict")
        return response


async def _examined(settings: Settings) -> AsyncIterator[Finding]:
    """What doctor finds, but for what is so because this is a demonstration, without a key."""
    async for found in examine(settings, None, if_missing="start the demonstration again"):
        if found.severity is not Severity.WARN or found.part not in _DEMONSTRATED:
            yield found


def open_door(
    settings: Settings, owner: DemoOwner
) -> tuple[ConsoleDoor, Callable[[], Awaitable[None]]]:
    """The console of the demonstration, with its door, and what closes it."""
    examiner = partial(ConsoleExaminer, everything=partial(_examined, settings))
    console = create_console(settings, examiner=examiner)

    async def style_path() -> str:
        return (await console.start()).pages.style_path

    async def open_session(address: str) -> str:
        inside = await console.start()
        administration = inside.administration(Actor("demo", inside.clock))
        account = await administration.users.get(owner.account.username)
        browser = ConsoleBrowser(address=address, name="", secret=new_secret())
        return (
            await inside.sign_in.sessions.begin(AdministratorAccount.of(account), browser, "demo")
        ).secret

    door = ConsoleDoor(
        console,
        settings.console_address,
        owner,
        style_path=style_path,
        open_session=open_session,
    )
    return door, console.close
