"""One mutant, in a process of its own, with the tests that run its line.

The process is a fork of one that has imported what the tests need from elsewhere, and nothing of
Worksgate: each fork imports that itself, the changed module among it.
"""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from tools.mutants.operators import Mutant

TIMEOUT = 90.0
"""Seconds after which a mutant counts as noticed: the tests would have hung."""

_IMPORTED_BEFORE = (
    *("aiosqlite", "alembic", "argon2", "asyncpg", "babel", "bcrypt", "cryptography", "httpx2"),
    *("hypothesis", "itsdangerous", "jinja2", "ldap3", "msgspec", "pytest_asyncio", "redis"),
    *("schemathesis", "sqlalchemy.ext.asyncio", "starlette", "structlog", "uvicorn", "uvloop"),
    *("webauthn", "zxcvbn", "_pytest.assertion.rewrite"),
)


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    NOT_TRIED = "not tried: the tests could not be run"
    TIMED_OUT = "timed out"
    NOT_RUN = "not run by any test"


_FATES = {
    int(pytest.ExitCode.OK): Fate.SURVIVED,
    int(pytest.ExitCode.TESTS_FAILED): Fate.KILLED,
    int(pytest.ExitCode.INTERRUPTED): Fate.KILLED,  # the changed module cannot be imported
}


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Hands out the changed module in the place of the one on the disk."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name = name
        self._path = path
        self._code = compile(tree, str(path), "exec", dont_inherit=True)

    def find_spec(
        self, name: str, _path: object, _target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        is_package = self._path.name == "__init__.py"
        return importlib.util.spec_from_file_location(
            name,
            self._path,
            loader=self,
            submodule_search_locations=[str(self._path.parent)] if is_package else None,
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, vars(module))  # noqa: S102  # that is what a loader does

    def get_code(self, _name: str) -> CodeType:
        return self._code


class _Chosen:
    """Lets only these tests run."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._tests = set(tests)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]


def warm_up() -> None:
    """Import what takes long and is not ours."""
    for name in _IMPORTED_BEFORE:
        importlib.import_module(name)


def begin(mutant: Mutant, root: Path, tests: Sequence[str], scratch: Path) -> int:
    """Start the trial of a mutant; the number of its process."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    status = 70
    try:
        status = _run(mutant, root, tests, scratch)
    finally:
        os._exit(status)


def _run(mutant: Mutant, root: Path, tests: Sequence[str], scratch: Path) -> int:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.chdir(root)
    path = root / mutant.path
    name = ".".join(path.relative_to(root / "src").with_suffix("").parts).removesuffix(".__init__")
    sys.meta_path.insert(0, _Changed(name, path, mutant.tree))
    files = sorted({test.partition("::")[0] for test in tests})
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"]
    # A plugin that was imported before cannot be rewritten, and here a warning is an error.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options += [
        f"--basetemp={scratch / str(os.getpid())}",
        "--override-ini=addopts=--import-mode=importlib",
    ]
    return int(pytest.main([*options, *files], plugins=[_Chosen(tests)]))


def end(process: int, began: float) -> Fate | None:
    """What became of a mutant, or None while its tests run."""
    found, status = os.waitpid(process, os.WNOHANG)
    if found:
        return _FATES.get(os.waitstatus_to_exitcode(status), Fate.NOT_TRIED)
    if time.monotonic() - began < TIMEOUT:
        return None
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return Fate.TIMED_OUT
