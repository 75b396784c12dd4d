"""The page ``docs/security.md``, and which tests prove which requirement.

A test is named after what it proves: ``test_r36_…`` or ``test_r22_r23_…``. After adding one, run
``python -m tests.security.requirement_page`` to write the names into the page.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
TESTS = ROOT / "tests"

_ROW = re.compile(r"^\| (R-\d+) \| (.*?) \|(?: (.*) \|)?$", re.MULTILINE)
_NAMED = re.compile(r"test_((?:r\d+_)+)")
_TEST = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)


def requirements_of(test: str) -> list[str]:
    """The requirements in the name of a test."""
    named = _NAMED.match(test)
    return [f"R-{int(number):02}" for number in re.findall(r"\d+", named[1])] if named else []


@cache
def collected() -> Mapping[str, list[str]]:
    """The names of all tests by the requirement that they prove, in the order of their files."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in _test_names():
        for requirement in requirements_of(name):
            if name not in found[requirement]:
                found[requirement].append(name)
    return found


def rows(page: str) -> dict[str, tuple[str, list[str]]]:
    """What the page says of each requirement: a sentence, and the tests that it names."""
    found = _ROW.findall(page)
    assert len({requirement for requirement, _, _ in found}) == len(found), "a row stands twice"
    return {
        requirement: (sentence, re.findall(r"`(test_\w+)`", tests))
        for requirement, sentence, tests in found
    }


def with_tests(page: str, tests: Mapping[str, list[str]]) -> str:
    """The page with the names of the tests in the last cell of each row that has one."""

    def row(match: re.Match[str]) -> str:
        requirement, sentence = match[1], match[2]
        if match[3] is None:
            return match[0]
        names = "<br>".join(f"`{name}`" for name in tests.get(requirement, ["—"]))
        return f"| {requirement} | {sentence} | {names.replace('`—`', '—')} |"

    return _ROW.sub(row, page)


def _test_names() -> Iterator[str]:
    for file in sorted(TESTS.rglob("test_*.py")):
        yield from _TEST.findall(file.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(with_tests(PAGE.read_text("utf-8"), collected()), "utf-8")
