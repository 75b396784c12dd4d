"""The rows of a CSV file of people: which encoding it has, its columns and cells.

UTF-8, with or without a byte order mark, or the encoding of Excel on a Japanese or Korean Windows;
the first line names the columns. A cell that a spreadsheet would take for a formula was written
with a leading ``'``, and is read without it.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from worksgate.administration.older_encodings import ordinary_text
from worksgate.administration.people_import.columns import SECRETS, BadColumns, read_columns

UTF_8 = "utf-8"
_OLDER = ("cp932", "cp949")
READABLE = (UTF_8, *_OLDER)
"""Encodings that a file may have."""

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""First characters of cells that a spreadsheet could execute; the last four are full width."""


class BadFile(ValueError):
    """It is no CSV file of people; one sentence."""


class UnknownEncoding(BadFile):
    """It is not UTF-8, and could be in several encodings, or in none."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The rows of a file, each cell by its column; ``is_guess`` if the encoding is one."""

    rows: list[dict[str | None, str]]
    encoding: str
    is_guess: bool


def read_file(
    name: str, data: bytes, encoding: str | None = None, *, most_rows: int | None = None
) -> ReadFile:
    """The rows of a file, which errors call ``name``.

    Without ``encoding`` (one of ``READABLE``) it is detected if it is unambiguous. Raises BadFile,
    also as soon as there are more than ``most_rows``; invalid rows are left to the import.
    """
    text, encoding, is_guess = _decoded_or_guessed(name, data, encoding)
    rows = _cells_of(name, text, most_rows)
    while rows and not any(rows[-1]):
        rows.pop()
    try:
        columns = read_columns(rows[0] if rows else [])
    except BadColumns as error:
        raise BadFile(f"{name}: {error}") from None
    return ReadFile([_row(columns, cells) for cells in rows[1:]], encoding, is_guess)


def _decoded_or_guessed(file: str, data: bytes, encoding: str | None) -> tuple[str, str, bool]:
    if encoding is not None:
        return _decoded(file, data, encoding), encoding, False
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadFile(f"{file} is UTF-16 text; save it as CSV UTF-8")
    try:
        return data.decode("utf-8-sig"), UTF_8, False
    except UnicodeDecodeError as error:
        guessed = _only_reading(data)
        if guessed is None:
            problem = f"{file} is not UTF-8 text (line {_line(data, error)})"
            raise UnknownEncoding(problem) from None
    return _decoded(file, data, guessed), guessed, True


def _decoded(file: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode("utf-8-sig" if encoding == UTF_8 else encoding)
    except UnicodeDecodeError as error:
        raise BadFile(f"{file} is not {encoding} text (line {_line(data, error)})") from None


def _line(data: bytes, error: UnicodeDecodeError) -> int:
    return data.count(b"\n", 0, error.start) + 1


def _only_reading(data: bytes) -> str | None:
    """The older encoding in which a file is ordinary text, if there is exactly one."""
    fitting = [each for each in _OLDER if ordinary_text(data, each) is not None]
    return fitting[0] if len(fitting) == 1 else None


def _cells_of(file: str, text: str, most: int | None) -> list[list[str]]:
    """The rows of a file. Raises BadFile with the line on which the invalid row begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows: list[list[str]] = []
    begins = 1
    try:
        for row in reader:
            begins = reader.line_num + 1
            if most is None or len(rows) <= most:  # the first one names the columns
                rows.append(row)
            elif any(row):  # empty ones at the end are none
                raise BadFile(
                    f"{file} has more than {most:,} rows; on the server: worksgate user import"
                )
    except csv.Error as error:
        hint = " (a quotation mark is never closed)" if "unexpected end" in str(error) else ""
        raise BadFile(f"{file} is not a CSV file: line {begins}: {error}{hint}") from None
    return rows


def _delimiter(text: str) -> str:
    """The delimiter of the columns: Excel writes ; in locales with a decimal comma."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _row(columns: Sequence[str], cells: Sequence[str]) -> dict[str | None, str]:
    """A row as from csv.DictReader: cells without a column are under None."""
    row: dict[str | None, str] = {
        column: cell if column in SECRETS else _unescaped(cell)
        for column, cell in zip(columns, cells, strict=False)
    }
    for column in columns[len(cells) :]:
        row[column] = ""
    if len(cells) > len(columns):
        row[None] = ",".join(cells[len(columns) :])
    return row


def escaped(cell: str) -> str:
    """A cell as it is written to a file, so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
