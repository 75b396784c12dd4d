"""People of all sources in one list, a page at a time.

Accounts of the built-in directory and remembered people of other sources are two tables; each is
read in the order of the same key, after the last entry of the page before. The database merges
them, since it alone knows its order of texts: on PostgreSQL that depends on the language.

The list of everybody by name is read through an index. Where something is searched for, and in the
order of times, all rows are looked at one after the other, which takes some tens of milliseconds
for 100,000 people: an index of parts of words needs three characters, and many names have two.

A change of many people goes by subject instead (``after_subject``): no change of a person moves
them in that order.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Any, Final, Self

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.console_groups import HAS_ROLE, ROLE_OF_PERSON
from worksgate.directory.people_index import has_words, sort_key_of
from worksgate.settings.sources.common import BUILT_IN

PAGE: Final = 50
COUNTED: Final = 1_000
"""A list is counted up to this."""
MOST_MATCHING: Final = 200_000
"""People that one change of everybody who matches may be about."""

_ACCOUNTS, _PEOPLE = schema.accounts.c, schema.people.c


class PeopleState(StrEnum):
    """A filter: what is the matter with people."""

    NO_KEY = auto()
    """Neither an external key nor a works account."""
    DISABLED = auto()
    NEVER = auto()
    """They have not signed in yet."""
    ADMINISTRATORS = auto()
    """They have a role in the console."""


class PeopleOrder(StrEnum):
    """The order of a list."""

    NAME = auto()
    """By the reading of the name, as far as it is known, or the name; then by the username."""
    LAST_SIGN_IN = auto()
    """The newest first; those who never signed in come last."""
    MADE = auto()
    """Those who were added or first signed in last come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleFilter:
    """Which people; each word of ``text`` is part of a name, its reading, an address or a key.

    ``group`` is the exact name of a group.
    """

    text: str = ""
    state: PeopleState | None = None
    source: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A person in a list, which is in the order of ``sort_key`` and ``subject_id``.

    Times are seconds since the epoch: ``made_at`` is when they were added, or first signed in.
    """

    sort_key: str
    subject_id: str
    source: str
    username: str
    name: str
    external_key: str | None
    works_account: str | None
    email: str | None
    enabled: bool
    has_factor: bool
    role: str | None
    last_login_at: float | None
    reading: str = ""
    made_at: float = 0.0

    def place(self, order: PeopleOrder) -> tuple[str, str]:
        """Where they are in an order, for the page after them."""
        match order:
            case PeopleOrder.NAME:
                return self.sort_key, self.subject_id
            case PeopleOrder.LAST_SIGN_IN:
                return repr(self.last_login_at or 0.0), self.subject_id
            case PeopleOrder.MADE:
                return repr(self.made_at), self.subject_id


@dataclass(frozen=True, slots=True)
class PeopleCounts:
    """How many people match, in all and in each state."""

    everybody: int
    by_state: Mapping[PeopleState, int]

    @classmethod
    def among(cls, everybody: Collection[Listed]) -> Self:
        """Of people who are known already."""
        states: dict[PeopleState, Callable[[Listed], bool]] = {
            PeopleState.NO_KEY: lambda each: not (each.external_key or each.works_account),
            PeopleState.DISABLED: lambda each: not each.enabled,
            PeopleState.NEVER: lambda each: not each.last_login_at,
            PeopleState.ADMINISTRATORS: lambda each: each.role is not None,
        }
        by_state = {state: sum(map(is_so, everybody)) for state, is_so in states.items()}
        return cls(len(everybody), by_state)

    def of(self, state: PeopleState | None) -> int:
        """In this state, or in all."""
        return self.everybody if state is None else self.by_state[state]


@dataclass(frozen=True, slots=True)
class Matching:
    """How many people match, and a digest of who they are."""

    count: int
    digest: str


class PeopleList(Repository[Connections]):
    """Reads the list; every method may raise DatabaseUnavailable."""

    @run_to_completion
    async def page(
        self,
        wanted: PeopleFilter,
        after: tuple[str, str] | None = None,
        limit: int = PAGE,
        order: PeopleOrder = PeopleOrder.NAME,
    ) -> list[Listed]:
        """The next people after the ``place`` of the last one; one page.

        Raises ValueError for a place that is of another order.
        """
        page = page_query(wanted, after, limit, order)
        async with self._connections.reading() as connection:
            return [Listed(**row) for row in (await connection.execute(page)).mappings()]

    async def everybody(self, at_once: int = 500) -> AsyncIterator[list[Listed]]:
        """All people by name, some at a time."""
        after: tuple[str, str] | None = None
        while page := await self.page(PeopleFilter(), after, at_once):
            yield page
            after = page[-1].place(PeopleOrder.NAME)

    @run_to_completion
    async def after_subject(
        self, wanted: PeopleFilter, subject_id: str | None, limit: int
    ) -> list[Listed]:
        """The next people after a subject, or the first: accounts, then those of other sources."""
        found: list[Listed] = []
        is_account = subject_id is None or subject_id.startswith(SUBJECT_PREFIX)
        async with self._connections.reading() as connection:
            for part in _parts(wanted):
                if part.table is schema.people:
                    after = None if is_account else subject_id
                elif is_account:
                    after = (subject_id or "").removeprefix(SUBJECT_PREFIX)
                else:
                    continue
                query = part.query if after is None else part.query.where(part.id > after)
                rows = await connection.execute(query.order_by(part.id).limit(limit - len(found)))
                found += [Listed(**row) for row in rows.mappings()]
        return found

    @run_to_completion
    async def among(self, subject_ids: Collection[str]) -> list[Listed]:
        """A few people, by name; unknown ones are left out."""
        ids = [each.removeprefix(SUBJECT_PREFIX) for each in subject_ids]
        found: list[Listed] = []
        async with self._connections.reading() as connection:
            for query, column, keys in (
                (_of_accounts(), _ACCOUNTS.id, ids),
                (_of_people(), _PEOPLE.subject_id, list(subject_ids)),
            ):
                rows = await connection.execute(query.where(column.in_(keys)))
                found += [Listed(**row) for row in rows.mappings()]
        return sorted(found, key=lambda each: (each.sort_key, each.subject_id))

    @run_to_completion
    async def matching(self, wanted: PeopleFilter) -> Matching:
        """How many match, or one more than ``MOST_MATCHING``, and a digest of their subjects."""
        digest, count = hashlib.sha256(), 0
        async with self._connections.reading() as connection:
            for part in _parts(wanted):
                some = part.query.with_only_columns(part.id).order_by(part.id)
                some = some.limit(MOST_MATCHING + 1 - count)
                subjects = (await connection.scalars(some)).all()
                count += len(subjects)
                digest.update("\n".join([*subjects, ""]).encode())
        return Matching(count, digest.hexdigest()[:32])

    @run_to_completion
    async def counts(self, wanted: PeopleFilter) -> PeopleCounts:
        """How many match whatever their state is, and how many of them are in each state.

        That reads all people once, whereas a count for each state would read them as often.
        """
        totals = [0] * (1 + len(PeopleState))
        async with self._connections.reading() as connection:
            for part in _parts(replace(wanted, state=None)):
                conditions = _conditions(part.table.c)
                sums = [
                    func.coalesce(func.sum(case((conditions[each], 1), else_=0)), 0)
                    for each in PeopleState
                ]
                query = part.query.with_only_columns(func.count(), *sums)
                row = (await connection.execute(query)).one()
                totals = [total + int(more) for total, more in zip(totals, row, strict=True)]
        return PeopleCounts(totals[0], dict(zip(PeopleState, totals[1:], strict=True)))

    @run_to_completion
    async def count(self, wanted: PeopleFilter) -> int:
        """How many there are, or one more than ``COUNTED``."""
        parts = [
            select(part.query.with_only_columns(part.id).limit(COUNTED + 1).subquery())
            for part in _parts(wanted)
        ]
        some = union_all(*parts).limit(COUNTED + 1).subquery()
        async with self._connections.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(some)) or 0


def page_query(
    wanted: PeopleFilter, after: tuple[str, str] | None, limit: int, order: PeopleOrder
) -> Select[Any]:
    """The people of a page. Raises ValueError for a place that is of another order."""
    is_by_name = order is PeopleOrder.NAME
    place = None if after is None else (after[0] if is_by_name else float(after[0]), after[1])
    parts = []
    for part in _parts(wanted):
        key = part.key(order)
        if is_by_name and wanted != PeopleFilter():
            key = key + ""  # few may match, so through the index there would be nothing but steps
        some = part.query.with_only_columns(part.id)
        if place is not None:
            some = some.where(_is_after(key, part.subject, place, is_by_name=is_by_name))
        first = key if is_by_name else key.desc()
        some = some.order_by(first, part.id).limit(limit).correlate(None)
        parts.append(part.everybody.where(part.id.in_(some)))
    people = union_all(*parts).subquery()
    last = func.coalesce(people.c.last_login_at, 0.0).desc()
    keys = {PeopleOrder.LAST_SIGN_IN: last, PeopleOrder.MADE: people.c.made_at.desc()}
    first = keys.get(order, people.c.sort_key)
    return select(people).order_by(first, people.c.subject_id).limit(limit)


@dataclass(frozen=True, slots=True)
class _Part:
    """The list of one table: of everybody in it, and what those who are wanted fulfil."""

    table: Table
    everybody: Select[Any]
    subject: ColumnElement[str]
    conditions: Sequence[ColumnElement[bool]]

    @property
    def query(self) -> Select[Any]:
        return self.everybody.where(*self.conditions)

    @property
    def id(self) -> ColumnElement[str]:
        return _ACCOUNTS.id if self.table is schema.accounts else _PEOPLE.subject_id

    def key(self, order: PeopleOrder) -> ColumnElement[Any]:
        match order:
            case PeopleOrder.NAME:
                return sort_key_of(self.table)
            case PeopleOrder.LAST_SIGN_IN:
                return _last_of(self.table.c)
            case PeopleOrder.MADE:
                return _made_at(self.table)


def _parts(wanted: PeopleFilter) -> list[_Part]:
    """The list of each table."""
    parts = []
    if wanted.source in (None, BUILT_IN):
        conditions = _wanted(wanted, schema.accounts)
        parts.append(_Part(schema.accounts, _of_accounts(), _SUBJECT, conditions))
    if wanted.source != BUILT_IN:
        conditions = _wanted(wanted, schema.people)
        if wanted.source is not None:
            conditions.append(_PEOPLE.source == wanted.source)
        parts.append(_Part(schema.people, _of_people(), _PEOPLE.subject_id, conditions))
    return parts


_SUBJECT: Final = literal(SUBJECT_PREFIX, String) + _ACCOUNTS.id


def _of_accounts() -> Select[Any]:
    return select(
        sort_key_of(schema.accounts).label("sort_key"),
        _SUBJECT.label("subject_id"),
        literal(BUILT_IN, String).label("source"),
        _ACCOUNTS.username,
        _ACCOUNTS.name,
        _ACCOUNTS.external_key,
        _ACCOUNTS.works_account,
        _ACCOUNTS.email,
        _ACCOUNTS.enabled,
        _has_factor(_SUBJECT),
        _ACCOUNTS.role,
        _ACCOUNTS.last_login_at,
        _ACCOUNTS.reading,
        _made_at(schema.accounts).label("made_at"),
    )


def _of_people() -> Select[Any]:
    return select(
        sort_key_of(schema.people).label("sort_key"),
        _PEOPLE.subject_id,
        _PEOPLE.source,
        _PEOPLE.username,
        _PEOPLE.name,
        _PEOPLE.external_key,
        _PEOPLE.works_account,
        _PEOPLE.email,
        _PEOPLE.enabled,
        _has_factor(_PEOPLE.subject_id),
        ROLE_OF_PERSON.label("role"),
        func.nullif(_PEOPLE.last_login_at, 0.0).label("last_login_at"),
        _PEOPLE.reading,
        _made_at(schema.people).label("made_at"),
    )


def _made_at(table: Table) -> ColumnElement[float]:
    made_at: ColumnElement[float]
    made_at = _ACCOUNTS.created_at if table is schema.accounts else _PEOPLE.first_login_at
    return made_at


def _wanted(wanted: PeopleFilter, table: Table) -> list[ColumnElement[bool]]:
    conditions = has_words(wanted.text, table)
    if wanted.state is not None:
        conditions.append(_conditions(table.c)[wanted.state])
    if wanted.group is not None:
        conditions.append(_is_in(table.c.groups, wanted.group))
    return conditions


def _conditions(columns: Any) -> Mapping[PeopleState, ColumnElement[bool]]:
    return {
        PeopleState.NO_KEY: and_(columns.external_key.is_(None), columns.works_account.is_(None)),
        PeopleState.DISABLED: columns.enabled.is_(False),
        PeopleState.NEVER: _last_of(columns) == 0.0,
        PeopleState.ADMINISTRATORS: HAS_ROLE if columns is _PEOPLE else columns.role.is_not(None),
    }


def _last_of(columns: Any) -> ColumnElement[float]:
    """The last sign-in; 0 for none."""
    last: ColumnElement[float] = func.coalesce(columns.last_login_at, 0.0)
    return last


def _is_in(groups: ColumnElement[Any], group: str) -> ColumnElement[bool]:
    """Whether a list as it is stored, ``["one", "two"]``, has this member.

    Within a member a quote follows a backslash, so what follows a bracket or a space begins one.
    """
    stored, member = cast(groups, Text), json.dumps(group)
    return or_(
        stored.contains(f"[{member}", autoescape=True),
        stored.contains(f" {member}", autoescape=True),
    )


def _has_factor(subject: ColumnElement[str]) -> ColumnElement[bool]:
    totp, passkeys = schema.totp_secrets.c, schema.passkeys.c
    own_passkey = exists().where(passkeys.subject_id == subject, passkeys.console_host.is_(None))
    return or_(exists().where(totp.subject_id == subject), own_passkey).label("has_factor")


def _is_after(
    key: ColumnElement[Any],
    subject: ColumnElement[str],
    place: tuple[str | float, str],
    *,
    is_by_name: bool,
) -> ColumnElement[bool]:
    at_least = key >= place[0] if is_by_name else key <= place[0]
    return and_(at_least, or_(key != place[0], subject > place[1]))
