"""The order in which several processes take the files of a whole run.

Tests that start programs wait for them, and would all wait at the same time: between their files
come those whose tests compute, in proportion to the time that either take. The longest files begin
first, so that no process is left alone with one at the end.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path

import pytest
from tests.quick import TESTS, may_be_quick

_SECONDS: Mapping[str, int] = {
    **dict.fromkeys(("faults/test_faults_postgresql.py", "faults/test_faults_sqlite.py"), 90),
    **dict.fromkeys(("upgrade/test_side_by_side.py", "browser/test_every_reason.py"), 60),
    **dict.fromkeys(("edge/test_framing.py", "faults/test_faults_valkey.py"), 40),
    **dict.fromkeys(("security/test_flood.py", "server/test_workers.py"), 40),
    **dict.fromkeys(("examples/test_own_servers.py", "server/test_master_key.py"), 40),
    **dict.fromkeys(("server/test_reload.py", "upgrade/test_upgrade.py"), 30),
    **dict.fromkeys(("browser/test_console.py", "browser/test_every_page.py"), 30),
    **dict.fromkeys(("browser/test_make_run.py", "edge/test_clients.py"), 20),
}
"""How long the longest files take, about."""
_USUAL = 3


def mixed(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The same tests, those of a file together and in their order."""
    files = [(path, list(found)) for path, found in groupby(items, lambda item: item.path)]
    waiting = sorted((each for each in files if not may_be_quick(each[0])), key=_longest_first)
    computing = [each for each in files if may_be_quick(each[0])]
    places = [*_places(waiting), *_places(computing)]
    return list(chain.from_iterable(found for _, (_, found) in sorted(places, key=_place)))


_File = tuple[Path, list[pytest.Item]]


def _longest_first(file: _File) -> int:
    return -_seconds(file)


def _seconds(file: _File) -> int:
    return _SECONDS.get(file[0].relative_to(TESTS).as_posix(), _USUAL)


def _places(files: Sequence[_File]) -> Iterable[tuple[float, _File]]:
    """Each with its place between 0, the beginning, and 1."""
    whole, before = sum(map(_seconds, files)), 0
    for file in files:
        yield before / whole, file
        before += _seconds(file)


def _place(placed: tuple[float, _File]) -> float:
    return placed[0]
