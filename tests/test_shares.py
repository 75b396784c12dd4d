"""Every test is in one of the two shares of ``make test``, and both are run."""

from pathlib import Path

import pytest
from tests.shares import SHARES, TESTS, WAITING, is_in_share, turn

ROOMS = sorted(each.name for each in TESTS.iterdir() if any(each.glob("test_*.py")))
FILES = sorted(each.name for each in TESTS.glob("test_*.py"))


@pytest.mark.parametrize("name", [*ROOMS, *FILES])
def test_everything_is_in_one_share(name: str) -> None:
    path = TESTS / name
    assert [is_in_share(path, share) for share in SHARES].count(True) == 1
    assert is_in_share(path, None)


def test_the_folder_of_all_tests_is_in_both() -> None:
    assert all(is_in_share(TESTS, share) for share in SHARES)


@pytest.mark.parametrize("room", WAITING)
def test_a_room_whose_tests_wait_is_there(room: str) -> None:
    file = next((TESTS / room).glob("test_*.py"))
    assert is_in_share(file, "waiting")
    assert turn(file) == WAITING.index(room)


def test_all_other_rooms_have_their_turn_after_them() -> None:
    assert {turn(TESTS / room) for room in ROOMS if room not in WAITING} == {len(WAITING)}


def test_make_test_runs_both_shares_whatever_fails() -> None:
    root = TESTS.parent
    script = Path(root, "tools", "test").read_text("utf-8")
    assert [f"--share {share} " in script for share in SHARES] == [True, True]
    assert "set -e" not in script
    assert "tools/test)" in Path(root, "Makefile").read_text("utf-8")
