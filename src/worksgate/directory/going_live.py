"""What going live keeps: LINE WORKS' members, what a rehearsal found, the plan, the start.

Members and findings may be 100,000 rows and are written a few hundred at a time, so that no sign-in
waits for a long transaction. Such a set of rows has an ID, and becomes the current one when its
answer names it, in the transaction that counts its rows: a reader sees all of one set or all of the
one before.
Whoever sweeps away other sets may meet one that is being written; that one then lacks rows, and is
refused in the end. The current set is never swept away.
"""

import asyncio
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, delete, func, insert, select

from worksgate.audit import AuditEvent, Event
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory.wizard_answers import Answer, replace_answer

AT_ONCE: Final = 500
"""Rows of one transaction: a few milliseconds."""
PAUSE: Final = 0.01
"""Seconds after each of these transactions, in which requests have the database to themselves."""
MOST_EXAMINED: Final = 200_000
"""Records that are looked through for mail programs: a tenth of a second."""

_SET_ID: Final = "id"
"""Where an answer names the current set."""
_ANSWERS: Final = schema.wizard_answers
_MEMBERS: Final = schema.line_works_members
_FINDINGS: Final = schema.rehearsal_findings
_AUDIT: Final = schema.audit.c
_MAIL: Final = tuple(
    event.value for event in (Event.IMAP_SUCCEEDED, Event.IMAP_FAILED, Event.IMAP_REFUSED)
)


class MemberState(StrEnum):
    """What LINE WORKS says of a member."""

    ACTIVE = auto()
    PENDING = auto()
    """Not registered yet; becomes active when SSO is applied."""
    SUSPENDED = auto()
    DELETED = auto()
    UNKNOWN = auto()
    """The file does not say, or in words that are not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of LINE WORKS; ``account`` is in lower case."""

    account: str
    name: str = ""
    external_key: str | None = None
    state: MemberState = MemberState.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """Something that a rehearsal found about a member, a person here, or both."""

    finding: str
    number: int
    account: str | None = None
    name: str = ""
    subject_id: str | None = None
    username: str | None = None
    key_here: str | None = None
    key_there: str | None = None


class AnswerName(StrEnum):
    """The names under which going live keeps its answers."""

    MEMBERS = "go_live.members"
    REHEARSAL = "go_live.rehearsal"
    PLAN = "go_live.plan"
    START = "go_live.start"


CheckBefore = Callable[[Mapping[str, Any] | None], None]
"""Gets the value that an answer replaces, if there is one; may raise to refuse."""


