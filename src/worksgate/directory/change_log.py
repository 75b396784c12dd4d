"""What administrators changed: each field before and after, in the transaction of the change.

A row is written by whatever changes a client or a person (``transaction``, ``people``), if it is
said who does it. Of a secret there is only that it was changed. ``version`` is that of the client
or the person after the change: as long as they still have it, nobody has changed them since.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum, auto
from typing import Any, Final

from sqlalchemy import RowMapping, Select, delete, insert, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.console_groups import ROLE_OF_PERSON
from worksgate.directory.removed_accounts import removed_among
from worksgate.oauth.model import Client

Value = str | int | float | bool | list[str] | None
"""A field in a row; a list instead of a tuple."""

EXISTS: Final = "exists"
"""The field that says that a client was added, or something removed."""
SECRETS: Final[Mapping[str, str]] = {"secrets": "secret", "password_hash": "password"}
"""Fields whose values are never in a row, and what they are called there."""
CHANGED: Final = "changed"

_ACCOUNT_FIELDS: Final = (
    *("username", "name", "reading", "external_key", "works_account", "email", "groups"),
    *("enabled", "administrator", "role"),
)
_CLIENT_FIELDS: Final = tuple(
    each.name for each in fields(Client) if each.name not in ("client_id", "secrets", "version")
)


class ChangeKind(StrEnum):
    """What was changed."""

    CLIENT = auto()
    PERSON = auto()
    ROLE = auto()
    """The role of a person in the console."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, and when: seconds since the epoch.

    ``undoes`` is the number of the change that this one undoes. ``session`` and ``request_id`` are
    those of the console: none for the command line.
    """

    name: str
    at: float
    role: str | None = None
    undoes: int | None = None
    session: str | None = None
    request_id: str | None = None

    def detail(self, what: str) -> str:
        """What the audit record of the change says: what was done, and perhaps undone by it."""
        return what if self.undoes is None else f"change {self.undoes} undone: {what}"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field; of a secret, ``after`` is ``CHANGED``."""

    field: str
    before: Value
    after: Value

    @property
    def is_secret(self) -> bool:
        return self.field in SECRETS.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    """A row; ``subject`` is a client ID, or a person's subject."""

    number: int
    at: float
    actor: str | None
    role: str | None
    kind: ChangeKind
    subject: str
    version: int
    fields: tuple[FieldChange, ...]
    undoes: int | None
    session: str | None
    request_id: str | None

    @property
    def is_removal(self) -> bool:
        """Whether a person was removed, whom undoing restores."""
        is_gone = any(each.field == EXISTS and not each.after for each in self.fields)
        return self.kind is ChangeKind.PERSON and is_gone

    @property
    def can_be_undone(self) -> bool:
        """Whether undoing has something to set back, or somebody to bring back."""
        return self.is_removal or bool(self.restored)

    @property
    def restored(self) -> Mapping[str, Value]:
        """What undoing sets back; empty for secrets, and for what was added or removed."""
        if any(each.field == EXISTS for each in self.fields):
            return {}
        return {each.field: each.before for each in self.fields if not each.is_secret}


def of_account(before: Account | None, after: Account | None) -> tuple[FieldChange, ...]:
    """What a change of an account changes; None is before it was restored, or its removal."""
    return _differences(_ACCOUNT_FIELDS, before, after)


def of_client(before: Client | None, after: Client | None) -> tuple[FieldChange, ...]:
    """What a change of a client changes; None is before it was added, or after its removal."""
    return _differences(_CLIENT_FIELDS, before, after)


def change_values(
    author: Author, kind: ChangeKind, subject: str, version: int, changed: Sequence[FieldChange]
) -> dict[str, Any]:
    """The columns of a row."""
    return {
        "at": author.at,
        "actor": author.name,
        "role": author.role,
        "kind": kind.value,
        "subject": subject,
        "version": version,
        "fields": [[each.field, each.before, each.after] for each in changed],
        "undoes": author.undoes,
        "session": author.session,
        "request_id": author.request_id,
    }


