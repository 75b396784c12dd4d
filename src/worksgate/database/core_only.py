"""SQLAlchemy without its ORM, of which nothing here uses anything: 8 MiB less in each process.

``sqlalchemy.ext.asyncio`` imports the ORM for its sessions. In a process of ours it begins with its
engines alone; whoever asks it for anything else, such as a company's own function that looks people
up with an ``AsyncSession``, gets the whole package, as if nothing had been left out.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Final

PACKAGE: Final = "sqlalchemy.ext.asyncio"
ENGINES: Final = ("AsyncConnection", "AsyncEngine", "create_async_engine")
"""What we use of it."""


def leave_out_orm() -> None:
    """Load the package by parts from now on; for processes that are ours alone."""
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == PACKAGE else None
        if spec is not None and spec.loader is not None:
            spec.loader = _EnginesFirst(spec.loader)
        return spec


class _EnginesFirst(Loader):
    def __init__(self, whole: Loader) -> None:
        self._whole = whole

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._whole.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        engines = import_module(f"{PACKAGE}.engine")
        module.__dict__.update({name: getattr(engines, name) for name in ENGINES})

        lock, begun = RLock(), False

        def load_whole(name: str) -> object:
            nonlocal begun
            with lock:
                if not begun:  # what is loaded asks the package, too
                    begun = True
                    self._whole.exec_module(module)
            if name not in module.__dict__:
                raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}")
            return module.__dict__[name]

        module.__dict__["__getattr__"] = load_whole
