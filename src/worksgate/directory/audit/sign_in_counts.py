"""Sign-ins of a period: counted, and listed a page at a time.

There may be millions of audit records, and of a period only the index by time helps. So each query
looks through a bounded number of its newest records, and the result says how far back it came. The
records of one person have indexes of their own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event, Reason, event_named, reason_named
from worksgate.database import schema
from worksgate.database.audit_rows import encoded
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory.audit.sign_in_records import by_name, by_subject
from worksgate.directory.rows import event_from

LET_IN: Final = frozenset({Event.LOGIN_SUCCEEDED, Event.IMAP_SUCCEEDED})
"""Events of sign-ins that succeeded."""
REFUSED: Final = frozenset(
    (
        *(Event.LOGIN_FAILED, Event.LOGIN_THROTTLED, Event.LOGIN_REFUSED, Event.LOGIN_INTERRUPTED),
        *(Event.SESSION_KEY_REFUSED, Event.FACTOR_FAILED, Event.IMAP_FAILED, Event.IMAP_REFUSED),
        *(Event.CLIENT_REFUSED, Event.CODE_REFUSED, Event.CODE_REPLAYED, Event.USER_INFO_REFUSED),
    )
)
"""Events of sign-ins and calls that did not."""
OUTCOMES: Final = LET_IN | REFUSED

PAGE: Final = 50
MAX_COUNTED: Final = 50_000
"""Records that are looked through for one answer: 70 milliseconds, however many there are."""
MAX_OF_PERSON: Final = 1_000
"""Records of one person that are read for one answer."""

_COLUMNS = schema.audit.c
_COUNTED = (
    *(_COLUMNS.at, _COLUMNS.event, _COLUMNS.reason, _COLUMNS.client_id, _COLUMNS.subject_id),
    *(_COLUMNS.username, _COLUMNS.address, _COLUMNS.elapsed_ms),
)
"""The columns that counting reads; SQLite would fetch them all."""
_NEWEST_FIRST = (_COLUMNS.at.desc(), _COLUMNS.id.desc())
_SIGN_INS_REFUSED: Final = frozenset(
    (
        *(Event.LOGIN_FAILED, Event.LOGIN_THROTTLED, Event.LOGIN_REFUSED),
        *(Event.LOGIN_INTERRUPTED, Event.FACTOR_FAILED),
    )
)

Position = tuple[float, int]
"""Time and ID of a record, in the order of a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInFilter:
    """Which records; None matches all. ``since`` is included and ``until`` is not.

    A person is known by ``subject_id``, by ``username`` as it was typed, or by both: then either
    matches. ``source`` is the name of an identity source, and matches people who were found there.
    """

    since: float
    until: float
    events: frozenset[Event] = OUTCOMES
    reason: Reason | None = None
    client_id: str | None = None
    subject_id: str | None = None
    username: str | None = None
    source: str | None = None
    address: str | None = None

    @property
    def is_of_person(self) -> bool:
        return self.subject_id is not None or self.username is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The sign-ins between two times, in seconds since the epoch."""

    since: float
    until: float
    let_in: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """How often something was refused for one reason, and when the last time."""

    event: Event
    reason: Reason | None
    count: int
    last_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedSignIns:
    """The counts of a period, and the causes of its refusals, the most frequent first.

    ``counted_since`` is where counting ended, if there were too many records; None if all of the
    period was counted.
    """

    buckets: tuple[Bucket, ...]
    causes: tuple[Cause, ...]
    counted_since: float | None

    @property
    def let_in(self) -> int:
        return sum(each.let_in for each in self.buckets)

    @property
    def refused(self) -> int:
        return sum(each.refused for each in self.buckets)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPeople:
    """How many people were let in and how many were refused; of these, how many got in later.

    Not ``is_complete`` if there were too many records to count them all.
    """

    let_in: int
    refused: int
    refused_first: int
    is_complete: bool

    @property
    def kept_out(self) -> int:
        """How many were refused and have not got in since."""
        return self.refused - self.refused_first


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPage:
    """Records, the newest first. ``next`` is where the next page begins, if there may be one.

    ``is_cut`` if the search ended because it had looked through so many records.
    """

    records: tuple[AuditEvent, ...]
    next: Position | None
    is_cut: bool = False


class SignInCounts(Repository[Connections]):
    """Counts and lists sign-ins; every method may raise DatabaseUnavailable."""

    def __init__(self, connections: Connections, *, max_counted: int = MAX_COUNTED) -> None:
        super().__init__(connections)
        self._most = max_counted

    @run_to_completion
    async def counted(self, wanted: SignInFilter, edges: Sequence[float]) -> CountedSignIns:
        """The matching records between each two of these times, which are in ascending order."""
        async with self._connections.reading() as connection:
            if wanted.is_of_person:
                return _count_of_person(await self._of_person(connection, wanted), edges)
            return await self._count(connection, wanted, edges)

    @run_to_completion
    async def page(
        self, wanted: SignInFilter, before: Position | None = None, limit: int = PAGE
    ) -> RecordPage:
        """The next records before a position, at most ``limit``."""
        async with self._connections.reading() as connection:
            if wanted.is_of_person:
                return _page_of(await self._of_person(connection, wanted, before), limit)
            # The last record to be looked at comes from the index alone, within milliseconds.
            end = (await connection.execute(_last_examined(wanted, before, self._most))).first()
            last = None if end is None else (float(end.at), int(end.id))
            rows = await connection.execute(_listed(wanted, before, last, limit + 1))
            found = [_numbered(row) for row in rows.mappings()]
        if len(found) > limit or last is None:
            return _page_of(found, limit)
        records = tuple(event for _, event in found)
        return RecordPage(records=records, next=last, is_cut=True)

    @run_to_completion
    async def people(self, since: float, until: float) -> CountedPeople:
        """How many people signed in with a browser, by the name of each."""
        async with self._connections.reading() as connection:
            row = (await connection.execute(_people(since, until, self._most))).one()
        return CountedPeople(
            let_in=row.let_in or 0,
            refused=row.refused or 0,
            refused_first=row.refused_first or 0,
            is_complete=(row.examined or 0) < self._most,
        )

    @run_to_completion
    async def answers(self, since: float, until: float) -> list[tuple[float, float]]:
        """When LINE WORKS was told who signs in, and the milliseconds that took; the newest first.

        Among the newest records of the period only.
        """
        newest = _newest(_between(since, until), self._most // 2)
        timed = (
            newest.c.event == Event.USER_INFO_RETURNED.value,
            newest.c.elapsed_ms.is_not(None),
        )
        async with self._connections.reading() as connection:
            rows = await connection.execute(select(newest.c.at, newest.c.elapsed_ms).where(*timed))
            return [(row.at, row.elapsed_ms) for row in rows]

    async def _count(
        self, connection: AsyncConnection, wanted: SignInFilter, edges: Sequence[float]
    ) -> CountedSignIns:
        """Bucket by bucket from the newest, until all are counted or too many were looked at."""
        left, counted_since = self._most, None
        buckets: list[Bucket] = []
        causes: dict[tuple[Event, Reason | None], Cause] = {}
        for since, until in reversed(list(pairwise(edges))):
            first, last = max(since, wanted.since), min(until, wanted.until)
            rows: Sequence[Any] = ()
            if left > 0 and first < last:
                query = _groups(replace(wanted, since=first, until=last), left)
                rows = (await connection.execute(query)).all()
            left -= sum(row.examined for row in rows)
            if rows and left <= 0:
                counted_since = min(row.oldest for row in rows)
            found = [_cause_of(row) for row in rows if row.matching]
            buckets.append(_bucket(since, until, found))
            _add(causes, found)
        return _counted(buckets, causes, counted_since)

    async def _of_person(
        self, connection: AsyncConnection, wanted: SignInFilter, before: Position | None = None
    ) -> list[tuple[Position, AuditEvent]]:
        """The newest records of a person, by their own indexes."""
        queries = []
        if wanted.subject_id is not None:
            queries.append(by_subject(wanted.subject_id))
        if wanted.username is not None:
            queries.append(by_name(wanted.username))
        conditions = (*_of_list(wanted, before), *_matching(_COLUMNS, wanted))
        found: dict[Position, AuditEvent] = {}
        for query in queries:
            limited = query.where(*conditions).limit(MAX_OF_PERSON)
            rows = (await connection.execute(limited)).mappings()
            found.update(map(_numbered, rows))
        return sorted(found.items(), key=lambda each: each[0], reverse=True)[:MAX_OF_PERSON]


def _count_of_person(
    records: Sequence[tuple[Position, AuditEvent]], edges: Sequence[float]
) -> CountedSignIns:
    buckets: list[Bucket] = []
    causes: dict[tuple[Event, Reason | None], Cause] = {}
    for since, until in reversed(list(pairwise(edges))):
        within = [event for (at, _), event in records if since <= at < until]
        groups = Counter((event.event, event.reason) for event in within)
        found = [
            Cause(
                event=event,
                reason=reason,
                count=count,
                last_at=max(e.at for e in within if (e.event, e.reason) == (event, reason)),
            )
            for (event, reason), count in groups.items()
        ]
        buckets.append(_bucket(since, until, found))
        _add(causes, found)
    is_cut = len(records) >= MAX_OF_PERSON
    return _counted(buckets, causes, records[-1][0][0] if is_cut else None)


def _counted(
    buckets: Sequence[Bucket],
    causes: Mapping[tuple[Event, Reason | None], Cause],
    counted_since: float | None,
) -> CountedSignIns:
    most_first = sorted(
        causes.values(), key=lambda each: (-each.count, each.event, each.reason or "")
    )
    return CountedSignIns(
        buckets=tuple(reversed(buckets)), causes=tuple(most_first), counted_since=counted_since
    )


def _bucket(since: float, until: float, found: Iterable[Cause]) -> Bucket:
    let_in = refused = 0
    for each in found:
        if each.event in LET_IN:
            let_in += each.count
        else:
            refused += each.count
    return Bucket(since=since, until=until, let_in=let_in, refused=refused)


def _add(causes: dict[tuple[Event, Reason | None], Cause], found: Iterable[Cause]) -> None:
    for each in found:
        if each.event in LET_IN:
            continue
        key = (each.event, each.reason)
        known = causes.get(key)
        causes[key] = (
            each
            if known is None
            else replace(
                known,
                count=known.count + each.count,
                last_at=max(known.last_at, each.last_at),
            )
        )


def _cause_of(row: Any) -> Cause:
    return Cause(
        event=event_named(row.event),
        reason=None if row.reason is None else reason_named(row.reason),
        count=row.matching,
        last_at=row.last_at,
    )


def _page_of(found: Sequence[tuple[Position, AuditEvent]], limit: int) -> RecordPage:
    shown = found[:limit]
    return RecordPage(
        records=tuple(event for _, event in shown),
        next=shown[-1][0] if len(found) > limit else None,
    )


def _numbered(row: Any) -> tuple[Position, AuditEvent]:
    return (row["at"], row["id"]), event_from(row)


def slowest_tenth(milliseconds: Sequence[float]) -> float | None:
    """The value that nine in ten do not exceed; None without any."""
    if not milliseconds:
        return None
    ordered = sorted(milliseconds)
    return ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]


# Queries


def _newest(
    conditions: Iterable[ColumnElement[bool]],
    most: int,
    *more: ColumnElement[Any],
) -> FromClause:
    """The newest records, a bounded number: whatever is asked of them, no more are read."""
    newest = select(*_COUNTED, *more).where(*conditions)
    return newest.order_by(_COLUMNS.at.desc()).limit(most).subquery()


def _between(since: float, until: float) -> tuple[ColumnElement[bool], ...]:
    return (_COLUMNS.at >= since, _COLUMNS.at < until)


def _of_list(wanted: SignInFilter, before: Position | None) -> tuple[ColumnElement[bool], ...]:
    """Records of the period that come after a position of the list."""
    if before is None:
        return _between(wanted.since, wanted.until)
    at, id_ = before
    # The first of these is for the index, the second for records of the same moment.
    return (
        *_between(wanted.since, wanted.until),
        _COLUMNS.at <= at,
        or_(_COLUMNS.at < at, _COLUMNS.id < id_),
    )


def _matching(columns: Any, wanted: SignInFilter) -> tuple[ColumnElement[bool], ...]:
    """What is asked of a record besides its time and its person."""
    events = sorted(event.value for event in wanted.events)
    conditions: list[ColumnElement[bool]] = [columns.event.in_(events)]
    if wanted.reason is not None:
        conditions.append(columns.reason == wanted.reason.value)
    if wanted.client_id is not None:
        conditions.append(columns.client_id == encoded(wanted.client_id))
    if wanted.source is not None:
        conditions.append(columns.subject_id.startswith(f"{wanted.source}:", autoescape=True))
    if wanted.address is not None:
        conditions.append(columns.address == encoded(wanted.address))
    return tuple(conditions)


def _groups(wanted: SignInFilter, most: int) -> Select[Any]:
    newest = _newest(_between(wanted.since, wanted.until), most)
    matches = and_(*_matching(newest.c, wanted))
    return select(
        newest.c.event,
        newest.c.reason,
        func.count().label("examined"),
        func.sum(case((matches, 1), else_=0)).label("matching"),
        func.max(case((matches, newest.c.at))).label("last_at"),
        func.min(newest.c.at).label("oldest"),
    ).group_by(newest.c.event, newest.c.reason)


def _listed(
    wanted: SignInFilter, before: Position | None, last: Position | None, limit: int
) -> Select[Any]:
    """Matching records, the newest first: the search ends at ``limit`` of them or with ``last``."""
    conditions = [*_of_list(wanted, before), *_matching(_COLUMNS, wanted)]
    if last is not None:
        at, id_ = last
        conditions += (_COLUMNS.at >= at, or_(_COLUMNS.at > at, _COLUMNS.id >= id_))
    return select(schema.audit).where(*conditions).order_by(*_NEWEST_FIRST).limit(limit)


def _last_examined(wanted: SignInFilter, before: Position | None, most: int) -> Select[Any]:
    """The last of so many records of the list, if there are as many."""
    of_list = select(_COLUMNS.at, _COLUMNS.id).where(*_of_list(wanted, before))
    return of_list.order_by(*_NEWEST_FIRST).offset(most - 1).limit(1)


def _people(since: float, until: float, most: int) -> Select[Any]:
    newest = _newest(_between(since, until), most, _COLUMNS.login_id)
    let_in = newest.c.event == Event.LOGIN_SUCCEEDED.value
    # A wrong code in the console, or at the person's own page, is of no sign-in.
    is_sign_in = or_(newest.c.event != Event.FACTOR_FAILED.value, newest.c.login_id.is_not(None))
    events = sorted(event.value for event in _SIGN_INS_REFUSED)
    refused = and_(newest.c.event.in_(events), is_sign_in)
    named = newest.c.username.is_not(None)
    each = (
        select(
            func.count().label("examined"),
            func.max(case((and_(named, let_in), newest.c.at))).label("let_in"),
            func.max(case((and_(named, refused), newest.c.at))).label("refused"),
        )
        .group_by(newest.c.username)
        .subquery()
    )
    totals: list[ColumnElement[Any]] = [
        func.sum(each.c.examined).label("examined"),
        func.count(each.c.let_in).label("let_in"),
        func.count(each.c.refused).label("refused"),
        func.sum(case((each.c.let_in > each.c.refused, 1), else_=0)).label("refused_first"),
    ]
    return select(*totals)
