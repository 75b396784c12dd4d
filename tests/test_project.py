"""The project as a whole: its files, and what must not be in them."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import worksgate

pytestmark = pytest.mark.programs

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PINNED = sorted((ROOT / "requirements").glob("*.txt"))


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def requirements(text: str) -> list[str]:
    """The requirements of a file, one to a string, hashes included."""
    joined = re.sub(r"\\\n", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def names_and_versions(name: str) -> dict[str, str]:
    found = [
        Requirement(line.split("--hash")[0]) for line in requirements(read(f"requirements/{name}"))
    ]
    return {canonicalize_name(entry.name): str(entry.specifier) for entry in found}


def files() -> list[Path]:
    """Everything that .gitignore lets into the repository."""
    lines = read(".gitignore").splitlines()
    ignored = [".git", *(line.rstrip("/").rpartition("/")[2] for line in lines if line)]
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not any(fnmatch(name, p) for p in ignored)]
        found += [
            Path(folder, name) for name in names if not any(fnmatch(name, p) for p in ignored)
        ]
    return found


# dependencies


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_r109_every_requirement_is_pinned_with_hashes(path: Path) -> None:
    lines = requirements(path.read_text("utf-8"))
    assert len(lines) >= 6
    for line in lines:
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+( ; [^-]+)?\s+--hash=sha256:[0-9a-f]{64}", line)


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_requirements_hold_no_address_and_no_path(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert not re.search(
        r"^\s*(-e|-i|-f|--index|--extra|--find|--trusted|\.|/)", text, re.MULTILINE
    )
    assert " @ " not in text


def test_r109_what_pyproject_asks_for_is_pinned() -> None:
    asked = {Requirement(line) for line in PYPROJECT["project"]["dependencies"]}
    pinned = names_and_versions("runtime.txt")
    for entry in asked:
        version = pinned[canonicalize_name(entry.name)].removeprefix("==")
        assert entry.specifier.contains(version), f"{entry} is not {version}: run tools/lock"
    develop = {Requirement(line).name for line in PYPROJECT["dependency-groups"]["dev"]}
    assert set(map(canonicalize_name, develop)) <= names_and_versions("dev.txt").keys()


def imported_by(file: Path) -> Iterator[str]:
    """The top-level packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def test_r109_what_the_program_imports_is_declared() -> None:
    """What comes along with something else today may come along no more tomorrow."""
    project = PYPROJECT["project"]
    optional = [line for lines in project["optional-dependencies"].values() for line in lines]
    lines = [*project["dependencies"], *optional]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    providers = metadata.packages_distributions()
    imported = {name for file in (ROOT / "src").rglob("*.py") for name in imported_by(file)}
    undeclared = {
        name
        for name in imported - sys.stdlib_module_names - {"worksgate"}
        if declared.isdisjoint(map(canonicalize_name, providers.get(name, [])))
    }
    assert undeclared == set()


def test_people_run_what_the_developers_tested() -> None:
    tested = names_and_versions("dev.txt")
    for name, version in names_and_versions("runtime.txt").items():
        assert tested[name] == version
    for name, version in names_and_versions("sbom.txt").items():
        assert tested.get(name, version) == version


def test_build_backend_is_the_pinned_one() -> None:
    (backend,) = map(Requirement, PYPROJECT["build-system"]["requires"])
    assert names_and_versions("build.txt")[backend.name] == str(backend.specifier)


def test_version_is_reported_once() -> None:
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert metadata.version("worksgate") == worksgate.__version__


