"""``GoingLive``: LINE WORKS' members, rehearsals, the plan, and the start of the day."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from worksgate.administration.actor import Actor
from worksgate.administration.clients import chosen_client
from worksgate.administration.errors import NotFound, Outdated, Refused
from worksgate.administration.going_live.at_sources import AskSources, ask_none
from worksgate.administration.going_live.examination import (
    HINTS,
    STOPS,
    Finding,
    FindingCounter,
    Found,
    Standard,
    examine,
    is_left_out,
)
from worksgate.administration.going_live.members_file import NO_CHOICES, Choices, read_members
from worksgate.administration.going_live.plan import Plan
from worksgate.administration.line_works_api import Access, LineWorksApiAdministration
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.secrets import new_id
from worksgate.directory.database import Directory
from worksgate.directory.going_live import (
    AT_ONCE,
    PAUSE,
    AnswerName,
    FindingRow,
    Member,
)
from worksgate.directory.people_list import Listed
from worksgate.directory.wizard_answers import Answer
from worksgate.line_works_api.app import READ
from worksgate.oauth.model import Client, ImapPasswords, SecondFactor

MAIL_SEEN_WITHIN: Final = 30 * 86_400.0
"""Seconds back for which records are searched for mail programs."""
AHEAD: Final = 60.0
"""Seconds by which the clock of whoever types a start may be ahead."""
_FASTER: Final = "somebody else did the same at that time; nothing was kept: please do it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersRead:
    """The current reading of the members; ``is_asked``: from LINE WORKS itself, not from a file.

    ``met_twice`` of them it named again, since somebody changed its members meanwhile.
    """

    reading: str
    number: int
    at: float
    actor: str | None
    is_asked: bool = False
    met_twice: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """The members that LINE WORKS named; ``met_twice`` as in ``MembersRead``."""

    members: Sequence[Member]
    met_twice: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a rehearsal found, in numbers.

    ``members`` are those of LINE WORKS, without ``left_out``, who are suspended or deleted there;
    None without a file. ``people`` are those here whom the client takes. ``counts`` has a number
    for each finding. ``is_mail_known`` is whether mail programs could be looked at; ``is_asked``
    whether LINE WORKS itself named its members, and ``met_twice`` how many of them it named again,
    since they were changed meanwhile: others may be missing. Of the sources ``unasked`` only those
    people are known who have signed in.
    """

    id: str
    at: float
    actor: str | None
    client: str
    user_key: str
    members: int | None
    left_out: int
    members_at: float | None
    people: int
    needs_factor: bool
    is_mail_known: bool
    counts: Mapping[str, int]
    is_asked: bool = False
    met_twice: int = 0
    unasked: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Of how many it speaks: members, or else people here."""
        return self.people if self.members is None else self.members

    @property
    def ready(self) -> int:
        return self.count(Finding.READY)

    def count(self, finding: Finding) -> int:
        """How many rows a finding has."""
        return self.counts.get(finding.value, 0)

    def findings(self) -> tuple[Finding, ...]:
        """What could be found at all, in the order in which it is shown."""
        there = (Finding.NOBODY_HERE, Finding.NO_KEY_THERE, Finding.KEY_DIFFERS, Finding.DUPLICATE)
        unknown = there if self.members is None else ()
        hints = [
            each
            for each in HINTS
            if (each is not Finding.NO_SECOND_FACTOR or self.needs_factor)
            and (each is not Finding.NO_APP_PASSWORD or self.is_mail_known)
        ]
        more = () if self.members is None else (Finding.NOT_A_MEMBER,)
        stops = [each for each in STOPS if each not in unknown]
        return (*stops, *hints, Finding.READY, *more)


@dataclass(frozen=True, slots=True)
class Examined:
    """A rehearsal that was not kept, with all of its findings."""

    rehearsal: Rehearsal
    rows: Sequence[FindingRow]


@dataclass(slots=True)
class _Room:
    """What a rehearsal works with."""

    client: Client
    standard: Standard
    people: list[Listed]
    unasked: tuple[str, ...]
    tally: FindingCounter = field(default_factory=FindingCounter)


class GoingLive:
    """The steps of going live; every method may raise DatabaseUnavailable.

    Without ``api``, LINE WORKS cannot be asked for its members.
    """

    def __init__(
        self, directory: Directory, actor: Actor, api: LineWorksApiAdministration | None = None
    ) -> None:
        self._directory = directory
        self._api = api
        self._rows = directory.going_live
        self._actor = actor

    # Members

    async def read_members(self, data: bytes, choices: Choices = NO_CHOICES) -> MembersRead:
        """Read the file of LINE WORKS' console, in place of an earlier one.

        Raises BadMembersFile, or Refused if somebody else was doing the same: nothing is changed.
        """
        async with self._rows.one_at_a_time:
            members = await asyncio.to_thread(read_members, data, choices)
            return await self._keep_members(members)

    async def ask_members(self, client: str | None = None) -> MembersRead:
        """Read the members from LINE WORKS itself, by its API, in place of an earlier reading.

        Raises as ``read_members``, Refused or NotFound if the API is not set up, and ApiError.
        """
        asked = await ask_members(await self._access(client))
        async with self._rows.one_at_a_time:
            return await self._keep_members(asked.members, asked)

    async def can_ask(self, client: str | None = None) -> bool:
        """Whether the API of a client is set up."""
        try:
            await self._access(client)
        except (NotFound, Refused):
            return False
        return True

    async def members_read(self) -> MembersRead | None:
        """The current reading, if there is one."""
        answer = await self._rows.answer(AnswerName.MEMBERS)
        return None if answer is None else _members_read(answer)

    async def remove_members(self) -> None:
        """Remove the members, and the rehearsal in which they are named. Raises NotFound."""
        event = self._event("the members of LINE WORKS were removed")
        async with self._rows.one_at_a_time:
            if not await self._rows.forget((AnswerName.MEMBERS, AnswerName.REHEARSAL), event):
                raise NotFound("there are no members of LINE WORKS here")
            await self._rows.sweep_members()
            await self._rows.sweep_findings()

    # Rehearsals

    async def rehearse(
        self, client: str | None = None, sources: AskSources = ask_none
    ) -> Rehearsal:
        """Examine the members that were read, or else our people alone, and keep the findings.

        ``client`` is a name or an ID, and needed if there are several; ``sources`` adds people who
        have never signed in. Raises NotFound, or Refused.
        """
        async with self._rows.one_at_a_time:
            return await self._rehearse(client, sources)

    async def examine(
        self,
        data: bytes | None,
        client: str | None = None,
        choices: Choices = NO_CHOICES,
        sources: AskSources = ask_none,
    ) -> Examined:
        """The same for a file, or for our people alone; nothing is kept. Raises as they do."""
        members = None if data is None else read_members(data, choices)
        return await self._examined(members, await self._room(client, sources))

    async def examine_asked(
        self, client: str | None = None, sources: AskSources = ask_none
    ) -> Examined:
        """The same for the members that LINE WORKS itself names. Raises as ``ask_members``."""
        access = await self._access(client)
        asked = await ask_members(access)
        room = await self._room(access.client.client_id, sources)
        return await self._examined(asked.members, room, asked)

    async def _examined(
        self, members: Sequence[Member] | None, room: _Room, asked: Asked | None = None
    ) -> Examined:
        rows = [row async for some in _numbered(members, room) for row in some]
        at = None if members is None else self._actor.now()
        rehearsal = self._rehearsal("", members, at, room)
        if asked is not None:
            rehearsal = replace(rehearsal, is_asked=True, met_twice=asked.met_twice)
        return Examined(rehearsal, rows)

    async def last_rehearsal(self) -> Rehearsal | None:
        """The rehearsal that was kept last."""
        answer = await self._rows.answer(AnswerName.REHEARSAL)
        return None if answer is None else msgspec.convert(answer.value, Rehearsal)

    async def findings(self, finding: Finding, after: int, limit: int) -> list[FindingRow]:
        """The next rows of a finding of the last rehearsal, after a number, from 1."""
        last = await self.last_rehearsal()
        if last is None:
            return []
        return await self._rows.findings(last.id, finding.value, after, limit)

    async def record_export(self, finding: Finding, count: int) -> None:
        """Record that somebody takes findings away, before they get them (R-159)."""
        await self._directory.record(
            [self._event(f"{count} findings of the rehearsal were exported: {finding}")]
        )

    # The plan, and the day

    async def plan(self) -> Plan:
        """The plan, as it was kept last."""
        answer = await self._rows.answer(AnswerName.PLAN)
        return _plan(None if answer is None else answer.value)

    async def keep_plan(self, plan: Plan, *, before: Plan | None = None) -> None:
        """Keep the plan, in place of the one before.

        Raises Outdated if it is not the plan ``before`` that would be replaced.
        """

        def check_before(value: Mapping[str, Any] | None) -> None:
            if before not in (None, _plan(value)):
                raise Outdated("somebody else has changed the plan")

        event = self._event("the plan of going live was changed")
        answer = self._answer(plan.document())
        await self._rows.keep(AnswerName.PLAN, answer, event, check_before=check_before)

    async def start(self, at: float | None = None) -> None:
        """Note that SSO was applied, now or at a time; the live view counts from then.

        Raises Refused for a time in the future, or one more than a day ago.
        """
        now = self._actor.now()
        began = now if at is None else at
        if not now - 86_400.0 <= began <= now + AHEAD:
            raise Refused("the live view begins within the last 24 hours")
        event = self._event("APPLY was pressed: the live view has begun")
        await self._rows.keep(AnswerName.START, self._answer({"at": began}), event)

    async def end(self) -> None:
        """End the live view. Raises NotFound if it has not begun."""
        event = self._event("the live view has ended")
        if not await self._rows.forget((AnswerName.START,), event):
            raise NotFound("the live view has not begun")

    async def started_at(self) -> float | None:
        """When SSO was applied, in seconds since the epoch, if the live view has begun."""
        return await self._rows.started_at()

    # Parts

    async def _access(self, client: str | None) -> Access:
        if self._api is None:
            raise Refused("the Directory API is not set up")
        return await self._api.access(client)

    async def _keep_members(
        self, members: Sequence[Member], asked: Asked | None = None
    ) -> MembersRead:
        reading, number = new_id(), len(members)
        for some in _portions(members):
            await self._rows.add_members(reading, some)
            await asyncio.sleep(PAUSE)
        value = {"id": reading, "number": number, "is_asked": asked is not None}
        answer = self._answer(value | ({"met_twice": asked.met_twice} if asked else {}))
        how = "by its API" if asked else "from a file"
        event = self._event(f"{number} members of LINE WORKS were read {how}")
        if not await self._rows.make_members_current(reading, number, answer, event):
            raise Refused(_FASTER)
        await self._rows.sweep_members()
        return _members_read(answer)

    async def _rehearse(self, client: str | None, sources: AskSources) -> Rehearsal:
        read = await self.members_read()
        members = None if read is None else await self._rows.members(read.reading)
        room = await self._room(client, sources)
        rehearsal, number = new_id(), 0
        async for some in _numbered(members, room):
            await self._rows.add_findings(rehearsal, some)
            await asyncio.sleep(PAUSE)
            number += len(some)
        members_at = None if read is None else read.at
        done = self._rehearsal(rehearsal, members, members_at, room)
        if read is not None:
            done = replace(done, is_asked=read.is_asked, met_twice=read.met_twice)
        answer = self._answer(msgspec.to_builtins(done))
        event = self._event(f"rehearsed: {done.ready} of {done.total} are ready")
        if not await self._rows.make_rehearsal_current(rehearsal, number, answer, event):
            raise Refused(_FASTER)
        await self._rows.sweep_findings()
        return done

    async def _room(self, client_name: str | None, sources: AskSources) -> _Room:
        client = await chosen_client(self._directory, client_name)
        asks_app_passwords = (
            client.imap_login and client.imap_passwords is ImapPasswords.APP_PASSWORDS
        )
        standard = Standard(
            user_key=client.user_key,
            sources=client.sources,
            needs_factor=client.second_factor is SecondFactor.REQUIRED,
            mail_users=await self._rows.mail_program_users(self._actor.now() - MAIL_SEEN_WITHIN)
            if asks_app_passwords
            else None,
            app_password_holders=await self._rows.holders_of_app_passwords()
            if asks_app_passwords
            else frozenset(),
        )
        at_sources = await sources(client.sources)
        known = [each async for page in self._directory.people_list.everybody() for each in page]
        return _Room(client, standard, at_sources.with_known(known), at_sources.unasked)

    def _rehearsal(
        self,
        id_: str,
        members: Sequence[Member] | None,
        members_at: float | None,
        room: _Room,
    ) -> Rehearsal:
        left_out = sum(map(is_left_out, members or ()))
        return Rehearsal(
            id=id_,
            at=self._actor.now(),
            actor=self._actor.name,
            client=room.client.name,
            user_key=room.client.user_key.value,
            members=None if members is None else len(members) - left_out,
            left_out=left_out,
            members_at=members_at,
            people=sum(map(room.standard.takes, room.people)),
            needs_factor=room.standard.needs_factor,
            is_mail_known=room.standard.mail_users is not None,
            counts={each.value: room.tally.counts[each] for each in Finding},
            unasked=room.unasked,
        )

    def _answer(self, value: Mapping[str, Any]) -> Answer:
        return Answer(value, self._actor.now(), self._actor.name)

    def _event(self, detail: str) -> AuditEvent:
        return self._actor.event(Event.SYSTEM, f"going live: {detail}")


def _plan(value: Mapping[str, Any] | None) -> Plan:
    return Plan() if value is None else Plan.of(value)


def _members_read(answer: Answer) -> MembersRead:
    return MembersRead(
        reading=answer.value["id"],
        number=answer.value["number"],
        at=answer.at,
        actor=answer.actor,
        is_asked=answer.value.get("is_asked", False),
        met_twice=answer.value.get("met_twice", 0),
    )


async def ask_members(access: Access) -> Asked:
    """Everybody at LINE WORKS with their key. Raises Refused or ApiError."""
    access.check_may(READ)
    found: dict[str, Member] = {}
    async with access.open() as api:
        async for each in api.members():
            account = each.account or each.id
            found[each.id] = Member(account=account, external_key=each.external_key)
        return Asked(list(found.values()), api.met_twice)


async def _numbered(
    members: Sequence[Member] | None, room: _Room
) -> AsyncIterator[list[FindingRow]]:
    """All findings as rows, some at a time; other work gets its turn in between."""
    found_ = examine(members, room.people, room.standard)
    for some in _portions(found_):
        yield [_row(each, room.tally.number(each), room.standard) for each in some]
        await asyncio.sleep(0)


def _portions(items: Iterable[Any]) -> Iterable[list[Any]]:
    some: list[Any] = []
    for each in items:
        some.append(each)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _row(each: Found, number: int, standard: Standard) -> FindingRow:
    member, person = each.member, each.person
    name = (person.name if person else "") or (member.name if member else "")
    return FindingRow(
        finding=each.finding.value,
        number=number,
        account=member.account if member else None,
        name=name,
        subject_id=person.subject_id if person else None,
        username=person.username if person else None,
        key_here=standard.key_of(person) if person else None,
        key_there=standard.key_there(member) if member else None,
    )
