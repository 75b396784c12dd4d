"""Several processes begin with the longest files, and wait and compute at the same time."""

from types import SimpleNamespace
from typing import Any

from tests.order import _SECONDS, mixed
from tests.quick import TESTS


def items_in(*files: str) -> list[Any]:
    return [SimpleNamespace(path=TESTS / file, number=n) for file in files for n in range(2)]


def test_files_that_wait_are_spread_over_those_that_compute() -> None:
    computing = ["oauth/test_form.py", "settings/test_load.py", "test_links.py", "test_quick.py"]
    found: Any = mixed(items_in("cli/test_x.py", "faults/test_y.py", *computing))
    assert [each.path.name for each in found[::2]] == [
        "test_x.py",
        "test_form.py",
        "test_load.py",
        "test_y.py",
        "test_links.py",
        "test_quick.py",
    ]
    assert [each.number for each in found] == [0, 1] * 6


def test_the_longest_begins_first_and_others_compute_for_as_long() -> None:
    computing = ["oauth/test_form.py", "settings/test_load.py"]
    found: Any = mixed(items_in("cli/test_x.py", "faults/test_faults_sqlite.py", *computing))
    assert [each.path.name for each in found[::2]] == [
        "test_faults_sqlite.py",
        "test_form.py",
        "test_load.py",
        "test_x.py",
    ]


def test_each_file_that_takes_long_is_there() -> None:
    assert [name for name in _SECONDS if not (TESTS / name).is_file()] == []
