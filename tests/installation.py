"""A whole installation for tests: the application on SQLite, an administrator, and browsers.

Nothing is replaced but the clock: the database, the hashing and the application are the real ones.
"""

import html
import re
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx2
from argon2 import PasswordHasher
from tests.databases import give_spare_file, query, url_of
from tests.unhurried import answer_deadline, long_deadlines_allowed

from worksgate.administration import Administration, NewClient
from worksgate.audit import AuditEvent
from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.application import create_app
from worksgate.bootstrap.server import with_trusted_proxies
from worksgate.credentials import password_hashing
from worksgate.oauth.errors import OAuthError
from worksgate.provider.calls.tokens import LineWorksCalls
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.settings.options import Settings
from worksgate.sources import Source
from worksgate.web.application import Application

PUBLIC_URL = "https://sso.example.com"
CALLBACK = "https://auth.worksmobile.com/cb"
REDIRECT_URI = f"{CALLBACK}?state=a%2Bb%3D%3D"
SIGNED_OUT = "https://works.example.com/signed-out"

USERNAME = "user1@example.com"
PASSWORD = "correct horse battery"
EXTERNAL_KEY = "user1"

SESSION_COOKIE = "__Host-wg_session"
MADE_UP_SESSION = "0" * 11 + "A" * 43
"""It looks like the secret of a session, and is none's."""
BROWSER_COOKIE = "__Host-wg_browser"
DEVICE_COOKIE = "__Host-wg_device"

_PAGES_AFTER_FORMS = ("/login/step", "/account/forgot", "/account/reset")


class Clock:
    """Seconds since the epoch, which a test can move or stop."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._stopped_at: float | None = None

    def __call__(self) -> float:
        now = time.time() if self._stopped_at is None else self._stopped_at
        return now + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def stop(self) -> None:
        """From now on only ``advance`` moves it, however slow the machine is."""
        self._stopped_at = time.time()


@dataclass
class LoginPage:
    """A login form, or the question which account, as a browser has it in front of it."""

    response: httpx2.Response
    action: str
    txn: str
    csrf: str
    username: str

    @classmethod
    def of(cls, response: httpx2.Response) -> "LoginPage":
        text = response.text
        return cls(
            response,
            html.unescape(_attribute(text, r'<form[^>]*action="([^"]*)"')),
            html.unescape(_attribute(text, r'name="txn"[^>]*value="([^"]*)"')),
            html.unescape(_attribute(text, r'name="csrf"[^>]*value="([^"]*)"')),
            html.unescape(_attribute(text, r'name="username"[^>]*value="([^"]*)"', "")),
        )

    def form(self, **fields: str) -> dict[str, str]:
        return {"txn": self.txn, "csrf": self.csrf, **fields}


@dataclass
class Browser:
    """One browser with a cookie jar of its own."""

    http: httpx2.AsyncClient
    client_id: str
    path: str = ""

    def login_url(self, redirect_uri: str = REDIRECT_URI, **parameters: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            **parameters,
        }
        return f"{self.path}/login?{urlencode(query, quote_via=quote, safe='')}"

    async def arrive(
        self, headers: Mapping[str, str] | None = None, /, **parameters: str
    ) -> httpx2.Response:
        """Come from LINE WORKS to the login address."""
        url = self.login_url(**parameters)
        return await self.to_page(await self.http.get(url, headers=dict(headers or {})))

    async def login_page(self, **parameters: str) -> LoginPage:
        response = await self.arrive(None, **parameters)
        assert response.status_code == 200, response.text
        return LoginPage.of(response)

    async def submit(self, page: LoginPage, **fields: str) -> httpx2.Response:
        return await self.to_page(await self.http.post(page.action, data=page.form(**fields)))

    async def to_page(self, response: httpx2.Response) -> httpx2.Response:
        """What a browser shows after a form: the page of ours that it was redirected to."""
        location = response.headers.get("location", "")
        path = location.partition("?")[0]
        if response.status_code != 303 or not path.endswith(_PAGES_AFTER_FORMS):
            return response
        return await self.http.get(location)

    async def sign_in(
        self, username: str = USERNAME, password: str = PASSWORD, **parameters: str
    ) -> httpx2.Response:
        page = await self.login_page(**parameters)
        return await self.submit(page, username=username, password=password)

    async def code(self, username: str = USERNAME, password: str = PASSWORD) -> str:
        """Sign in and return the code that the browser is sent back with."""
        response = await self.sign_in(username, password)
        assert response.status_code == 303, response.text
        return code_of(response)

    async def account(self, page: str = "", **parameters: str) -> httpx2.Response:
        """A page of the person's own account, or the login form in its place."""
        return await self.http.get(f"{self.path}/account{page}", params=parameters)

    async def sign_in_to_account(
        self, username: str = USERNAME, password: str = PASSWORD, *, page: str = ""
    ) -> httpx2.Response:
        """Sign in where the account page should be; the page itself."""
        login = LoginPage.of(await self.account(page))
        response = await self.submit(login, username=username, password=password)
        assert response.status_code == 303, response.text
        return await self.http.get(response.headers["location"])

    async def post_to_account(
        self, page: str, fields: Mapping[str, str] | None = None, /, **headers: str
    ) -> httpx2.Response:
        """Post one of the account's forms, with the token that its overview has."""
        form = {"csrf": csrf_of(await self.account()), **(fields or {})}
        return await self.http.post(f"{self.path}/account{page}", data=form, headers=headers)

    def cookie(self, name: str) -> str:
        value = self.http.cookies[name]
        assert value is not None
        return value

    def set_cookie(self, name: str, value: str) -> None:
        """Put a cookie of our host into the jar, whatever was there."""
        if name in self.http.cookies:
            self.http.cookies.delete(name)
        self.http.cookies.set(name, value, domain=self.http.base_url.host)

    async def is_signed_in(self) -> bool:
        """Whether a session spares this browser the login page."""
        response = await self.arrive()
        assert response.status_code in (200, 303), response.text
        return response.status_code == 303


