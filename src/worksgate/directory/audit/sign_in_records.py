"""The records of sign-ins, as the trace of a sign-in reads them: by person, address, time or ID.

Each query reads a bounded number of records by an index. Those of the calls of LINE WORKS are left
out where a person's records are looked up, and come with the ID of their sign-in; refused calls
have no such ID and are found by client and time.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event, Reason
from worksgate.database import schema
from worksgate.database.audit_rows import encoded
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory.rows import event_from

MOST: Final = 300
"""Records that one query returns at most."""
MAX_EXAMINED: Final = 200_000
"""Records that are looked through for an address: a tenth of a second."""
MAX_NEAR: Final = 20_000
"""Records before a time, and as many after it, that are looked through for an outage."""
_FAILURES: Final = tuple(
    event.value
    for event in (
        *(Event.LOGIN_FAILED, Event.LOGIN_THROTTLED, Event.LOGIN_REFUSED),
        *(Event.LOGIN_INTERRUPTED, Event.LOGIN_STEP_DUE, Event.SESSION_KEY_REFUSED),
        *(Event.FACTOR_FAILED, Event.IMAP_FAILED, Event.IMAP_REFUSED),
    )
)
_TABLE = schema.audit
_COLUMNS = schema.audit.c
_MOST_IDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``since`` until ``until``, both included, in seconds since the epoch."""

    since: float
    until: float


