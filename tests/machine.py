"""Programs that tests need. Without them tests are skipped; on CI they fail."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["leave_out", "require", "require_file", "require_root"]

_MORE_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
"""Where servers are installed; not everybody has these in their PATH."""


def require(*names: str) -> str:
    """The path of a program: the first of these names that is installed."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_FOLDERS))
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    if found is None:
        leave_out(f"{names[0]} is not installed")
    return found


def require_file(folder: str, pattern: str, what: str) -> Path:
    """The last file below a folder whose path fits the pattern; ``what`` is it a part of."""
    found = sorted(Path(folder).glob(pattern))
    if not found:
        leave_out(f"{what} is not installed")
    return found[-1]


def require_root(what: str) -> None:
    """``what`` is something that only root may do."""
    if os.geteuid() != 0:
        leave_out(f"{what} is for root alone")


def leave_out(lack: str) -> NoReturn:
    """Skip the test that asks, for ``lack``; on CI fail it."""
    if "CI" in os.environ:
        pytest.fail(f"{lack} on this machine, and CI skips nothing")
    pytest.skip(f"{lack} on this machine; CI has it, and skips nothing")
