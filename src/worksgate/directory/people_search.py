"""Finds people by anything that an administrator may have of them: name, mail, key or subject.

A search looks at all rows, which takes some tens of milliseconds for 100,000 people. More than a
few people are not returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, or_, select

from worksgate.credentials.usernames import username_key
from worksgate.database import schema
from worksgate.database.repository import Connections, Repository, run_to_completion
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.people_index import has_words, sort_key_of

MOST: Final = 10
"""People that are returned at most."""
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """Who was found."""

    subject_id: str
    username: str
    name: str


class PeopleSearch(Repository[Connections]):
    """Searches accounts and remembered people."""

    @run_to_completion
    async def find(self, text: str) -> Sequence[FoundPerson]:
        """People of whom something is exactly this; without any, people who have its words.

        Raises DatabaseUnavailable.
        """
        wanted = " ".join(text.split())  # a blank of full width, too
        if not wanted or len(wanted) > _LONGEST or not wanted.isprintable():
            return ()
        async with self._connections.reading() as connection:
            for condition in (_is_exactly, _has_words):
                found = []
                for table in (schema.accounts, schema.people):
                    query = _query(table).where(condition(table, wanted)).limit(MOST)
                    found += [_person(table, *row) for row in await connection.execute(query)]
                if found:
                    return found[:MOST]
        return ()


def _query(table: Table) -> Any:
    columns = table.c
    return select(_id(table), columns.username, columns.name).order_by(sort_key_of(table) + "")


def _id(table: Table) -> ColumnElement[str]:
    return table.c.id if table is schema.accounts else table.c.subject_id


def _person(table: Table, found: str, username: str, name: str) -> FoundPerson:
    prefix = SUBJECT_PREFIX if table is schema.accounts else ""
    return FoundPerson(prefix + found, username, name)


def _is_exactly(table: Table, wanted: str) -> ColumnElement[bool]:
    columns = table.c
    subject = wanted.removeprefix(SUBJECT_PREFIX) if table is schema.accounts else wanted
    return or_(
        columns.username_key == username_key(wanted),
        columns.external_key == wanted,
        columns.works_account == wanted.lower(),
        columns.email == wanted,
        _id(table) == subject,
    )


def _has_words(table: Table, wanted: str) -> ColumnElement[bool]:
    return and_(*has_words(wanted, table))
