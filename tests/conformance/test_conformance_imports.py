"""The conformance check and the simulator share no code with the server, so no mistakes either."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import worksgate

ROOT = Path(worksgate.__file__).parent


def imported(package: str) -> Iterator[tuple[str, str]]:
    """Every module that a file of the package imports, wherever in the file."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                assert node.module is not None
                names = [alias.name for alias in node.names]
                whole = [f"worksgate.{name}" for name in names]
                yield from (
                    (path.name, name)
                    for name in (whole if node.module == "worksgate" else [node.module])
                )


@pytest.mark.parametrize(
    ("package", "libraries", "ours"),
    [
        ("conformance", {"httpx2"}, ("worksgate.conformance",)),
        (
            "simulator",
            {"jinja2", "markupsafe", "starlette"},
            ("worksgate.conformance", "worksgate.simulator"),
        ),
    ],
)
def test_package_imports_nothing_of_the_server(
    package: str, libraries: set[str], ours: tuple[str, ...]
) -> None:
    found = list(imported(package))
    assert len(found) > 5
    for file, module in found:
        top = module.partition(".")[0]
        is_ours = module in ours or module.startswith(tuple(f"{name}." for name in ours))
        assert is_ours or top in libraries or top in sys.stdlib_module_names, f"{file}: {module}"
