"""Temporary values for constants of modules, for the duration of a test.

Only what is imported by then is changed: the test of a pure room imports no database for the sake
of a constant. A test that imports such a module after that fails, as it would have had the
unchanged value.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from unittest.mock import patch

_IMPORTS_MORE_LATER = frozenset(
    f"worksgate.{room}" for room in ("bootstrap", "cli", "database", "doctor", "store")
)
"""Rooms that import parts of the application only as they need them."""

Change = Callable[[ModuleType], AbstractContextManager[object]]
"""What changes a module for a while."""


def constants(**values: object) -> Change:
    """Give constants of a module these values."""

    @contextmanager
    def change(module: ModuleType) -> Iterator[None]:
        with ExitStack() as stack:
            for name, value in values.items():
                stack.enter_context(patch.object(module, name, value))
            yield

    return change


@contextmanager
def changed(changes: Mapping[str, Change]) -> Iterator[None]:
    """Change those of the named modules that are imported: all, where any may be at any moment."""
    if not _IMPORTS_MORE_LATER.isdisjoint(sys.modules):
        for name in changes:
            import_module(name)
    present = changes.keys() & sys.modules.keys()
    with ExitStack() as stack:
        for name in present:
            stack.enter_context(changes[name](sys.modules[name]))
        yield
    late = changes.keys() & sys.modules.keys() - present
    assert not late, f"import {', '.join(sorted(late))} at the top of the file, not in the test"
