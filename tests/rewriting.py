"""Test modules are rewritten once, by several processes together.

pytest rewrites the assertions of a test module and keeps the result beside it. Where there is none,
as in a fresh clone, each process of a whole run would rewrite all of them at the same time: here
each begins with a share of its own.
"""

import sys
from pathlib import Path

import pytest
from _pytest.assertion.rewrite import (
    PYC_TAIL,
    _rewrite_test,
    _write_pyc,
    assertstate_key,
    get_cache_dir,
    try_makedirs,
)


def rewrite_share(config: pytest.Config, folder: Path, number: int, of: int) -> None:
    """Rewrite every so many of the test modules below a folder, those that are not yet."""
    state = config.stash.get(assertstate_key, None)
    if state is None or sys.dont_write_bytecode:
        return
    for file in sorted(folder.rglob("test_*.py"))[number::of]:
        kept = rewritten(file)
        if not kept.exists() and try_makedirs(kept.parent):
            source_hash, code = _rewrite_test(file, config)
            _write_pyc(state, code, source_hash, kept)


def rewritten(file: Path) -> Path:
    """Where pytest keeps what it has made of a test module."""
    return get_cache_dir(file) / f"{file.stem}{PYC_TAIL}"
