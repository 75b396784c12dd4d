"""Runs commands as processes of their own that cost no start.

A process imports what they need, and forks for each of them.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

WAITING = 60.0
"""Seconds after which a command that does not end is a failure."""


class Forking:
    """The process that forks; one command at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders: IO[bytes] = process.stdin
        self._answers: IO[bytes] = process.stdout

    def begin(self, *arguments: str) -> int:
        """The ID of a process that runs a command as soon as ``end`` is called."""
        self._order(json.dumps(arguments))
        return int(self._answers.readline())

    def end(self) -> int:
        """Let the command run; its exit code, or the signal that ended it as a negative number."""
        self._order("")
        return int(self._answers.readline())

    def _order(self, line: str) -> None:
        self._orders.write(line.encode() + b"\n")
        self._orders.flush()


@contextmanager
def forking(environ: Mapping[str, str], folder: Path, modules: Sequence[str]) -> Iterator[Forking]:
    """``modules`` are those that the commands import late."""
    with subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(environ),
        cwd=folder,
    ) as process:
        running = Forking(process)
        running._order(json.dumps(modules))
        try:
            yield running
        finally:
            running._orders.close()
            process.wait(WAITING)


def _line() -> str:
    """A line of standard input; unbuffered, since children read there, too."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode()


def _run() -> None:
    for name in json.loads(_line()):
        importlib.import_module(name)
    while arguments := _line():
        if (pid := os.fork()) == 0:
            _line()  # until it is known who this is
            _command(json.loads(arguments))
        os.write(1, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


def _command(arguments: list[str]) -> None:
    from worksgate.cli import main

    silence: Any = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    sys.argv = ["worksgate", *arguments]
    code = 70
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        os._exit(code)


if __name__ == "__main__":
    _run()
