"""People as a CSV file: read for an import, written by an export.

UTF-8, with or without a byte order mark; the first line names the columns. Cells are taken and
written as they are: a user key may begin with ``=`` or ``+``, and must come back the same.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from worksgate.cli.refusals import Refusal, naming
from worksgate.directory import Account
from worksgate.directory.import_file import COLUMNS, BadColumns, read_columns

EXPORTED = tuple(column for column in COLUMNS if column != "password")


def read_people(file: Path) -> list[dict[str | None, str]]:
    """The rows of a file, each cell under its column's name.

    Raises Refusal when the file is not a CSV file of people; a wrong row is the import's business.
    """
    text = _text_of(file)
    try:
        rows = list(
            csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        )
    except csv.Error as error:
        raise Refusal(f"{file} is not a CSV file: {error}") from None
    while rows and not any(rows[-1]):
        rows.pop()
    try:
        columns = read_columns(rows[0] if rows else [])
    except BadColumns as error:
        raise Refusal(f"{file}: {error}") from None
    return [_row(columns, cells) for cells in rows[1:]]


def write_people(accounts: Iterable[Account]) -> Iterator[str]:
    """The lines of a file that an import can read. Passwords are not among it."""
    yield csv_line(EXPORTED)
    for account in accounts:
        yield csv_line([_cell(getattr(account, column)) for column in EXPORTED])


def save_privately(file: Path, lines: Iterable[str]) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    with (
        naming(file),
        NamedTemporaryFile("w", encoding="utf-8", newline="", dir=file.parent, delete=False) as new,
    ):
        try:
            new.writelines(lines)
            new.flush()
            os.fsync(new.fileno())
            Path(new.name).replace(file)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise


def _text_of(file: Path) -> str:
    data = file.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Refusal(f"{file} is UTF-16 text; save it as CSV UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refusal(
            f"{file} is not UTF-8 text (line {line}); save it as CSV UTF-8, "
            "not in an older encoding such as Shift_JIS or EUC-KR"
        ) from None


def _delimiter(text: str) -> str:
    """What stands between the names of the columns: Excel writes ; where , is a decimal mark."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _row(columns: Sequence[str], cells: Sequence[str]) -> dict[str | None, str]:
    """A row as csv.DictReader gives it: what has no column is under None."""
    row: dict[str | None, str] = dict(zip(columns, cells, strict=False))
    for column in columns[len(cells) :]:
        row[column] = ""
    if len(cells) > len(columns):
        row[None] = ",".join(cells[len(columns) :])
    return row


def csv_line(cells: Iterable[str]) -> str:
    """Some cells as a line of a CSV file."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
