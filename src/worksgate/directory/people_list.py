"""People of all sources in one list, a page at a time, by name.

Accounts of the built-in directory and remembered people of other sources are two tables; each is
read in the order of the same key, after the last entry of the page before. The database merges
them, since it alone knows its order of texts: on PostgreSQL that depends on the language. No page
counts all people: that costs as much as reading them.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.database.verbs import Connections, run_to_completion
from worksgate.directory import SUBJECT_PREFIX
from worksgate.settings.sources.common import BUILT_IN

PAGE: Final = 50
COUNTED: Final = 1_000
"""A list is counted up to this."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleFilter:
    """Which people; ``text`` is part of a name, an address or a key, in any case."""

    text: str = ""
    state: PeopleState | None = None
    source: str | None = None


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


class PeopleList:
    """Reads the list; every method may raise DatabaseUnavailable."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def unfinished(self) -> set[asyncio.Task[Any]]:
        return self._connections.unfinished

    @run_to_completion
    async def page(
        self, wanted: PeopleFilter, after: tuple[str, str] | None = None, limit: int = PAGE
    ) -> list[Listed]:
        """The next people after the sort key and the subject of the last one; one page."""
        parts = []
        for query, key, subject in _queries(wanted):
            if after is not None:
                query = query.where(_is_after(key, subject, after))
            parts.append(select(query.order_by(key, subject).limit(limit).subquery()))
        people = union_all(*parts).subquery()
        page = select(people).order_by(people.c.sort_key, people.c.subject_id).limit(limit)
        async with self._connections.reading() as connection:
            return [Listed(**row) for row in (await connection.execute(page)).mappings()]

    @run_to_completion
    async def count(self, wanted: PeopleFilter) -> int:
        """How many there are, or one more than ``COUNTED``."""
        parts = [select(query.limit(COUNTED + 1).subquery()) for query, _, _ in _queries(wanted)]
        some = union_all(*parts).limit(COUNTED + 1).subquery()
        async with self._connections.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(some)) or 0


def _queries(
    wanted: PeopleFilter,
) -> list[tuple[Select[Any], ColumnElement[str], ColumnElement[str]]]:
    """The list of each table, with the two columns of its order."""
    queries: list[tuple[Select[Any], ColumnElement[str], ColumnElement[str]]] = []
    if wanted.source in (None, BUILT_IN):
        queries.append((_accounts(wanted), _ACCOUNTS.username_key, _SUBJECT))
    if wanted.source != BUILT_IN and wanted.state is not PeopleState.ADMINISTRATORS:
        queries.append((_people(wanted), _PEOPLE.username_key, _PEOPLE.subject_id))
    return queries


_SUBJECT: Final = literal(SUBJECT_PREFIX, String) + _ACCOUNTS.id


def _accounts(wanted: PeopleFilter) -> Select[Any]:
    query = select(
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
    conditions = {
        PeopleState.NO_KEY: and_(
            _ACCOUNTS.external_key.is_(None), _ACCOUNTS.works_account.is_(None)
        ),
        PeopleState.DISABLED: _ACCOUNTS.enabled.is_(False),
        PeopleState.NEVER: _ACCOUNTS.last_login_at.is_(None),
        PeopleState.ADMINISTRATORS: _ACCOUNTS.role.is_not(None),
    }
    if wanted.state is not None:
        query = query.where(conditions[wanted.state])
    return query.where(_matches(wanted.text, _ACCOUNTS)) if wanted.text else query


def _people(wanted: PeopleFilter) -> Select[Any]:
    query = select(
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
        null().label("role"),
        func.nullif(_PEOPLE.last_login_at, 0.0).label("last_login_at"),
    )
    conditions = {
        PeopleState.NO_KEY: and_(_PEOPLE.external_key.is_(None), _PEOPLE.works_account.is_(None)),
        PeopleState.DISABLED: _PEOPLE.enabled.is_(False),
        PeopleState.NEVER: _PEOPLE.last_login_at == 0.0,
    }
    if wanted.source is not None:
        query = query.where(_PEOPLE.source == wanted.source)
    if wanted.state is not None:
        query = query.where(conditions[wanted.state])
    return query.where(_matches(wanted.text, _PEOPLE)) if wanted.text else query


def _has_factor(subject: ColumnElement[str]) -> ColumnElement[bool]:
    totp, passkeys = schema.totp_secrets.c.subject_id, schema.passkeys.c.subject_id
    return or_(exists().where(totp == subject), exists().where(passkeys == subject)).label(
        "has_factor"
    )


def _matches(text: str, columns: Any) -> ColumnElement[bool]:
    typed = text.strip()
    return or_(
        columns.username_key.contains(username_key(typed), autoescape=True),
        *(
            func.lower(column).contains(typed.lower(), autoescape=True)
            for column in (columns.name, columns.email, columns.external_key, columns.works_account)
        ),
        columns.external_key == typed,
    )


def _is_after(
    key: ColumnElement[str], subject: ColumnElement[str], after: tuple[str, str]
) -> ColumnElement[bool]:
    return or_(key > after[0], and_(key == after[0], subject > after[1]))
