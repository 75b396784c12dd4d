"""Queries inside a transaction of the caller."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    union,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.audit import AuditEvent, Event
from worksgate.credentials import imported_hashes
from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.database.audit_rows import encoded
from worksgate.database.direct_reads import Query
from worksgate.database.schema import NOT_OF_CALLS
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.people_index import columns_of
from worksgate.directory.rows import account_from, client_from, event_from
from worksgate.oauth.model import Client

_IDS_AT_ONCE = 500
_NEWEST = 200_000
"""Audit records that a question without an index looks at."""

# Built once: many times a second that would cost more than running them.
_ALL_CLIENTS = select(schema.clients).order_by(schema.clients.c.name_key)
_CHANGED_IDS = select(schema.clients.c.client_id).where(
    schema.clients.c.version > bindparam("after")
)
_CLIENT_COUNT = select(func.count()).select_from(schema.clients)
_ACCOUNT = select(*columns_of(schema.accounts))
BY_USERNAME = Query(_ACCOUNT.where(schema.accounts.c.username_key == bindparam("key")))
_IMPORTED = select(
    exists().where(schema.accounts.c.password_hash.not_like(f"{imported_hashes.OURS}%"))
)
BY_ID = Query(_ACCOUNT.where(schema.accounts.c.id == bindparam("key")))


async def all_clients(connection: AsyncConnection) -> tuple[Client, ...]:
    """All clients, by name."""
    return await _clients(connection, _ALL_CLIENTS)


async def version_of_person(connection: AsyncConnection, subject_id: str) -> int | None:
    """The version of a person of any source; None if there is nobody."""
    account_id, people = subject_id.removeprefix(SUBJECT_PREFIX), schema.people.c
    query = select(people.version).where(people.subject_id == subject_id)
    if account_id != subject_id:
        query = select(schema.accounts.c.version).where(schema.accounts.c.id == account_id)
    version: int | None = await connection.scalar(query)
    return version


async def client_ids(connection: AsyncConnection, after_version: int) -> list[str]:
    """The IDs of the clients that were changed after a version of the list."""
    found = await connection.scalars(_CHANGED_IDS, {"after": after_version})
    return list(found)


async def count_clients(connection: AsyncConnection) -> int:
    """How many clients there are."""
    return await connection.scalar(_CLIENT_COUNT) or 0


async def clients_by_id(connection: AsyncConnection, ids: Sequence[str]) -> tuple[Client, ...]:
    """The existing ones of a few clients, by name."""
    return await _clients(connection, _ALL_CLIENTS.where(schema.clients.c.client_id.in_(ids)))


async def clients_page(
    connection: AsyncConnection, text: str, after: str | None, limit: int
) -> tuple[Client, ...]:
    """The next clients in order of name, after a name; ``text`` is part of the name, or the ID."""
    columns = schema.clients.c
    query = _ALL_CLIENTS.limit(limit)
    if text:
        is_named = columns.name_key.contains(username_key(text), autoescape=True)
        query = query.where(or_(is_named, columns.client_id == text))
    if after is not None:
        query = query.where(columns.name_key > username_key(after))
    return await _clients(connection, query)


async def find_client(connection: AsyncConnection, name_or_id: str) -> Client | None:
    """The client with this ID or, failing that, with this name in any spelling."""
    columns = schema.clients.c
    found = await _clients(
        connection,
        select(schema.clients).where(
            or_(columns.client_id == name_or_id, columns.name_key == username_key(name_or_id))
        ),
    )
    by_id = [client for client in found if client.client_id == name_or_id]
    return next(iter((*by_id, *found)), None)


async def find_account(connection: AsyncConnection, username: str) -> Account | None:
    """The account with this name in any spelling."""
    values = {"key": username_key(username)}
    row = (await connection.execute(BY_USERNAME.select, values)).mappings().first()
    return None if row is None else account_from(row)


async def has_imported_hashes(connection: AsyncConnection) -> bool:
    """Whether an account has an imported password hash."""
    return bool(await connection.scalar(_IMPORTED))


async def accounts_by_email(connection: AsyncConnection, email: str, limit: int) -> list[Account]:
    """At most ``limit`` enabled accounts with this e-mail address, in upper or lower case."""
    rows = await connection.execute(with_email(email).limit(limit))
    return [account_from(row) for row in rows.mappings()]


def with_email(email: str) -> Select[Any]:
    """Enabled accounts with an e-mail address, by name."""
    table = schema.accounts
    query = select(table).where(func.lower(table.c.email) == email.lower(), table.c.enabled)
    return query.order_by(table.c.username_key)


async def accounts_after(
    connection: AsyncConnection, username_key: str, limit: int
) -> list[Account]:
    """The next accounts in order of name, after the one with this key."""
    table = schema.accounts
    query = select(table).where(table.c.username_key > username_key)
    rows = await connection.execute(query.order_by(table.c.username_key).limit(limit))
    return [account_from(row) for row in rows.mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """A filter for audit records; None matches all. Times are seconds since the epoch.

    ``subject_id`` widens ``username``: records under a former name are found too. Without it the
    person is unknown or removed: then records of subjects that had the name match. Records without
    a person in the same sign-ins match as well, such as the request with which a sign-in began.
    ``actors`` are names of who did it, as records have them.
    """

    login_id: str | None = None
    username: str | None = None
    subject_id: str | None = None
    actors: Collection[str] | None = None
    client_id: str | None = None
    event: Event | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 100


async def find_events(connection: AsyncConnection, audit_filter: AuditFilter) -> list[AuditEvent]:
    """The newest matching records, the oldest of them first."""
    rows = (await connection.execute(events_query(audit_filter))).mappings().all()
    # Records are written in batches, so an earlier event may have a higher ID.
    return [event_from(row) for row in sorted(rows, key=lambda row: (row["at"], row["id"]))]


async def events_before(
    connection: AsyncConnection, audit_filter: AuditFilter, before: int | None
) -> list[tuple[int, AuditEvent]]:
    """The next matching records before an ID, the newest of them first, each with its ID."""
    rows = await connection.execute(events_query(audit_filter, before))
    return [(row["id"], event_from(row)) for row in rows.mappings()]


def events_query(audit_filter: AuditFilter, before: int | None = None) -> Select[Any]:
    """The newest matching records, the newest of them first."""
    table = schema.audit
    query = _narrowed(select(table), audit_filter)
    if before is not None:
        query = query.where(table.c.id < before)
    newest: ColumnElement[int] = table.c.id
    if audit_filter.username is not None:
        # Of few records; in the order of an index, PostgreSQL would read all to find them.
        newest = newest + 0
    return query.order_by(newest.desc()).limit(audit_filter.limit)


async def last_changes(connection: AsyncConnection, limit: int) -> list[AuditEvent]:
    """The last records of changes by administrators, the newest first.

    Only the newest ``_NEWEST`` records of all are looked at: no index finds them.
    """
    table = schema.audit
    changed = table.c.event.in_([Event.USER_CHANGED.value, Event.CLIENT_CHANGED.value])
    last = select(func.max(table.c.id)).scalar_subquery()
    query = select(table).where(changed, table.c.actor.is_not(None), table.c.id > last - _NEWEST)
    rows = await connection.execute(query.order_by(table.c.id.desc()).limit(limit))
    return [event_from(row) for row in rows.mappings()]


async def find_usernames(
    connection: AsyncConnection, subject_ids: Collection[str]
) -> dict[str, str]:
    """Current usernames by subject, of people who exist."""
    accounts, people, ids = schema.accounts.c, schema.people.c, sorted(subject_ids)
    found: dict[str, str] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[start : start + _IDS_AT_ONCE]
        account_ids = [each.removeprefix(SUBJECT_PREFIX) for each in some]
        for beginning, id_column, username, wanted in (
            (SUBJECT_PREFIX, accounts.id, accounts.username, account_ids),
            ("", people.subject_id, people.username, some),
        ):
            query = select(id_column, username).where(id_column.in_(wanted))
            for key, name in await connection.execute(query):
                found[beginning + key] = name
    return found


async def find_last_usernames(
    connection: AsyncConnection, subject_ids: Collection[str]
) -> dict[str, str]:
    """Like ``find_usernames``; for removed people, their last name in the audit log."""
    found = await find_usernames(connection, subject_ids)
    removed = sorted(set(subject_ids) - found.keys())
    for start in range(0, len(removed), _IDS_AT_ONCE):
        some = {encoded(each): each for each in removed[start : start + _IDS_AT_ONCE]}
        for subject_id, name in await connection.execute(last_names(some)):
            found[some[subject_id]] = name
    return found


def last_names(subject_ids: Collection[str | None]) -> Select[Any]:
    """The last name in the audit log of each of these subjects.

    Calls of LINE WORKS are left out: so the index by subject finds them. Whoever was removed has at
    least the record of that.
    """
    columns = schema.audit.c
    has_name = func.coalesce(columns.username, "") != ""  # else the index by name might be read
    named = (NOT_OF_CALLS, columns.subject_id.in_(subject_ids), has_name)
    last = select(func.max(columns.id)).where(*named).group_by(columns.subject_id)
    return select(columns.subject_id, columns.username).where(columns.id.in_(last))


def _narrowed(query: Select[tuple[object]], audit_filter: AuditFilter) -> Select[tuple[object]]:
    columns = schema.audit.c
    if audit_filter.login_id is not None:
        query = query.where(columns.login_id == encoded(audit_filter.login_id))
    if audit_filter.client_id is not None:
        query = query.where(columns.client_id == encoded(audit_filter.client_id))
    if audit_filter.username is not None:
        name = encoded(audit_filter.username) or ""
        query = query.where(columns.id.in_(_about_person(name, audit_filter.subject_id)))
    if audit_filter.actors is not None:
        query = query.where(columns.actor.in_(sorted(map(str, map(encoded, audit_filter.actors)))))
    if audit_filter.event is not None:
        query = query.where(columns.event == audit_filter.event.value)
    if audit_filter.since is not None:
        query = query.where(columns.at >= audit_filter.since)
    if audit_filter.until is not None:
        query = query.where(columns.at < audit_filter.until)
    return query


def _about_person(username: str, subject_id: str | None) -> Select[Any]:
    """The IDs of the records about a person; each part of the query has an index.

    The index by subject is without LINE WORKS' calls: those are found by the name that was typed
    in the sign-in, or that the person had then, or by the ID of the sign-in.
    """
    columns, others = schema.audit.c, schema.audit.alias().c
    is_theirs: ColumnElement[bool] = columns.subject_id == subject_id
    if subject_id is None:
        subjects = select(others.subject_id).where(
            others.username == username, others.subject_id.is_not(None)
        )
        is_theirs = columns.subject_id.in_(subjects)
    by_name = columns.username == username
    by_subject = and_(is_theirs, NOT_OF_CALLS)
    has_name = func.coalesce(columns.username, "") != ""
    names = select(columns.username).where(by_subject, has_name).distinct()
    under_another_name = and_(columns.username.in_(names), is_theirs)
    parts = (by_name, by_subject, under_another_name)
    logins = union(
        *(select(columns.login_id).where(part, columns.login_id.is_not(None)) for part in parts)
    )
    is_anonymous = and_(columns.username.is_(None), columns.subject_id.is_(None))
    of_logins = and_(columns.login_id.in_(logins), or_(is_anonymous, is_theirs))
    found = union(*(select(columns.id).where(part) for part in (*parts, of_logins))).subquery()
    return select(found.c.id)


async def _clients(connection: AsyncConnection, query: Select[tuple[object]]) -> tuple[Client, ...]:
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    secrets = schema.client_secrets
    kept: defaultdict[str, list[RowMapping]] = defaultdict(list)
    ids = [row["client_id"] for row in rows]
    for start in range(0, len(ids), _IDS_AT_ONCE):
        found = await connection.execute(
            select(secrets)
            .where(secrets.c.client_id.in_(ids[start : start + _IDS_AT_ONCE]))
            .order_by(secrets.c.created_at)
        )
        for secret in found.mappings():
            kept[secret["client_id"]].append(secret)
    return tuple(client_from(row, kept[row["client_id"]]) for row in rows)
