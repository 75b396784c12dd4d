"""People who leave: now, or at a time that was planned.

A row stays until every step of the departure is done, so that none is lost if a process ends in
between, or a store does not respond; ``administration.departures`` carries them out. Each step has
an audit record, its proof.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.database import schema
from worksgate.database.audit_rows import encoded
from worksgate.database.recording import write_event, write_events
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.database.schema import NOT_OF_CALLS
from worksgate.directory.queries import version_of_person

_TABLE, _AUDIT = schema.departures, schema.audit
_LEAVES, _FAILED, _PROOFS = "leaves: ", "leaving, failed to ", 100


class Step(StrEnum):
    """What is done when a person leaves, as the audit log calls it."""

    DISABLED = "disabled"
    SIGNED_OUT = "sessions, codes and tokens ended"
    APP_PASSWORDS = "app passwords removed"
    SUSPENDED_THERE = "suspended at LINE WORKS"
    SIGNED_OUT_THERE = "sign-out accepted by LINE WORKS"
    REFUSED_THERE = "not done at LINE WORKS"
    """Something there is left to an administrator; the record says what and why."""

    @property
    def is_there(self) -> bool:
        """Whether LINE WORKS does it."""
        return self in (Step.SUSPENDED_THERE, Step.SIGNED_OUT_THERE, Step.REFUSED_THERE)


TRIED: Final[Mapping[Step, str]] = {
    Step.DISABLED: "disable",
    Step.SIGNED_OUT: "end sessions, codes and tokens",
    Step.APP_PASSWORDS: "remove app passwords",
    Step.SUSPENDED_THERE: "suspend at LINE WORKS",
    Step.SIGNED_OUT_THERE: "sign out at LINE WORKS",
}
"""The steps that can be tried, as a record says that one has failed."""


LEFT_OVER: Final[Mapping[Step, str]] = {
    Step.SUSPENDED_THERE: "suspend",
    Step.SIGNED_OUT_THERE: "sign out",
}
"""What is left to an administrator, as the record says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A person of ``source`` who leaves at ``due_at``; times are in seconds since the epoch.

    ``username`` is that of the time at which it was planned, by ``actor``; so is ``role``, theirs
    in the console, if any. ``suspends``: they are suspended at LINE WORKS, too, where its API is
    set up. ``session`` and ``request_id`` are those of the console in which it was planned.
    """

    subject_id: str
    source: str
    username: str
    due_at: float
    planned_at: float
    actor: str | None = None
    role: str | None = None
    suspends: bool | None = None
    session: str | None = None
    request_id: str | None = None

    def event(self, at: float, detail: str) -> AuditEvent:
        """An audit record about it."""
        return self._event(at, _LEAVES + detail)

    def failure(self, at: float, step: Step, why: str) -> AuditEvent:
        """The audit record of a step that has failed; the previous release does not read it."""
        return self._event(at, f"{_FAILED}{TRIED[step]}: {why}")

    def _event(self, at: float, detail: str) -> AuditEvent:
        return AuditEvent(
            event=Event.USER_CHANGED,
            at=at,
            subject_id=self.subject_id,
            username=self.username,
            actor=self.actor,
            detail=detail,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A step that was done: how many things ended by it, when, and the ID of its audit record.

    ``detail`` is what the record says besides: why something was not done.
    """

    step: Step
    count: int
    at: float
    record: int
    detail: str = ""

    @property
    def left_over(self) -> Step | None:
        """The step that LINE WORKS has refused, if it has."""
        what = self.detail.partition(": ")[0]
        is_refusal = self.step is Step.REFUSED_THERE
        return next((s for s, text in LEFT_OVER.items() if is_refusal and text == what), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a step has failed, when it was tried, and the ID of the audit record."""

    why: str
    at: float
    record: int


CheckSeen = Callable[[int | None, float | None], None]
"""Gets the version of the person and when their departure was planned; may raise to refuse."""


class Departures(Repository[Connections]):
    """The departures; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def plan(
        self,
        departure: Departure,
        event: AuditEvent | None = None,
        *,
        check_seen: CheckSeen | None = None,
    ) -> None:
        """Keep a departure in place of an earlier one of the same person, with its audit record."""
        values = {column.name: getattr(departure, column.name) for column in _TABLE.c}
        async with self._connections.writing() as connection:
            await _check(connection, departure.subject_id, check_seen)
            await _delete(connection, departure.subject_id)
            await connection.execute(insert(_TABLE).values(values))
            if event is not None:
                await write_events(connection, event)

    @run_to_completion
    async def cancel(
        self, subject_id: str, event: AuditEvent, *, check_seen: CheckSeen | None = None
    ) -> bool:
        """Drop a departure, with the audit record; False if there is none."""
        async with self._connections.writing() as connection:
            await _check(connection, subject_id, check_seen)
            if not await _delete(connection, subject_id):
                return False
            await write_events(connection, event)
            return True

    async def all(self) -> list[Departure]:
        """All that are planned or not finished, the next one first."""
        return await self._found(select(_TABLE).order_by(_TABLE.c.due_at, _TABLE.c.subject_id))

    async def of(self, subject_id: str) -> Departure | None:
        """The departure of a person that is planned or not finished."""
        found = await self._found(select(_TABLE).where(_TABLE.c.subject_id == subject_id))
        return found[0] if found else None

    async def next(self, limit: int) -> list[Departure]:
        """The next ones."""
        query = select(_TABLE).order_by(_TABLE.c.due_at, _TABLE.c.subject_id)
        return await self._found(query.limit(limit))

    @run_to_completion
    async def proofs(self, subject_id: str) -> list[Proof]:
        """The steps of a person's last departure, the first of them first."""
        columns = _AUDIT.c
        query = (
            select(columns.id, columns.at, columns.detail)
            .where(
                NOT_OF_CALLS,  # with it, the index finds them
                columns.subject_id == encoded(subject_id),
                columns.event == Event.USER_CHANGED.value,
                columns.detail.startswith(_LEAVES, autoescape=True),
            )
            .order_by(columns.id.desc())
            .limit(_PROOFS)
        )
        async with self._connections.reading() as connection:
            return _last_departure((await connection.execute(query)).all())

    @run_to_completion
    async def has_left_since(self, subject_id: str, since: float) -> bool:
        """Whether a step of a departure of a person was done then or later."""
        columns = _AUDIT.c
        steps = [columns.detail.startswith(_LEAVES + each, autoescape=True) for each in Step]
        query = select(columns.id).where(
            NOT_OF_CALLS,
            columns.subject_id == encoded(subject_id),
            columns.event == Event.USER_CHANGED.value,
            columns.at >= since,
            or_(*steps),
        )
        async with self._connections.reading() as connection:
            return await connection.scalar(query.limit(1)) is not None

    async def due(self, until: float, limit: int) -> list[Departure]:
        """Those whose time has come, the first of them first."""
        query = select(_TABLE).where(_TABLE.c.due_at <= until)
        return await self._found(query.order_by(_TABLE.c.due_at).limit(limit))

    @run_to_completion
    async def prove(
        self, departure: Departure, step: Step, count: int, now: float, why: str = ""
    ) -> int:
        """The ID of the audit record of a step, which is written if there is none yet.

        ``count`` is how many things the step has ended just now; any are recorded in any case.
        ``why`` is recorded in its place.
        """
        detail = step.value if step is Step.DISABLED else f"{step}: {why or count}"
        columns = _AUDIT.c
        proofs = select(columns.id).where(
            columns.subject_id == encoded(departure.subject_id),
            columns.event == Event.USER_CHANGED.value,
            columns.at >= departure.planned_at,
            columns.detail.startswith(_LEAVES + step, autoescape=True),
        )
        newest = proofs.order_by(columns.id.desc()).limit(1)
        async with self._connections.writing() as connection:
            proof = await connection.scalar(newest)
            if proof is None or (count and step is not Step.DISABLED):
                return await write_event(connection, departure.event(now, detail))
            return int(proof)

    @run_to_completion
    async def note_failure(
        self, departure: Departure, step: Step, why: str, now: float, *, unless_since: float | None
    ) -> int:
        """The ID of the audit record of a try that has failed; one since a time will do."""
        async with self._connections.writing() as connection:
            if unless_since is not None:
                what = f"{TRIED[step]}: "
                recorded = _failures_of(departure.subject_id, what, unless_since).limit(1)
                if (found := (await connection.execute(recorded)).first()) is not None:
                    return int(found.id)
            return await write_event(connection, departure.failure(now, step, why))

    @run_to_completion
    async def failures(self, subject_id: str, since: float) -> Mapping[Step, Failure]:
        """Why each step of a person's departure failed when it was last tried, since a time."""
        query = _failures_of(subject_id, "", since).limit(_PROOFS)
        async with self._connections.reading() as connection:
            rows = (await connection.execute(query)).all()
        steps = {what: step for step, what in TRIED.items()}
        found: dict[Step, Failure] = {}
        for number, at, detail in rows:
            what, _, why = detail.removeprefix(_FAILED).partition(": ")
            if what in steps:
                found.setdefault(steps[what], Failure(why=why, at=at, record=number))
        return found

    @run_to_completion
    async def finish(self, departure: Departure) -> None:
        """Drop a departure that has been carried out, unless it was planned again meanwhile."""
        async with self._connections.writing() as connection:
            await _delete(connection, departure.subject_id, departure.due_at)

    @run_to_completion
    async def _found(self, query: Select[Any]) -> list[Departure]:
        async with self._connections.reading() as connection:
            rows: Sequence[Any] = (await connection.execute(query)).mappings().all()
        return [Departure(**row) for row in rows]


async def _check(
    connection: AsyncConnection, subject_id: str, check_seen: CheckSeen | None
) -> None:
    """Compare what somebody has seen, in the transaction that changes it."""
    if check_seen is not None:
        theirs = select(_TABLE.c.planned_at).where(_TABLE.c.subject_id == subject_id)
        planned_at = await connection.scalar(theirs)
        check_seen(await version_of_person(connection, subject_id), planned_at)


async def _delete(
    connection: AsyncConnection, subject_id: str, due_at: float | None = None
) -> bool:
    statement = delete(_TABLE).where(_TABLE.c.subject_id == subject_id)
    if due_at is not None:
        statement = statement.where(_TABLE.c.due_at == due_at)
    return (await connection.execute(statement)).rowcount == 1


def _failures_of(subject_id: str, what: str, since: float) -> Select[Any]:
    """The records of failures of a person, the newest first."""
    columns = _AUDIT.c
    theirs = (
        NOT_OF_CALLS,  # with it, the index finds them
        columns.subject_id == encoded(subject_id),
        columns.event == Event.USER_CHANGED.value,
        columns.at >= since,
        columns.detail.startswith(_FAILED + what, autoescape=True),
    )
    return select(columns.id, columns.at, columns.detail).where(*theirs).order_by(columns.id.desc())


def _last_departure(newest_first: Sequence[Any]) -> list[Proof]:
    """The steps up to the newest with which a person was disabled; a plan is none."""
    proofs: list[Proof] = []
    for number, at, detail in newest_first:
        name, _, said = detail.removeprefix(_LEAVES).partition(": ")
        if name not in list(Step):
            break
        step = Step(name)
        count = int(said) if said.isdigit() else 0
        why = "" if said.isdigit() else said
        proofs.append(Proof(step=step, count=count, at=at, record=number, detail=why))
        if step is Step.DISABLED:
            break
    return proofs[::-1]
