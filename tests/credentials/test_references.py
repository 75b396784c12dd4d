"""References are short, can be read out, and lead back to the IDs by an index."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worksgate.credentials.references import beginnings, is_reference, reference_of
from worksgate.credentials.secrets import new_ordered_id

NOW = 1_800_000_000.0
PERIOD = 2**30 / 1_000
"""Seconds after which references repeat."""


def id_of(at: float) -> str:
    return f"{int(at * 1_000):011x}AbCdEfGhIjKlMn"


def test_a_reference_has_six_characters_that_can_be_read_out() -> None:
    reference = reference_of(new_ordered_id())
    assert reference is not None
    first, hyphen, second = reference.partition("-")
    assert (len(first), hyphen, len(second)) == (3, "-", 3)
    assert set(first + second) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@given(st.floats(min_value=1_600_000_000, max_value=NOW, allow_nan=False))
def test_a_reference_leads_to_the_beginning_of_its_id(at: float) -> None:
    reference = reference_of(id_of(at))
    assert reference is not None
    assert id_of(at)[:11] in list(beginnings(reference, NOW, at - 1))


def test_of_several_periods_the_newest_comes_first() -> None:
    reference = reference_of(id_of(NOW))
    assert reference is not None
    found = list(beginnings(reference, NOW, NOW - 2.5 * PERIOD))
    assert found == [id_of(NOW - number * PERIOD)[:11] for number in range(3)]


def test_the_clock_of_another_node_may_be_ahead() -> None:
    reference = reference_of(id_of(NOW + 60))
    assert reference is not None
    assert next(iter(beginnings(reference, NOW, NOW - 60))) == id_of(NOW + 60)[:11]


def test_neighbours_have_references_that_no_typing_error_confuses() -> None:
    references = [reference_of(id_of(NOW + number / 1_000)) or "" for number in range(1_000)]
    assert len(set(references)) == 1_000
    for one, other in pairwise(references):
        assert sum(a != b for a, b in zip(one, other, strict=True)) > 1


@pytest.mark.parametrize("spelling", ["{}", " {} ", "{}\n"])
def test_a_reference_is_read_in_every_spelling(spelling: str) -> None:
    reference = reference_of(id_of(NOW)) or ""
    expected = list(beginnings(reference, NOW, NOW - 1))
    lookalike = reference.replace("0", "o").replace("1", "l")
    for typed in (reference, reference.lower(), reference.replace("-", ""), lookalike):
        assert is_reference(spelling.format(typed)), typed
        assert list(beginnings(spelling.format(typed), NOW, NOW - 1)) == expected, typed


@pytest.mark.parametrize(
    "text", ["", "7KQ", "7KQ-4M", "7KQ-4MDD", "7KQ-4MU", "7KQ_4MD", "田中さん田中"]
)
def test_anything_else_is_no_reference(text: str) -> None:
    assert not is_reference(text)
    with pytest.raises(ValueError, match="not a reference"):
        list(beginnings(text, NOW, NOW))


def test_an_id_without_a_time_has_no_reference() -> None:
    assert reference_of("lg-42") is None
