"""A terminal in a folder of its own, for every test of the command line."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import structlog
from tests.cli.terminal import Terminal
from tests.databases import url_of

from worksgate.database.migrations import migrate
from worksgate.observability import log


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """In a folder with a database of this version, in which nothing is."""
    with _opened(tmp_path, monkeypatch) as opened:
        database = tmp_path / "worksgate.db"
        database.touch(0o600)
        database.write_bytes(_empty_database())
        yield opened


@pytest.fixture
def terminal_without_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """In an empty folder."""
    with _opened(tmp_path, monkeypatch) as opened:
        yield opened


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "worksgate.db"
        asyncio.run(migrate(url_of(file)))
        return file.read_bytes()


@contextmanager
def _opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(log, "_lines", None)  # other tests log as if no command had been run
    configure = structlog.configure

    def configure_for_this_test(**options: Any) -> None:
        """A logger that keeps what it was configured with would be deaf in other tests."""
        configure(**{**options, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", configure_for_this_test)
    yield Terminal(tmp_path)
    log.close()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
