"""An installation for the pages of the console: people, four weeks of sign-ins, and all the rest.

Half of the people are in the built-in directory and half came from two other sources. There are as
many sign-ins, a third of them of the last day, as on the day of going live. Everything that a page
lists is there in its full number: changes, jobs, clients, members of LINE WORKS, a rehearsal.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Table, insert, text
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.going_live.plan import Plan
from worksgate.administration.roles import OF_PEOPLE, Role
from worksgate.audit import Event, Reason
from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.going_live import AnswerName, Member, MemberState
from worksgate.directory.jobs import JobKind, JobState, RowOutcome
from worksgate.directory.people_index import found_by
from worksgate.directory.rows import account_values
from worksgate.directory.wizard_answers import Answer
from worksgate.settings.sources import LdapSettings, OidcSettings

DAY = 86_400.0
SPAN = 28 * DAY
"""Four weeks of sign-ins."""
MOST_CLIENTS = 300
MOST_ADMINISTRATORS = 50
MOST_IMPORTED = 1_000
JOBS = 60
GROUPS = ("営業部", "製造部", "設計部", "総務部", "経理部", "物流")
FAMILIES = ("田中", "佐藤", "鈴木", "高橋", "伊藤", "渡辺", "山本", "中村", "小林", "加藤")
GIVEN = ("美咲", "大輔", "陽菜", "拓也", "さくら", "健太", "由美", "直樹", "愛", "翔")
NAMES = [f"{family} {given}" for family in FAMILIES for given in GIVEN]
READ_FAMILIES = "タナカ サトウ スズキ タカハシ イトウ ワタナベ ヤマモト ナカムラ コバヤシ カトウ"
READ_GIVEN = "ミサキ ダイスケ ヒナ タクヤ サクラ ケンタ ユミ ナオキ アイ ショウ"
READINGS = [f"{family} {given}" for family in READ_FAMILIES.split() for given in READ_GIVEN.split()]
HASH = "$argon2id$v=19$m=19456,t=2,p=1$" + "c2FsdHNhbHRzYWx0c2FsdA" + "$" + "h" * 43
SOURCES = (
    LdapSettings(
        name="company",
        servers=("ldaps://127.0.0.1:9",),
        base_dn="dc=example,dc=com",
        bind_dn="cn=worksgate",
        bind_password="the password of the service account",
        external_key_attribute="employeeNumber",
    ),
    OidcSettings(
        name="partners", issuer="https://127.0.0.1:9", client_id="us", client_secret="ours"
    ),
)
"""Nothing answers there: no page waits for a source."""
PASSED = (Event.LOGIN_SUCCEEDED, Event.CODE_ISSUED, Event.CODE_REDEEMED, Event.USER_INFO_RETURNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What the addresses of the pages name."""

    person: str
    partner: str
    client: str
    login: str
    job: str
    draft: str

    def address(self, pattern: str) -> str:
        """The address of a page."""
        return pattern.format(**{name: getattr(self, name) for name in self.__dataclass_fields__})


