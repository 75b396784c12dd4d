"""A name that somebody typed by mistake is recognised."""

import pytest

from worksgate.administration.sign_in_trace.similar_names import similar_names

OWN = ("tanaka.misaki", "tanaka.misaki@hikari.example")


@pytest.mark.parametrize(
    "typed",
    ["tanaka-misaki", "tanakamisaki", "tanaka.misaki@hikari.jp.example", "TANAKA.MISAK"],
)
def test_a_name_that_resembles_theirs_is_found(typed: str) -> None:
    assert similar_names(OWN, [typed, "kim.minjun"]) == (typed,)


@pytest.mark.parametrize(
    "typed", ["Tanaka.Misaki", "tanaka.misaki@hikari.example", "tanaka", "kim"]
)
def test_their_own_names_and_those_of_others_are_not(typed: str) -> None:
    assert similar_names(OWN, [typed]) == ()


def test_a_few_are_enough() -> None:
    assert len(similar_names(OWN, [f"tanaka.misaki{number}" for number in range(9)])) == 3
