"""The demonstrated company in the database: its owner, 300 people, and their four weeks.

Everything is written once, at the first start in a folder; only the owner's authenticator app is
new at each start, as all secrets of the demonstration are. People share one password, and one hash
of it: three hundred would take as long as all the rest.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from worksgate.administration import Administration, NotFound
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.stores import open_directory
from worksgate.cli.demo.history import DAY, WEEKS, History, RecordedPerson, joining
from worksgate.cli.demo.mistakes import JOINER, MISTYPED_CLIENT, mistyped
from worksgate.cli.demo.people import PASSWORD
from worksgate.cli.demo.staff import Employee, contractors, employees
from worksgate.credentials.secrets import digest, new_id
from worksgate.directory import Account
from worksgate.directory.factors import TotpSecret
from worksgate.oauth.redirect_uri import why_not_listed
from worksgate.provider.factors.totp import SECRET_BYTES, encode_secret
from worksgate.settings.options import Settings
from worksgate.settings.sources import OidcSettings
from worksgate.sources import Person

OWNER = "naoko@example.com"
OWNER_NAME = "小林 直子"
DISABLED = 3
"""People who have left."""
AT_ONCE = 1_000
"""Records that are written in one statement."""
NEVER = 6
"""People who have not signed in yet."""


@dataclass(frozen=True, slots=True)
class DemoOwner:
    """The owner of the console, with the secret of their authenticator app in Base32."""

    account: Account
    totp_secret: str = field(repr=False)


class Calendar:
    """A clock that stands still while ``at`` is set, so that what is made looks old."""

    def __init__(self, at: float | None = None) -> None:
        self.at = at

    def __call__(self) -> float:
        return time.time() if self.at is None else self.at


def first_day(settings: Settings) -> Calendar:
    """The day on which the company began, or today if its database is there already."""
    file = settings.database_file
    is_there = file is not None and file.exists()
    return Calendar(None if is_there else time.time() - WEEKS * 7 * DAY)


async def prepare_company(settings: Settings, client: str, redirect_uri: str) -> DemoOwner:
    """Write what is not there yet; ``client`` is the name of the one that everybody uses.

    ``redirect_uri`` is that of the simulator, which one client gets with a letter missing.
    """
    calendar, now = Calendar(), time.time()
    async with AsyncExitStack() as stack:
        opening = open_administration(settings, actor="demo", clock=calendar)
        administration = await stack.enter_async_context(opening)
        house = _House(settings, stack, now)
        with suppress(NotFound):
            return await house.with_app(await administration.users.get(OWNER))
        calendar.at = now - WEEKS * 7 * DAY
        added = await _add_owner(administration)
        client_id = (await administration.clients.get(client)).client_id

        async def open_office() -> tuple[str, str]:
            calendar.at = now - OFFICE_AGE
            listed = mistyped(redirect_uri)
            office = await administration.clients.add(
                MISTYPED_CLIENT, redirect_uris=(listed,), domain="office.example.com"
            )
            return office.client.client_id, why_not_listed(redirect_uri, (listed,))

        await house.move_in(added, client_id, open_office)
        return await house.with_app(await administration.users.get(OWNER))


async def _add_owner(administration: Administration) -> Account:
    added = await administration.users.add(
        OWNER, password=PASSWORD, name=OWNER_NAME, external_key="E-1000", works_account=OWNER
    )
    await administration.administrators.set_role(OWNER, Role.OWNER)
    return added.account


OFFICE_AGE = 7 * DAY
"""Seconds since the client of the new office was added: before anybody was refused there."""
OpenOffice = Callable[[], Awaitable[tuple[str, str]]]
"""Adds it; returns its ID, and why its people do not even see a page."""


class _House:
    """The database in which they live: what no administrator could do is written as it is."""

    def __init__(self, settings: Settings, stack: AsyncExitStack, now: float) -> None:
        self._directory = open_directory(settings, stack)
        self._source = next(each for each in settings.sources if isinstance(each, OidcSettings))
        self._now = now

    async def with_app(self, owner: Account) -> DemoOwner:
        """Give the owner a new authenticator app."""
        secret, person = secrets.token_bytes(SECRET_BYTES), owner.person
        await self._directory.factors.keep_totp(
            TotpSecret(
                subject_id=person.subject_id, secret=secret, last_step=0, created_at=self._now
            ),
            AuditEvent(
                event=Event.FACTOR_ADDED,
                at=self._now,
                subject_id=person.subject_id,
                username=person.username,
                detail="authenticator app",
            ),
        )
        return DemoOwner(owner, encode_secret(secret))

    async def move_in(self, owner: Account, client_id: str, open_office: OpenOffice) -> None:
        """Write everybody, with the owner's password, and what they have done since."""
        began, today = self._now - WEEKS * 7 * DAY, datetime.fromtimestamp(self._now).astimezone()
        staff = [_account(each, owner, began) for each in employees()]
        joiner = _account(JOINER, owner, joining(today))
        partners = [_partner(self._source.name, each) for each in contractors()]
        history = History(client_id, today)
        signing_in = [_signs_in(each.person) for each in staff[DISABLED + NEVER :]]
        records = [
            *history.of_weeks(signing_in, [_signs_in(each) for each in partners]),
            *history.without_key(_signs_in(joiner.person)),
            *_changes(staff, joiner, self._now),
        ]
        last = _last_logins(records)
        for partner in partners:
            when = last.get(partner.subject_id, began)
            await self._directory.people.remember(self._source.name, partner, when)
        async with self._directory.changing() as transaction:
            await transaction.add_accounts([*_as_they_are(staff), joiner])
        opened_at = self._now - OFFICE_AGE
        await self._write([each for each in records if each.at < opened_at])
        refused = history.not_listed(*await open_office())
        await self._write([*(each for each in records if each.at >= opened_at), *refused])
        await self._directory.people.note_logins(last)

    async def _write(self, records: Sequence[AuditEvent]) -> None:
        in_order = sorted(records, key=lambda record: record.at)
        for start in range(0, len(in_order), AT_ONCE):
            await self._directory.record(in_order[start : start + AT_ONCE])