class SignInRecords(Repository[Connections]):
    """Reads records, the oldest first. Every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def of_person(
        self, subject_id: str | None, names: Collection[str], period: Period
    ) -> list[AuditEvent]:
        """Records about a person, and those in which one of these names was typed."""
        queries = [by_name(name) for name in names]
        if subject_id is not None:
            queries.append(by_subject(subject_id))
        async with self._connections.reading() as connection:
            found = [
                event
                for query in queries
                for event in await _events(connection, _within(query, period))
            ]
        return sorted(found, key=lambda event: event.at)[-MOST:]

    @run_to_completion
    async def of_sign_ins(self, login_ids: Collection[str]) -> list[AuditEvent]:
        """All records of these sign-ins, those of the calls too; at most fifty sign-ins."""
        ids = [encoded(each) for each in login_ids][:_MOST_IDS]
        query = select(_TABLE).where(_COLUMNS.login_id.in_(ids))
        async with self._connections.reading() as connection:
            return await _events(connection, query.order_by(_COLUMNS.id.desc()), 4 * MOST)

    @run_to_completion
    async def beginning_with(self, beginnings: Iterable[str]) -> list[str]:
        """The IDs of sign-ins that begin with the first of these texts with which any does."""
        async with self._connections.reading() as connection:
            for beginning in beginnings:
                found = await connection.scalars(by_beginning(beginning))
                if ids := [each for each in found if each and each.startswith(beginning)]:
                    return ids
        return []

    @run_to_completion
    async def at_address(self, address: str, period: Period) -> list[AuditEvent]:
        """Records of what came from an address, among the newest ``MAX_EXAMINED`` of a period."""
        async with self._connections.reading() as connection:
            return await _events(connection, by_address(address, period))

    @run_to_completion
    async def at_time(self, period: Period) -> list[AuditEvent]:
        """Records of sign-ins of anybody: of those that failed, or else of all."""
        failures = _sign_ins(period).where(_COLUMNS.event.in_(_FAILURES))
        async with self._connections.reading() as connection:
            return await _events(connection, failures) or await _events(
                connection, _sign_ins(period)
            )

    @run_to_completion
    async def refused_calls(self, client_id: str, period: Period) -> list[AuditEvent]:
        """Calls of a client that were refused."""
        query = by_refused_client(client_id, period)
        async with self._connections.reading() as connection:
            return await _events(connection, query)

    @run_to_completion
    async def interrupted(self, at: float, period: Period) -> list[AuditEvent]:
        """Sign-ins that met a source which did not respond, among those nearest to a time."""
        async with self._connections.reading() as connection:
            before = await _events(connection, by_outage(Period(since=period.since, until=at)))
            later = await connection.execute(
                by_outage(Period(since=at, until=period.until), is_after=True).limit(MOST)
            )
            after = [event_from(row) for row in later.mappings().all()]
        return before + [each for each in after if each.at > at]

    @run_to_completion
    async def changes_of(self, subject_id: str, most: int = 20) -> list[AuditEvent]:
        """What administrators have done to a person, lately."""
        query = by_subject(subject_id).where(_COLUMNS.event == Event.USER_CHANGED.value)
        async with self._connections.reading() as connection:
            return await _events(connection, query, most)

    @run_to_completion
    async def counted(self, periods: Sequence[Period]) -> list[AuditEvent]:
        """How much was not recorded one by one in these periods."""
        found: list[AuditEvent] = []
        async with self._connections.reading() as connection:
            for period in periods:
                query = _at(period).where(_COLUMNS.reason == Reason.COUNTED.value)
                found += await _events(connection, query)
        return found


def by_subject(subject_id: str) -> Select[Any]:
    """Records about a person, the newest first, without those of calls."""
    about = (_COLUMNS.subject_id == encoded(subject_id), schema.NOT_OF_CALLS)
    return select(_TABLE).where(*about).order_by(_COLUMNS.id.desc())


def by_name(name: str) -> Select[Any]:
    """Records in which a name was typed, the newest first."""
    return select(_TABLE).where(_COLUMNS.username == encoded(name)).order_by(_COLUMNS.id.desc())


def by_beginning(beginning: str) -> Select[Any]:
    """The IDs of sign-ins whose time in hexadecimal digits this is, of a few.

    The next time bounds the range: in every collation it comes after all that begin with this one.
    """
    after = f"{int(beginning, 16) + 1:0{len(beginning)}x}"
    column = _COLUMNS.login_id
    return select(column).distinct().where(column >= beginning, column < after).limit(_MOST_IDS)


def by_address(address: str, period: Period) -> Select[Any]:
    """Records of sign-ins from an address, the newest first; there is no index by address."""
    newest = _sign_ins(period).limit(MAX_EXAMINED).subquery()
    of_address = select(newest).where(newest.c.address == encoded(address))
    return of_address.order_by(newest.c.at.desc())


def by_outage(period: Period, *, is_after: bool = False) -> Select[Any]:
    """Sign-ins that a source interrupted, the newest first, among the last of a period.

    ``is_after``: the oldest first, among its first.
    """
    records = _within(select(_TABLE), period).where(schema.NOT_OF_CALLS)
    first = _COLUMNS.at.asc() if is_after else _COLUMNS.at.desc()
    nearest = records.order_by(first).limit(MAX_NEAR).subquery()
    of_source = select(nearest).where(
        nearest.c.event == Event.LOGIN_INTERRUPTED.value,
        nearest.c.reason == Reason.SOURCE_UNAVAILABLE.value,
    )
    return of_source.order_by(nearest.c.at.asc() if is_after else nearest.c.at.desc())


def by_refused_client(client_id: str, period: Period) -> Select[Any]:
    """Refused calls of a client, the newest first."""
    of_client = (_COLUMNS.client_id == encoded(client_id), schema.OF_REFUSED_CALLS)
    return _within(select(_TABLE).where(*of_client), period).order_by(_COLUMNS.at.desc())


def _sign_ins(period: Period) -> Select[Any]:
    return _at(period).where(schema.NOT_OF_CALLS)


def _at(period: Period) -> Select[Any]:
    return _within(select(_TABLE), period).order_by(_COLUMNS.at.desc())


def _within(query: Select[Any], period: Period) -> Select[Any]:
    conditions: tuple[ColumnElement[bool], ...] = (
        _COLUMNS.at >= period.since,
        _COLUMNS.at <= period.until,
    )
    return query.where(*conditions)


async def _events(
    connection: AsyncConnection, query: Select[Any], most: int = MOST
) -> list[AuditEvent]:
    """The newest of these, the oldest of them first."""
    rows = (await connection.execute(query.limit(most))).mappings().all()
    return [event_from(row) for row in reversed(rows)]
