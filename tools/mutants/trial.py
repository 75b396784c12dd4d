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
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from hypothesis import Phase, is_hypothesis_test, settings
from tools.mutants.operators import Mutant

PATIENCE = 25.0
"""Seconds after which no further test is begun: those that are nearest to a mutant have run."""
A_TEST = 30.0
"""Seconds after which a test counts as hung, and its mutant as noticed."""
TIMEOUT = 300.0
"""Seconds after which a mutant counts as noticed that hangs before the first test."""

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
    PUT_OFF = "put off: it needs a process of its own"
    TIMED_OUT = "timed out"
    NOT_RUN = "not run by any test"


PUT_OFF = 69
"""How a fork ends that cannot have the mutant."""
NOTHING_RAN = 70
"""How a fork ends that has no tests, or raised."""
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"),
    # A plugin that was imported before cannot be rewritten, and here a warning is an error.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
    "--override-ini=addopts=--import-mode=importlib",
    "--tb=native",  # nobody reads why a test fails
)
"""Of pytest, for each process that runs tests of mutants."""

Begin = Callable[[Mutant | None, Sequence[str]], int]
"""Starts the trial of a mutant, or of what is there, with these tests; its process."""

_PHASES = (Phase.explicit, Phase.generate)

_FATES = {
    PUT_OFF: Fate.PUT_OFF,
    int(pytest.ExitCode.OK): Fate.SURVIVED,
    int(pytest.ExitCode.TESTS_FAILED): Fate.KILLED,
    # The changed module cannot be imported: by a test, or by a conftest.
    int(pytest.ExitCode.INTERRUPTED): Fate.KILLED,
    int(pytest.ExitCode.USAGE_ERROR): Fate.KILLED,
    -signal.SIGALRM: Fate.TIMED_OUT,
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
    """Lets only these tests, and those of these files, run in this order, while there is time."""

    def __init__(self, tests: Sequence[str], patience: float) -> None:
        self._tests = {test: place for place, test in enumerate(tests)}
        self._until = time.monotonic() + patience

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self) -> bool | None:
        if time.monotonic() > self._until:
            return True  # it counts as run
        limit_test()
        return None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        places = {item.nodeid: self._place(item) for item in items}
        items[:] = [item for item in items if places[item.nodeid] is not None]
        for each in items:
            shrink_nothing(each)
        items.sort(key=lambda item: places[item.nodeid] or 0)

    def _place(self, item: pytest.Item) -> int | None:
        return self._tests.get(item.nodeid, self._tests.get(item.nodeid.partition("::")[0]))


def shrink_nothing(item: pytest.Item) -> None:
    """Of a property that fails, let Hypothesis not look for the smallest example."""
    own = getattr(item, "obj", None)
    test: Any = getattr(own, "__func__", own)
    found = getattr(test, "_hypothesis_internal_use_settings", None)
    if is_hypothesis_test(test) and found is not None:
        test._hypothesis_internal_use_settings = settings(found, phases=_PHASES)


def warm_up() -> None:
    """Import what takes long and is not ours."""
    for name in _IMPORTED_BEFORE:
        importlib.import_module(name)


def begin(
    root: Path, scratch: Path, patience: float, mutant: Mutant | None, tests: Sequence[str]
) -> int:
    """Start the trial of a mutant in a process of its own; its number."""
    return in_fork(lambda: _run(mutant, root, tests, scratch, patience))


def limit_test() -> None:
    """End this process if a test that begins now hangs."""
    signal.setitimer(signal.ITIMER_REAL, A_TEST)


def in_fork(run: Callable[[], int]) -> int:
    """The number of a fork that runs this, silently, and ends with what it returns."""
    sys.stdout.flush()
    if process := os.fork():
        return process
    os.setsid()
    status = NOTHING_RAN
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        status = run()
    finally:
        os._exit(status)


def silence() -> None:
    """Let this process read nothing and print nothing."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def keep_files_in(scratch: Path) -> None:
    """Let all files of the tests be in a folder that is removed: no fork tidies up."""
    scratch.chmod(0o711)  # a server may run as somebody else
    tempfile.tempdir = str(scratch)


def _run(
    mutant: Mutant | None, root: Path, tests: Sequence[str], scratch: Path, patience: float
) -> int:
    silence()
    os.chdir(root)
    keep_files_in(scratch)
    if mutant is not None:
        path = root / mutant.path
        parts = path.relative_to(root / "src").with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        sys.meta_path.insert(0, _Changed(name, path, mutant.tree))
    files = sorted({test.partition("::")[0] for test in tests})
    place = f"--basetemp={scratch / str(os.getpid())}"
    return int(pytest.main([*OPTIONS, place, *files], plugins=[_Chosen(tests, patience)]))


def end(process: int, began: float) -> Fate | None:
    """What became of a mutant, or None while its tests run."""
    found, status = os.waitpid(process, os.WNOHANG)
    if found:
        end_children(process)
        return _FATES.get(os.waitstatus_to_exitcode(status), Fate.NOT_TRIED)
    if time.monotonic() - began < TIMEOUT:
        return None
    end_children(process)
    os.waitpid(process, 0)
    return Fate.TIMED_OUT


def end_children(process: int) -> None:
    """End what a fork has started and, if it still runs, the fork."""
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
