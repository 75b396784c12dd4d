"""The token call of LINE WORKS beside what administrators do with 100,000 people.

python benchmarks/beside.py [SECONDS [ROUNDS]]
  runs ``worksgate serve`` with its console, a process of its own that carries out jobs and writes
  files, on SQLite and on PostgreSQL; sends some 200 token calls a second: alone, while all people
  are exported over and over, and while a job adds them to a group, one after the other; in turns.
"""

import asyncio
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import provision
import pyotp
from console_report import SITUATIONS, STORES, section_beside
from contestants import Worksgate
from databases import running_postgres
from elsewhere import WorksgateOnPostgres
from load import Failed, Result, start
from measures import running
from process import PATIENCE, free_port
from tests.databases import Clock
from tests.web.console.console import PASSWORD, ConsoleUnderTest

from worksgate.administration import Administration
from worksgate.administration.jobs.operations import Selection
from worksgate.administration.roles import Role
from worksgate.bootstrap.administration import open_administration
from worksgate.directory import Account
from worksgate.directory.jobs import JobKind
from worksgate.directory.people_list import PeopleFilter
from worksgate.directory.rows import account_values
from worksgate.settings.options import Settings

CONNECTIONS, PAUSE_MS = 4, 20
PEOPLE = 100_000
SECONDS, ROUNDS = 8.0, 6


def load(installation: Worksgate, seconds: float) -> Result:
    """Token calls at a pace."""
    codes = installation.codes(int(seconds * CONNECTIONS * 1_000 / PAUSE_MS) + 100)
    return start(
        installation.port,
        installation.token_call(codes),
        codes,
        seconds=seconds,
        connections=CONNECTIONS,
        core=None,
        once=True,
        pause=PAUSE_MS,
    ).result()


def accounts() -> list[dict[str, Any]]:
    return [
        {
            **account_values(
                Account(
                    id=f"{number:026}",
                    username=f"user.{number:06}",
                    name="田中 美咲",
                    external_key=f"H-{number:06}",
                    email=f"user.{number:06}@example.com",
                )
            ),
            "groups": "[]",
        }
        for number in range(PEOPLE)
    ]


@asynccontextmanager
async def administering(installation: Worksgate) -> Any:
    """The operations of the command line."""
    settings = Settings(
        public_url=installation.environment["WORKSGATE_PUBLIC_URL"],
        database_url=installation.environment["WORKSGATE_DATABASE_URL"],
    )
    async with open_administration(settings) as administration:
        yield administration


def begin_job(installation: Worksgate, group: str) -> None:
    """Have the console add everybody but the owner to a group; return once it has begun."""

    async def begin() -> None:
        everybody = Selection(wanted=PeopleFilter(text="user."))
        async with administering(installation) as administration:
            jobs = administration.jobs
            preview = await jobs.preview(everybody)
            job = await jobs.start(JobKind.ADD_GROUP, everybody, preview.matching, group=group)
            while not (await jobs.find(job.id)).done:  # noqa: ASYNC110  # elsewhere
                await asyncio.sleep(0.1)

    asyncio.run(begin())


def end_job(installation: Worksgate) -> int:
    """Stop the job; how many people it has dealt with. Raises Failed if it had ended before."""

    async def end() -> int:
        async with administering(installation) as administration:
            (job,) = await administration.jobs.newest(1)
            if job.state != "running":
                raise Failed("the job has ended before the calls did")
            return int((await administration.jobs.stop(job.id)).done)

    return asyncio.run(end())


class _Stay(HTTPRedirectHandler):
    """An answer that leads elsewhere is an answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass
class Owner:
    """An owner in the console, over HTTP; cookies are kept as on a host that is trusted."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    page: str = ""

    def send(self, path: str, **form: str) -> bytes:
        """A page, or what a form gives."""
        data = urlencode({"csrf": self.hidden("csrf"), **form}).encode() if form else None
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        request = Request(self.url + path, data, {"Cookie": kept})
        opener = build_opener(_Stay)
        opener.addheaders = []
        try:
            response = opener.open(request, timeout=120)
        except HTTPError as elsewhere:
            response = elsewhere
        for each in response.headers.get_all("set-cookie") or ():
            name, _, value = each.partition(";")[0].partition("=")
            self.cookies[name] = value
        content: bytes = response.read()
        self.page = content.decode() if len(content) < 100_000 else ""
        return content

    def hidden(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.page)
        return found[1] if found else ""

    def sign_in(self, secret: str) -> None:
        until = time.monotonic() + PATIENCE
        while not self.page and time.monotonic() < until:  # the console starts after the server
            with suppress(URLError):
                self.send("/sign-in")
            time.sleep(0.1)
        self.send("/sign-in", username="owner", password=PASSWORD)
        self.send("/sign-in/code", step=self.hidden("step"), code=pyotp.TOTP(secret).now())

    def export(self) -> int:
        """Everybody's keys as a file; the bytes. Raises Failed."""
        self.send("/me")
        size = len(self.send("/wizard/tell/file", source="directory"))
        if size < 20 * PEOPLE:
            raise Failed(f"the file of {PEOPLE} people has {size} bytes: {self.page[-300:]}")
        return size


