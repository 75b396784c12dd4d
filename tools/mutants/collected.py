"""Mutants in forks of a process that has collected the tests: no import and no collection for each.

That process has also started the servers that tests share, if these tests need them. A fork puts
the mutant's code into the functions that are there already. What modules made while they were
imported stays as it was; a mutant of that is for a process of its own (``trial``).
"""

import ast
import gc
import importlib
import inspect
import io
import os
import pickle
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from _pytest.runner import runtestprotocol
from tools.mutants.operators import Mutant, without_annotations
from tools.mutants.trial import (
    NOTHING_RAN,
    OPTIONS,
    PUT_OFF,
    Begin,
    Fate,
    end_children,
    in_fork,
    keep_files_in,
    limit_test,
    shrink_nothing,
    silence,
)

_SHARED = {
    "postgres": ("tests.postgres_server", "shared_postgres"),
    "valkey": ("tests.valkey_server", "shared_valkey"),
}
"""What starts a server that tests share, by a word in the names of the tests that need it."""

_Place = tuple[str, int]
"""The qualified name of a function, and its first line."""

Use = Callable[[Begin], Mapping[int, Fate] | None]
"""Tries mutants, given what begins a trial; the fate of each by its number, None for a refusal."""


def in_collected(
    root: Path, tests: Iterable[str], scratch: Path, patience: float, use: Use
) -> Mapping[int, Fate] | None:
    """What ``use`` returns, in a process that has collected the tests; None where none could be."""
    kept = scratch / "fates"
    process = in_fork(lambda: _collect(root, tests, scratch, patience, use, kept))
    try:
        os.waitpid(process, 0)
    finally:
        end_children(process)
    if not kept.exists():
        return None
    found: Mapping[int, Fate] | None = pickle.loads(kept.read_bytes())  # noqa: S301  # our own
    return found


def _collect(
    root: Path, tests: Iterable[str], scratch: Path, patience: float, use: Use, kept: Path
) -> int:
    os.chdir(root)
    keep_files_in(scratch)
    wanted = set(tests)
    files = sorted({test.partition("::")[0] for test in wanted})
    trials = _InsteadOfTheTests(root, scratch, patience, use, kept, wanted)
    return int(pytest.main([*OPTIONS, "-s", *files], plugins=[trials]))


class _InsteadOfTheTests:
    """A plugin of pytest that tries mutants where pytest would run what it has collected."""

    def __init__(
        self,
        root: Path,
        scratch: Path,
        patience: float,
        use: Use,
        kept: Path,
        wanted: Iterable[str],
    ) -> None:
        self._root = root
        self._scratch = scratch
        self._patience = patience
        self._use = use
        self._kept = kept
        self._wanted = wanted
        self._items: dict[str, pytest.Item] = {}
        self._functions: dict[str, list[FunctionType]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        for each in session.items:
            shrink_nothing(each)
        self._make_what_is_made_once()
        gc.unfreeze()  # what the tests have frozen is not listed
        gc.collect()
        for each in gc.get_objects():
            if isinstance(each, FunctionType):
                self._functions.setdefault(each.__code__.co_filename, []).append(each)
        gc.freeze()  # or each fork would copy all of it
        self._kept.write_bytes(pickle.dumps(self._use(self._begin)))
        return True

    def _make_what_is_made_once(self) -> None:
        """Start the servers, and run a test that needs an installation.

        Each fork would start its own, and make the template of installations again.
        """
        for word, (module, start) in _SHARED.items():
            if any(word in test for test in self._wanted):
                getattr(importlib.import_module(module), start)()
        for item in self._items.values():
            if "installation" in getattr(item, "fixturenames", ()):
                with redirect_stdout(io.StringIO()):
                    runtestprotocol(item, log=False, nextitem=None)
                return

    def _begin(self, mutant: Mutant | None, tests: Sequence[str]) -> int:
        return in_fork(lambda: self._run(mutant, tests))

    def _run(self, mutant: Mutant | None, tests: Sequence[str]) -> int:
        silence()
        items = [self._items[test] for test in tests if test in self._items]
        if not items:
            return NOTHING_RAN
        if mutant is not None:
            path = self._root / mutant.path
            if not put_in(mutant, path, self._functions.get(str(path), ())):
                return PUT_OFF
        places = items[0].config._tmp_path_factory  # type: ignore[attr-defined]  # pytest's own
        places._given_basetemp = self._scratch / str(os.getpid())
        until = time.monotonic() + self._patience
        for item, following in zip(items, [*items[1:], None], strict=True):
            if time.monotonic() > until:
                break
            limit_test()
            reports = runtestprotocol(item, log=False, nextitem=following)
            if any(report.failed for report in reports):
                return int(pytest.ExitCode.TESTS_FAILED)
        return int(pytest.ExitCode.OK)


def put_in(mutant: Mutant, path: Path, functions: Iterable[FunctionType]) -> bool:
    """Let these functions of a module be those of the mutant; False where they cannot.

    That is where the change is in what runs at import, such as a default or a constant.
    """
    unchanged = _functions(_as_it_is(path))
    changed = {
        place: code
        for place, code in _functions(compile(mutant.tree, str(path), "exec")).items()
        if unchanged.get(place) != code
    }
    found = [each for each in functions if _place(each.__code__) in changed]
    pairs = [(each, changed[_place(each.__code__)]) for each in found]
    if any(code.co_freevars != each.__code__.co_freevars for each, code in pairs):
        return False  # as where a call of super() has gone
    for each, code in pairs:
        each.__code__ = code
    return bool(found)


@cache
def _as_it_is(path: Path) -> CodeType:
    tree = ast.parse(path.read_text("utf-8"))
    without_annotations(tree)
    return compile(tree, str(path), "exec")


def _functions(code: CodeType) -> dict[_Place, CodeType]:
    """The functions of a module, of its classes and of its functions.

    One without a name counts as part of the one that it stands in: two of them may have one place.
    """
    found: dict[_Place, CodeType] = {}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_flags & inspect.CO_OPTIMIZED and not each.co_name.startswith("<"):
                found[_place(each)] = each
            found |= _functions(each)
    return found


def _place(code: CodeType) -> _Place:
    return code.co_qualname, code.co_firstlineno
