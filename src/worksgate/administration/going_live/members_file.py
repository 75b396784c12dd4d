"""Reads the members of LINE WORKS from the file of its console (``ExternalKey_member.csv``).

Neither its encoding nor the names of its columns are documented, so nothing is guessed that could
be wrong without being noticed: what is not clear is a fault that says what to choose. A file is
read whole or not at all, with a fault for each row that is wrong. Keys are taken as they are, also
those that LINE WORKS should not have.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from worksgate.administration.external_keys.accounts import account_of
from worksgate.administration.external_keys.csv_fields import NotCsv, delimiter_of, records
from worksgate.administration.external_keys.faults import (
    ROW_FAULTS,
    BadMembersFile,
    FileFault,
    RowFault,
    WrongRow,
)
from worksgate.administration.external_keys.file_text import read_text
from worksgate.administration.external_keys.headers import (
    ACCOUNT_HEADERS,
    NAME_HEADERS,
    STATE_HEADERS,
    column,
    key_column,
    listed,
    shown,
    state_of,
)
from worksgate.directory.going_live import Member
from worksgate.oauth.user_info import MAX_EXTERNAL_KEY

MOST_BYTES: Final = 16 * 1024 * 1024
MOST_ROWS: Final = 200_000
MOST_FAULTS: Final = 100
"""Faults of rows that are shown; the others are counted."""
LONGEST_ACCOUNT: Final = 254
"""Characters."""

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class Choices:
    """What an administrator says about a file, where it is not clear; columns by their header."""

    encoding: str | None = None
    key_column: str | None = None
    account_column: str | None = None


NO_CHOICES: Final = Choices()


def read_members(data: bytes, choices: Choices = NO_CHOICES) -> list[Member]:
    """The members in a file. Raises BadMembersFile."""
    if len(data) > MOST_BYTES:
        raise BadMembersFile(FileFault.TOO_LARGE, "at most 16 MiB")
    rows = _rows(read_text(data, choices.encoding).text)
    header = next(rows, (1, []))[1]
    body = list(_limited(rows))
    if not body:
        raise BadMembersFile(FileFault.EMPTY)
    return _members(body, _Columns.of(header, body, choices), len(header))


@dataclass(frozen=True, slots=True)
class _Columns:
    """The numbers of the columns."""

    account: int
    key: int
    name: int | None
    state: int | None

    @classmethod
    def of(
        cls, header: Sequence[str], body: Sequence[tuple[int, list[str]]], choices: Choices
    ) -> "_Columns":
        key = key_column(header, choices.key_column)
        account = column(header, ACCOUNT_HEADERS, choices.account_column)
        if account is None and choices.account_column is None:
            account = _only_addresses(body, len(header))
        if account is None or account == key:
            raise BadMembersFile(FileFault.ACCOUNT_COLUMN, listed(header))
        return cls(account, key, column(header, NAME_HEADERS), column(header, STATE_HEADERS))


def _only_addresses(body: Sequence[tuple[int, list[str]]], width: int) -> int | None:
    """The only column in which every cell is an address."""
    fitting = [
        at
        for at in range(width)
        if all(len(cells) > at and _ADDRESS.fullmatch(cells[at].strip()) for _, cells in body)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _members(body: Sequence[tuple[int, list[str]]], columns: _Columns, width: int) -> list[Member]:
    members: dict[str, Member] = {}
    wrong: list[WrongRow] = []
    for line, cells in body:
        account = account_of(cells[columns.account]) if len(cells) == width else ""
        fault = _fault(cells, account, columns, width)
        if fault is None and account in members:
            fault = RowFault.ACCOUNT_TWICE
        if fault is None:
            members[account] = _member(account, cells, columns)
        else:
            wrong.append(WrongRow(line, shown(account), fault))
    if wrong:
        first = f"{len(wrong)}, the first in line {wrong[0].line}: {ROW_FAULTS[wrong[0].fault]}"
        raise BadMembersFile(FileFault.ROWS, first, wrong[:MOST_FAULTS], len(wrong))
    return list(members.values())


def _fault(cells: Sequence[str], account: str, columns: _Columns, width: int) -> RowFault | None:
    if len(cells) != width:
        return RowFault.CELLS
    key = cells[columns.key]
    if not account:
        return RowFault.NO_ACCOUNT
    if len(account) > LONGEST_ACCOUNT or len(key) > MAX_EXTERNAL_KEY:
        return RowFault.TOO_LONG
    if not (account.isprintable() and key.isprintable()):
        return RowFault.CONTROL
    return None


def _member(account: str, cells: Sequence[str], columns: _Columns) -> Member:
    name = "" if columns.name is None else cells[columns.name].strip()
    state = "" if columns.state is None else cells[columns.state]
    return Member(
        account=account,
        name=shown(name),
        # Compared as it is: LINE WORKS does not say that it ignores blanks.
        external_key=cells[columns.key] or None,
        state=state_of(state),
    )


def _limited(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(rows):
        if number >= MOST_ROWS:
            raise BadMembersFile(FileFault.TOO_MANY_ROWS)
        yield row


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the line on which it begins."""
    try:
        for line, fields in records(text, delimiter_of(text)):
            row = [each.value for each in fields]
            if any(row):
                yield line, row
    except NotCsv as problem:
        raise BadMembersFile(FileFault.NOT_CSV, str(problem)) from None
