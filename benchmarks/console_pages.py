"""The console's pages with 0, 3, 1,000 and 100,000 people: milliseconds and bytes of each.

python benchmarks/console_pages.py [--store sqlite,postgres] [--rounds 4] [PEOPLE …]
  fills a new database for each number (``console_crowd``), and opens every page of the console in
  each of its languages over and over, in one process. Ends with 1 if a page takes longer or weighs
  more than it may. ``make bench 'ARGS=--keep --only console'`` writes the same into RESULTS.md.

``PAGES`` is compared with the routes of the console by a test: no page is forgotten.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).parent.parent))

import httpx2
import machine
import structlog
from console_crowd import SOURCES, Crowd, fill
from console_report import MOST_MS, Measured, MeasuredFile
from starlette.types import Message, Receive, Scope, Send
from tests.administration.external_keys.line_works import api_app, served
from tests.postgres_server import giving_back, shared_postgres
from tests.web.console.console import ORIGIN, AdminBrowser, ConsoleUnderTest, console_of

from worksgate.credentials.master_key import MasterKey
from worksgate.web.console.application import ConsoleApplication
from worksgate.web.console.pages import LANGUAGES

COUNTS = (0, 3, 1_000, 100_000)
STORES = {"sqlite": "worksgate.db", "postgres": "worksgate.postgres"}
ROUNDS = 4
PATIENCE = 5
"""Times as many rounds for a page that is too slow so far: the machine has other work."""
PAUSE = 7.0
"""Seconds of the console's clock between two pages: no answer is one that was just given, and LINE
WORKS is asked less often than ten times a minute."""

Say = Callable[[str], None]

STEPS = ("where", "address", "people", "keys", "tell", "values", "rehearse", "plan", "apply")

PAGES: Mapping[str, str] = {
    "today": "/",
    "people": "/people",
    "people, the next page": "/people?after=いとう&id=x",
    "people, the last page": "/people?after=わたなべ+ゆみ+user.049&id=x",
    "people by last sign-in": "/people?sort=last",
    "people by last sign-in, deep": "/people?sort=last&after=1700000000.0&id=x",
    "people by when they were added": "/people?sort=made",
    "people without a key": "/people?state=no_key",
    "disabled people": "/people?state=disabled",
    "people who never signed in": "/people?state=never",
    "administrators": "/people?state=administrators",
    "people of a source": "/people?source=company",
    "people of a group": "/people?group=営業部",
    "a search that finds many": "/people?q=田中",
    "a search by the reading": "/people?q=ﾀﾅｶ",
    "a search that finds one": "/people?q=user.000123@",
    "a search that finds nobody": "/people?q=nobody-at-all",
    "a search in a state": "/people?q=田中&state=disabled",
    "find, a name": "/find?q=user.000124",
    "find, a part of a name": "/find?q=中 愛",
    "find, a reference": "/find?q={login}",
    "a person": "/person?id={person}",
    "a person, LINE WORKS asked": "/person?id={person}&ask=line-works",
    "a person of another source": "/person?id={partner}",
    "a leaver": "/person/leave?id={person}",
    "a code to read out": "/person/code?id={person}",
    "changes of many people": "/jobs",
    "a change of many people": "/job?id={job}",
    "removed people": "/people/removed",
    "an import": "/people/import",
    "an import that was checked": "/people/import?id={draft}",
    "audit": "/audit",
    "audit, the next page": "/audit?before=150",
    "audit of an event": "/audit?event=login.failed",
    "audit of a rare event": "/audit?event=user.changed",
    "audit of a person": "/audit?user=user.000123",
    "changes": "/audit/changes",
    "changes, deep": "/audit/changes?before=30",
    "changes of a kind": "/audit/changes?kind=role",
    "changes of a person": "/audit/changes?about=user.000123",
    "changes by somebody": "/audit/changes?by=nobody-at-all",
    "sign-ins": "/sign-ins",
    "sign-ins of a week": "/sign-ins?range=week",
    "sign-ins of a month": "/sign-ins?range=month",
    "refused sign-ins": "/sign-ins?range=month&kind=out",
    "sign-ins that nobody made": "/sign-ins?range=month&kind=imap.failed",
    "sign-ins of a quarter": "/sign-ins?from=2001-01-01T00:00",
    "sign-ins, how long LINE WORKS waited": "/sign-ins?range=month&chart=answers",
    "sign-ins of a person": "/sign-ins?range=month&user=user.000123",
    "sign-ins of a client": "/sign-ins?range=month&client={client}",
    "sign-ins from an address": "/sign-ins?range=month&address=198.51.100.7",
    "trace": "/trace",
    "trace of a person": "/trace?q=user.000123",
    "trace of a reference": "/trace?q={login}",
    "trace of an address": "/trace?q=198.51.100.7",
    "trace of a time": "/trace?q=09:12",
    "clients": "/clients",
    "a search for a client": "/clients?q=tenant 2",
    "a client": "/client?id={client}",
    "a new client": "/client/new",
    "the form of a client": "/client/edit?id={client}&part=rules",
    "the rules of a client": "/client/rules?id={client}",
    "the rules for a person": "/client/rules?id={client}&who=user.000124&address=198.51.100.7",
    "the branding of a client": "/client/branding?id={client}",
    "the preview of a branding": "/client/branding/preview?id={client}",
    "sources": "/sources",
    "a source": "/source?name=company",
    "wizard": "/wizard",
    **{f"wizard, {step}": f"/wizard/{step}" for step in STEPS},
    "go live": "/go-live",
    "the rehearsal": "/go-live/rehearsal",
    "a finding of the rehearsal": "/go-live/rehearsal?finding=never_signed_in",
    "a finding, deep": "/go-live/rehearsal?finding=never_signed_in&after=5000",
    "the plan": "/go-live/plan",
    "the live view": "/go-live/live",
    "the wall": "/go-live/wall",
    "health": "/health",
    "the support bundle": "/health/bundle",
    "settings": "/settings",
    "administrators with their roles": "/administrators",
    "me": "/me",
}
"""What an owner opens; names in braces are those of ``Crowd``."""

STRANGERS: Mapping[str, str] = {"sign in": "/sign-in", "the first owner": "/first?token={link}"}
"""What is opened without a session."""

LEFT_OUT: Mapping[str, str] = {
    "/sign-in/return": "it waits for an OpenID provider, and is no page but leads to one",
}
"""Paths of routes that are not measured, and why."""

FILES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "people": ("/people/export", {"as": "csv"}),
    "removed people": ("/people/removed/export", {"as": "csv"}),
    "sign-ins": ("/sign-ins/export", {"range": "month", "as": "csv"}),
    "audit records": ("/audit/export", {"as": "csv"}),
    "changes": ("/audit/changes/export", {"as": "csv"}),
    "clients": ("/clients/export", {"as": "csv"}),
    "administrators": ("/administrators/export", {"as": "csv"}),
    "changes of many people": ("/jobs/export", {"as": "csv"}),
    "the result of a change": ("/job/result", {"id": "{job}"}),
    "a finding of the rehearsal": ("/go-live/rehearsal/export", {"finding": "ready"}),
    "the keys for LINE WORKS": ("/wizard/tell/file", {"source": "directory"}),
}
"""What is handed over as a file: the form of each."""


@dataclass(slots=True)
class Times:
    """Of one page in one language."""

    taken: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    size: int = 0


@contextmanager
def timed(times: Times, database: int | None) -> Iterator[None]:
    begun, used, there = time.perf_counter(), time.process_time(), used_by(database)
    yield
    times.taken.append((time.perf_counter() - begun) * 1_000)
    spent = [seconds - there.get(pid, 0.0) for pid, seconds in used_by(database).items()]
    times.processor.append((time.process_time() - used + sum(spent)) * 1_000)


def used_by(database: int | None) -> dict[int, float]:
    """Processor seconds of each process of a PostgreSQL; of one that has ended, nobody knows."""
    found: dict[int, float] = {}
    for pid in machine.family(database) if database else []:
        with suppress(OSError):
            found[pid] = machine.first_thread_seconds(pid)
    return found


async def measured(
    console: ConsoleUnderTest, browser: AdminBrowser, page: str, path: str, rounds: int, say: Say
) -> Measured:
    """A page, opened so often in each language; while it seems too slow, up to ``PATIENCE``."""
    found = {language: Times() for language in LANGUAGES}
    is_postgres = console.settings.database_url.startswith("postgresql")
    database = shared_postgres().pid if is_postgres else None
    while True:
        for language, times in found.items():
            browser.http.headers["accept-language"] = language
            console.clock.advance(PAUSE)
            with timed(times, database):
                response = await browser.get(path)
                while response.is_redirect:
                    response = await browser.get(response.headers["location"])
            assert response.status_code == 200, (path, response.status_code, response.text)
            times.size = max(times.size, len(response.content))
        done = min(len(times.taken) for times in found.values())
        if done >= PATIENCE * rounds or (done >= rounds and _worst(found, min) <= MOST_MS):
            break
    heaviest = max(found, key=lambda language: found[language].size)
    each = Measured(
        page=page,
        best=_worst(found, min),
        median=_worst(found, statistics.median),
        p95=_worst(found, _p95),
        processor=_worst({name: Times(each.processor) for name, each in found.items()}, min),
        size=found[heaviest].size,
        language=heaviest,
    )
    say(f"{each.page:38}{each.best:9.1f}{each.processor:9.1f}{each.size:9}")
    return each


def _worst(found: Mapping[str, Times], of: Callable[[Sequence[float]], float]) -> float:
    return round(max(of(each.taken) for each in found.values()), 1)


def _p95(taken: Sequence[float]) -> float:
    return sorted(taken)[-1 - len(taken) // 20]


@dataclass(slots=True)
class Watched:
    """The console, and when the first byte of its last answer came."""

    application: ConsoleApplication
    first: float = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.first = 0.0

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.body" and message.get("body") and not self.first:
                self.first = time.perf_counter()
            await send(message)

        await self.application(scope, receive, watched)


async def measured_files(console: ConsoleUnderTest, crowd: Crowd) -> list[MeasuredFile]:
    """Every file, once, for an owner who has just signed in."""
    owner = await console.signed_in("owner")
    watched = Watched(console._application)
    transport = httpx2.ASGITransport(app=watched, client=("192.0.2.7", 1234))
    http = httpx2.AsyncClient(transport=transport, base_url=ORIGIN, cookies=owner.http.cookies)
    found = []
    async with http:
        browser = AdminBrowser(http)
        for page, (path, form) in FILES.items():
            await browser.get("/me")
            begun = time.perf_counter()
            filled = {name: crowd.address(value) for name, value in form.items()}
            response = await browser.post(path, **filled)
            ended = time.perf_counter()
            assert response.status_code == 200, (path, response.status_code, response.text[-900:])
            assert "attachment" in response.headers.get("content-disposition", ""), path
            first, last = (watched.first - begun) * 1_000, (ended - begun) * 1_000
            size = len(response.content)
            found.append(
                MeasuredFile(page=page, first=round(first, 1), last=round(last, 1), size=size)
            )
    return found


async def measure(
    count: int, store: str, rounds: int, say: Say
) -> tuple[list[Measured], list[MeasuredFile]]:
    """Every page and every file, with so many people in a new database."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with (
        TemporaryDirectory() as folder,
        giving_back(Path(folder) / STORES[store]),
        served() as line_works,
    ):
        line_works.holds({"user.000000": "H-000000"})
        async with console_of(
            Path(folder),
            database=STORES[store],
            sources=SOURCES,
            master_key=MasterKey.new().text,
            line_works_api_urls=(f"line_works={line_works.hosts.api}",),
            line_works_auth_urls=(f"line_works={line_works.hosts.auth}",),
        ) as console:
            await console.administration.people._directory.signing_key()  # the key is in force
            crowd = await fill(console, count)
            await console.administration.line_works_api.set("tenant", api_app())
            first_owner = (await console.inside()).first_owner
            link = (await first_owner.issue_link(recovers=True)).rpartition("=")[2]
            stranger, owner = await console.browser(), await console.signed_in("owner")
            pages = [
                await measured(console, stranger, page, path.replace("{link}", link), rounds, say)
                for page, path in STRANGERS.items()
            ]
            pages += [
                await measured(console, owner, page, crowd.address(path), rounds, say)
                for page, path in PAGES.items()
            ]
            return pages, await measured_files(console, crowd) if count else []


