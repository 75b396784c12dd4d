"""Redirects the log of this process to a file, for the duration of a test."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from structlog._config import BoundLoggerLazyProxy

from worksgate.observability import log
from worksgate.settings.options import Settings

_PATIENCE = 60.0
"""Seconds in which another thread has written what was logged, on a busy machine."""


@contextmanager
def log_file(folder: Path) -> Iterator[Callable[..., Callable[[], str]]]:
    """Call it with settings to configure the log; what that returns reads what has been written."""
    file = folder / "log"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    lines, root_level = log._lines, logging.getLogger().level
    log._lines = None

    def configure(**settings: Any) -> Callable[[], str]:
        log.configure(Settings(**{"log_format": "json", **settings}), to=descriptor)

        def read() -> str:
            assert log.flush(_PATIENCE)
            return file.read_text("utf-8")

        return read

    try:
        yield configure
    finally:
        log.close()
        os.close(descriptor)
        log._lines = lines
        logging.getLogger().setLevel(root_level)
        for handler in list(logging.getLogger().handlers):
            if isinstance(handler, log._Handler):
                logging.getLogger().removeHandler(handler)
        structlog.reset_defaults()
        _let_go_of_loggers()


def _let_go_of_loggers() -> None:
    """A logger that was used keeps its configuration: those of our modules begin afresh."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("worksgate", "tests"):
            for value in list(vars(module).values()):
                if isinstance(value, BoundLoggerLazyProxy):
                    vars(value).pop("bind", None)
