"""A flood from a hundred thousand networks on every public path, and people who get in meanwhile.

Each request comes from a network of its own, as a trusted proxy reports it. They go straight to the
application, as a server would pass them on, so that there are as many as the page on capacity
speaks of. The numbers of a day that so many reach are the real ones; the others are small here.
What a real day allows is in docs/capacity.md. A shorter flood goes over two applications that share
one PostgreSQL, as two processes would.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, urlencode, urlsplit

import pyotp
import pytest
from starlette.types import Message, Scope
from tests.databases import POSTGRES, query, url_of
from tests.installation import (
    CALLBACK,
    PASSWORD,
    PUBLIC_URL,
    SESSION_COOKIE,
    USERNAME,
    Browser,
    Clock,
    Installation,
    LoginPage,
    application_of,
    code_of,
    csrf_of,
    installed,
    prepared,
)
from tests.log_file import log_file
from tests.mail_server import MailServer, mail_server
from tests.postgres_server import giving_back
from tests.unhurried import answer_deadline
from tests.web.test_imap_login import address, ask
from tests.web.test_upstream_sign_in import Partner

from worksgate.audit import AuditEvent, Event
from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.server import with_trusted_proxies
from worksgate.directory.database import Directory
from worksgate.provider import stranger_records
from worksgate.provider.account import reset_requests
from worksgate.provider.factors import AppPasswords, Factors, Holder, RelyingParty
from worksgate.provider.stranger_records import A_DAY, PORTION
from worksgate.provider.throttle import COUNTERS_PER_CHECK, counters
from worksgate.settings.sources import OidcSettings
from worksgate.sources import RefusedUpstream
from worksgate.web.application import Application

pytestmark = pytest.mark.hashing

PROXY = "127.0.0.1"
CALLERS = 4
DEAR_CALLERS = 70
"""More than may wait for a password hash, so that it is busy throughout."""
DEAR_PAUSE = 0.5
"""Seconds between two of one caller, or most would be refused in the first moment."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many requests of each kind are sent, each from another of so many ``networks``.

    ``pages`` are for each page, which costs several times as much as a refused call. A password
    (``dear``) may cost a hash. ``refused_pages`` are authorization requests, ``opened`` those that
    are good and after which nobody signs in, ``upstream`` sign-ins that leave for another provider,
    and as many that come back from it. Each of ``resets`` may be looked up and written down, and
    ``mail_clients`` are for so many people as stay below the throttle.
    """

    networks: int
    pages: int
    dear: int
    refused_pages: int
    opened: int
    upstream: int
    resets: int
    mail_clients: int


WHOLE = Size(
    networks=100_000,
    pages=400,
    dear=1_000,
    refused_pages=6_000,  # enough for the real number of a day
    opened=2_000,
    upstream=1_000,
    resets=1_400,
    mail_clients=1_000,
)
SHORT = Size(
    networks=6_000,
    pages=20,
    dear=250,
    refused_pages=600,
    opened=200,
    upstream=300,
    resets=700,
    mail_clients=600,
)

SMALL_DAY = 100
REACHED = (Event.CLIENT_REFUSED, Event.IMAP_REFUSED, Event.LOGIN_REFUSED)
"""Events whose real number of a day is reached here."""
SMALL_A_DAY = MappingProxyType(
    {event: a_day if event in REACHED else min(a_day, SMALL_DAY) for event, a_day in A_DAY.items()}
)
SHORT_A_DAY = MappingProxyType({event: min(a_day, SMALL_DAY) for event, a_day in A_DAY.items()})
"""Where none of them is."""
RESET_REQUESTS, RESET_PORTION, RESET_MAILS = 500, 100, 10
COUNTERS, COUNTERS_PORTION, SHARED_COUNTERS = 200, 50, 64
PURPOSES = 2
"""Of the throttle: browsers and mail clients. Who is asked for a second factor is no stranger."""
OTHERS = tuple(f"person{number}@example.com" for number in range(20))
"""People with a mailbox, for whom strangers ask for reset links."""

BYTES_OF_A_RECORD = 300
BYTES_OF_A_COUNTER = 200
MARGIN = 2 * 2**20
"""Bytes of pages that are only partly filled."""

COMPLETE = {
    Event.LOGIN_REQUESTED,
    Event.LOGIN_SUCCEEDED,
    Event.CODE_ISSUED,
    Event.CODE_REDEEMED,
    Event.USER_INFO_RETURNED,
}


@dataclass(frozen=True)
class Target:
    """One kind of request, and what goes with it; ``{n}`` becomes its number."""

    method: str
    path: str
    query: str = ""
    form: str = ""
    cookie: str = ""


class Flood:
    """Sends requests to everything that anybody can reach, each from another network."""

    def __init__(
        self, installation: Installation, size: Size, others: Sequence[Application] = ()
    ) -> None:
        self._installation = installation
        self._size = size
        proxies = installation.settings.trusted_proxies
        self._applications = [
            with_trusted_proxies(each, proxies) for each in (installation.application, *others)
        ]
        self._host = urlsplit(PUBLIC_URL).netloc.encode()
        self._numbers = count()
        self.sent: Counter[tuple[str, str]] = Counter()
        self.statuses: Counter[int] = Counter()

    @property
    def networks(self) -> int:
        """So many have sent something."""
        return sum(self.sent.values())

    def routes(self) -> list[tuple[str, str]]:
        """Each method of each path, and what lies below and beside them."""
        return [(method, path) for path, methods in self._paths() for method in methods]

    async def run(self) -> None:
        """Send one request from each network."""
        size, names = self._size, ("number-n@example.com", OTHERS[0])
        dear = [await self._password_form(name) for name in names] * (size.dear // len(names))
        resets, mail_clients = await self._reset_forms(), self._mail_clients()
        upstream = await self._upstream()
        cheap = [Target(method, path, form=_JUNK) for method, path in self.routes()]
        calls = [target for target in cheap if self._is_cheap(target.path)]
        pages = [target for target in cheap if target not in calls]
        refused = Target("GET", self._installation.settings.web_login_path, "client_id=nobody")
        opened = Target("GET", *self._installation.browser().login_url().split("?"))
        turns = [
            *[opened] * size.opened,
            *pages * size.pages,
            *resets * (size.resets // len(resets)),
            *mail_clients * (size.mail_clients // len(mail_clients)),
            *[refused] * size.refused_pages,
            *upstream * size.upstream,
        ]
        left = size.networks - len(turns) - len(dear)
        assert left > 0
        turns += (calls * (left // len(calls) + 1))[:left]
        random.Random(0).shuffle(turns)
        await asyncio.gather(
            *self._callers(CALLERS, iter(turns)),
            *self._callers(DEAR_CALLERS, iter(dear), pause=DEAR_PAUSE),
        )

    def _callers(
        self, number: int, turns: Iterator[Target], *, pause: float = 0.0
    ) -> list[asyncio.Task[None]]:
        async def caller() -> None:
            for target in turns:
                await self._call(target)
                await asyncio.sleep(pause)

        return [asyncio.create_task(caller()) for _ in range(number)]

    async def _call(self, target: Target) -> None:
        number = next(self._numbers)
        body = target.form.replace("{n}", str(number)).encode()
        message: Message = {"type": "http.request", "body": body, "more_body": False}
        waiting = [message]

        async def receive() -> Message:
            if waiting:
                return waiting.pop()
            await asyncio.Event().wait()  # the caller does not hang up
            raise AssertionError

        async def send(answer: Message) -> None:
            if answer["type"] == "http.response.start":
                self.statuses[answer["status"]] += 1

        application = self._applications[number % len(self._applications)]
        await application(self._scope(target, number, len(body)), receive, send)
        self.sent[target.method, target.path] += 1

    def _scope(self, target: Target, number: int, length: int) -> Scope:
        network = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"
        headers = [
            (b"host", self._host),
            (b"x-forwarded-for", network.encode()),
            (b"x-forwarded-proto", b"https"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(length).encode()),
            (b"cookie", target.cookie.encode()),
        ]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": target.method,
            "scheme": "http",
            "path": target.path,
            "raw_path": quote(target.path).encode(),
            "query_string": target.query.replace("{n}", str(number)).encode(),
            "root_path": "",
            "headers": headers,
            "client": (PROXY, 50_000),
            "server": (self._host.decode(), 443),
        }

    def _is_cheap(self, path: str) -> bool:
        """Whether it is refused without a page of a form: there is time for many of these."""
        running = self._installation.application._running
        assert running is not None
        routes = running.routes
        return path in routes.calls or routes.below_a_call(path) is not None or "nothing" in path

    def _paths(self) -> list[tuple[str, list[str]]]:
        running = self._installation.application._running
        assert running is not None
        routes = running.routes
        paths = {path: [*methods] for path, methods in routes.handlers.items()}
        for path in routes.calls:
            paths |= {path: ["GET", "POST"], f"{path}/below": ["GET"]}
        imap = self._installation.settings.imap_login_path
        paths |= {imap: ["GET"], f"{imap}/acme": ["GET"], "/nothing/here": ["GET", "POST"]}
        return list(paths.items())

    # Requests of somebody who has opened the page

    async def _password_form(self, name: str) -> Target:
        """A wrong password; ``number-n`` in the name becomes another each time."""
        browser = self._installation.browser()
        page = await browser.login_page()
        form = page.form(username=name, password="x" * 20)
        action = urlsplit(page.action)
        return Target(
            "POST",
            action.path,
            action.query,
            urlencode(form).replace("number-n", "number{n}"),
            _cookies_of(browser),
        )

    async def _reset_forms(self) -> list[Target]:
        """Requests for reset links, of people who are there and of such as are not."""
        browser = self._installation.browser()
        csrf = csrf_of(await browser.account("/forgot"))
        path = f"{self._installation.settings.account_path}/forgot"
        return [
            Target(
                "POST",
                path,
                form=urlencode({"csrf": csrf, "username": name}).replace("number-n", "number{n}"),
                cookie=_cookies_of(browser),
            )
            for name in (*OTHERS, "number-n@example.com")
        ]

    async def _upstream(self) -> list[Target]:
        """Somebody leaves for another provider; and is back from there, again and again."""
        browser = self._installation.browser()
        page = await browser.login_page()
        action = urlsplit(page.action)
        form = urlencode(page.form(source="partner"))
        leave = Target("POST", action.path, action.query, form, _cookies_of(browser))
        await browser.submit(page, source="partner")
        path = f"{self._installation.settings.web_login_path}/callback/partner"
        back = Target("GET", path, "state=the-state", cookie=_cookies_of(browser))
        return [leave, back]

    def _mail_clients(self) -> list[Target]:
        names = [f"mail{number}@example.com" for number in range(50)]
        parts = [urlsplit(address(self._installation, name, "x" * 20)) for name in names]
        return [Target("GET", each.path, each.query) for each in parts]


_JUNK = urlencode(
    {
        "client_id": "nobody",
        "client_secret": "x" * 40,
        "code": "x" * 40,
        "access_token": "x" * 40,
        "grant_type": "authorization_code",
        "username": USERNAME,
    }
)


def _cookies_of(browser: Browser) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)


@dataclass
class People:
    """Those who sign in while the flood goes on: each must get in."""

    installation: Installation
    mail: MailServer
    known: Browser
    app_password: str
    totp: pyotp.TOTP
    totp_step: int = 0
    signed_in: int = 0
    mail_clients: int = 0
    by_factor: int = 0
    networks: Iterator[int] = field(default_factory=lambda: count(1))

    async def until(self, stop: asyncio.Event) -> None:
        """Come again and again, all of them, and once more at the end."""
        while not stop.is_set():
            await self.come()
            await asyncio.sleep(0.2)

    async def come(self) -> None:
        await self.by_known_browser()
        await self.by_unknown_browser()
        await self.by_mail_client()
        await self.by_second_factor()

    async def by_known_browser(self) -> None:
        """A place in the queue is kept for it: it gets in at once."""
        self.known.http.cookies.delete(SESSION_COOKIE)
        response = await self.known.sign_in()
        assert response.status_code == 303, response.text
        await self._finish(code_of(response))

    async def by_unknown_browser(self) -> None:
        """It competes with the flood for a place, and says "in a moment" until there is one."""
        for _ in range(200):
            browser = self.installation.browser(address=f"198.51.100.{next(self.networks) % 250}")
            response = await browser.sign_in()
            if response.status_code == 303:
                return await self._finish(code_of(response))
            assert response.status_code == 503, response.text
            await asyncio.sleep(0.05)
        raise AssertionError("an unknown browser never got in")

    async def by_mail_client(self) -> None:
        response = await ask(self.installation, password=self.app_password, origin="192.0.2.10")
        assert response.status_code == 200, response.text
        self.mail_clients += 1

    async def by_second_factor(self) -> None:
        """Somebody with an authenticator app, whose codes are new every 30 seconds."""
        now = int(self.installation.clock())
        if now // 30 <= self.totp_step:
            return
        browser = self.installation.browser(address="192.0.2.20")
        for _ in range(200):
            response = await browser.sign_in(FACTOR_NAME, PASSWORD)
            if response.status_code == 200:
                break
            await asyncio.sleep(0.05)
        now = int(self.installation.clock())
        page = LoginPage.of(response)
        response = await browser.submit(page, step="prove", otp=self.totp.at(now))
        self.totp_step = now // 30
        self.by_factor += 1
        await self._finish(code_of(response))

    async def ask_for_a_link(self) -> None:
        """A known browser needs nothing of what a day allows to all."""
        csrf = csrf_of(await self.known.account("/forgot"))
        form = {"csrf": csrf, "username": USERNAME}
        response = await self.known.http.post("/account/forgot", data=form)
        assert response.status_code == 303, response.text

    def has_a_link(self) -> bool:
        return any(mail.recipients == (USERNAME,) for mail in list(self.mail.received))

    async def _finish(self, code: str) -> None:
        exchanged = await self.installation.exchange(code)
        await self.installation.user_info(exchanged.json()["access_token"])
        self.signed_in += 1


FACTOR_NAME = "factor@example.com"


async def people_of(installation: Installation, mail: MailServer) -> People:
    """A person with a mailbox and an app password, and one with an authenticator app."""
    administration = installation.administration
    await installation.change_client(imap_login=True)
    await administration.users.change(USERNAME, email=USERNAME)
    for name in OTHERS:
        await administration.users.add(name, password=PASSWORD, external_key=name, email=name)
    await administration.users.add(FACTOR_NAME, password=PASSWORD, external_key="factor")
    known = installation.browser()
    await known.code()
    directory = Directory.open(installation.settings.database_url)
    try:
        subject = (await administration.users.get(USERNAME)).person.subject_id
        made = await AppPasswords(directory.app_passwords).add(
            Holder(subject_id=subject, username=USERNAME), "Phone", installation.clock()
        )
        totp = await _authenticator(installation, directory)
    finally:
        await directory.close()
    return People(installation, mail, known, made.password, totp)


async def _authenticator(installation: Installation, directory: Directory) -> pyotp.TOTP:
    """An app that was set up two minutes ago, so that its present code is unused."""
    party = RelyingParty.of(installation.settings.public_url, "Acme")
    factors = Factors(directory.factors, installation.provider.audit, party)
    try:
        subject = (await installation.administration.users.get(FACTOR_NAME)).person.subject_id
        holder = Holder(subject_id=subject, username=FACTOR_NAME)
        secret, then = pyotp.random_base32(), installation.clock() - 120
        totp = pyotp.TOTP(secret)
        assert await factors.confirm_totp(holder, secret, totp.at(int(then)), then)
        return totp
    finally:
        factors.close()


@dataclass(frozen=True)
class Kept:
    """How much an installation keeps: rows by table, and bytes of its file."""

    rows: Mapping[str, int]
    size: int

    @classmethod
    def of(cls, file: Path) -> "Kept":
        is_sqlite = file.suffix != POSTGRES
        names = query(file, _SQLITE_TABLES if is_sqlite else _POSTGRES_TABLES)
        rows = {
            table: int(query(file, f"SELECT count(*) FROM {table}")[0][0])
            for (table,) in names
            if not table.startswith("sqlite_")
        }
        if not is_sqlite:
            return cls(rows, 0)
        ((pages,),) = query(file, "PRAGMA page_count")
        ((page_size,),) = query(file, "PRAGMA page_size")
        return cls(rows, int(pages) * int(page_size))


_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_POSTGRES_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture
def small_days(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    async def refuse(*_: object) -> None:
        raise RefusedUpstream("access_denied")

    monkeypatch.setattr("worksgate.sources.openid.source.OidcSource", Partner)
    monkeypatch.setattr(Partner, "finish", refuse)
    with (
        patch.object(stranger_records, "A_DAY", request.param),
        patch.object(reset_requests, "REQUESTS_A_DAY", RESET_REQUESTS),
        patch.object(reset_requests, "PORTION", RESET_PORTION),
        patch.object(reset_requests, "MAILS_A_DAY", RESET_MAILS),
        patch.object(counters, "COUNTERS_A_DAY", COUNTERS),
        patch.object(counters, "PORTION", COUNTERS_PORTION),
        patch.object(counters, "SHARED", SHARED_COUNTERS),
    ):
        yield


def settings_of(mail: MailServer) -> dict[str, Any]:
    """Behind a proxy, with mail, and with another provider beside the people who are kept here."""
    partner = OidcSettings(
        name="partner",
        domains=("partner.example",),
        issuer="https://partner.example",
        client_id="worksgate",
        external_key_claim="employee",
    )
    return {
        "trusted_proxies": (PROXY,),
        "smtp_url": mail.url,
        "mail_from": "sso@example.com",
        "sources": (partner,),
    }


@dataclass(frozen=True)
class Site:
    """What is flooded: the database, and applications beside the one of ``installation``."""

    installation: Installation
    file: Path
    others: Sequence[Application] = ()


async def flooded(
    site: Site,
    size: Size,
    a_day: Mapping[Event, int],
    mail: MailServer,
    configure: Callable[[], Callable[[], str]],
) -> None:
    """Send all of it, and hold what is left against the budgets."""
    installation = site.installation
    people = await people_of(installation, mail)
    await installation.audit()
    log, began = configure(), time.monotonic()
    before, earlier = Kept.of(site.file), len(await installation.audit(limit=10_000))
    flood, stop = Flood(installation, size, site.others), asyncio.Event()
    coming = asyncio.create_task(people.until(stop))
    asking = asyncio.create_task(_ask_until_mailed(people))
    await flood.run()
    stop.set()
    await coming
    await people.come()
    await asking
    await _check_mails(mail)
    for other in site.others:
        assert other.provider is not None
        await other.provider.audit.flush()
    events = (await installation.audit(limit=1_000_000))[earlier:]
    after = Kept.of(site.file)  # at once: each minute may add its counts

    assert flood.networks == size.networks
    assert set(flood.routes()) <= set(flood.sent), "no path was left out"
    assert set(flood.statuses) & {500} == set()
    processes = 1 + len(site.others)
    _check_people(people, events)
    _check_strangers(events, a_day, processes)
    _check_kept(before, after, people, events, processes)
    _check_log(log(), events, processes * (time.monotonic() - began))


@pytest.mark.parametrize("small_days", [SMALL_A_DAY], indirect=True, ids=["sqlite"])
@pytest.mark.usefixtures("small_days")
async def test_r137_a_flood_on_every_path_keeps_its_budgets_and_people_sign_in(
    tmp_path: Path,
) -> None:
    with mail_server() as mail, log_file(tmp_path) as configure:
        async with installed(tmp_path, **settings_of(mail)) as installation:
            site = Site(installation, installation.database)
            await flooded(site, WHOLE, SMALL_A_DAY, mail, configure)


@pytest.mark.parametrize("small_days", [SHORT_A_DAY], indirect=True, ids=["postgres"])
@pytest.mark.usefixtures("small_days")
async def test_r137_two_processes_on_postgres_keep_one_budget_together(tmp_path: Path) -> None:
    with mail_server() as mail, log_file(tmp_path) as configure:
        async with _two_on_postgres(tmp_path, **settings_of(mail)) as site:
            await flooded(site, SHORT, SHORT_A_DAY, mail, configure)


@asynccontextmanager
async def _two_on_postgres(folder: Path, **settings: Any) -> AsyncIterator[Site]:
    """Two applications on one new database with a client and a person."""
    file, clock = folder / f"worksgate{POSTGRES}", Clock()
    async with AsyncExitStack() as stack:
        stack.enter_context(giving_back(file))
        chosen, _ = await prepared(
            folder, database_url=url_of(file), answer_deadline=answer_deadline(), **settings
        )
        administration = await stack.enter_async_context(
            open_administration(chosen, actor="test", clock=clock)
        )
        client = await administration.clients.add("Acme", redirect_uris=(CALLBACK,))
        await administration.users.add(USERNAME, password=PASSWORD, external_key="E-1")
        applications = [application_of(chosen, clock=clock) for _ in range(2)]
        for each in applications:
            await each.start()
            stack.push_async_callback(each.close)
        one, other = applications
        installation = Installation(chosen, one, administration, clock, client)
        stack.push_async_callback(installation.close)
        yield Site(installation, file, (other,))


async def _ask_until_mailed(people: People) -> None:
    """Ask as a person does who gets no mail: again, a moment later."""
    await asyncio.sleep(2.0)
    for _ in range(30):
        await people.ask_for_a_link()
        for _ in range(20):
            await asyncio.sleep(0.1)
            if people.has_a_link():
                return
    raise AssertionError("a known browser got no link")


def _check_people(people: People, events: list[AuditEvent]) -> None:
    """Each sign-in has all its records."""
    by_login: dict[str | None, set[Event]] = {}
    for event in events:
        by_login.setdefault(event.login_id, set()).add(event.event)
    ended = [kinds for kinds in by_login.values() if Event.LOGIN_SUCCEEDED in kinds]
    assert people.signed_in >= 4
    assert people.by_factor >= 1
    assert len(ended) == people.signed_in
    assert all(kinds >= COMPLETE for kinds in ended)
    kinds = Counter(event.event for event in events)
    assert kinds[Event.IMAP_SUCCEEDED] == people.mail_clients >= 2
    assert kinds[Event.FACTOR_USED] == people.by_factor


def _check_strangers(events: list[AuditEvent], day: Mapping[Event, int], processes: int) -> None:
    """No event has more records than a day allows, and a process may have taken beyond it."""
    in_full = _in_full(events)
    assert in_full[Event.LOGIN_REQUESTED] == 0
    assert set(in_full) <= set(A_DAY)
    for event, number in in_full.items():
        a_day = day[event]
        sent = RESET_MAILS if event is Event.PASSWORD_RESET_REQUESTED else 0
        assert number <= a_day + processes * min(PORTION, a_day) + sent, event
    for event in (*REACHED, Event.LOGIN_FAILED, Event.IMAP_FAILED):
        assert in_full[event] >= day[event], f"{event}: it was a flood"


def _check_log(text: str, events: list[AuditEvent], seconds: float) -> None:
    """There is a line for each record, and of each kind of warning at most one a second."""
    lines = Counter(json.loads(line)["event"] for line in text.splitlines())
    others = lines - Counter(event.event.value for event in events)
    assert all(number <= seconds + 1 for number in others.values()), others


async def _check_mails(server: MailServer) -> None:
    await server.wait_for(RESET_MAILS + 1)
    await asyncio.sleep(1.0)  # for one too many
    recipients = Counter(mail.recipients for mail in list(server.received))
    del recipients[USERNAME,]
    assert sum(recipients.values()) == RESET_MAILS, "so many a day to all"
    assert max(recipients.values()) <= reset_requests.PER_ACCOUNT


def _check_kept(
    before: Kept, after: Kept, people: People, events: list[AuditEvent], processes: int
) -> None:
    """Strangers leave audit records and counters alone, of a known number and size."""
    visits = people.signed_in + people.mail_clients
    grown = {table: after.rows[table] - before.rows[table] for table in after.rows}
    records, counters = grown.pop("audit"), grown.pop("counters")
    assert records == len(events)
    of_resets = RESET_REQUESTS + processes * RESET_PORTION + len(OTHERS)
    of_budgets = len(A_DAY) + 2 + PURPOSES
    of_strangers = PURPOSES * (COUNTERS + processes * COUNTERS_PORTION + 2 * SHARED_COUNTERS)
    assert counters <= of_strangers + COUNTERS_PER_CHECK * visits + of_resets + of_budgets
    for table, rows in grown.items():
        assert rows <= 3 * visits + RESET_MAILS + reset_requests.PER_ACCOUNT, table
    size = records * BYTES_OF_A_RECORD + counters * BYTES_OF_A_COUNTER + MARGIN
    assert after.size - before.size <= size


def _in_full(events: list[AuditEvent]) -> Counter[Event]:
    """Records of strangers, by event."""
    return Counter(event.event for event in events if (event.address or "").startswith("2001:db8:"))