def console(
    say: Say,
    counts: Sequence[int] = COUNTS,
    stores: Sequence[str] = tuple(STORES),
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    """All of it, as the results hold it: by store and number of people."""
    found: dict[str, Any] = {"rounds": rounds, "languages": list(LANGUAGES), "stores": {}}
    for store in stores:
        of_store = found["stores"][store] = {}
        for count in counts:
            say(f"console   {count:,} people on {store}")
            pages, files = asyncio.run(measure(count, store, rounds, say))
            of_store[str(count)] = {
                "pages": [asdict(each) for each in pages],
                "files": [asdict(each) for each in files],
            }
    return found


def shown(found: dict[str, Any]) -> bool:
    """Print it; whether every page is within its bounds."""
    is_within = True
    for store, of_store in found["stores"].items():
        for count, measured_there in of_store.items():
            title = f"{int(count):,} people, {store}"
            print(f"\n{title:34}{'best ms':>9}{'median':>9}{'p95':>9}{'processor':>10}{'bytes':>8}")
            for each in (Measured(**page) for page in measured_there["pages"]):
                print(
                    f"{each.page:34}{each.best:9.1f}{each.median:9.1f}{each.p95:9.1f}"
                    f"{each.processor:10.1f}{each.size:8} {each.language}"
                    f"{'' if each.is_within else '  ✗'}"
                )
                is_within = is_within and each.is_within
            for file in (MeasuredFile(**each) for each in measured_there["files"]):
                print(f"{file.page:34}{file.first:9.1f}{file.last:9.1f}{file.size:36}")
    return is_within


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=int, nargs="*", help="0 3 1000 100000 if none is given")
    parser.add_argument("--store", default=",".join(STORES), help="sqlite,postgres")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each page and language")
    options = parser.parse_args(arguments)
    found = console(
        lambda text: print(text, file=sys.stderr, flush=True),
        options.people or COUNTS,
        options.store.split(","),
        options.rounds,
    )
    return 0 if shown(found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