def _as_they_are(staff: Sequence[Account]) -> list[Account]:
    """The same people, of whom some have left."""
    return [replace(account, enabled=number >= DISABLED) for number, account in enumerate(staff)]


def _account(employee: Employee, owner: Account, created_at: float) -> Account:
    """``owner`` has the hash of the password."""
    return Account(
        id=new_id(),
        username=employee.username,
        name=employee.name,
        external_key=employee.number or None,
        works_account=employee.username if employee.number else None,
        email=employee.username,
        groups=(employee.department,),
        password_hash=owner.password_hash,
        password_changed_at=created_at,
        created_at=created_at,
    )


def _partner(source: str, employee: Employee) -> Person:
    """Somebody whom the other company's provider signs in."""
    return Person(
        subject_id=f"{source}:{digest(employee.number)}",
        username=employee.username,
        name=employee.name,
        external_key=employee.number,
        email=employee.username,
        groups=(employee.department,),
    )


def _signs_in(person: Person) -> RecordedPerson:
    return RecordedPerson(person.subject_id, person.username)


def _changes(staff: Sequence[Account], joiner: Account, now: float) -> list[AuditEvent]:
    """What administrators have done: everybody was imported, some have left, somebody has come."""
    began = now - WEEKS * 7 * DAY
    changes = [(began, each, "cli:root", "added by import") for each in staff]
    changes += [
        (now - (3 + 4 * number) * DAY, each, f"console:{OWNER}", "disabled")
        for number, each in enumerate(staff[:DISABLED])
    ]
    changes.append((joiner.created_at, joiner, f"console:{OWNER}", "added"))
    return [
        AuditEvent(
            event=Event.USER_CHANGED,
            at=at,
            subject_id=account.person.subject_id,
            username=account.username,
            actor=actor,
            detail=detail,
        )
        for at, account, actor, detail in changes
    ]


def _last_logins(records: Iterable[AuditEvent]) -> dict[str, float]:
    last: dict[str, float] = {}
    for record in records:
        if record.event is Event.CODE_ISSUED and record.subject_id is not None:
            last[record.subject_id] = max(record.at, last.get(record.subject_id, 0.0))
    return last