def make_owner(installation: Worksgate) -> str:
    """An owner with a password and an app; its secret."""

    async def make() -> str:
        async with administering(installation) as administration, AsyncExitStack() as stack:
            assert isinstance(administration, Administration)
            nothing: Any = None
            office = ConsoleUnderTest(
                settings=nothing,
                administration=administration,
                clock=Clock(time.time()),
                database=installation.database,
                totp={},
                _stack=stack,
                _application=nothing,
                _transport=nothing,
            )
            await office.make("owner", Role.OWNER)
            return office.totp["owner"]

    return asyncio.run(make())


@contextmanager
def exporting(owner: Owner) -> Iterator[list[float]]:
    """Export everybody over and over; the seconds of each export."""
    taken: list[float] = []
    problems: list[Exception] = []
    is_over = threading.Event()

    def export() -> None:
        try:
            while not is_over.is_set():
                begun = time.monotonic()
                owner.export()
                taken.append(time.monotonic() - begun)
        except Exception as problem:  # said below
            problems.append(problem)

    thread = threading.Thread(target=export)
    thread.start()
    try:
        yield taken
    finally:
        is_over.set()
        thread.join()
    if problems:
        raise Failed(f"the export: {problems[0]}")


def of_installation(
    installation: Worksgate, console: str, seconds: float, rounds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """All situations of one store."""
    found: dict[str, Any] = {name: [] for name in SITUATIONS}
    installation.add_accounts(accounts())
    owner = Owner(console)
    secret = make_owner(installation)

    def note(name: str, result: Result) -> None:
        found[name].append(result.as_json())
        say(f"beside    {name:7} p50 {result.p50:6.2f} p99 {result.p99:6.2f} ms")

    with running([installation], None):
        owner.sign_in(secret)
        load(installation, 3)
        exports: list[float] = []
        rates: list[float] = []
        for number in range(rounds):
            note("alone", load(installation, seconds))
            with exporting(owner) as taken:
                note("export", load(installation, seconds))
            exports += taken
            begin_job(installation, f"group {number}")
            begun = time.monotonic()
            note("job", load(installation, seconds))
            rates.append(end_job(installation) / (time.monotonic() - begun))
        found["export_seconds"] = round(min(exports), 2)
        found["people_a_second"] = round(max(rates))
    return found


def beside(
    say: Callable[[str], None], core: int, seconds: float = SECONDS, rounds: int = ROUNDS
) -> dict[str, Any]:
    """All of it, as the results hold it."""
    found: dict[str, Any] = {"people": PEOPLE, "seconds": seconds, "rounds": rounds, "stores": {}}
    with tempfile.TemporaryDirectory() as folder:
        for store in STORES:
            port = free_port()
            url = f"http://localhost:{port}"
            settings = {"WORKSGATE_CONSOLE_PORT": str(port), "WORKSGATE_CONSOLE_URL": url}
            say(f"beside    {PEOPLE:,} people on {store}")
            if store == "sqlite":
                installation = Worksgate(Path(folder, store), **settings)
                of_store = of_installation(installation, url, seconds, rounds, say)
            else:
                with running_postgres(Path(folder, "server"), core) as server:
                    on_postgres = WorksgateOnPostgres(Path(folder, store), server, **settings)
                    of_store = of_installation(on_postgres, url, seconds, rounds, say)
            found["stores"][store] = of_store
    return found


def main(arguments: list[str]) -> None:
    provision.require_wrk()
    seconds, rounds = [*map(float, arguments), SECONDS, ROUNDS][:2]
    found = beside(lambda text: print(text, file=sys.stderr, flush=True), 0, seconds, int(rounds))
    print("\n".join(section_beside(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
