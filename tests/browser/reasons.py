"""An installation in which anything can be broken, the simulator of LINE WORKS, and the console.

All three are real, on ports of this machine and in this loop. The clock is stopped: only tests move
it, so nothing depends on how busy the machine is.
"""

import asyncio
import html
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode, urlsplit

import httpx2
import pyotp
import pytest
from playwright.async_api import Browser, Page
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.browser.servers import PATIENCE, serving
from tests.browser.windows import Window, submit_login
from tests.installation import CALLBACK, EXTERNAL_KEY, PASSWORD, Installation, installed
from tests.installation import Browser as HttpBrowser
from tests.provider.factors.authenticator import Authenticator
from tests.slapd import Authority, Slapd, running_slapd

from worksgate.administration import NewClient
from worksgate.administration.console.browsers import ConsoleBrowser
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.bootstrap.console import create_console
from worksgate.bootstrap.server import with_trusted_proxies
from worksgate.cli.demo.openid_provider import Registration, create_openid_provider
from worksgate.cli.demo.people import Colleague
from worksgate.conformance.exchange import Exchange
from worksgate.conformance.line_works import Credentials, Endpoints, LineWorks
from worksgate.conformance.simulator import SimulatorSettings, app, create_simulator
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.database import Directory
from worksgate.directory.factors import Passkey, TotpSecret
from worksgate.provider.factors import AppPasswords, Holder
from worksgate.settings.sources import DirectorySettings, OidcSettings, PythonSettings
from worksgate.sources import PasswordExpired, PersonNotAllowed
from worksgate.web.console.application import ConsoleApplication

CLOSED = "http://127.0.0.1:9/"
"""Nobody listens there."""
CLIENT, OTHER_CLIENT = "Acme", "Acme Trading"
FREE_FAILURES, FAILURES_PER_ADDRESS = 3, 8
RULES = (
    "deny group=banned",
    "require passkey group=keyed",
    "require factor group=careful",
    "allow",
)
VIEWERS = ("en", "ja", "ko")
UID_OR_MAIL = "(|(uid={username})(mail={username}))"
CONSOLE_SESSION = "__Host-wg_console"

EMMA = Colleague("1", "Emma Adams", "emma@partner.example", "P-1")


def authenticate(username: str, password: str) -> dict[str, str] | None:
    """The company's own function: what it says follows from the first word of a name."""
    match username.partition(".")[0]:
        case "down":
            raise ConnectionError
        case "expired":
            raise PasswordExpired
        case "outside":
            raise PersonNotAllowed
        case "guest":
            return {"id": username, "username": username, "external_key": username[:60]}
        case "borrower":
            return {"id": username, "username": username, "external_key": EXTERNAL_KEY}
    return None


Stumble = Callable[["Stumbling", str], Awaitable[Exchange]]


class Stumbling(LineWorks):
    """The servers of LINE WORKS, whose next call of either kind may be another than it should."""

    at_code: Stumble | None = None
    at_token: Stumble | None = None

    async def exchange_code(self, code: str, **changes: Any) -> Exchange:
        stumble, self.at_code = self.at_code, None
        if stumble is not None:
            return await stumble(self, code)
        return await super().exchange_code(code, **changes)

    async def user_info(self, access_token: str, **changes: Any) -> Exchange:
        stumble, self.at_token = self.at_token, None
        if stumble is not None:
            return await stumble(self, access_token)
        return await super().user_info(access_token, **changes)

    async def calls_nobody(self, _: str) -> Exchange:
        """A call that does not arrive."""
        return await self.post(CLOSED, [])


