"""The console of an installation in one process, and browsers of administrators."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pyotp
from tests.databases import POSTGRES, give_spare_file, migrated, url_of
from tests.installation import Clock

from worksgate.administration import Administration
from worksgate.administration.errors import Refused
from worksgate.administration.going_live import AtSources
from worksgate.administration.roles import Role
from worksgate.administration.set_up import ConsoleField, KeyCount, Tick, Trial, Tried
from worksgate.audit import AuditEvent, Event
from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.console import create_console
from worksgate.database.migrations import migrate
from worksgate.doctor import Finding, ok
from worksgate.oauth.model import UserKey
from worksgate.settings.options import Settings
from worksgate.web.console.application import ConsoleApplication
from worksgate.web.console.examiner import OpenExaminer
from worksgate.web.console.visit import Console

ORIGIN = "https://console.example.com"
PASSWORD = "purple lantern over the bay"
SESSION, STEP = "__Host-wg_console", "__Host-wg_console_step"


@dataclass
class CannedExaminer:
    """Asks nobody: it says what it was told to, and remembers its questions."""

    settings: Settings
    findings: Sequence[Finding] = (ok("public_url", "it responds, from this machine"),)
    asked: list[tuple[str | None, ...]] = field(default_factory=list)
    at_sources: AtSources = field(default_factory=AtSources)

    async def installation(self) -> AsyncIterator[Finding]:
        raise Refused("nothing is examined here")
        yield  # an iterator, which refuses the first question

    async def public_address(self) -> AsyncIterator[Finding]:
        for each in self.findings:
            yield each

    async def source(
        self, name: str, username: str | None = None, password: str | None = None
    ) -> AsyncIterator[Finding]:
        self.asked.append((name, username, password))
        for each in self.findings:
            yield each

    async def keys(self, name: str, kind: UserKey) -> KeyCount:
        return KeyCount(people=2, ready=1, none=1)

    async def people(self, names: Collection[str]) -> AtSources:
        return self.at_sources

    async def sign_in(self, trial: Trial) -> AsyncIterator[Tried]:
        yield Tried(field=ConsoleField.LOGIN_URL, tick=Tick.WORKS, milliseconds=12)


@dataclass
class AdminBrowser:
    """A browser that keeps the console's cookies, and the page that it shows."""

    http: httpx2.AsyncClient
    page: httpx2.Response = field(default_factory=lambda: httpx2.Response(200))

    async def get(self, path: str) -> httpx2.Response:
        self.page = await self.http.get(path)
        return self.page

    async def post(self, path: str, **form: str) -> httpx2.Response:
        """Send a form with the anti-forgery token and the version of the page that is shown."""
        data = {"csrf": self.hidden("csrf"), **self.version(path), **form}
        self.page = await self.http.post(path, data=data)
        return self.page

    def version(self, path: str) -> dict[str, str]:
        """What the form of this path on the page that is shown was made from."""
        form = re.search(rf'<form[^>]* action="{path}"[^>]*>(.*?)</form>', self.page.text, re.S)
        found = re.findall(r'name="(version|factors|was)" value="([^"]*)"', form[1] if form else "")
        return {name: html.unescape(value) for name, value in found}

    def hidden(self, name: str) -> str:
        """The value of a hidden field of the page."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.page.text)
        return html.unescape(found[1]) if found else ""

    def set_cookies(self) -> list[str]:
        return self.page.headers.get_list("set-cookie")


@dataclass
class ConsoleUnderTest:
    """The console, the operations of the command line, and a clock for both."""

    settings: Settings
    administration: Administration
    clock: Clock
    database: Path
    totp: dict[str, str]
    _stack: AsyncExitStack
    _application: ConsoleApplication
    _transport: httpx2.ASGITransport

    async def inside(self) -> Console:
        """What the handlers of the console work with."""
        return await self._application.start()

    async def refusals(self) -> list[str | None]:
        """What the audit log says of each refused sign-in."""
        await (await self.inside()).sign_in._audit.flush()
        refused = await self.administration.audit_log.search(event=Event.CONSOLE_REFUSED)
        return [each.detail for each in refused]

    async def browser(self, **headers: str) -> AdminBrowser:
        http = httpx2.AsyncClient(transport=self._transport, base_url=ORIGIN, headers=headers)
        return AdminBrowser(await self._stack.enter_async_context(http))

    def code(self, username: str) -> str:
        """The present code of somebody's app; the clock moves on, so that none comes twice."""
        self.clock.advance(31)
        return pyotp.TOTP(self.totp[username]).at(int(self.clock()))

    async def make(self, username: str, role: Role | None, *, has_app: bool = True) -> str:
        """A person with a password, perhaps a role, and an app; their subject."""
        added = await self.administration.users.add(
            username, password=PASSWORD, name=username.title(), external_key=f"key-{username}"
        )
        subject = added.account.person.subject_id
        if has_app:
            await self.enrol(username, subject)
        if role is not None:
            await self.administration.administrators.set_role(username, role)
        return subject

    async def enrol(self, username: str, subject: str, *, in_console: bool = True) -> None:
        """Set up an authenticator app, in place of any other; or at the account page."""
        from worksgate.directory.factors import TotpSecret
        from worksgate.provider.factors.totp import decode_secret, encode_secret

        secret = encode_secret(username.ljust(20, "-").encode()[:20])
        self.totp[username] = secret
        now = self.clock()
        rows = self.administration.people._directory.factors
        await (rows.in_console("console.example.com") if in_console else rows).keep_totp(
            TotpSecret(
                subject_id=subject, secret=decode_secret(secret), last_step=0, created_at=now
            ),
            AuditEvent(event=Event.FACTOR_ADDED, at=now, subject_id=subject),
        )

    async def signed_in(self, username: str) -> AdminBrowser:
        """A browser in which an administrator is signed in."""
        browser = await self.browser()
        await browser.get("/sign-in")
        await browser.post("/sign-in", username=username, password=PASSWORD)
        assert browser.page.status_code == 200, browser.page.text
        await browser.post("/sign-in/code", step=browser.hidden("step"), code=self.code(username))
        assert browser.page.status_code == 303, browser.page.text
        await browser.get("/me")  # a short page, with an anti-forgery token
        assert browser.page.status_code == 200
        return browser


@asynccontextmanager
async def console_of(
    tmp_path: Path,
    *,
    database: str = "worksgate.db",
    examiner: OpenExaminer = CannedExaminer,
    **changes: object,
) -> AsyncIterator[ConsoleUnderTest]:
    """A console on a new database; without another ``examiner`` it asks nobody outside."""
    file = tmp_path / database
    values: dict[str, object] = {
        "public_url": "https://sso.example.com",
        "database_url": url_of(file),
        "console_port": 9443,
        "console_url": ORIGIN,
        **changes,
    }
    settings, clock = Settings(**values), Clock()  # type: ignore[arg-type]  # named by the caller
    if file.suffix != POSTGRES and not file.exists():
        file.write_bytes(await asyncio.to_thread(migrated))
        give_spare_file(file)
    else:
        await migrate(settings.database_url)
    async with AsyncExitStack() as stack:
        administration = await stack.enter_async_context(open_administration(settings, clock=clock))
        application = create_console(settings, clock=clock, examiner=examiner)
        stack.push_async_callback(application.close)
        yield ConsoleUnderTest(
            settings=settings,
            administration=administration,
            clock=clock,
            database=file,
            totp={},
            _stack=stack,
            _application=application,
            _transport=httpx2.ASGITransport(app=application, client=("192.0.2.7", 1234)),
        )
