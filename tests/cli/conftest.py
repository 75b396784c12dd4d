"""A terminal in an empty folder, for every test of the command line."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.cli.terminal import Terminal

from worksgate import log


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(log, "_lines", None)  # other tests log as if no command had been run
    yield Terminal(tmp_path)
    log.close()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
