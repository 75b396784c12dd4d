"""What lists sort people by and searches look at: two columns beside their names and keys.

``haystack`` has all that a search looks at, folded: one spelling for width, case, and katakana or
hiragana. ``sort_key`` is the reading of the name, or the name, and the username. Both are written
by the statement that writes what they are made of, so no sign-in costs more, and nothing is to be
kept in step.

A server of the previous release leaves them empty in a new row, and as they were in a changed one.
An empty one is read as the names themselves; ``PeopleIndex`` looks for both kinds: at everybody
once in the process that purges, and then at some of them in each round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Column, ColumnElement, Select, Table, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion

LONGEST_SORT_KEY: Final = 64
"""Characters: PostgreSQL has no index of long texts."""

_DERIVED = ("sort_key", "haystack")
_SOURCES = ("username", "name", "reading", "external_key", "works_account", "email")
_KATAKANA_TO_HIRAGANA = {each: each - 0x60 for each in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)}


class Named(Protocol):
    """An account, a person of any source, or a row of either."""

    @property
    def username(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def reading(self) -> str: ...

    @property
    def external_key(self) -> str | None: ...

    @property
    def works_account(self) -> str | None: ...

    @property
    def email(self) -> str | None: ...


def folded(written: str) -> str:
    """A text as it is searched for: width, case and the two kinds of kana do not matter."""
    return username_key(written).translate(_KATAKANA_TO_HIRAGANA)


def words_of(typed: str) -> list[str]:
    """What somebody must have, all of it, to be found by what was typed."""
    return sorted(set(folded(typed).split()))


def found_by(person: Named) -> dict[str, str]:
    """The columns by which lists and searches find somebody."""
    texts = [folded(getattr(person, each) or "") for each in _SOURCES]
    username, name, reading = texts[:3]
    return {
        "sort_key": f"{reading or name} {username}".strip()[:LONGEST_SORT_KEY],
        "haystack": "\n".join(filter(None, texts)),
    }


def sort_key_of(table: Table) -> ColumnElement[str]:
    """The place in a list by name, of whoever wrote the row; there is an index of it."""
    key: ColumnElement[str] = func.coalesce(table.c.sort_key, table.c.username_key)
    return key


def has_words(typed: str, table: Table) -> list[ColumnElement[bool]]:
    """Whether somebody has each word of this in a name, its reading, an address or a key."""
    columns = table.c
    unfolded: ColumnElement[str] = columns.username_key + "\n" + columns.name
    for column in (columns.email, columns.external_key, columns.works_account):
        unfolded = unfolded + "\n" + func.coalesce(column, "")
    text = func.coalesce(columns.haystack, func.lower(unfolded))
    return [text.contains(each, autoescape=True) for each in words_of(typed)]


def columns_of(table: Table) -> list[Column[Any]]:
    """All columns but those that only lists and searches read."""
    return [each for each in table.columns if each.name not in _DERIVED]


@dataclass(slots=True)
class _Place:
    """How far the rows have been looked at: the table, and the last key in it."""

    table: int = 0
    after: str = ""


class PeopleIndex(Repository[Connections]):
    """Mends rows that a server of the previous release wrote."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self._place = _Place()
        self._has_seen_everybody = False

    async def repair(self, limit: int) -> int:
        """Look at the next rows, and repair those that are not up to date.

        Returns 0 once everybody has been looked at, else how many rows were. Raises
        DatabaseUnavailable.
        """
        seen = await self._repair(self._place, limit)
        return 0 if self._has_seen_everybody else max(1, seen)

    @run_to_completion
    async def _repair(self, place: _Place, limit: int) -> int:
        table = _TABLES[place.table]
        key = _key_of(table)
        some = _of(table).where(key > place.after).order_by(key).limit(limit)
        async with self._connections.reading() as connection:
            rows = (await connection.execute(some)).all()
        if old := [row.key for row in rows if not _is_up_to_date(row)]:
            async with self._connections.writing() as connection:
                await renew(connection, table, old)
        if len(rows) == limit:
            place.after = rows[-1].key
        else:
            place.table, place.after = (place.table + 1) % len(_TABLES), ""
            self._has_seen_everybody = self._has_seen_everybody or place.table == 0
        return len(rows)


_TABLES: Final = (schema.accounts, schema.people)


async def renew(connection: AsyncConnection, table: Table, keys: Sequence[str]) -> None:
    """Write by what these people are found, as part of the transaction."""
    key = _key_of(table)
    same = _of(table).where(key.in_(keys)).order_by(key).with_for_update()
    rows = await connection.execute(same)
    if values := [{"whose": row.key, **found_by(row)} for row in rows]:
        await connection.execute(update(table).where(key == bindparam("whose")), values)


def _key_of(table: Table) -> Column[Any]:
    (key,) = table.primary_key.columns
    return key


def _of(table: Table) -> Select[Any]:
    return select(_key_of(table).label("key"), *(table.c[name] for name in (*_SOURCES, *_DERIVED)))


def _is_up_to_date(row: Any) -> bool:
    return found_by(row) == {name: getattr(row, name) for name in _DERIVED}
