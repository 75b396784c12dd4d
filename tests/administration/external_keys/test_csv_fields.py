"""The fields of a CSV file have the values that the csv module reads, and their places."""

import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import examples

from worksgate.administration.external_keys.csv_fields import (
    DELIMITERS,
    LONGEST,
    NotCsv,
    delimiter_of,
    records,
    written,
)

TEXTS = st.text(st.sampled_from('",;\t\r\n ab漢'), max_size=40)


def values(text: str, delimiter: str = ",") -> list[list[str]]:
    return [[each.value for each in record.fields] for record in records(text, delimiter)]


@given(text=TEXTS, delimiter=st.sampled_from(DELIMITERS))
@examples(150)
def test_r205_values_are_those_of_the_csv_module_and_places_cover_the_text(
    text: str, delimiter: str
) -> None:
    try:
        found = list(records(text, delimiter))
    except NotCsv:
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    assert [[each.value for each in record.fields] for record in found] == [
        row or [""] for row in reader
    ]
    between, at = [], 0
    for each in (each for record in found for each in record.fields):
        between.append(text[at : each.start])
        at = each.end
    assert set("".join((*between, text[at:]))) <= {delimiter, "\r", "\n"}


@given(value=st.text(st.characters(exclude_characters="\0", codec="utf-8")))
@examples(100)
def test_r205_a_written_field_is_read_as_it_was(value: str) -> None:
    for is_quoted in (False, True):
        field = written(value, ",", is_quoted=is_quoted)
        assert values(f"a,{field}\n") == [["a", value]]


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ('a,b\nc,d"e\n', (2, 4), "within a field"),
        ('a,b\r\n"c"d,e\r\n', (2, 4), "follows the closing"),
        ('a,b\n\nc,"d\ne', (3, 3), "never closed"),
        ("a," + "b" * (LONGEST + 1), (1, 3), "more than 32,768 characters"),
    ],
)
def test_r206_what_is_no_csv_is_refused_with_its_place(
    text: str, place: tuple[int, int], why: str
) -> None:
    with pytest.raises(NotCsv, match=why) as refusal:
        list(records(text, ","))
    assert (refusal.value.line, refusal.value.column) == place


def test_lines_are_those_on_which_records_begin() -> None:
    text = 'a\r\n"b\nc\rd\r\ne"\n\nf'
    assert [each.line for each in records(text, ",")] == [1, 2, 6, 7]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("ID,External Key\na;b;c;d\n", ","),
        ('"Name; given; family",ID\n', ","),
        ("ID\tExternal Key", "\t"),
        ('"a\n,,,";b', ";"),
        ("ID", ","),
        ("", ","),
        ("\n\na;b", ";"),
    ],
)
def test_r206_the_delimiter_is_that_of_the_header(text: str, delimiter: str) -> None:
    assert delimiter_of(text) == delimiter


def test_r206_a_delimiter_that_is_not_clear_is_refused() -> None:
    with pytest.raises(NotCsv, match="not clear"):
        delimiter_of("Name,ID;External Key\n")


def test_a_file_takes_the_time_of_its_length() -> None:
    """Backtracking would take minutes."""
    with pytest.raises(NotCsv):
        list(records('"' + 'a""' * 200_000, ","))
    with pytest.raises(NotCsv):
        list(records('x"' + '""' * 200_000 + "a", ","))


def test_a_header_without_an_end_takes_little_memory() -> None:
    text = 'a"b' * 300_000
    tracemalloc.start()
    try:
        assert delimiter_of(text) == ","
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(text)
