"""The console's pages with 0, 3 and 100,000 people: milliseconds and bytes of each.

python benchmarks/console_pages.py [PEOPLE …]
  fills a new SQLite database for each number, half of the people in the built-in directory and half
  of two other sources, with as many records of sign-ins and of changes, clients and a rehearsal;
  and opens every page of the console over and over, in one process. Ends with 1 if a page takes
  longer or weighs more than it may.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).parent.parent))

from sqlalchemy import insert
from tests.web.console.console import AdminBrowser, ConsoleUnderTest, console_of

from worksgate.administration.roles import Role
from worksgate.audit import Event, Reason
from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.rows import account_values

MOST_MS = 300.0
MOST_CLIENTS = 300
MOST_BYTES = 60_000
TIMES = 5
GROUPS = ("営業部", "製造部", "設計部", "総務部", "経理部", "物流")
FAMILIES = ("田中", "佐藤", "鈴木", "高橋", "伊藤", "渡辺", "山本", "中村", "小林", "加藤")
GIVEN = ("美咲", "大輔", "陽菜", "拓也", "さくら", "健太", "由美", "直樹", "愛", "翔")
NAMES = [f"{family} {given}" for family in FAMILIES for given in GIVEN]
HASH = "$argon2id$v=19$m=19456,t=2,p=1$" + "c2FsdHNhbHRzYWx0c2FsdA" + "$" + "h" * 43

STEPS = ("where", "address", "people", "keys", "tell", "values", "rehearse", "plan", "apply")

PAGES = {
    "today": "/",
    "people": "/people",
    "people, the next page": "/people?after=user.000050&id=x",
    "people, the last page": "/people?after=user.099990&id=x",
    "people by last sign-in": "/people?sort=last",
    "people by last sign-in, deep": "/people?sort=last&after=1700000000.0&id=x",
    "people without a key": "/people?state=no_key",
    "disabled people": "/people?state=disabled",
    "administrators": "/people?state=administrators",
    "people of a source": "/people?source=company",
    "people of a group": "/people?group=営業部",
    "a search that finds many": "/people?q=田中",
    "a search that finds one": "/people?q=user.000123@",
    "a search that finds nobody": "/people?q=nobody-at-all",
    "a search in a state": "/people?q=田中&state=disabled",
    "find, a name": "/find?q=user.000124",
    "find, a part of a name": "/find?q=中 愛",
    "a person": "/person?id={person}",
    "a leaver": "/person/leave?id={person}",
    "changes of many people": "/jobs",
    "an import": "/people/import",
    "audit": "/audit",
    "audit, the next page": "/audit?before=150",
    "audit of an event": "/audit?event=login.failed",
    "audit of a person": "/audit?user=user.000123",
    "changes": "/audit/changes",
    "changes, deep": "/audit/changes?before=30",
    "changes of a kind": "/audit/changes?kind=role",
    "changes of a person": "/audit/changes?about=user.000123",
    "changes by somebody": "/audit/changes?by=nobody-at-all",
    "sign-ins": "/sign-ins",
    "sign-ins of a month": "/sign-ins?range=month",
    "refused sign-ins": "/sign-ins?range=week&kind=out",
    "sign-ins of a person": "/sign-ins?range=month&user=user.000123",
    "trace": "/trace?q=user.000123",
    "clients": "/clients",
    "a search for a client": "/clients?q=tenant 2",
    "a client": "/client?id={client}",
    "the form of a client": "/client/edit?id={client}&part=rules",
    "the rules of a client": "/client/rules?id={client}",
    "the branding of a client": "/client/branding?id={client}",
    "sources": "/sources",
    "a source": "/source?name=directory",
    **{f"wizard, {step}": f"/wizard/{step}" for step in STEPS},
    "go live": "/go-live",
    "the rehearsal": "/go-live/rehearsal",
    "a finding of the rehearsal": "/go-live/rehearsal?finding=never_signed_in",
    "the plan": "/go-live/plan",
    "the live view": "/go-live/live",
    "the wall": "/go-live/wall",
    "health": "/health",
    "administrators with their roles": "/administrators",
    "me": "/me",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The median and the longest time of a page, in milliseconds, and its size.

    ``processor`` is the median of the processor's time: what the page would take on a machine that
    does nothing else.
    """

    page: str
    median: float
    longest: float
    processor: float
    size: int

    @property
    def is_within(self) -> bool:
        return self.median <= MOST_MS and self.size <= MOST_BYTES


def accounts(count: int, now: float) -> Iterator[dict[str, Any]]:
    """Accounts: one in forty disabled, one in fifty without a key, one in ten never signed in."""
    for number in range(count):
        name = f"user.{number:06}"
        yield account_values(
            Account(
                id=f"{number:026}",
                username=name,
                name=NAMES[number % len(NAMES)],
                external_key=None if number % 50 == 7 else f"H-{number:06}",
                email=f"{name}@example.com",
                enabled=number % 40 != 3,
                groups=(GROUPS[number % len(GROUPS)], "全社"),
                password_hash=HASH,
                created_at=now - 1e7,
                last_login_at=None if number % 10 == 9 else now - number * 100.0,
            )
        )


