"""A process beside the serving ones, such as that of the console: kept running, ended with them.

It shares nothing with them but the listening socket that it is given, so that whatever it does
never slows a call. One that dies is started again, after a delay that grows.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Self

import structlog

from worksgate.server.supervisor import EARLY_EXIT, FIRST_PAUSE, LONGEST_PAUSE

ENDED_WITHIN = 8.0
"""Seconds that the process gets to end."""

_log = structlog.get_logger(__name__)


class CompanionProcess:
    """Keeps a process running within a ``with`` block.

    ``create`` makes it, not started yet, with the end of a pipe that closes when this process is
    gone, however it ended (``end_with``).
    """

    def __init__(self, name: str, create: Callable[[Connection], SpawnProcess]) -> None:
        self._name = name
        self._create = create
        self._stopping, self._stop = Pipe(duplex=False)
        self._replacing, self._replace = Pipe(duplex=False)
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.close()
        self._thread.join(ENDED_WITHIN + 2)

    def replace(self, create: Callable[[Connection], SpawnProcess]) -> None:
        """End the process in order, and keep one that ``create`` makes; returns before that."""
        self._create = create
        self._replace.send(None)

    def _keep(self) -> None:
        pause = 0.0
        while not wait([self._stopping], timeout=pause):
            theirs, ours = Pipe(duplex=False)
            process = self._create(theirs)
            began = time.monotonic()
            process.start()
            theirs.close()
            _log.info("companion.started", name=self._name, pid=process.pid)
            ready = wait([process.sentinel, self._stopping, self._replacing])
            ours.close()
            if self._stopping in ready:
                self._end(process)
                return
            if self._replacing in ready:
                self._end(process)
                self._replacing.recv()
                pause = 0.0
                continue
            process.join()
            is_early = time.monotonic() - began < EARLY_EXIT
            pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE) if is_early else FIRST_PAUSE
            _log.error(
                "companion.died", name=self._name, by=process.exitcode, pause=round(pause, 1)
            )

    def _end(self, process: SpawnProcess) -> None:
        process.terminate()
        process.join(ENDED_WITHIN)
        if process.exitcode is None:
            _log.error("companion.killed", name=self._name, pid=process.pid)
            process.kill()
            process.join()


def end_with(parent: Connection) -> None:
    """End this process by SIGTERM when the process that holds the other end is gone."""

    def watch() -> None:
        with suppress(EOFError, OSError):
            parent.recv()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
