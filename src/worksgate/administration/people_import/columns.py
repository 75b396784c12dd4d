"""Reads people from the rows of a CSV file; nothing here touches the database.

Columns: ``username`` (required), ``name``, ``reading``, ``external_key``, ``works_account``,
``email``, ``groups`` (separated by ``;``), ``password`` or ``password_hash`` (``imported_hashes``
lists the kinds), ``administrator``, ``enabled``; their names may be in any spelling (``External
Key``). An empty cell means no value: a new account goes without, and is enabled; an existing one
keeps its.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from worksgate.credentials.imported_hashes import check_importable
from worksgate.credentials.usernames import username_key
from worksgate.directory import Account
from worksgate.directory.account_rules import GROUP_SEPARATOR, check_account
from worksgate.directory.key_ownership import KEY_KINDS

COLUMNS = (
    "username",
    "name",
    "reading",
    "external_key",
    "works_account",
    "email",
    "groups",
    "password",
    "password_hash",
    "administrator",
    "enabled",
)
SECRETS = frozenset(("password", "password_hash"))
"""Columns that are read and never written."""

FIRST_LINE = 2
"""The line of the first row, after the header."""

_YES = frozenset(("yes", "true", "1", "y", "on"))
_NO = frozenset(("no", "false", "0", "n", "off"))


class BadColumns(ValueError):
    """The file's columns cannot be imported; one sentence for the administrator."""


class ImportOutcome(StrEnum):
    """The outcome of a row."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One row of the report.

    ``reason`` says why a row was refused, ``lacks`` what the person still needs to sign in.
    """

    line: int
    username: str
    outcome: ImportOutcome
    reason: str | None = None
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do, row by row in the order of the file."""

    rows: tuple[ImportRow, ...]
    dry_run: bool

    def count(self, outcome: ImportOutcome) -> int:
        """How many rows had this outcome."""
        return sum(row.outcome is outcome for row in self.rows)

    @property
    def refused(self) -> tuple[ImportRow, ...]:
        """The refused rows."""
        return tuple(row for row in self.rows if row.outcome is ImportOutcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One person of the file; None means not given."""

    line: int
    username: str
    name: str | None = None
    reading: str | None = None
    external_key: str | None = None
    works_account: str | None = None
    email: str | None = None
    groups: tuple[str, ...] | None = None
    administrator: bool | None = None
    enabled: bool | None = None
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)

    def onto(self, account: Account) -> Account:
        """The account with the file's values, except the password and its hash."""
        given: dict[str, Any] = {
            name: value
            for name in COLUMNS
            if name not in SECRETS
            if (value := getattr(self, name)) is not None
        }
        return replace(account, **given)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that is refused before any lookup."""

    line: int
    username: str
    reason: str


def read_columns(names: Sequence[str]) -> list[str]:
    """Our names for the columns of a file, in its order. Raises BadColumns."""
    columns = [_column(name) for name in names]
    for column in columns:
        if column not in COLUMNS:
            close = get_close_matches(column, COLUMNS, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(COLUMNS)}"
            raise BadColumns(f"there is no column {column!r}; {hint}")
        if columns.count(column) > 1:
            raise BadColumns(f"the column {column} is there twice")
    if "username" not in columns:
        raise BadColumns("the first line names the columns, and username must be one")
    return columns


def _column(name: str) -> str:
    return name.removeprefix("\ufeff").strip().lower().replace(" ", "_").replace("-", "_")


class Reader:
    """Reads rows one by one, and remembers earlier ones, to find duplicates."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def read(self, rows: Iterable[Mapping[Any, Any]]) -> Iterator[Entry | Unreadable]:
        """The rows, in order. Raises BadColumns at the first row, or if they change."""
        columns: dict[Any, str] = {}
        for line, row in enumerate(rows, FIRST_LINE):
            if row.keys() - columns.keys() - {None}:
                names = [name for name in row if name is not None]
                columns = dict(zip(names, read_columns(names), strict=True))
            yield self._read(line, row, columns)

    def _read(
        self, line: int, row: Mapping[Any, Any], columns: Mapping[Any, str]
    ) -> Entry | Unreadable:
        cells = {column: row.get(name) or "" for name, column in columns.items()}
        username = cells["username"].strip()
        try:
            _check_length(row)
            entry = _entry(line, username, cells)
            check_account(entry.onto(Account(id="", username=username)))
            self._check_duplicates(entry)
        except ValueError as error:
            return Unreadable(line, username, str(error))
        return entry

    def _check_duplicates(self, entry: Entry) -> None:
        places = [("username", username_key(entry.username))]
        places += [(kind, key) for kind in KEY_KINDS if (key := getattr(entry, kind))]
        firsts = {place: self._seen.setdefault(place, entry.line) for place in places}
        for (kind, _), first in firsts.items():
            if first != entry.line:
                what = KEY_KINDS.get(kind, kind)
                raise ValueError(f"the same {what} is already on line {first}")


def _check_length(row: Mapping[Any, Any]) -> None:
    """The csv module keeps surplus cells under the name None."""
    if row.get(None):
        raise ValueError("the row has more cells than the file has columns")


def _entry(line: int, username: str, cells: Mapping[str, str]) -> Entry:
    return Entry(
        line=line,
        username=username,
        name=cells.get("name", "").strip() or None,
        reading=cells.get("reading", "").strip() or None,
        external_key=cells.get("external_key", "").strip() or None,
        works_account=cells.get("works_account", "").strip() or None,
        email=cells.get("email", "").strip() or None,
        groups=_read_groups(cells),
        administrator=_read_switch("administrator", cells),
        enabled=_read_switch("enabled", cells),
        password=cells.get("password") or None,  # blanks may belong to it
        password_hash=_read_hash(cells),
    )


def _read_groups(cells: Mapping[str, str]) -> tuple[str, ...] | None:
    groups = map(str.strip, cells.get("groups", "").split(GROUP_SEPARATOR))
    return tuple(filter(None, groups)) or None


def _read_hash(cells: Mapping[str, str]) -> str | None:
    encoded = cells.get("password_hash", "").strip()
    if encoded and cells.get("password"):
        raise ValueError("a row has either a password or a password_hash")
    return check_importable(encoded) if encoded else None


def _read_switch(column: str, cells: Mapping[str, str]) -> bool | None:
    text = cells.get(column, "").strip().lower()
    if text and text not in _YES | _NO:
        raise ValueError(f"{column} must be yes or no")
    return text in _YES if text else None
