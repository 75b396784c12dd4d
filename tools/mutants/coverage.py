"""Which tests run which line, and for how long, from one run of all of them."""

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

from coverage import CoverageData
from tools.mutants.operators import Mutant

AT_IMPORT = ""
"""Stands for a test where a line runs before any does."""

Lines = Mapping[int, Sequence[str]]
"""The ids of the tests that run each line."""


def measure(root: Path, data: Path, tests: Sequence[str]) -> None:
    """Run the tests once and keep in ``data`` what each of them runs. Raises where one fails."""
    settings = data.with_name(f"of-{data.name}.coveragerc")  # what begins like data is erased
    settings.write_text(f"[run]\ndata_file = {data}\nconcurrency = thread,greenlet\n")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
    command += [
        "--cov=worksgate",
        "--cov-context=test",
        "--cov-report=",
        f"--cov-config={settings}",
        *("-o", "junit_family=xunit1", f"--junitxml={_times(data)}"),
    ]
    subprocess.run([*command, *tests], cwd=root, check=True)  # noqa: S603  # our own tests


def tests_of(lines: Lines, mutant: Mutant) -> Sequence[str]:
    """The tests that run a mutant; of one that runs at import, those of its function or class.

    Defaults of arguments and what stands in a class run before any test does. Of a class without a
    function those of the whole file are taken.
    """
    own = _tests(lines.get(mutant.line, ()), lines.get(mutant.statement, ()))
    if own != {AT_IMPORT}:
        return sorted(own - {AT_IMPORT})
    inside = _tests(*(tests for line, tests in lines.items() if line in mutant.scope))
    return sorted((inside - own) or (_tests(*lines.values()) - own))


def is_at_import(lines: Lines, mutant: Mutant) -> bool:
    """Whether the statement of a mutant runs before any test does."""
    return AT_IMPORT in _tests(lines.get(mutant.line, ()), lines.get(mutant.statement, ()))


def _tests(*found: Sequence[str]) -> set[str]:
    return {test for tests in found for test in tests}


def breadths(data: Path) -> Mapping[str, int]:
    """How many files each test runs something of: the fewer, the nearer it is to what it tests."""
    with closing(sqlite3.connect(data)) as db:  # the schema is documented by coverage
        rows = db.execute(
            "SELECT context, count(DISTINCT file_id) FROM line_bits"
            " JOIN context ON context.id = context_id GROUP BY context"
        )
        found = Counter[str]()
        for context, files in rows:
            test = context.rpartition("|")[0]
            found[test] = max(found[test], files)
        return found


def seconds(data: Path) -> Mapping[str, float]:
    """How long each test takes."""
    found: dict[str, float] = {}
    for case in ElementTree.parse(_times(data)).iter("testcase"):  # noqa: S314  # our own
        file, name = case.attrib["file"], case.attrib["name"]
        classes = case.attrib["classname"].removeprefix(file.removesuffix(".py").replace("/", "."))
        test = "::".join([file, *classes.split(".")[1:], name])
        found[test] = found.get(test, 0.0) + float(case.attrib["time"])
    return found


def _times(data: Path) -> Path:
    return data.with_name(f"times-of-{data.name}.xml")


def lines_of(data: Path, path: Path) -> Lines:
    """What runs each line of a file."""
    kept = CoverageData(str(data))
    kept.read()
    found = kept.contexts_by_lineno(str(path))
    return {
        line: sorted({context.rpartition("|")[0] for context in contexts})
        for line, contexts in found.items()
    }
