"""People as a CSV file: read for an import, written by an export.

UTF-8, with or without a byte order mark, or the encoding of Excel on a Japanese or Korean Windows;
the first line names the columns.

A cell that a spreadsheet would take for a formula is written with a leading ``'``, and read without
it: a user key may begin with ``=``, must do no harm, and must survive a round trip.
"""

import csv
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from worksgate.administration.people_import.columns import COLUMNS, SECRETS
from worksgate.administration.people_import.files import (
    UTF_8,
    BadFile,
    UnknownEncoding,
    escaped,
    read_file,
)
from worksgate.cli.options import STANDARD_STREAM
from worksgate.cli.printing import note
from worksgate.cli.refusals import Refusal, naming
from worksgate.database.temporary_files import remove_abandoned, written_beside
from worksgate.directory import Account
from worksgate.directory.account_rules import GROUP_SEPARATOR

EXPORTED = tuple(column for column in COLUMNS if column not in SECRETS)
WRITABLE = {UTF_8: UTF_8, "utf-8-bom": "utf-8-sig", "cp932": "cp932", "cp949": "cp949"}
"""Encodings for writing, and Python's names for them."""


def read_people(file: Path, encoding: str | None = None) -> list[dict[str | None, str]]:
    """The rows of a file, each cell by its column's name.

    ``STANDARD_STREAM`` is read to its end. Without ``encoding`` (one of ``READABLE``) it is
    detected if it is unambiguous. Raises Refusal if the file is not a CSV file of people; invalid
    rows are left to the import.
    """
    name = "standard input" if file == STANDARD_STREAM else str(file)
    data = sys.stdin.buffer.read() if file == STANDARD_STREAM else file.read_bytes()
    try:
        read = read_file(name, data, encoding)
    except UnknownEncoding as error:
        raise Refusal(
            f"{error}; name its encoding: "
            "--encoding cp932 for Japanese, --encoding cp949 for Korean"
        ) from None
    except BadFile as error:
        raise Refusal(str(error)) from None
    if read.is_guess:
        note(f"{name} is not UTF-8 and is read as {read.encoding}; use --encoding to change that.")
    return read.rows


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
    csv.writer(out, lineterminator="\n").writerow(map(escaped, cells))
    return out.getvalue()


def table_as_csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A CSV file in UTF-8, none of its cells a formula."""
    lines = [list(columns), *(map(_cell, row) for row in rows)]
    return "".join(map(csv_line, lines)).encode()


def print_csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write such a file to standard output."""
    sys.stdout.buffer.write(table_as_csv(columns, rows))
    sys.stdout.buffer.flush()


def save_privately(file: Path, data: bytes) -> None:
    """Write a file atomically, readable by its owner only."""
    remove_abandoned(file.parent)
    with naming(file), written_beside(file) as beside:
        with beside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return GROUP_SEPARATOR.join(value)
    return "" if value is None else str(value)
