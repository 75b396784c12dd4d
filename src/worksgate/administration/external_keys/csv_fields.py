"""The fields of a CSV file, each with its place in the text (RFC 4180).

The csv module reads values, and forgets where they were and how they were written. Here one field
of a record is replaced and every other character has to stay, so the place is what counts. It is
stricter, too: a quotation mark within a plain field is no CSV, and a line end of any kind ends a
record.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

DELIMITERS: Final = (",", "\t", ";")
LONGEST: Final = 32_768
"""Characters of a field, with its quotation marks."""

_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class NotCsv(ValueError):
    """Text that is no CSV, with the place at which that shows: line and column, from 1."""

    def __init__(self, text: str, at: int, why: str) -> None:
        ends = [each.end() for each in _LINE_END.finditer(text, 0, at)]
        self.line = len(ends) + 1
        self.column = at - (ends[-1] if ends else 0) + 1
        super().__init__(f"line {self.line}, column {self.column}: {why}")


class Field(NamedTuple):
    """A field: where it begins and ends, with its quotation marks, and what it says."""

    start: int
    end: int
    value: str


class Record(NamedTuple):
    """A record, and the line on which it begins, from 1."""

    line: int
    fields: list[Field]


def records(text: str, delimiter: str) -> Iterator[Record]:
    """All records, also empty ones. Raises NotCsv when it comes to the place."""
    next_field = _pattern(delimiter).match
    at, line, end_line = 0, 1, 1
    fields: list[Field] = []
    while at < len(text) or fields:
        found = next_field(text, at)
        if found is None:
            raise _not_csv(text, at, delimiter)
        start, end = found.span(1)
        value = text[start:end]
        if value.startswith('"'):
            value = value[1:-1].replace('""', '"')
            end_line += _line_ends(value)
        if end - start > LONGEST:
            raise NotCsv(text, start, f"a field has more than {LONGEST:,} characters")
        fields.append(Field(start, end, value))
        at = found.end()
        if found[2] is None:  # the record ends
            yield Record(line, fields)
            end_line += 1
            line, fields = end_line, []


def delimiter_of(text: str) -> str:
    """The delimiter, by the first record alone: the one that is most often between its fields.

    Raises NotCsv if two are there as often.
    """
    between = re.sub(_QUOTED, "", _first_record(text))
    best, second, _ = sorted(DELIMITERS, key=between.count, reverse=True)
    if between.count(best) == between.count(second) > 0:
        raise NotCsv(text, 0, "the delimiter is not clear")
    return best


def written(value: str, delimiter: str, *, is_quoted: bool) -> str:
    """A value as a field: in quotation marks if the one before was, or if it must be."""
    if is_quoted or re.search(rf'["\r\n{re.escape(delimiter)}]', value):
        return '"' + value.replace('"', '""') + '"'
    return value


@cache
def _pattern(delimiter: str) -> re.Pattern[str]:
    """A field, and what ends it: a delimiter, which is the second group, or else the record.

    No part of it is tried in two ways, so that a file takes the time of its length.
    """
    mark = re.escape(delimiter)
    return re.compile(rf'({_QUOTED}|[^"{mark}\r\n]*+)(?:({mark})|\r\n|\r|\n|\Z)')


def _not_csv(text: str, start: int, delimiter: str) -> NotCsv:
    """What is wrong with the field that begins here."""
    plain = re.compile(rf'[^"{re.escape(delimiter)}\r\n]*+')
    quoted = re.compile(_QUOTED).match(text, start)
    if quoted is not None:
        return NotCsv(text, quoted.end(), "more follows the closing quotation mark")
    if text.startswith('"', start):
        return NotCsv(text, start, "a quotation mark is never closed")
    found = plain.match(text, start)
    at = start if found is None else found.end()
    return NotCsv(text, at, "a quotation mark is within a field that has none around it")


def _first_record(text: str) -> str:
    """The first record, or its beginning: one that is longer is no header."""
    text = text[:LONGEST]
    first = re.match(rf'[\r\n]*+((?:{_QUOTED}|[^"\r\n]++|")*+)', text)
    return first[1] if first else ""


def _line_ends(value: str) -> int:
    return value.count("\n") + value.count("\r") - value.count("\r\n")