@dataclass
class Hearing:
    """The simulator, and another company's provider beside it.

    It can be made not to answer whether an app's key is one of its own.
    """

    simulator: ASGIApp
    partner: ASGIApp
    is_deaf: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/partner/"):
            await self.partner(scope, receive, send)
            return
        if self.is_deaf and scope["type"] == "http" and "/login/check/" in scope["path"]:
            await Request(scope, receive).body()
            await send({"type": "http.response.start", "status": 502, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.simulator(scope, receive, send)


@dataclass
class Site:
    """All that takes part. ``tab`` is the browser of whoever signs in, ``views`` read the console,
    one in each language."""

    installation: Installation
    console: ConsoleApplication
    ldap: Slapd
    other: NewClient
    line_works: Stumbling
    simulator: Hearing
    simulator_url: str
    console_url: str
    window: Window
    views: dict[str, httpx2.AsyncClient] = field(default_factory=dict)
    persons: int = 0
    session_until: float = 0.0

    @property
    def sso(self) -> str:
        return self.installation.origin

    @property
    def tab(self) -> Page:
        return self.window.tab

    @property
    def directory(self) -> Directory:
        return self.installation.administration.people._directory

    async def pass_time(self, seconds: float) -> None:
        """Move the clock, and keep the administrator signed in."""
        self.installation.clock.advance(seconds)
        if self.installation.clock() < self.session_until:
            return
        inside = await self.console.start()
        account = await self.installation.administration.users.get("naoko")
        browser = ConsoleBrowser(address="127.0.0.1", name="test", secret="s" * 43)
        opened = await inside.sign_in.sessions.begin(
            AdministratorAccount.of(account), browser, "test"
        )
        for view in self.views.values():
            view.headers["cookie"] = f"{CONSOLE_SESSION}={opened.secret}"
        self.session_until = self.installation.clock() + 20 * 60

    async def sentences(self, asked: str) -> dict[str, str]:
        """What the console's trace begins with, in each language."""
        found, address = {}, f"/trace?{urlencode({'q': asked})}"
        for language, view in self.views.items():
            page = await view.get(address)
            if page.is_redirect:
                page = await view.get(page.headers["location"])
            heading = re.search("<h1[^>]*>(.*?)</h1>", page.text, re.DOTALL)
            assert heading is not None, page
            found[language] = " ".join(html.unescape(re.sub("<[^>]*>", "", heading[1])).split())
            address = str(page.url)  # the person's, if it is about one
        return found

    @asynccontextmanager
    async def client_with(self, **changes: Any) -> AsyncIterator[None]:
        """Change the client for a while."""
        before = self.installation.client.client
        await self.installation.change_client(**changes)
        try:
            yield
        finally:
            await self.installation.change_client(**{k: getattr(before, k) for k in changes})


@dataclass
class Scene:
    """One sign-in that goes wrong: its person, at an address of their own."""

    site: Site
    patch: pytest.MonkeyPatch
    username: str
    address: str
    began: float

    @classmethod
    async def begin(cls, site: Site, monkeypatch: pytest.MonkeyPatch) -> "Scene":
        site.persons += 1
        await site.pass_time(60)
        await site.window.context.clear_cookies()
        address = f"198.51.100.{site.persons}"
        await site.tab.set_extra_http_headers({"X-Forwarded-For": address})
        now = site.installation.clock()
        return cls(site, monkeypatch, f"{token_hex(6)}@example.com", address, now)

    @property
    def tab(self) -> Page:
        return self.site.tab

    @property
    def installation(self) -> Installation:
        return self.site.installation

    @property
    def now(self) -> float:
        return self.installation.clock()

    # People

    async def person(self, *groups: str, **about: Any) -> str:
        """Add the person; their subject."""
        known = {"password": PASSWORD, "external_key": self.username, "groups": groups}
        users = self.installation.administration.users
        added = await users.add(self.username, **{**known, **about})
        return added.account.person.subject_id

    async def app(self, subject: str, *, used_until: float = 0) -> pyotp.TOTP:
        """Set up an authenticator app, whose codes until then have been used."""
        secret = pyotp.random_base32(32)
        kept = TotpSecret(
            subject_id=subject,
            secret=pyotp.TOTP(secret).byte_secret(),
            last_step=int(used_until // 30),
            created_at=self.now,
        )
        await self.site.directory.factors.keep_totp(kept, self._event(Event.FACTOR_ADDED, subject))
        return pyotp.TOTP(secret)

    async def passkey(self, subject: str, *, sign_count: int = 0) -> Authenticator:
        """Register a passkey, which was used so often here."""
        host = urlsplit(self.site.sso).hostname or ""
        own = Authenticator(rp_id=host, origin=self.site.sso)
        kept = Passkey(
            id=own.id,
            subject_id=subject,
            public_key=own._public_key(),
            sign_count=sign_count,
            backed_up=False,
            aaguid=own.aaguid,
            transports=(),
            name="",
            created_at=self.now,
        )
        event = self._event(Event.FACTOR_ADDED, subject)
        assert await self.site.directory.factors.add_passkey(kept, 9, event)
        return own

    async def app_password(self, subject: str) -> str:
        passwords = AppPasswords(self.site.directory.app_passwords)
        return (await passwords.add(self.holder(subject), "Phone", self.now)).password

    def _event(self, event: Event, subject: str) -> AuditEvent:
        return AuditEvent(event=event, at=self.now, subject_id=subject)

    # What they do in the browser

    async def open_sign_in(self, kind: str = "browser") -> None:
        """Press the button of the simulator, which sends the browser to the sign-in page."""
        answer = await self.tab.context.request.post(
            f"{self.site.simulator_url}/sign-in", form={"kind": kind}, max_redirects=0
        )
        await self.tab.goto(answer.headers["location"])

    async def follow(self, **changes: str) -> str:
        """Follow a link that LINE WORKS would not make; the reference on the page."""
        usual = {
            "response_type": "code",
            "client_id": self.installation.client.client.client_id,
            "redirect_uri": f"{self.site.simulator_url}/oauth/callback?state=s",
        }
        wanted = {name: value for name, value in {**usual, **changes}.items() if value}
        return await self.go(f"/login?{urlencode(wanted)}")

    async def go(self, path: str) -> str:
        """Open a page of ours that refuses; the reference on it."""
        await self.tab.goto(self.site.sso + path)
        return await self.reference()

    async def reference(self) -> str:
        return await self.tab.locator(".reference code").inner_text()

    async def sign_in(self, password: str = PASSWORD) -> None:
        """Sign in from the simulator's button on, up to the page after the password."""
        await self.open_sign_in()
        await self.submit(password)

    async def submit(self, password: str = PASSWORD) -> None:
        async with self.tab.expect_navigation():
            await submit_login(self.tab, self.username, password)

    async def answer(self, **fields: str) -> None:
        """Fill in fields of the page that is shown, hidden ones too, and send their form."""
        (first, *_) = fields
        async with self.tab.expect_navigation():
            await self.tab.evaluate(
                """([first, fields]) => {
                    const {form} = document.querySelector(`[name=${first}]`);
                    for (const name in fields) form.elements[name].value = fields[name];
                    form.submit();
                }""",
                [first, fields],
            )

    async def answer_in_another_tab(self, **fields: str) -> None:
        """Send the form of the page that is shown, which stays."""
        action, hidden = await self.tab.eval_on_selector(
            "form[method=post]", "(form) => [form.action, Object.fromEntries(new FormData(form))]"
        )
        await self.tab.context.request.post(action, form={**hidden, **fields})

    async def passkey_options(self) -> str:
        return await self.tab.locator("[data-options]").first.get_attribute("data-options") or ""

    # What others do

    async def fail_elsewhere(self, times: int, *, username: str = "", spread: bool = False) -> None:
        """Wrong passwords of other browsers; ``spread`` over as many networks."""
        for number in range(times):
            address = f"203.0.{number}.1" if spread else self.address
            browser = self._other_browser(self.installation.client.client.client_id, address)
            await browser.sign_in(username or f"{token_hex(6)}@example.net", "wrong")

    async def code_at_the_other_client(self) -> str:
        """A code that another client's sign-in has given somebody."""
        return await self._other_browser(self.site.other.client.client_id).code()

    def _other_browser(self, client_id: str, address: str = "203.0.113.7") -> HttpBrowser:
        """One that is none: it keeps our cookies without TLS only for another name."""
        http = self.installation.http(address=address)
        http.base_url = httpx2.URL("https://sso.example.com")
        return HttpBrowser(http, client_id)

    async def mail(self, password: str = PASSWORD) -> None:
        """Let a mail program sign in, by way of LINE WORKS."""
        form: dict[str, str | float | bool] = {"email": self.username, "password": password}
        await self.tab.context.request.post(f"{self.site.simulator_url}/mail", form=form)

    def holder(self, subject: str) -> Holder:
        return Holder(subject_id=subject, username=self.username)

    # What is recorded

    async def recorded(self, reason: Reason) -> AuditEvent:
        """The newest record with this reason since the scene began, which may come a moment later.

        It is of this sign-in: the clock moved before the scene.
        """
        async with asyncio.timeout(PATIENCE):
            while not (found := await self._with(reason)):  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.02)
        return max(found, key=lambda each: each.at)

    async def _with(self, reason: Reason) -> list[AuditEvent]:
        found = await self.installation.audit(since=self.began, limit=1_000)
        return [each for each in found if each.reason is reason]

    async def sign_in_of(self, reason: Reason) -> str:
        """The ID of the sign-in that ended for this reason."""
        login_id = (await self.recorded(reason)).login_id
        assert login_id is not None
        return login_id


def _listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def _url(listener: socket.socket) -> str:
    return f"http://localhost:{listener.getsockname()[1]}"


def _simulator(settings: SimulatorSettings) -> tuple[ASGIApp, Stumbling]:
    made: list[Stumbling] = []

    def stumbling(*values: Any, **options: Any) -> Stumbling:
        made.append(Stumbling(*values, **options))
        return made[0]

    with patch.object(app, "LineWorks", stumbling):
        return create_simulator(settings), made[0]


def _endpoints(sso: str, client_id: str) -> Endpoints:
    return Endpoints(
        web_login=f"{sso}/login",
        app_login=f"{sso}/login",
        access_token=f"{sso}/accessToken",
        user_info=f"{sso}/userInfo",
        logout=f"{sso}/logout",
        imap_login=f"{sso}/apiLogin/{client_id}",
    )


@asynccontextmanager
async def open_site(folder: Path, chromium: Browser) -> AsyncIterator[Site]:
    """Everything, opened and connected."""
    ours, theirs, consoles = (_listening() for _ in range(3))
    sso, simulator_url, console_url = _url(ours), _url(theirs), _url(consoles)
    partner = OidcSettings(
        name="partner",
        issuer=f"{simulator_url}/partner",
        client_id="worksgate",
        client_secret="a secret of the partner",
        external_key_claim="employee_number",
    )
    company = PythonSettings(name="company", function="tests.browser.reasons:authenticate")
    async with AsyncExitStack() as stack:
        ldap = stack.enter_context(running_slapd(folder / "ldap", Authority(folder)))
        installation = await stack.enter_async_context(
            installed(
                folder,
                public_url=sso,
                sources=(
                    DirectorySettings(),
                    company,
                    ldap.settings(name="ldap", user_filter=UID_OR_MAIL),
                    partner,
                ),
                session_key_check_url=f"{simulator_url}/login/check/",
                trusted_proxies=("127.0.0.1/32",),
                login_free_failures=FREE_FAILURES,
                login_failures_per_address=FAILURES_PER_ADDRESS,
                console_port=consoles.getsockname()[1],
                console_url=console_url,
            )
        )
        installation.clock.stop()
        administration = installation.administration
        other = await administration.clients.add(OTHER_CLIENT, redirect_uris=(CALLBACK,))
        await installation.change_client(
            redirect_uris=(f"{simulator_url}/oauth/callback", CALLBACK),
            session_key_check="fail_closed",
            imap_login=True,
            rules=RULES,
        )
        await administration.users.add("naoko", password=PASSWORD, name="小林 直子")
        await administration.administrators.set_role("naoko", Role.OWNER)
        client = installation.client
        simulator, line_works = _simulator(
            SimulatorSettings(
                public_url=simulator_url,
                endpoints=_endpoints(sso, client.client.client_id),
                credentials=Credentials(client.client.client_id, client.client_secret),
            )
        )
        registration = Registration(
            issuer=partner.issuer,
            client_id=partner.client_id,
            client_secret=partner.client_secret,
            redirect_uri=f"{sso}/login/callback/partner",
        )
        console = create_console(installation.settings, clock=installation.clock)
        stack.push_async_callback(console.close)
        behind = with_trusted_proxies(
            installation.application, installation.settings.trusted_proxies
        )
        provider = create_openid_provider(registration, (EMMA,), clock=installation.clock)
        hearing = Hearing(simulator, provider)
        for application, listener in (
            (behind, ours),
            (hearing, theirs),
            (console, consoles),
        ):
            await stack.enter_async_context(serving(application, listener))
        window = await _window(chromium, stack)
        site = Site(
            installation,
            console,
            ldap,
            other,
            line_works,
            hearing,
            simulator_url,
            console_url,
            window,
        )
        for language in VIEWERS:
            transport = httpx2.ASGITransport(console, client=("127.0.0.1", 50_000))
            site.views[language] = await stack.enter_async_context(
                httpx2.AsyncClient(
                    transport=transport,
                    base_url=console_url,
                    headers={"accept-language": language},
                )
            )
        yield site


async def _window(chromium: Browser, stack: AsyncExitStack) -> Window:
    context = await chromium.new_context(
        locale="en-US", java_script_enabled=False, reduced_motion="reduce"
    )
    window = await Window.of(context)
    window.tolerated = ("status of 503",)
    stack.push_async_callback(window.close)
    return window
