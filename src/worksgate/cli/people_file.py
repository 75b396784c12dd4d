"""People as a CSV file: read for an import, written by an export.

UTF-8, with or without a byte order mark, or the encoding of Excel on a Japanese or Korean Windows;
the first line names the columns.

A cell that a spreadsheet would take for a formula is written with a leading ``'``, and read without
it: a user key may begin with ``=``, must do no harm, and must survive a round trip.
"""

import csv
import io
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from worksgate.administration.people_import.columns import (
    COLUMNS,
    SECRETS,
    BadColumns,
    read_columns,
)
from worksgate.cli.printing import note
from worksgate.cli.refusals import Refusal, naming
from worksgate.database.temporary_files import remove_abandoned, written_beside
from worksgate.directory import Account
from worksgate.directory.account_rules import GROUP_SEPARATOR

EXPORTED = tuple(column for column in COLUMNS if column not in SECRETS)
STANDARD_INPUT = Path("-")
UTF_8 = "utf-8"
READABLE = (UTF_8, "cp932", "cp949")
"""Encodings for reading, as in ``--encoding``."""
WRITABLE = {UTF_8: UTF_8, "utf-8-bom": "utf-8-sig", "cp932": "cp932", "cp949": "cp949"}
"""Encodings for writing, and Python's names for them."""

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""First characters of cells that a spreadsheet could execute; the last four are full width."""

# Decoding with the wrong one of the two shows: names in cp932 become rare syllables, which euc_kr
# lacks and cp949 has, and Hangul begins with half-width katakana.
_JAPANESE = re.compile(r"[\0-\x7f\u3000-\u30ff\u4e00-\u9fff\uf900-\ufaff\uff01-\uff5e\uffe5]*")
_KOREAN = re.compile(r"[\0-\x7f\u3000-\u303f\uac00-\ud7a3\uff01-\uff5e·]*")
_ORDINARY = {"cp932": ("cp932", _JAPANESE), "cp949": ("euc_kr", _KOREAN)}


def read_people(file: Path, encoding: str | None = None) -> list[dict[str | None, str]]:
    """The rows of a file, each cell by its column's name.

    ``STANDARD_INPUT`` is read to its end. Without ``encoding`` (one of ``READABLE``) it is detected
    if it is unambiguous. Raises Refusal if the file is not a CSV file of people; invalid rows are
    left to the import.
    """
    name = "standard input" if file == STANDARD_INPUT else str(file)
    data = sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
    text = _text_of(name, data, encoding)
    rows = _cells_of(name, text)
    while rows and not any(rows[-1]):
        rows.pop()
    try:
        columns = read_columns(rows[0] if rows else [])
    except BadColumns as error:
        raise Refusal(f"{name}: {error}") from None
    return [_row(columns, cells) for cells in rows[1:]]


def write_people(accounts: Iterable[Account], encoding: str = UTF_8) -> bytes:
    """A file that an import can read, in an encoding of ``WRITABLE``. No passwords, no hashes.

    Raises Refusal if the encoding lacks a character.
    """
    rows = [[_cell(getattr(account, column)) for column in EXPORTED] for account in accounts]
    text = "".join(map(csv_line, [EXPORTED, *rows]))
    try:
        return text.encode(WRITABLE[encoding])
    except UnicodeEncodeError as error:
        raise Refusal(
            f"{encoding} has no {text[error.start]}; utf-8-bom has every character, and Excel "
            "opens it too"
        ) from None


def csv_line(cells: Iterable[str]) -> str:
    """Some cells as a line of a CSV file, none of them a formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(map(_escaped, cells))
    return out.getvalue()


def table_as_csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A CSV file in UTF-8, none of its cells a formula."""
    lines = [list(columns), *(map(_cell, row) for row in rows)]
    return "".join(map(csv_line, lines)).encode()


def save_privately(file: Path, data: bytes) -> None:
    """Write a file atomically, readable by its owner only."""
    remove_abandoned(file.parent)
    with naming(file), written_beside(file) as beside:
        with beside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)


def _text_of(file: str, data: bytes, encoding: str | None) -> str:
    if encoding is not None:
        return _decoded(file, data, encoding)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Refusal(f"{file} is UTF-16 text; save it as CSV UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        encoding = _only_reading(data)
        if encoding is None:
            raise Refusal(
                f"{file} is not UTF-8 text (line {_line(data, error)}); name its encoding: "
                "--encoding cp932 for Japanese, --encoding cp949 for Korean"
            ) from None
    note(f"{file} is not UTF-8 and is read as {encoding}; use --encoding to change that.")
    return _decoded(file, data, encoding)


def _decoded(file: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode("utf-8-sig" if encoding == UTF_8 else encoding)
    except UnicodeDecodeError as error:
        raise Refusal(f"{file} is not {encoding} text (line {_line(data, error)})") from None


def _line(data: bytes, error: UnicodeDecodeError) -> int:
    return data.count(b"\n", 0, error.start) + 1


def _only_reading(data: bytes) -> str | None:
    """The older encoding in which a file is ordinary text, if there is exactly one."""
    fitting = []
    for encoding, (codec, ordinary) in _ORDINARY.items():
        with suppress(UnicodeDecodeError):
            if ordinary.fullmatch(data.decode(codec)):
                fitting.append(encoding)
    return fitting[0] if len(fitting) == 1 else None


def _cells_of(file: str, text: str) -> list[list[str]]:
    """The rows of a file. Raises Refusal with the line on which the invalid row begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows: list[list[str]] = []
    begins = 1
    try:
        for row in reader:
            rows.append(row)
            begins = reader.line_num + 1
    except csv.Error as error:
        hint = " (a quotation mark is never closed)" if "unexpected end" in str(error) else ""
        raise Refusal(f"{file} is not a CSV file: line {begins}: {error}{hint}") from None
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


def _escaped(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return GROUP_SEPARATOR.join(value)
    return "" if value is None else str(value)
