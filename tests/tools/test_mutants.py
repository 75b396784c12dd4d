"""The mutation tool reports the mutants that no test kills, and no others."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tools.mutants.collected import put_in
from tools.mutants.coverage import tests_of as which_tests
from tools.mutants.operators import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
GUARD = """\
class Door:
    step = 1

    def is_open(self, hour, most=2):
        if hour < 9:
            return False
        return self.step < most


def never():
    return True
"""
CHECK = """\
from worksgate.guard import Door


def test_it_is_closed_at_night():
    assert Door().is_open(8) is False
    assert Door().is_open(10)
"""
DECORATED = """\
def doubled(call):
    def inner(number):
        return call(number) * 2

    return inner


@doubled
def one_more(number):
    return number + 1
"""
SETTINGS = """\
[tool.pytest.ini_options]
asyncio_default_fixture_loop_scope = "function"
filterwarnings = ["error"]
"""
NOTICED = {
    "Door: 1 -> 2",
    "Door.is_open: return False -> return None",
    "Door.is_open: False -> True",
    "Door.is_open: return self.step < most -> return None",
}
SURVIVING = {
    "Door.is_open: 2 -> 3": "survived",  # a default, which is set at import
    "Door.is_open: hour < 9 -> hour <= 9": "survived",
    "Door.is_open: 9 -> 10": "survived",
    "Door.is_open: self.step < most -> self.step <= most": "survived",
    "never: return True -> return None": "not run by any test",
    "never: True -> False": "not run by any test",
}


def mutants() -> dict[str, Mutant]:
    return {each.name: each for each in mutants_of("guard.py", GUARD)}


def test_each_change_is_of_one_place_and_named_after_it() -> None:
    assert mutants().keys() == NOTICED | SURVIVING.keys()


def test_what_runs_at_import_is_tried_with_the_tests_of_its_function_or_class() -> None:
    lines = {2: [""], 4: [""], 5: ["", "opens"], 7: ["opens", "closes"], 11: ["never"]}
    expected = {
        "Door.is_open: 9 -> 10": ["opens"],
        "Door.is_open: 2 -> 3": ["closes", "opens"],
        "Door: 1 -> 2": ["closes", "opens"],
        "Door.is_open: False -> True": [],
    }
    found = mutants()
    for name, tests in expected.items():
        assert which_tests(lines, found[name]) == tests


def test_a_change_in_what_a_decorator_has_made_reaches_it(tmp_path: Path) -> None:
    path = tmp_path / "decorated.py"
    path.write_text(DECORATED)
    one_more = runpy.run_path(str(path))["one_more"]
    assert one_more(1) == 4
    (mutant,) = (each for each in mutants_of("", DECORATED) if each.name.endswith("2 -> 3"))
    assert put_in(mutant, path, [one_more])
    assert one_more(1) == 6


@pytest.mark.programs
def test_a_change_that_no_test_notices_is_found_and_where_the_tests_fail_nothing_is_tried(
    tmp_path: Path,
) -> None:
    project(tmp_path, explained=["never: True -> False"])
    kept = str(tmp_path / "kept")
    done = tried(tmp_path, "--coverage", kept)
    assert done.returncode == 1, done.stderr
    listed = done.stdout.partition("Without a reason:")[2]
    for name, fate in SURVIVING.items():
        is_listed = f": {fate}: {name}\n" in listed
        assert is_listed == (name != "never: True -> False"), done.stdout
    assert not [name for name in NOTICED if name in done.stdout]
    assert "| `src/worksgate/guard.py` | 10 | 4 | 1 | 50% |" in done.stdout

    (tmp_path / "tests" / "test_guard.py").write_text(f"{CHECK}    assert False\n")
    done = tried(tmp_path, "--coverage", kept)
    assert done.returncode == 2
    assert "the tests fail without a change" in done.stdout


def tried(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the tool says of the project."""
    tool = (sys.executable, "-m", "tools.mutants", "src/worksgate/guard.py", "--tests", "tests")
    return subprocess.run(  # our own tool
        [*tool, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder / 'src'}:{folder}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def project(folder: Path, explained: list[str]) -> None:
    """A project of one module and one test, with the tool in it."""
    tool = folder / "tools" / "mutants"
    shutil.copytree(ROOT / "tools" / "mutants", tool)
    reasons = "".join(f'"{name}" = "why"\n' for name in explained)
    (tool / "explained.toml").write_text(f'["src/worksgate/guard.py"]\n{reasons}')
    sources = folder / "src" / "worksgate"
    sources.mkdir(parents=True)
    (sources / "__init__.py").touch()
    (sources / "guard.py").write_text(GUARD)
    # As here: pytest's own warnings must not count as a test that fails.
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_guard.py").write_text(CHECK)
