"""The round trips to PostgreSQL of each step of a sign-in: what can be read together, is."""

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.databases import POSTGRES, query, url_of
from tests.installation import (
    CALLBACK,
    EXTERNAL_KEY,
    PASSWORD,
    PUBLIC_URL,
    USERNAME,
    Browser,
    Clock,
    Installation,
    application_of,
    code_of,
)
from tests.postgres_server import giving_back
from tests.unhurried import answer_deadline
from tests.valkey_server import address_for
from tests.web.test_sign_in_steps import enrolled, step_of

from worksgate.bootstrap.administration import open_administration
from worksgate.database.read_ahead import current_step
from worksgate.directory import source as directory_source
from worksgate.directory.database import Directory
from worksgate.settings.options import Settings
from worksgate.sources import Person, Source
from worksgate.store.postgres.pool import PostgresPool
from worksgate.store.postgres.store import PostgresStore

pytestmark = pytest.mark.programs

AHEAD = JOINED = LAST_LOOK = "select"
ADMIT, FORGIVE, COMMIT, KEEP = "bump_all", "recount", "add", "save"
TRY = "bump_all"
BY_HANDLE = "find"
DIRECTORY = "writing"
"""A transaction of the directory."""

PASSWORD_STEP = [
    AHEAD,  # the use of the transaction, the counters of the throttle, the account
    ADMIT,  # durable before the password is checked
    JOINED,  # the person and their factors: an administrator may have acted during the hash
    COMMIT,  # of the code, with all that belongs to it
    LAST_LOOK,  # disabling somebody wins every race: what is looked for is in this commit
]
SESSION_STEP = [
    AHEAD,  # the session, its person, their factors, and whether they trust the browser
    COMMIT,
    LAST_LOOK,
]
OTHERS_PASSWORD_STEP = [
    AHEAD,
    ADMIT,
    DIRECTORY,  # what the other source has said of them, and whom their keys belong to
    JOINED,  # their factors: before its answer nobody knew who they are
    COMMIT,
    LAST_LOOK,
]
CODE_PAGE = [
    BY_HANDLE,  # the transaction, which is in no form
    AHEAD,
    KEEP,
]
CODE_STEP = [
    AHEAD,  # the use of the transaction, how far it has got, the factors
    JOINED,  # the counters of the throttle and the secret: the person is in what was read before
    ADMIT,
    TRY,  # of this sign-in; the throttle may have refused
    DIRECTORY,  # the code is used up
    FORGIVE,
    COMMIT,
    LAST_LOOK,
]


@dataclass
class RoundTrips:
    """What a step of a sign-in has waited for, of what was asked of PostgreSQL."""

    seen: list[str] = field(default_factory=list)

    @contextmanager
    def of(self) -> Iterator[list[str]]:
        """Only those of the block."""
        self.seen.clear()
        yield self.seen

    def note(self, what: str) -> None:
        # Of a transaction that is tried again, since it met another one, once is enough.
        is_again = what == DIRECTORY and self.seen[-1:] == [DIRECTORY]
        if current_step() is not None and not is_again:
            self.seen.append(what)


@pytest.fixture(name="trips")
def _trips(monkeypatch: pytest.MonkeyPatch) -> RoundTrips:
    trips = RoundTrips()
    run, reading, writing = PostgresPool.run, Directory.reading, Directory.writing

    async def seen(pool: PostgresPool, work: Any, *args: Any, **how: Any) -> Any:
        trips.note(work.__name__)
        return await run(pool, work, *args, **how)

    def read(directory: Directory) -> Any:
        if sys._getframe(1).f_code.co_name not in _OF_THE_CLIENT_LIST:
            trips.note("reading")
        return reading(directory)

    def written(directory: Directory) -> Any:
        trips.note(DIRECTORY)
        return writing(directory)

    monkeypatch.setattr(PostgresPool, "run", seen)
    monkeypatch.setattr(Directory, "reading", read)
    monkeypatch.setattr(Directory, "writing", written)
    monkeypatch.setattr(directory_source, "_LOOKED_FOR", float("inf"))  # once, not every 10 s
    return trips


_OF_THE_CLIENT_LIST = {"_installation", "client_count", "client_ids", "clients_by_id"} | {
    "published"
}
"""What all requests share, at most every 0.2 s."""


class Company:
    """Another source, which says of everybody that it is them."""

    name = "company"

    async def authenticate(self, username: str, password: str) -> Person | None:
        return Person(
            subject_id=f"company:{username}",
            username=username,
            name=username,
            external_key=EXTERNAL_KEY,
        )

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return last_seen


