"""Files for spreadsheets, in which nothing is executed."""

import csv
import io
from collections.abc import Iterable, Sequence

from starlette.responses import Response

from worksgate.administration.people_import.files import escaped


def csv_file(name: str, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Response:
    """A CSV file in UTF-8, to be saved; a cell that a spreadsheet would run gets a quote.

    All cells are in quotation marks: in many countries a spreadsheet separates by semicolons, and
    would find a formula behind one.
    """
    data = (csv_lines([columns]) + csv_lines(rows)).encode()
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, 200, headers, "text/csv; charset=utf-8")


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Some rows as lines of such a file."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    return "" if value is None else escaped(str(value))