class GoingLiveRows(Repository[Connections]):
    """Reads and writes them; every method may raise DatabaseUnavailable.

    ``one_at_a_time`` is held while a set is written or swept away, so that this process writes one
    at a time.
    """

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self.one_at_a_time = asyncio.Lock()

    # Answers

    @run_to_completion
    async def answer(self, name: AnswerName) -> Answer | None:
        """What is kept under a name."""
        async with self._connections.reading() as connection:
            row = (await connection.execute(select(_ANSWERS).where(_is(name)))).mappings().first()
        return None if row is None else Answer(row["value"], row["at"], row["actor"])

    @run_to_completion
    async def keep(
        self,
        name: AnswerName,
        answer: Answer,
        event: AuditEvent,
        *,
        check_before: CheckBefore | None = None,
    ) -> None:
        """Keep an answer in place of an earlier one, with its audit record."""
        async with self._connections.writing() as connection:
            if check_before is not None:
                check_before(await connection.scalar(select(_ANSWERS.c.value).where(_is(name))))
            await replace_answer(connection, name.value, answer, event)

    @run_to_completion
    async def forget(self, names: Sequence[AnswerName], event: AuditEvent) -> bool:
        """Drop answers, with the audit record; False if there were none."""
        found = delete(_ANSWERS).where(_ANSWERS.c.name.in_(names))
        async with self._connections.writing() as connection:
            if not (await connection.execute(found)).rowcount:
                return False
            await write_events(connection, event)
            return True

    async def started_at(self) -> float | None:
        """When SSO was applied at LINE WORKS, in seconds since the epoch, if that was noted."""
        answer = await self.answer(AnswerName.START)
        return None if answer is None else float(answer.value["at"])

    # Members

    @run_to_completion
    async def add_members(self, reading: str, members: Sequence[Member]) -> None:
        """Add some members to a reading that is not current yet."""
        rows = [
            {
                "reading": reading,
                "account": each.account,
                "name": each.name,
                "external_key": each.external_key,
                "state": each.state.value,
            }
            for each in members
        ]
        async with self._connections.writing() as connection:
            await connection.execute(insert(_MEMBERS), rows)

    async def make_members_current(
        self, reading: str, number: int, answer: Answer, event: AuditEvent
    ) -> bool:
        """Replace the current reading by one of so many members; False if some are missing."""
        own = _MEMBERS.c.reading == reading
        return await self._make_current(AnswerName.MEMBERS, own, number, answer, event)

    async def members(self, reading: str) -> list[Member]:
        """All members of a reading, by account, read a page at a time."""
        found: list[Member] = []
        while page := await self._members_after(reading, found[-1].account if found else ""):
            found += page
        return found

    async def sweep_members(self) -> None:
        """Remove the members of all readings but the current one."""
        await self._sweep(AnswerName.MEMBERS, _MEMBERS.c.reading, _MEMBERS.c.account)

    @run_to_completion
    async def _members_after(self, reading: str, account: str) -> list[Member]:
        query = select(_MEMBERS).where(_MEMBERS.c.reading == reading, _MEMBERS.c.account > account)
        async with self._connections.reading() as connection:
            rows = await connection.execute(query.order_by(_MEMBERS.c.account).limit(10 * AT_ONCE))
            return [
                Member(
                    account=row.account,
                    name=row.name,
                    external_key=row.external_key,
                    state=MemberState(row.state),
                )
                for row in rows
            ]

    # Findings

    @run_to_completion
    async def add_findings(self, rehearsal: str, rows: Sequence[FindingRow]) -> None:
        """Add some findings to a rehearsal that is not current yet."""
        names = [column.name for column in _FINDINGS.c if column.name != "rehearsal"]
        values = [
            {"rehearsal": rehearsal, **{name: getattr(each, name) for name in names}}
            for each in rows
        ]
        async with self._connections.writing() as connection:
            await connection.execute(insert(_FINDINGS), values)

    async def make_rehearsal_current(
        self, rehearsal: str, number: int, answer: Answer, event: AuditEvent
    ) -> bool:
        """Replace the current rehearsal by one with so many findings; False if some are missing."""
        own = _FINDINGS.c.rehearsal == rehearsal
        return await self._make_current(AnswerName.REHEARSAL, own, number, answer, event)

    @run_to_completion
    async def findings(
        self, rehearsal: str, finding: str, after: int, limit: int
    ) -> list[FindingRow]:
        """The next rows of one finding after a number, from 1."""
        columns = _FINDINGS.c
        query = select(*(column for column in columns if column.name != "rehearsal")).where(
            columns.rehearsal == rehearsal, columns.finding == finding, columns.number > after
        )
        async with self._connections.reading() as connection:
            rows = await connection.execute(query.order_by(columns.number).limit(limit))
            return [FindingRow(**row) for row in rows.mappings()]

    async def sweep_findings(self) -> None:
        """Remove the findings of all rehearsals but the current one."""
        await self._sweep(AnswerName.REHEARSAL, _FINDINGS.c.rehearsal, _FINDINGS.c.number)

    # What else a rehearsal asks

    @run_to_completion
    async def mail_program_users(self, since: float) -> frozenset[str]:
        """Subjects, and names as typed, of whom mail programs came since then.

        Of the newest ``MOST_EXAMINED`` records only.
        """
        newest = (
            select(_AUDIT.event, _AUDIT.subject_id, _AUDIT.username)
            .where(_AUDIT.at >= since)
            .order_by(_AUDIT.at.desc())
            .limit(MOST_EXAMINED)
            .subquery()
        )
        query = select(newest.c.subject_id, newest.c.username).distinct()
        async with self._connections.reading() as connection:
            rows = await connection.execute(query.where(newest.c.event.in_(_MAIL)))
            return frozenset(value for row in rows for value in row if value)

    @run_to_completion
    async def holders_of_app_passwords(self) -> frozenset[str]:
        """The subjects of everybody who has an app password."""
        query = select(schema.app_passwords.c.subject_id).distinct()
        async with self._connections.reading() as connection:
            return frozenset(await connection.scalars(query))

    @run_to_completion
    async def _make_current(
        self,
        name: AnswerName,
        own: ColumnElement[bool],
        number: int,
        answer: Answer,
        event: AuditEvent,
    ) -> bool:
        async with self._connections.writing() as connection:
            if await connection.scalar(select(func.count()).where(own)) != number:
                return False
            await replace_answer(connection, name.value, answer, event)
            return True

    async def _sweep(self, name: AnswerName, set_id: Column[str], row_id: Column[Any]) -> None:
        """Remove the rows of all sets but the current one, a few at a time."""
        for is_other in (operator.lt, operator.gt):  # each look for one is a step in the index
            while True:
                if not await self._sweep_some(name, set_id, row_id, is_other):
                    break
                await asyncio.sleep(PAUSE)

    @run_to_completion
    async def _sweep_some(
        self,
        name: AnswerName,
        set_id: Column[str],
        row_id: Column[Any],
        is_other: Callable[[Any, str], ColumnElement[bool]],
    ) -> bool:
        """Remove some rows. Which set is current is read with them: it may be another by now."""
        async with self._connections.writing() as connection:
            value = await connection.scalar(select(_ANSWERS.c.value).where(_is(name)))
            current: str = "" if value is None else value[_SET_ID]
            other = await connection.scalar(
                select(set_id).where(is_other(set_id, current)).limit(1)
            )
            if other is None:
                return False
            some = select(row_id).where(set_id == other).limit(AT_ONCE)
            await connection.execute(delete(set_id.table).where(set_id == other, row_id.in_(some)))
            return True


def _is(name: AnswerName) -> ColumnElement[bool]:
    return _ANSWERS.c.name == name.value
