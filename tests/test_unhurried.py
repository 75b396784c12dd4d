"""Tries at what has a real deadline: one success is enough, and what always fails fails."""

import pytest
from tests.unhurried import TRIES, tries


@pytest.mark.parametrize("failures", range(TRIES))
def test_one_try_that_succeeds_is_enough_and_is_the_last(failures: int) -> None:
    begun = 0
    for each in tries():
        with each:
            begun += 1
            assert begun > failures
    assert begun == failures + 1


def test_what_fails_each_time_fails() -> None:
    with pytest.raises(TimeoutError, match=f"number {TRIES}"):
        _fail_each_time()


def _fail_each_time() -> None:
    for number, each in enumerate(tries(), 1):
        with each:
            raise TimeoutError(f"number {number}")
