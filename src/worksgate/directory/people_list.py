"""People of all sources in one list, a page at a time, by name.

Accounts of the built-in directory and remembered people of other sources are two tables; each is
read in the order of the same key, after the last entry of the page before. The database merges
them, since it alone knows its order of texts: on PostgreSQL that depends on the language.

A change of many people goes by subject instead (``after_subject``): no change of a person moves
them in that order.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Any, Final, Self

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
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

from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.database.verbs import Connections, run_to_completion
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.console_groups import HAS_ROLE, ROLE_OF_PERSON
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
    LAST_SIGN_IN = auto()
    """The newest first; those who never signed in come last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleFilter:
    """Which people; ``text`` is part of a name, an address or a key, in any case.

    ``group`` is the exact name of a group.
    """

    text: str = ""
    state: PeopleState | None = None
    source: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A person in a list, which is in the order of ``sort_key`` and ``subject_id``.

    Times are seconds since the epoch.
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

    def place(self, order: PeopleOrder) -> tuple[str, str]:
        """Where they are in an order, for the page after them."""
        if order is PeopleOrder.NAME:
            return self.sort_key, self.subject_id
        return repr(self.last_login_at or 0.0), self.subject_id


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


class PeopleList:
    """Reads the list; every method may raise DatabaseUnavailable."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]:
        return self._connections.unfinished

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
        is_by_name = order is PeopleOrder.NAME
        place = None if after is None else (after[0] if is_by_name else float(after[0]), after[1])
        parts = []
        for query, columns, subject in _queries(wanted):
            key = columns.username_key if is_by_name else _last_of(columns)
            if place is not None:
                query = query.where(_is_after(key, subject, place, is_by_name=is_by_name))
            first = key if is_by_name else key.desc()
            parts.append(select(query.order_by(first, subject).limit(limit).subquery()))
        if not parts:
            return []
        people = union_all(*parts).subquery()
        first = people.c.sort_key if is_by_name else _last_of(people.c).desc()
        page = select(people).order_by(first, people.c.subject_id).limit(limit)
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
            for query, columns, _ in _queries(wanted):
                if columns is _PEOPLE:
                    key, after = _PEOPLE.subject_id, None if is_account else subject_id
                elif is_account:
                    key, after = _ACCOUNTS.id, (subject_id or "").removeprefix(SUBJECT_PREFIX)
                else:
                    continue
                if after is not None:
                    query = query.where(key > after)
                rows = await connection.execute(query.order_by(key).limit(limit - len(found)))
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
            for query, columns, _ in _queries(wanted):
                key = _PEOPLE.subject_id if columns is _PEOPLE else _ACCOUNTS.id
                some = query.with_only_columns(key).order_by(key).limit(MOST_MATCHING + 1 - count)
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
            for query, columns, _ in _queries(replace(wanted, state=None)):
                conditions = _conditions(columns)
                sums = [
                    func.coalesce(func.sum(case((conditions[each], 1), else_=0)), 0)
                    for each in PeopleState
                ]
                row = (await connection.execute(query.with_only_columns(func.count(), *sums))).one()
                totals = [total + int(more) for total, more in zip(totals, row, strict=True)]
        return PeopleCounts(totals[0], dict(zip(PeopleState, totals[1:], strict=True)))

    @run_to_completion
    async def count(self, wanted: PeopleFilter) -> int:
        """How many there are, or one more than ``COUNTED``."""
        parts = [select(query.limit(COUNTED + 1).subquery()) for query, _, _ in _queries(wanted)]
        if not parts:
            return 0
        some = union_all(*parts).limit(COUNTED + 1).subquery()
        async with self._connections.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(some)) or 0


_Query = tuple[Select[Any], Any, ColumnElement[str]]


def _queries(wanted: PeopleFilter) -> list[_Query]:
    """The list of each table, with its columns and the subject."""
    queries: list[_Query] = []
    if wanted.source in (None, BUILT_IN):
        queries.append((_filtered(_of_accounts(), wanted, _ACCOUNTS), _ACCOUNTS, _SUBJECT))
    if wanted.source != BUILT_IN:
        people = _filtered(_of_people(), wanted, _PEOPLE)
        if wanted.source is not None:
            people = people.where(_PEOPLE.source == wanted.source)
        queries.append((people, _PEOPLE, _PEOPLE.subject_id))
    return queries


_SUBJECT: Final = literal(SUBJECT_PREFIX, String) + _ACCOUNTS.id


def _of_accounts() -> Select[Any]:
    return select(
        _ACCOUNTS.username_key.label("sort_key"),
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
    )


def _of_people() -> Select[Any]:
    return select(
        _PEOPLE.username_key.label("sort_key"),
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
    )


def _filtered(query: Select[Any], wanted: PeopleFilter, columns: Any) -> Select[Any]:
    if wanted.state is not None:
        query = query.where(_conditions(columns)[wanted.state])
    if wanted.group is not None:
        query = query.where(_is_in(columns.groups, wanted.group))
    return query.where(_matches(wanted.text, columns)) if wanted.text else query


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


def _matches(text: str, columns: Any) -> ColumnElement[bool]:
    """Whether somebody has this in a name, an address or a key: all of them in one text."""
    typed = text.strip()
    everything = columns.username_key + "\n" + columns.name
    for column in (columns.email, columns.external_key, columns.works_account):
        everything = everything + "\n" + func.coalesce(column, "")
    folded = func.lower(everything)
    return or_(
        *(
            folded.contains(each, autoescape=True)
            for each in sorted({typed.lower(), username_key(typed)})
        ),
        columns.external_key == typed,
    )


def _is_after(
    key: ColumnElement[Any],
    subject: ColumnElement[str],
    place: tuple[str | float, str],
    *,
    is_by_name: bool,
) -> ColumnElement[bool]:
    is_next = key > place[0] if is_by_name else key < place[0]
    return or_(is_next, and_(key == place[0], subject > place[1]))