@asynccontextmanager
async def on_postgres(
    database: Path, *, sources: Sequence[Source] | None = None, **chosen: Any
) -> AsyncIterator[Installation]:
    """Worksgate on PostgreSQL, after a first sign-in."""
    settings = Settings(
        public_url=PUBLIC_URL,
        database_url=url_of(database),
        purge_interval=0,
        hashing_threads=1,
        answer_deadline=answer_deadline(),
        **chosen,
    )
    clock = Clock()
    async with AsyncExitStack() as stack:
        opened = open_administration(settings, actor="test", clock=clock)
        administration = await stack.enter_async_context(opened)
        client = await administration.clients.add("Acme", redirect_uris=(CALLBACK,))
        key = None if sources else EXTERNAL_KEY
        await administration.users.add(USERNAME, password=PASSWORD, external_key=key)
        application = application_of(settings, sources=sources, clock=clock)
        await application.start()
        stack.push_async_callback(application.close)
        installation = Installation(settings, application, administration, clock, client)
        stack.push_async_callback(installation.close)
        assert code_of(await installation.browser().sign_in())
        yield installation


@pytest.fixture(name="database")
def _database(tmp_path: Path) -> Iterator[Path]:
    database = tmp_path / f"worksgate{POSTGRES}"
    with giving_back(database):
        yield database


@pytest.fixture
async def acme(database: Path) -> AsyncIterator[Installation]:
    async with on_postgres(database) as installation:
        yield installation


async def test_a_page_reads_nothing(acme: Installation, trips: RoundTrips) -> None:
    with trips.of() as seen:
        await acme.browser().login_page()
    assert seen == []


@pytest.mark.parametrize(
    ("sources", "password_step"), [(None, PASSWORD_STEP), ([Company()], OTHERS_PASSWORD_STEP)]
)
async def test_each_step_reads_together_what_it_can(
    database: Path,
    trips: RoundTrips,
    sources: Sequence[Source] | None,
    password_step: Sequence[str],
) -> None:
    """With a password; with a second factor as well; and with a browser that is trusted since."""
    async with on_postgres(database, sources=sources) as acme:
        await _signs_in(acme, acme.browser(), trips, password_step)
        app, _ = await enrolled(acme)
        browser = acme.browser()
        page = await browser.login_page()
        with trips.of() as seen:
            response = await browser.submit(page, username=USERNAME, password=PASSWORD)
        page = step_of(response, "Confirm that it is you")
        asked = password_step[: password_step.index(COMMIT)]
        assert seen == [*asked, KEEP, FORGIVE, *CODE_PAGE]
        with trips.of() as seen:
            otp = app.at(int(acme.clock()))
            assert code_of(await browser.submit(page, step="prove", otp=otp, remember="1"))
        assert seen == CODE_STEP
        await browser.http.get("/logout")
        await _signs_in(acme, browser, trips, password_step)


async def _signs_in(
    acme: Installation, browser: Browser, trips: RoundTrips, password_step: Sequence[str]
) -> None:
    page = await browser.login_page()
    with trips.of() as seen:
        assert code_of(await browser.submit(page, username=USERNAME, password=PASSWORD))
    assert seen == password_step
    acme.clock.advance(3_600)  # the session is used, which is in the commit of the code
    with trips.of() as seen:
        assert code_of(await browser.arrive())
    assert seen == SESSION_STEP


async def test_beside_valkey_the_person_is_read_together(
    database: Path, tmp_path: Path, trips: RoundTrips
) -> None:
    async with on_postgres(database, store_url=address_for(tmp_path)) as installation:
        browser = installation.browser()
        assert code_of(await browser.sign_in())
        with trips.of() as seen:
            assert code_of(await browser.arrive())
        assert seen == [AHEAD, LAST_LOOK]  # the person and their factors; the session is there


async def test_r228_the_last_look_is_never_one_that_was_read_ahead(
    acme: Installation, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is disabled between the reads of a step and its commit gets no code by it."""
    browser = acme.browser()
    await browser.sign_in()
    add = PostgresStore.add

    async def disabled_meanwhile(store: PostgresStore, *args: Any, **how: Any) -> bool:
        query(database, "UPDATE accounts SET enabled = FALSE")
        return await add(store, *args, **how)

    monkeypatch.setattr(PostgresStore, "add", disabled_meanwhile)
    response = await browser.arrive()
    assert response.status_code == 200
    assert "code=" not in response.headers.get("location", "")
    rows = query(database, "SELECT count(*) FROM codes WHERE used = 0")
    assert rows == [(0,)]
