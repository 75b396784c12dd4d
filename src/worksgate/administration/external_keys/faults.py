"""Why a file of LINE WORKS' console cannot be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from worksgate.administration.errors import Refused


class FileFault(StrEnum):
    """Why a file cannot be read at all."""

    TOO_LARGE = auto()
    EMPTY = auto()
    ENCODING = auto()
    """It is text in none of the encodings, or in several."""
    NOT_CSV = auto()
    KEY_COLUMN = auto()
    """No column is that of the external key, or several are."""
    ACCOUNT_COLUMN = auto()
    TOO_MANY_ROWS = auto()
    ROWS = auto()
    """Some rows are wrong."""


FILE_FAULTS: Final = {
    FileFault.TOO_LARGE: "the file is too large",
    FileFault.EMPTY: "the file has no member",
    FileFault.ENCODING: "the encoding of the file is not clear; choose it",
    FileFault.NOT_CSV: "the file is not a CSV file",
    FileFault.KEY_COLUMN: "the column of the External Key is not clear; name it",
    FileFault.ACCOUNT_COLUMN: "the column of the members' accounts is not clear; name it",
    FileFault.TOO_MANY_ROWS: "the file has more than 200,000 rows",
    FileFault.ROWS: "some rows are wrong",
}


class RowFault(StrEnum):
    """Why a row is wrong."""

    CELLS = auto()
    NO_ACCOUNT = auto()
    ACCOUNT_TWICE = auto()
    TOO_LONG = auto()
    CONTROL = auto()


ROW_FAULTS: Final = {
    RowFault.CELLS: "it has more or fewer cells than the first line",
    RowFault.NO_ACCOUNT: "it names no account",
    RowFault.ACCOUNT_TWICE: "its account is in the file twice",
    RowFault.TOO_LONG: "its account or its key is too long: is this the right column?",
    RowFault.CONTROL: "its account or its key contains a control character",
}


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row that is wrong, by the line on which it begins."""

    line: int
    account: str
    fault: RowFault


class BadMembersFile(Refused):
    """A file that was not read; nothing was kept of it.

    ``detail`` names the place or the columns, ``rows`` are the first of the ``wrong`` ones.
    """

    def __init__(
        self, fault: FileFault, detail: str = "", rows: Sequence[WrongRow] = (), wrong: int = 0
    ) -> None:
        super().__init__(": ".join(filter(None, (FILE_FAULTS[fault], detail))))
        self.fault = fault
        self.detail = detail
        self.rows = tuple(rows)
        self.wrong = wrong
