"""``worksgate`` as processes of their own whose start costs next to nothing.

To import the application takes most of a second of processor time. A process that has imported it
forks for each command, and the child becomes what ``python -m worksgate`` would be: with arguments,
variables, a folder and standard streams of its own. What a test says about how a program starts,
or what it imports, is true of a real one alone (``subprocess``).
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Protocol

_IMPORTED = (
    *("worksgate.bootstrap.administration", "worksgate.bootstrap.application"),
    *("worksgate.bootstrap.server", "worksgate.cli", "worksgate.cli.serve"),
    *("worksgate.store.postgres.store", "worksgate.store.valkey.store"),
    *("aiosqlite", "sqlalchemy.dialects.sqlite.aiosqlite"),
    *("asyncpg", "sqlalchemy.dialects.postgresql.asyncpg"),
)
"""What commands import as they need it."""
_READ_AT_THE_START = ("LD_PRELOAD", "PYTHONPATH")
_NUMBER = struct.Struct("!i")
"""What is told of a process: its ID when it starts, its exit code when it has ended."""
_ENDS_WITHIN = 180.0


class Process(Protocol):
    """What tests do with a process, whoever has started it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | Any: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """A process, as ``subprocess.Popen`` has it."""

    def __init__(self, connection: socket.socket, arguments: Sequence[str]) -> None:
        self._connection = connection
        self._arguments = arguments
        self.returncode: int | None = None
        self.pid = self._number()

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self._arguments, timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended at this moment
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        self.returncode = self._number()
        self._connection.close()

    def _number(self) -> int:
        told = self._connection.recv(_NUMBER.size, socket.MSG_WAITALL)
        assert len(told) == _NUMBER.size, "the process that forks has ended"
        (number,) = _NUMBER.unpack(told)
        return int(number)


def start(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str],
    stdin: int | IO[Any] = subprocess.DEVNULL,
    stdout: int | IO[Any] = subprocess.DEVNULL,
    stderr: int | IO[Any] = subprocess.DEVNULL,
    start_new_session: bool = False,
) -> Process:
    """``worksgate`` with these arguments; it is the caller's to end it.

    It is a real start where a variable says something to Python itself.
    """
    if any(env.get(name) for name in _READ_AT_THE_START):
        return subprocess.Popen(
            [sys.executable, "-m", "worksgate", *arguments],
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=start_new_session,
        )
    sys.audit("subprocess.Popen", sys.executable, arguments, str(cwd), dict(env))
    order = json.dumps([arguments, str(cwd), dict(env), start_new_session])
    ours, theirs = socket.socketpair()
    with theirs, Path(os.devnull).open("r+b") as nothing:
        streams = [
            nothing.fileno() if stream == subprocess.DEVNULL else _descriptor(stream)
            for stream in (stdin, stdout, stderr)
        ]
        _forking().order(order, [*streams, theirs.fileno()])
    return Forked(ours, arguments)


def run(
    *arguments: str, cwd: Path, env: Mapping[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """What becomes of a command, and what it prints."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        process = start(*arguments, cwd=cwd, env=env, stdin=given, stdout=out, stderr=err)
        try:
            code = process.wait(_ENDS_WITHIN)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def _descriptor(stream: int | IO[Any]) -> int:
    return stream if isinstance(stream, int) else stream.fileno()


class _Forking:
    """The process that forks."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._turn = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def order(self, order: str, descriptors: Sequence[int]) -> None:
        with self._turn:
            socket.send_fds(self._control, [order.encode()], descriptors)

    def close(self) -> None:
        self._control.close()
        self._process.wait(_ENDS_WITHIN)


@cache
def _forking() -> _Forking:
    """That of all tests of this process."""
    forking = _Forking()
    atexit.register(forking.close)
    return forking


# The process that forks


def _fork_as_told(control: socket.socket) -> list[Any] | None:
    """What a child is to become, in that child; None at the end, in the process that forks."""
    callers: dict[int, tuple[int, socket.socket]] = {}
    told: list[Any]
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    while True:
        for ready, _ in waiting.poll():
            if ready == control.fileno():
                order, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 4)
                if not order:
                    return None
                *streams, caller = descriptors
                if (pid := os.fork()) == 0:
                    *told, is_leader = json.loads(order)
                    if is_leader:
                        os.setsid()
                    os.write(caller, _NUMBER.pack(os.getpid()))
                    _take(streams)
                    _forget([control, *(each for _, each in callers.values())])
                    return told
                for each in streams:
                    os.close(each)
                ending = os.pidfd_open(pid)
                callers[ending] = (pid, socket.socket(fileno=caller))
                waiting.register(ending, select.POLLIN)
            else:
                waiting.unregister(ready)
                pid, ended = callers.pop(ready)
                os.close(ready)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with ended, contextlib.suppress(OSError):  # nobody may wait for it
                    ended.sendall(_NUMBER.pack(code))


def _forget(sockets: Sequence[socket.socket]) -> None:
    """Close what only the process that forks may have open."""
    for each in sockets:
        each.detach()
    os.closerange(3, 1 << 16)


def _take(streams: Sequence[int]) -> None:
    """Make these the standard streams, as Python makes them when it starts."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    own: Any = sys  # the originals are final for a checker
    own.stdin = own.__stdin__ = os.fdopen(0, encoding="utf-8", closefd=False)
    own.stdout = own.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    own.stderr = own.__stderr__ = os.fdopen(
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )


def _become(arguments: list[str], cwd: str, variables: dict[str, str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    sys.argv = ["worksgate", *arguments]
    sys.path[0] = cwd
    runpy.run_module("worksgate", run_name="__main__", alter_sys=True)


def _main() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    told = _fork_as_told(socket.socket(fileno=int(sys.argv[1])))
    if told is not None:
        _become(*told)


if __name__ == "__main__":
    _main()
