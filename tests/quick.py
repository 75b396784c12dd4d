"""``pytest --quick``: the tests that start no program, for quick feedback.

What needs a server of its own, a browser, or a second process is left out: whole folders, what
runs on PostgreSQL or Valkey, and what carries the mark ``programs``. A test that starts a program
all the same fails, so that the list stays true. The mark ``slow`` leaves out those few that wait in
real time for seconds, count to fifty thousand, or walk through all pages or forms of the console;
a few files of whole flows are left out for the same reason (``TAKE_LONG``).
A quarter of Hypothesis's examples for each property is tried (``tests/properties.py``).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent

OF_PROGRAMS = frozenset(
    {
        *("bad_inputs", "browser", "cli", "database/backup", "database/moving", "docs", "doctor"),
        *("edge", "examples", "faults", "openid_provider", "security", "server", "upgrade"),
    }
)
"""Folders of tests that start programs, most of them."""
_FLOWS_OF_CONSOLE = (
    *("branding", "bulk", "exports", "going_live", "importing", "wizard"),
    "wizard_rehearse",
)
TAKE_LONG = frozenset(
    {
        *("administration/departures/test_at_line_works.py", "conformance/test_reports.py"),
        *("administration/external_keys/test_sync.py", "conformance/directory_api/test_faults.py"),
        "conformance/recording/test_record_and_replay.py",
        "conformance/recording/test_worker_link.py",
        *(f"web/console/test_{each}.py" for each in _FLOWS_OF_CONSOLE),
    }
)
"""Files of whole flows, whose tests take longer than most."""
_SERVERS = ("postgres", "valkey", "redis", "samba", "slapd")
"""In the name of a parameter or a fixture: a program is started for it."""

_LEFT_OUT = ("programs", "slow")
"""Marks."""

_WHOLE_FILE = "\npytestmark = pytest.mark.programs\n"
"""All tests of a file that has this line start programs."""


class Run:
    """The run of pytest that this is."""

    is_quick = False


_guarded: list[str] = []
"""The quick test that runs."""


def may_be_quick(path: Path) -> bool:
    """Whether a folder or a file can hold a quick test: otherwise it is not even imported."""
    if TESTS not in path.parents:
        return True
    if _is_left_out(path):
        return False
    return path.suffix != ".py" or _WHOLE_FILE not in path.read_text("utf-8")


def is_quick(item: pytest.Item) -> bool:
    """Whether a test starts no program, and takes no seconds."""
    if _is_left_out(item.path) or any(map(item.get_closest_marker, _LEFT_OUT)):
        return False
    names = [*getattr(item, "fixturenames", ()), *_parameters(item)]
    return not any(server in name.lower() for name in names for server in _SERVERS)


def _is_left_out(path: Path) -> bool:
    within = path.relative_to(TESTS)
    if within.as_posix() in TAKE_LONG:
        return True
    return any(each.as_posix() in OF_PROGRAMS for each in (within, *within.parents))


def _parameters(item: pytest.Item) -> list[str]:
    called = getattr(item, "callspec", None)
    return [] if called is None else [called.id]


@contextmanager
def no_programs(test: str) -> Iterator[None]:
    """Let no program be started."""
    if not _is_hooked:
        sys.addaudithook(_refuse)
        _is_hooked.append(True)
    _guarded.append(test)
    try:
        yield
    finally:
        _guarded.clear()


_is_hooked: list[bool] = []


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen" and _guarded:
        raise AssertionError(f"{_guarded[0]} starts a program: mark it with pytest.mark.programs")
