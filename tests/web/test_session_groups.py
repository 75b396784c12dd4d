"""Groups of a session's person are stored unchanged, whatever their names contain (R-118)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worksgate.provider.sessions import read_groups, written_groups

NAMES = st.text(st.sampled_from('ab\n\r"\\ 営'), min_size=1, max_size=6)


@given(st.lists(NAMES, max_size=5))
def test_r118_groups_are_read_as_they_were_written(groups: list[str]) -> None:
    assert list(read_groups(written_groups(groups))) == groups


@pytest.mark.parametrize("groups", [(), ("sales",), ("sales", '"sales"', "営業　部")])
def test_what_the_release_before_wrote_is_read(groups: tuple[str, ...]) -> None:
    assert written_groups(groups) == "\n".join(groups)
    assert read_groups("\n".join(groups)) == groups


def test_a_quotation_mark_alone_is_part_of_a_name() -> None:
    """The release before wrote a first group without a name as an empty line."""
    assert read_groups('\n"sales') == ('"sales',)


def test_r118_the_release_before_misses_no_group_and_finds_none_that_is_not_there() -> None:
    written = written_groups(["staff", "x\nsales", "banned"])
    read_by_it = tuple(filter(None, written.split("\n")))
    assert {"staff", "banned"} < set(read_by_it)
    assert "sales" not in read_by_it
