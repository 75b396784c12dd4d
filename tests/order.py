"""The order in which several processes take the files of a whole run.

Tests that start programs wait for them, and would all wait at the same time: between their files
come those whose tests compute. The longest files begin first, so that no process is left alone with
one at the end.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, groupby
from pathlib import Path

import pytest
from tests.quick import TESTS, may_be_quick

_LONGEST = ("faults", "security/test_flood.py", "upgrade", "server", "browser", "edge")
"""Folders and files whose tests take minutes altogether, the longest first."""


def mixed(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The same tests, those of a file together and in their order."""
    files = [(path, list(found)) for path, found in groupby(items, lambda item: item.path)]
    waiting = sorted((each for each in files if not may_be_quick(each[0])), key=_rank)
    computing = [each for each in files if may_be_quick(each[0])]
    places = [*_places(waiting), *_places(computing)]
    return list(chain.from_iterable(found for _, (_, found) in sorted(places, key=_place)))


_File = tuple[Path, list[pytest.Item]]


def _rank(file: _File) -> int:
    within = file[0].relative_to(TESTS)
    names = [each.as_posix() for each in (within, *within.parents)]
    return next((n for n, long in enumerate(_LONGEST) if long in names), len(_LONGEST))


def _places(files: Sequence[_File]) -> Iterable[tuple[float, _File]]:
    """Each with its place between 0, the beginning, and 1."""
    return ((number / len(files), file) for number, file in enumerate(files))


def _place(placed: tuple[float, _File]) -> float:
    return placed[0]