def accounts(count: int, now: float) -> Iterator[dict[str, Any]]:
    """Accounts: one in forty disabled, one in fifty without a key, one in ten never signed in."""
    for number in range(count):
        name = f"user.{number:06}"
        yield account_values(
            Account(
                id=f"{number:026}",
                username=name,
                name=NAMES[number % len(NAMES)],
                reading=READINGS[number % len(READINGS)],
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
        values = {
            "subject_id": partner(number),
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
            "reading": READINGS[number % len(READINGS)],
        }
        yield {**values, **found_by(SimpleNamespace(**values))}


def partner(number: int) -> str:
    """The subject of somebody of another source."""
    source = "company" if number % 2 else "partners"
    return f"{source}:{number:08x}-7d1f-4c6e-9d0b-{number:012x}"


def login_of(number: int) -> str:
    return f"{number:011x}{'k7QmZ2xWv0':0<11}"


def sign_ins(count: int, now: float, client: str) -> Iterator[dict[str, Any]]:
    """Records of four weeks: of each sign-in all four, and one in eight refused."""
    nothing = dict.fromkeys(("reason", "detail", "elapsed_ms", "username", "address", "actor"))
    for number in range(count):
        at = now - SPAN * (1 - number / count) ** 3
        own = {
            "login_id": login_of(number),
            "client_id": client,
            "subject_id": f"directory:{number % max(1, count // 2):026}",
        }
        typed = {
            "username": f"user.{number % max(1, count // 2):06}",
            "address": f"198.51.100.{number % 250}",
        }
        if number % 8 == 3:
            yield {
                **(nothing | own | typed),
                "at": at,
                "event": Event.LOGIN_FAILED.value,
                "reason": Reason.WRONG_PASSWORD.value,
                "subject_id": None,
                "detail": "wrong name or password",
            }
            continue
        for place, event in enumerate(PASSED):
            yield {
                **(nothing | own),
                **(typed if event is Event.LOGIN_SUCCEEDED else {}),
                "at": at + place * 0.3,
                "event": event.value,
                "elapsed_ms": 4.0 + number % 90 if event is Event.USER_INFO_RETURNED else None,
            }


def changed(count: int, now: float) -> Iterator[dict[str, Any]]:
    """What administrators changed: one field each, of some people who were removed since, too."""
    for number in range(count):
        yield {
            "at": now - (count - number) * 26.0,
            "actor": f"console:admin{number % 7}",
            "role": "admin",
            "kind": "person",
            "subject": f"directory:{number % max(1, count // 2 + count // 10):026}",
            "version": 1,
            "fields": [["name", NAMES[number % len(NAMES)], NAMES[(number + 1) % len(NAMES)]]],
            "undoes": None,
        }


def jobs(count: int, now: float) -> Iterator[dict[str, Any]]:
    """Changes of everybody, one in a hundred people in vain."""
    for number in range(min(count, JOBS)):
        yield {
            "id": f"job{number:061}",
            "kind": JobKind.DISABLE.value,
            "arguments": {},
            "actor": f"console:admin{number % 7}",
            "role": "admin",
            "state": JobState.DONE.value,
            "created_at": now - number * 3_600.0,
            "ended_at": now - number * 3_600.0 + 900.0,
            "total": count,
            "done": count,
            "failed": -(-count // 100),
            "position": None,
            "undoes": None,
        }


def job_rows(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        is_refused = number % 100 == 0
        yield {
            "job_id": f"job{0:061}",
            "subject_id": f"directory:{number:026}",
            "outcome": (RowOutcome.REFUSED if is_refused else RowOutcome.DONE).value,
            "before": {"username": f"user.{number:06}", "enabled": True},
            "detail": "they have a role in the console" if is_refused else None,
        }


def tokens(count: int, now: float, client: str) -> Iterator[dict[str, Any]]:
    """A token and a session of each of the accounts."""
    for number in range(count):
        yield {
            "key": f"{number:064}",
            "grant_id": f"{number:022}",
            "subject_id": f"directory:{number:026}",
            "client_id": client,
            "expires_at": now + DAY,
            "user_id": f"H-{number:06}",
            "login_id": login_of(number),
            "login_kind": "web",
        }


async def insert_all(
    directory: Directory, table: Table | str, rows: Iterable[dict[str, Any]]
) -> None:
    """Rows of a table, thousands at a time."""
    left = iter(rows)
    while some := list(islice(left, 5_000)):
        statement: Any
        if isinstance(table, str):
            names = ", ".join(some[0])
            values = ", ".join(f":{name}" for name in some[0])
            statement = text(f"INSERT INTO {table} ({names}) VALUES ({values})")
        else:
            statement = insert(table)
        async with directory.writing() as connection:
            await connection.execute(statement, some)


async def fill(console: ConsoleUnderTest, count: int) -> Crowd:
    """All of it, with so many people."""
    administration, now = console.administration, console.clock()
    directory = administration.people._directory
    await console.make("owner", Role.OWNER)
    person = await console.make("zoe", None)
    for number in range(min(count, MOST_ADMINISTRATORS)):
        await console.make(f"admin{number}", OF_PEOPLE[number % len(OF_PEOPLE)], has_app=False)
    client = await _clients(console, count)
    half = count // 2
    await insert_all(directory, schema.accounts, accounts(count - half, now))
    await insert_all(directory, schema.people, people(half, now))
    await insert_all(directory, schema.audit, sign_ins(count, now, client))
    await insert_all(directory, schema.changes, changed(count, now))
    await insert_all(directory, "access_tokens", tokens(count - half, now, client))
    await insert_all(directory, schema.jobs, jobs(count, now))
    if count:
        await insert_all(directory, schema.job_rows, job_rows(count))
    draft = await administration.import_jobs.check(list(_imported(count)), update=False)
    await _going_live(console, count)
    if console.settings.database_url.startswith("postgresql"):
        async with directory.writing() as connection:
            await connection.execute(text("ANALYZE"))  # autovacuum does, a minute later
    return Crowd(
        person=person if not count else f"directory:{count // 4:026}",
        partner=partner(0) if half else person,
        client=client,
        login=login_of(0),
        job=f"job{0:061}" if count else draft.id,
        draft=draft.id,
    )


async def _clients(console: ConsoleUnderTest, count: int) -> str:
    """The clients; the ID of the one that everybody uses."""
    clients = console.administration.clients
    made = await clients.add("tenant", domain="example.com", rules=["deny kind=app group=物流"])
    for number in range(min(count, MOST_CLIENTS)):
        await clients.add(f"tenant {number}")
    await console.administration.branding.save("tenant", name="東西製作所")
    return made.client.client_id


def _imported(count: int) -> Iterator[dict[str | None, str]]:
    """Rows of a file, one in four of which is refused."""
    for number in range(min(max(1, count), MOST_IMPORTED)):
        key = "H-twice" if number % 4 == 0 else f"I-{number:06}"
        yield {"username": f"new.{number:06}", "name": NAMES[number % 100], "external_key": key}


async def _going_live(console: ConsoleUnderTest, count: int) -> None:
    """The members of LINE WORKS, a rehearsal, the plan, and APPLY some hours ago."""
    going_live, now = console.administration.going_live, console.clock()
    rows = console.administration.people._directory.going_live
    members = [
        Member(
            account=f"user.{number:06}@example.com",
            name=NAMES[number % len(NAMES)],
            external_key=f"H-{number:06}" if number % 5 else None,
            state=MemberState.ACTIVE,
        )
        for number in range(count)
    ]
    for first in range(0, count, 5_000):
        await rows.add_members("members", members[first : first + 5_000])
    event = going_live._event("read")
    answer = Answer({"id": "members", "number": count, "is_asked": False}, now, None)
    assert await rows.make_members_current("members", count, answer, event)
    await going_live.rehearse("tenant")
    await going_live.keep_plan(Plan())
    await rows.keep(AnswerName.START, Answer({"at": now - DAY / 2}, now, None), event)
