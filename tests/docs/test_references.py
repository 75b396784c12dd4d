"""IDs, pages, events and modules that code, tests and pages cite exist."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.links import pages

from worksgate.audit import Event

ROOT = Path(__file__).parents[2]
PAGES = list(pages(ROOT))
PACKAGE = ROOT / "src" / "worksgate"
OURSELVES = {Path(__file__), ROOT / "tests" / "test_links.py"}
"""They hold examples of what leads nowhere."""
SOURCES = sorted({*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")} - OURSELVES)

_CITED = re.compile(r"\b([RIF])-(\d{1,3})\b")
_NAMED = re.compile(r"def test_((?:[rif]\d+_)+)")
_ROW = re.compile(r"^\| ([RIF]-\d+) \| (.*) \|$", re.MULTILINE)
_PAGE = re.compile(r"[\w-]+\.md\b(?: §)?")
_EVENT = re.compile(r"[a-z_]+\.[a-z_]+")
_LOGGING = {
    *("RateLimitedWarning", "debug", "info", "warning", "error", "critical", "exception"),
    "report",
}


def doc(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def ids_in_names(text: str) -> set[str]:
    """What the tests of a file prove: ``test_r51_f22_…`` proves R-51 and F-22."""
    names = "".join(_NAMED.findall(text)).upper()
    return {_id(letter, number) for letter, number in re.findall(r"([RIF])(\d+)_", names)}


def ids_in(text: str) -> set[str]:
    """The requirements, invariants and faults that a text cites, in words or in names of tests."""
    return {_id(letter, number) for letter, number in _CITED.findall(text)} | ids_in_names(text)


def _id(letter: str, number: str) -> str:
    return f"I-{int(number)}" if letter == "I" else f"{letter}-{int(number):02}"


ROWS = dict(_ROW.findall(doc("security.md") + doc("faults.md")))


# ids


def test_ids_are_found_in_words_and_in_names() -> None:
    text = "see R-7, F-12 and I-3; UTF-8, R-1234\ndef test_r51_f22_i5_a_body() -> None: ..."
    assert ids_in(text) == {"R-07", "F-12", "I-3", "R-51", "F-22", "I-5"}
    assert ids_in_names(text) == {"R-51", "F-22", "I-5"}


@pytest.mark.parametrize(("letter", "last"), [("R", 110), ("I", 8), ("F", 33)])
def test_every_id_is_defined_once(letter: str, last: int) -> None:
    """Those of the list that the project began with, and what was added since."""
    found = re.findall(rf"^\| ({letter}-\d+) \|", doc("security.md") + doc("faults.md"), re.M)
    assert len(found) == len(set(found))
    assert {_id(letter, str(number)) for number in range(1, last + 1)} <= set(found)


def test_every_id_that_is_cited_is_defined() -> None:
    cited = {file: ids_in(file.read_text("utf-8")) for file in (*SOURCES, *PAGES)}
    assert len(set().union(*cited.values())) > 100
    for file, ids in cited.items():
        assert ids <= ROWS.keys(), file.relative_to(ROOT)


def test_a_fault_names_the_tests_that_prove_it_and_says_later_of_the_others() -> None:
    proved = {file: ids_in_names(file.read_text("utf-8")) for file in SOURCES}
    for name, row in _ROW.findall(doc("faults.md")):
        named = {ROOT / path for path in re.findall(r"\]\(\.\./(tests/[^)]+)\)", row)}
        assert named or "later" in row, name
        assert {file for file, ids in proved.items() if name in ids} <= named, name


# pages and events


def test_pages_that_code_names_exist() -> None:
    known = {page.name for page in PAGES}
    for file in SOURCES:
        assert set(_PAGE.findall(file.read_text("utf-8"))) <= known, file.relative_to(ROOT)


def logged(source: str) -> Iterator[str]:
    """The names of events that a file writes to the log by itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in _LOGGING and _EVENT.fullmatch(str(node.args[0].value)):
                yield str(node.args[0].value)
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "event":
                    yield from ([str(value.value)] if isinstance(value, ast.Constant) else ())


def test_every_event_is_explained() -> None:
    names = {name for file in PACKAGE.rglob("*.py") for name in logged(file.read_text("utf-8"))}
    assert {"request.unavailable", "start.failed", "log.lines_lost"} <= names
    text = doc("troubleshooting.md")
    assert {name for name in (*Event, *names) if f"`{name}`" not in text} == set()


# modules


def test_every_room_has_its_line_in_the_order_of_the_layers() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (layers,) = (rule["layers"] for rule in rules["contracts"] if rule["id"] == "layers")
    place = {name: number for number, layer in enumerate(layers) for name in _names(layer)}
    part = doc("architecture.md").partition("## Every room")[2].partition("\n## ")[0]
    described = re.findall(r"^\| `(\w+)` \| .+ \|$", part, re.MULTILINE)
    files = {path.stem for path in PACKAGE.glob("[!_]*") if path.suffix == ".py" or path.is_dir()}
    assert sorted(described) == sorted(files)
    assert described == sorted(described, key=lambda name: place[name])


@pytest.mark.parametrize(
    "page", sorted(PACKAGE.rglob("__init__.py")), ids=lambda page: page.parent.name
)
def test_the_page_of_a_room_has_a_line_for_every_module_in_it(page: Path) -> None:
    text = ast.get_docstring(ast.parse(page.read_text("utf-8"))) or ""
    modules = {path.stem for path in page.parent.glob("[!_]*.py")}
    rooms = {path.parent.name for path in page.parent.glob("*/__init__.py")}
    if page.parent in (PACKAGE, PACKAGE / "database" / "migrations" / "versions"):
        modules, rooms = set(), set()  # listed in docs/architecture.md; a revision names itself
    listed = re.findall(r"\w+", text)
    assert {name for name in modules | rooms if name not in listed} == set()


def test_the_folders_of_tests_are_those_of_the_rooms() -> None:
    """What is about no room is about the whole, or plays a part: CONTRIBUTING.md names these."""
    rooms = {page.parent.name for page in PACKAGE.glob("*/__init__.py")} | {"mail"}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}
    assert rooms - folders == set()
    described = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("Folders that are no rooms")
    named = set(re.findall(r"`(\w+)`", described[2].partition("\n\n")[0]))
    assert folders - rooms == named


def _names(layer: str) -> list[str]:
    return re.findall(r"\w+", layer)