@dataclass
class Installation:
    """Worksgate with one client and one person."""

    settings: Settings
    application: Application
    administration: Administration
    clock: Clock
    client: NewClient
    path: str = ""
    _http: list[httpx2.AsyncClient] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return Path(self.settings.database_url.removeprefix("sqlite:///"))

    def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """What a statement finds in the database."""
        return query(self.database, sql, *parameters)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the database's write lock, as a stuck process would."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    @asynccontextmanager
    async def another_node(self) -> AsyncIterator["Installation"]:
        """The same installation as a second process on the same database serves it."""
        application = application_of(self.settings, clock=self.clock)
        await application.start()
        node = replace(self, application=application, _http=[])
        try:
            yield node
        finally:
            await node.close()
            await application.close()

    @property
    def origin(self) -> str:
        parts = urlsplit(self.settings.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    def http(self, *, address: str = "203.0.113.7") -> httpx2.AsyncClient:
        """A client of the application that comes from this address."""
        served = with_trusted_proxies(self.application, self.settings.trusted_proxies)
        transport = httpx2.ASGITransport(served, client=(address, 50_000), root_path=self.path)
        http = httpx2.AsyncClient(transport=transport, base_url=self.origin)
        self._http.append(http)
        return http

    def browser(self, *, address: str = "203.0.113.7") -> Browser:
        return Browser(self.http(address=address), self.client.client.client_id, self.path)

    def token_form(self, code: str, **changes: str) -> dict[str, str]:
        return {
            "grant_type": "authorization_code",
            "client_id": self.client.client.client_id,
            "client_secret": self.client.client_secret,
            "code": code,
            **changes,
        }

    async def exchange(
        self, code: str, http: httpx2.AsyncClient | None = None, /, **changes: str
    ) -> httpx2.Response:
        """Post a code as LINE WORKS does."""
        form = self.token_form(code, **changes)
        return await (http or self.http()).post(f"{self.path}/accessToken", data=form)

    async def user_info(
        self, access_token: str, http: httpx2.AsyncClient | None = None, /, **changes: str
    ) -> httpx2.Response:
        form = {
            "client_id": self.client.client.client_id,
            "client_secret": self.client.client_secret,
            "access_token": access_token,
            **changes,
        }
        return await (http or self.http()).post(f"{self.path}/userInfo", data=form)

    async def access_token(self, code: str | None = None) -> str:
        """An access token of the person; without a code they sign in for it."""
        response = await self.exchange(code or await self.browser().code())
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    async def change_client(self, **changes: Any) -> None:
        """Change the client and wait until every process would know."""
        name = self.client.client.name
        self.client = replace(
            self.client, client=await self.administration.clients.change(name, **changes)
        )
        await self.settle()

    @property
    def provider(self) -> IdentityProvider:
        provider = self.application.provider
        assert provider is not None
        return provider

    @property
    def calls(self) -> LineWorksCalls:
        running = self.application._running
        assert running is not None
        return running.installation.calls

    async def settle(self) -> None:
        """Let the application read the clients anew, as it does every 0.2 s."""
        self.provider.clients.expire()

    async def audit(self, **wanted: object) -> list[AuditEvent]:
        """The audit records, after what was recorded has become durable."""
        await self.provider.audit.flush()
        return await self.administration.audit_log.search(**wanted)  # type: ignore[arg-type]  # passed on

    async def close(self) -> None:
        for http in self._http:
            await http.aclose()


@dataclass(frozen=True)
class Template:
    """A database with one client and one person; to copy it is faster than to make it."""

    database: bytes
    client: NewClient


_templates: dict[PasswordHasher, Template] = {}
"""By what the password in it was hashed with, or each login would hash it again."""


async def _template() -> Template:
    hasher = password_hashing.ARGON2
    if hasher not in _templates:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "template.db"
            settings = Settings(public_url=PUBLIC_URL, database_url=url_of(file))
            async with open_administration(settings, actor="test") as administration:
                client = await administration.clients.add(
                    "Acme", redirect_uris=(CALLBACK,), logout_redirect_uris=(SIGNED_OUT,)
                )
                await administration.users.add(
                    USERNAME,
                    password=PASSWORD,
                    name="User One",
                    external_key=EXTERNAL_KEY,
                    works_account="user1@example.com",
                )
            _templates[hasher] = Template(file.read_bytes(), client)
    return _templates[hasher]


def application_of(
    settings: Settings,
    *,
    sources: Sequence[Source] | None = None,
    clock: Callable[[], float] = time.time,
) -> Application:
    """The application, which may have a deadline that is allowed in tests alone."""
    with long_deadlines_allowed():
        return create_app(settings, sources=sources, clock=clock)


async def prepared(
    folder: Path, *, public_url: str = PUBLIC_URL, **settings: object
) -> tuple[Settings, NewClient]:
    """Settings for a database in ``folder`` that has the client and the person."""
    template = await _template()
    file = folder / "worksgate.db"
    file.write_bytes(template.database)
    give_spare_file(file)
    chosen = replace(
        Settings(
            public_url=public_url,
            database_url=url_of(file),
            purge_interval=0,
            hashing_threads=1,
        ),
        **settings,  # type: ignore[arg-type]  # each is a field of Settings
    )
    return chosen, template.client


@asynccontextmanager
async def installed(
    folder: Path, *, public_url: str = PUBLIC_URL, path: str = "", **settings: object
) -> AsyncIterator[Installation]:
    """Worksgate on a database in ``folder``; ``path`` is where it is mounted."""
    unhurried = {"answer_deadline": answer_deadline(), **settings}
    chosen, client = await prepared(folder, public_url=public_url + path, **unhurried)
    clock = Clock()
    async with AsyncExitStack() as stack:
        administration = await stack.enter_async_context(
            open_administration(chosen, actor="test", clock=clock)
        )
        client = replace(client, urls=administration.clients.urls(client.client.client_id))
        application = application_of(chosen, clock=clock)
        await application.start()
        stack.push_async_callback(application.close)
        installation = Installation(chosen, application, administration, clock, client, path)
        stack.push_async_callback(installation.close)
        yield installation


def code_of(response: httpx2.Response) -> str:
    """The code in the Location of a redirect."""
    query = urlsplit(response.headers["location"]).query
    return parse_qs(query)["code"][0]


def csrf_of(response: httpx2.Response) -> str:
    """The anti-forgery token of a page's forms."""
    return html.unescape(_attribute(response.text, r'name="csrf"[^>]*value="([^"]*)"'))


def assert_refused(response: httpx2.Response, error: type[OAuthError]) -> None:
    """The answer is this error in the default form, word for word."""
    assert response.status_code == error.status, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.json() == {
        "error": error.number,
        "error_description": f"{error.message}: {error.description}",
    }


def assert_page(response: httpx2.Response, status: int) -> None:
    """The answer is a page of ours that leads nowhere by itself."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "location" not in response.headers
    assert "http-equiv" not in response.text


def _attribute(text: str, pattern: str, default: str | None = None) -> str:
    found = re.search(pattern, text, re.DOTALL)
    if found is None:
        assert default is not None, f"no {pattern} in {text}"
        return default
    return found[1]
