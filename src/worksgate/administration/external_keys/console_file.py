"""``ExternalKey_member.csv``: its members with their keys, and the same file with other keys.

What LINE WORKS does with a file that is not in its own form is not known. So the new file has the
same bytes, but for the one field of those who get a key.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from worksgate.administration.external_keys.accounts import account_of, local_part
from worksgate.administration.external_keys.csv_fields import (
    Field,
    NotCsv,
    Record,
    delimiter_of,
    records,
    written,
)
from worksgate.administration.external_keys.faults import BadMembersFile, FileFault
from worksgate.administration.external_keys.file_text import FileText, read_text
from worksgate.administration.external_keys.headers import (
    STATE_HEADERS,
    column,
    key_column,
    listed,
    state_of,
)
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.directory.going_live import MemberState

MOST_BYTES: Final = 32 * 1024 * 1024
MOST_ROWS: Final = 200_000
ENOUGH: Final = 0.8
"""Which share of a column has to be known here, so that it is taken for the one of accounts."""
_LEFT_OUT: Final = (MemberState.SUSPENDED, MemberState.DELETED)


@dataclass(frozen=True, slots=True)
class FileChoices:
    """What an administrator says about a file, where it is not clear; columns by their header."""

    encoding: str | None = None
    key_column: str | None = None
    match_column: str | None = None


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member: the line on which the row begins, the account, and the field of the key.

    ``is_left_out`` is whether LINE WORKS itself keeps them out.
    """

    line: int
    account: str
    key: str
    start: int
    end: int
    is_left_out: bool = False


@dataclass(frozen=True, slots=True)
class ConsoleFile:
    """A file that was read; ``rows`` are in its order.

    ``has_bare`` is whether an account may lack its domain: so if the administrator says that this
    is the column.
    """

    text: FileText
    delimiter: str
    rows: Sequence[MemberRow]
    has_bare: bool = False

    def with_keys(self, keys: Mapping[int, str]) -> bytes:
        """The file with other keys, by the number of the row."""
        text, encode, at = self.text.text, self.text.encode, 0
        data = bytearray(self.text.mark)
        for number in sorted(keys):
            row = self.rows[number]
            is_quoted = text.startswith('"', row.start, row.end)
            data += encode(text[at : row.start])
            data += encode(written(keys[number], self.delimiter, is_quoted=is_quoted))
            at = row.end
        data += encode(text[at:])
        return bytes(data)


def read_console_file(
    data: bytes, people: Collection[KeyHolder], choices: FileChoices
) -> ConsoleFile:
    """Read a file; by the accounts of people here it is found which column names the members.

    Raises BadMembersFile.
    """
    if len(data) > MOST_BYTES:
        raise BadMembersFile(FileFault.TOO_LARGE, "at most 32 MiB")
    text = read_text(data, choices.encoding)
    text.check_exact(data)
    try:
        return _read(text, people, choices)
    except NotCsv as problem:
        raise BadMembersFile(FileFault.NOT_CSV, str(problem)) from None


def _read(text: FileText, people: Collection[KeyHolder], choices: FileChoices) -> ConsoleFile:
    delimiter = delimiter_of(text.text)
    body = _Body(text.text, delimiter)
    if next(iter(body), None) is None:
        raise BadMembersFile(FileFault.EMPTY)
    key = key_column(body.header, choices.key_column)
    if choices.match_column is None:
        account = _column_of_accounts(body, key, people)
    else:
        named = column(body.header, frozenset(), choices.match_column)
        account = -1 if named is None else named
    if account in (-1, key):
        raise BadMembersFile(FileFault.ACCOUNT_COLUMN, listed(body.header))
    rows = _rows(body, key, account)
    return ConsoleFile(text, delimiter, rows, has_bare=choices.match_column is not None)


class _Body:
    """The records after the first; each time they are asked for they are read again.

    That costs less memory than keeping all the fields of a hundred thousand members.
    """

    def __init__(self, text: str, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        header = next(self._records(), Record(1, []))
        self.header = [each.value for each in header.fields]

    def __iter__(self) -> Iterator[tuple[int, list[Field]]]:
        every = self._records()
        next(every, None)
        for number, (line, fields) in enumerate(every):
            if number >= MOST_ROWS:
                raise BadMembersFile(FileFault.TOO_MANY_ROWS)
            if len(fields) != len(self.header):
                why = f"the row has {len(fields)} cells, and the first line {len(self.header)}"
                raise NotCsv(self._text, fields[0].start, why)
            yield line, fields

    def _records(self) -> Iterator[Record]:
        """Those that are not an empty line."""
        for record in records(self._text, self._delimiter):
            if len(record.fields) > 1 or record.fields[0].value:
                yield record


def _rows(body: _Body, key: int, account: int) -> list[MemberRow]:
    state = column(body.header, STATE_HEADERS)
    return [
        MemberRow(
            line=line,
            account=account_of(fields[account].value),
            key=fields[key].value,
            start=fields[key].start,
            end=fields[key].end,
            is_left_out=state is not None and state_of(fields[state].value) in _LEFT_OUT,
        )
        for line, fields in body
    ]


def _column_of_accounts(body: _Body, key: int, people: Collection[KeyHolder]) -> int:
    """The column in which accounts of people here are, or -1 if that is not clear.

    Several may have them, such as an account and an address: then all must mean the same people.
    """
    known = _numbers_by_account(people)
    columns = [array("l") for _ in body.header]
    for _, fields in body:
        for at, each in enumerate(fields):
            account = account_of(each.value)
            number = known.get(account)
            columns[at].append(known.get(local_part(account), -1) if number is None else number)
    fitting = [at for at, each in enumerate(columns) if at != key and _is_of_accounts(each)]
    best = max(fitting, key=lambda at: sum(each >= 0 for each in columns[at]), default=-1)
    agree = all(_mean_the_same(columns[at], columns[best]) for at in fitting)
    return best if agree else -1


def _numbers_by_account(people: Collection[KeyHolder]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for kind in ("works_account", "email"):
        for number, each in enumerate(people):
            if address := getattr(each, kind):
                numbers.setdefault(account_of(address), number)
    return numbers


def _is_of_accounts(numbers: Sequence[int]) -> bool:
    """Whether enough of a column are people here, and nobody is there twice."""
    known = [each for each in numbers if each >= 0]
    return bool(known) and len(known) >= ENOUGH * len(numbers) and len(set(known)) == len(known)


def _mean_the_same(some: Sequence[int], others: Sequence[int]) -> bool:
    pairs = zip(some, others, strict=True)
    return all(one == other or one < 0 or other < 0 for one, other in pairs)