def test_a_release_does_not_hold_the_one_before() -> None:
    """Tests upgrade from it; nobody else gets an old program with a new one."""
    from hatchling.builders.sdist import SdistBuilder

    found = {each.path for each in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert str(ROOT / "tests/upgrade/programs.py") in found
    assert list((ROOT / "tests/upgrade").glob("*.whl")) != []
    assert not [path for path in found if path.endswith(".whl")]


# commands


def test_make_help_lists_every_target() -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", read("Makefile"), re.MULTILINE))
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert {line.split()[0] for line in listed.splitlines()} == targets
    assert {"help", "run", "test", "check", "bench", "docs"} <= targets


def test_every_make_target_is_one_line() -> None:
    recipes = re.findall(r"^[a-z]+:.*\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE)
    assert len(recipes) >= 6
    assert all(recipe.count("\n") == 1 for recipe in recipes)


@pytest.mark.parametrize("name", [".ci/run", "tools/setup", "tools/check", "tools/lock"])
def test_script_can_be_run_and_stops_at_the_first_failure(name: str) -> None:
    assert (ROOT / name).stat().st_mode & 0o111 == 0o111
    assert re.search(r"^set -eu", read(name), re.MULTILINE)


def test_ci_calls_what_the_developers_call() -> None:
    assert {"make check", "make test", "make docs"} <= set(read(".ci/run").splitlines())


# pages


def test_changelog_has_an_unreleased_part_with_something_in_it() -> None:
    _, _, rest = read("CHANGELOG.md").partition("\n## [Unreleased]\n")
    part = rest.partition("\n## [")[0]
    assert re.search(r"^### (Added|Changed|Deprecated|Removed|Fixed|Security)$", part, re.MULTILINE)
    assert re.search(r"^- ", part, re.MULTILINE)


@pytest.mark.parametrize(
    "exception", ["10.4.6", "10.4.13", "10.4.14", "10.4.16", "10.4.1 ", "14.2.1", "7.6.2", "10.7"]
)
def test_security_page_states_what_the_protocol_does_not_allow(exception: str) -> None:
    assert re.search(rf"^\|[^|]*{re.escape(exception)}", read("SECURITY.md"), re.MULTILINE)


def test_r109_security_page_states_the_time_to_fix() -> None:
    text = read("SECURITY.md")
    assert "## Report a vulnerability" in text
    for severity in ("critical", "high", "medium"):
        assert re.search(rf"{severity}[^|]*\|[^|]*\d+ days", text), severity


def test_r109_a_list_of_what_a_release_consists_of_can_be_made() -> None:
    assert re.search(r"^sbom: .*\n\t.*cyclonedx-py .*runtime\.txt$", read("Makefile"), re.MULTILINE)


# what must not slip in


def test_no_file_holds_a_path_of_some_machine_or_a_private_key() -> None:
    suspicious = re.compile(
        rb"/(?:root|work)/[a-z.]|/home/(?!worksgate\b)[a-z]+/|/tmp/wg|/Users/[a-z]"
        rb"|BEGIN [A-Z ]*PRIVATE KEY-----[^A-Za-z0-9]{0,9}n?[A-Za-z0-9+/]{32}"
        rb"|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}"
    )
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode('utf-8', 'replace')}"
        for path in files()
        if path != Path(__file__).resolve()
        for match in suspicious.finditer(path.read_bytes())
    ]
    assert not found


def test_every_mark_that_silences_a_checker_has_its_reason_beside_it() -> None:
    mark = re.compile(r"#\s*(?:type:\s*ignore|noqa|ruff:|mypy:|pragma:)", re.IGNORECASE)
    reasoned = re.compile(
        r"(?:# (?:type: ignore\[[a-z, -]+\]|(?:ruff: )?noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*)  )+"
        r"# (?!noqa|type:)\w"
    )
    bare = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files()
        if path.suffix == ".py"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if mark.search(line) and not reasoned.search(line)
    ]
    assert not bare


def test_no_database_log_or_key_file_is_in_the_repository() -> None:
    unwanted = re.compile(r"\.(sqlite3?|log|pem|key|pyc)(-\w+)?$|(^|/)\.env$")
    assert {"*.db", "worksgate.toml", ".venv/"} <= set(read(".gitignore").splitlines())
    assert not [path for path in files() if unwanted.search(path.relative_to(ROOT).as_posix())]
