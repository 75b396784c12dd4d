"""The conformance check and the simulator share no code with the server, so no mistakes either."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import worksgate

ROOT = Path(worksgate.__file__).parent


def imported(files: str) -> Iterator[tuple[str, str]]:
    """Every module that one of the files imports, wherever in it."""
    for path in sorted(ROOT.glob(files)):
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
    ("files", "libraries"),
    [
        ("conformance/*.py", {"httpx2"}),
        ("conformance/checks/*.py", {"httpx2", "playwright"}),
        ("conformance/report/*.py", {"jinja2"}),
        ("conformance/recording/*.py", set()),
        ("conformance/simulator/*.py", {"jinja2", "markupsafe", "starlette"}),
        ("conformance/directory_api/*.py", {"joserfc", "starlette", "uvicorn"}),
    ],
)
def test_package_imports_nothing_of_the_server(files: str, libraries: set[str]) -> None:
    found = list(imported(files))
    assert len(found) > 5
    for file, module in found:
        top = module.partition(".")[0]
        is_ours = f"{module}.".startswith("worksgate.conformance.")
        assert is_ours or top in libraries or top in sys.stdlib_module_names, f"{file}: {module}"