async def write_changes(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows as part of the transaction."""
    if rows:
        await connection.execute(insert(schema.changes), list(rows))


@dataclass(frozen=True, slots=True)
class Present:
    """What was changed, as it is now; ``role`` is that of a person in the console."""

    version: int
    role: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """Which changes; None matches all. ``actors`` are names as in the log."""

    kinds: Collection[ChangeKind] | None = None
    subjects: Collection[str] | None = None
    actors: Collection[str] | None = None
    session: str | None = None
    request_id: str | None = None
    since: float | None = None
    until: float | None = None

    def narrow(self, query: Select[Any]) -> Select[Any]:
        """The query with its conditions."""
        columns = schema.changes.c
        for column, values in (
            (columns.kind, self.kinds),
            (columns.subject, self.subjects),
            (columns.actor, self.actors),
        ):
            if values is not None:
                query = query.where(column.in_(sorted(values)))
        for column, value in (
            (columns.session, self.session),
            (columns.request_id, self.request_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if self.since is not None:
            query = query.where(columns.at >= self.since)
        if self.until is not None:
            query = query.where(columns.at < self.until)
        return query


class ChangeLog(Repository[Connections]):
    """Reads what was changed; every method may raise DatabaseUnavailable."""

    async def find(self, number: int) -> RecordedChange | None:
        """The change with this number."""
        found = await self._all(select(_TABLE).where(_TABLE.c.number == number))
        return found[0] if found else None

    async def page(
        self, wanted: ChangeFilter, before: int | None, limit: int
    ) -> list[RecordedChange]:
        """The newest changes that match, or the newest before a number; the newest first."""
        query = wanted.narrow(select(_TABLE))
        if before is not None:
            query = query.where(_TABLE.c.number < before)
        return await self._all(query.order_by(_TABLE.c.number.desc()).limit(limit))

    async def since(self, subject: str, version: int, limit: int) -> list[RecordedChange]:
        """The changes of something after one of its versions, the oldest first."""
        is_later = (_TABLE.c.subject == subject, _TABLE.c.version > version)
        return await self._all(
            select(_TABLE).where(*is_later).order_by(_TABLE.c.number).limit(limit)
        )

    @run_to_completion
    async def present(self, changes: Iterable[RecordedChange]) -> dict[str, Present]:
        """What was changed as it is now, by subject, as far as it exists."""
        of_clients: set[str] = set()
        of_people: set[str] = set()
        for each in changes:
            (of_clients if each.kind is ChangeKind.CLIENT else of_people).add(each.subject)
        accounts = {
            each.removeprefix(SUBJECT_PREFIX)
            for each in of_people
            if each.startswith(SUBJECT_PREFIX)
        }
        found: dict[str, Present] = {}
        async with self._connections.reading() as connection:
            for table, key, role, ids, beginning in (
                (schema.clients, "client_id", null(), of_clients, ""),
                (schema.accounts, "id", schema.accounts.c.role, accounts, SUBJECT_PREFIX),
                (schema.people, "subject_id", ROLE_OF_PERSON, of_people, ""),
            ):
                query = select(table.c[key], table.c.version, role.label("role"))
                rows = await connection.execute(query.where(table.c[key].in_(sorted(ids))))
                found |= {beginning + row[0]: Present(row[1], row[2]) for row in rows}
            for removed in await removed_among(connection, accounts):
                account = removed.account
                present = Present(account.version, account.role)
                found.setdefault(account.person.subject_id, present)
        return found

    @run_to_completion
    async def purge(self, until: float, limit: int) -> int:
        """Remove the oldest changes, if they were before a time; return how many."""
        oldest = select(_TABLE.c.number, _TABLE.c.at).order_by(_TABLE.c.number).limit(limit)
        async with self._connections.reading() as connection:
            rows = (await connection.execute(oldest)).all()
        past = [number for number, at in rows if at < until]
        if past:
            async with self._connections.writing() as connection:
                await connection.execute(delete(_TABLE).where(_TABLE.c.number.in_(past)))
        return len(past)

    @run_to_completion
    async def _all(self, query: Select[Any]) -> list[RecordedChange]:
        """Without kinds of a later version, which may have other columns."""
        known = query.where(_TABLE.c.kind.in_(list(ChangeKind)))
        async with self._connections.reading() as connection:
            return [_recorded(row) for row in (await connection.execute(known)).mappings()]


_TABLE = schema.changes


def _differences(
    names: Iterable[str], before: object | None, after: object | None
) -> tuple[FieldChange, ...]:
    changed = [
        FieldChange(name, old, new)
        for name in names
        if (old := _plain(before, name)) != (new := _plain(after, name))
    ]
    if before is None or after is None:
        return (FieldChange(EXISTS, before is not None, after is not None), *changed)
    for name, shown in SECRETS.items():
        if getattr(before, name, None) != getattr(after, name, None):
            changed.append(FieldChange(shown, None, CHANGED))
    return tuple(changed)


def _plain(value: object | None, name: str) -> Value:
    """A field as JSON has it; None without a value."""
    found = None if value is None else getattr(value, name)
    if isinstance(found, tuple):
        return [str(each) for each in found]
    if isinstance(found, str):  # of an enumeration, the word
        return str(found)
    plain: Value = found
    return plain


def _recorded(row: RowMapping) -> RecordedChange:
    return RecordedChange(
        number=row["number"],
        at=row["at"],
        actor=row["actor"],
        role=row["role"],
        kind=ChangeKind(row["kind"]),
        subject=row["subject"],
        version=row["version"],
        fields=tuple(FieldChange(*each) for each in row["fields"]),
        undoes=row["undoes"],
        session=row["session"],
        request_id=row["request_id"],
    )