def people(count: int, now: float) -> Iterator[dict[str, Any]]:
    """People of two other sources."""
    for number in range(count):
        name = f"person.{number:06}"
        yield {
            "subject_id": f"company:{number:08x}-7d1f-4c6e-9d0b-{number:012x}",
            "source": "company" if number % 2 else "partners",
            "username": name,
            "username_key": username_key(name),
            "name": NAMES[number % len(NAMES)],
            "external_key": f"P-{number:06}",
            "works_account": None,
            "email": f"{name}@example.com",
            "groups": [GROUPS[number % len(GROUPS)]],
            "enabled": number % 40 != 3,
            "first_login_at": now - 1e7,
            "last_login_at": now - number * 110.0,
            "vouched_at": now - number * 110.0,
        }


async def fill(directory: Directory, count: int, now: float) -> None:
    """Half of the people here, half there."""
    there = count // 2
    for table, rows in (
        (schema.accounts, accounts(count - there, now)),
        (schema.people, people(there, now)),
    ):
        while some := list(islice(rows, 5_000)):
            async with directory.writing() as connection:
                await connection.execute(insert(table), some)


def sign_ins(count: int, now: float) -> Iterator[dict[str, Any]]:
    """Records of sign-ins of a month, one in eight refused."""
    for number in range(count):
        is_refused = number % 8 == 3
        yield {
            "at": now - (count - number) * 26.0,
            "event": (Event.LOGIN_FAILED if is_refused else Event.LOGIN_SUCCEEDED).value,
            "reason": Reason.WRONG_PASSWORD.value if is_refused else None,
            "username": f"user.{number % 50_000:06}",
            "subject_id": None if is_refused else f"directory:{number % 50_000:026}",
            "address": f"198.51.100.{number % 250}",
            "detail": "wrong name or password" if is_refused else None,
        }


def changed(count: int, now: float) -> Iterator[dict[str, Any]]:
    """What administrators changed: of each person one field."""
    for number in range(count):
        yield {
            "at": now - (count - number) * 26.0,
            "actor": f"console:admin{number % 7}",
            "role": "admin",
            "kind": "person",
            "subject": f"directory:{number:026}",
            "version": 1,
            "fields": [["name", NAMES[number % len(NAMES)], NAMES[(number + 1) % len(NAMES)]]],
            "undoes": None,
        }


async def fill_rest(console: ConsoleUnderTest, count: int) -> str:
    """Records, changes, clients and a rehearsal of one of them; the ID of that client."""
    directory, now = _directory(console), console.clock()
    for table, rows in (
        (schema.audit, sign_ins(count, now)),
        (schema.changes, changed(count, now)),
    ):
        while some := list(islice(rows, 5_000)):
            async with directory.writing() as connection:
                await connection.execute(insert(table), some)
    clients = console.administration.clients
    made = await clients.add("tenant", domain="example.com", rules=["deny kind=app group=物流"])
    for number in range(min(count, MOST_CLIENTS)):
        await clients.add(f"tenant {number}")
    await console.administration.going_live.rehearse(made.client.client_id)
    return made.client.client_id


async def measured(browser: AdminBrowser, page: str, path: str) -> Measured:
    times, processor = list[float](), list[float]()
    for _ in range(TIMES):
        begun, used = time.perf_counter(), time.process_time()
        response = await browser.get(path)
        while response.is_redirect:
            response = await browser.get(response.headers["location"])
        times.append((time.perf_counter() - begun) * 1_000)
        processor.append((time.process_time() - used) * 1_000)
        assert response.status_code == 200, (path, response.status_code)
    middle = statistics.median
    return Measured(page, middle(times), max(times), middle(processor), len(response.content))


async def measure(count: int) -> list[Measured]:
    """Every page, with so many people."""
    with TemporaryDirectory() as folder:
        async with console_of(Path(folder)) as console:
            await console.make("owner", Role.OWNER)
            person = await console.make("zoe", None)
            await fill(_directory(console), count, console.clock())
            client = await fill_rest(console, count)
            browser = await console.signed_in("owner")
            return [
                await measured(browser, page, path.format(person=person, client=client))
                for page, path in PAGES.items()
            ]


def _directory(console: ConsoleUnderTest) -> Directory:
    return console.administration.people._directory


def main(counts: Sequence[int]) -> int:
    is_within = True
    for count in counts:
        title = f"{count:,} people"
        print(f"\n{title:40}{'median ms':>10}{'longest ms':>12}{'processor':>11}{'bytes':>9}")
        for each in asyncio.run(measure(count)):
            mark = "" if each.is_within else "  ✗"
            print(
                f"{each.page:40}{each.median:10.1f}{each.longest:12.1f}{each.processor:11.1f}{each.size:9}{mark}"
            )
            is_within = is_within and each.is_within
    return 0 if is_within else 1


if __name__ == "__main__":
    sys.exit(main([int(each) for each in sys.argv[1:]] or [0, 3, 100_000]))
