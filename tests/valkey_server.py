"""A real Valkey server for the tests, on a port and in a folder of its own.

Where there is no ``valkey-server``, a ``redis-server`` will do.
"""

import atexit
import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis
from tests.machine import require
from tests.ports import free_port

from worksgate.bootstrap.stores import generation_of
from worksgate.directory.database import Directory
from worksgate.store.valkey.store import ValkeyStore

_START_TIME = 60.0


class ValkeyServer:
    """A server and its process, which comes and goes; ``options`` are those of its command line."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def snapshot(self) -> Path:
        """The file of ``SAVE``, which the server loads when it starts."""
        return self.folder / "dump.rdb"

    def start(self) -> None:
        """Start it, and wait until it answers, with whatever it has on its disk."""
        self.folder.mkdir(exist_ok=True)
        program = require("valkey-server", "redis-server")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *self._arguments()], stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_until_it_answers()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """``kill -9``: nothing is written any more."""
        self._end(signal.SIGKILL)

    def shut_down(self) -> None:
        self._end(signal.SIGTERM)

    def suspend(self) -> None:
        """Stop the process: connections are accepted by the system, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def command(self, *words: str | bytes | int) -> Any:
        """The reply to a command."""
        with self.client() as client:
            return client.execute_command(*words)

    def config(self, name: str, value: str) -> None:
        self.command("CONFIG", "SET", name, value)

    def client(self) -> redis.Redis:
        """A client of the tests' own, to look at what is there."""
        return redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True)

    def names(self) -> list[str]:
        """Of all keys that there are."""
        return list(self.command("KEYS", "*"))

    def replication(self) -> Any:
        """What it says about itself as a primary or a replica."""
        return self.command("INFO", "replication")

    def connected(self) -> int:
        """How many clients are connected, this one's connection not counted."""
        with self.client() as client:
            return len(client.client_list()) - 1

    def close(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self.resume()
            self.kill()

    def _arguments(self) -> list[str]:
        return [
            *("--port", str(self.port)),
            *("--bind", "127.0.0.1"),
            *("--dir", str(self.folder)),
            *("--save", ""),
            *("--enable-debug-command", "local"),
            *self._options,
        ]

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + _START_TIME
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self.port), _START_TIME) as connection:
                    connection.sendall(b"PING\r\n")
                    answer = connection.recv(64)
            except OSError:
                answer = b""
            # One that asks for a password, or is a replica, answers as well.
            if answer.startswith((b"+PONG", b"-NOAUTH", b"-MASTERDOWN")):
                return
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.01)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(_START_TIME)


@contextmanager
def running_valkey(folder: Path, *options: str) -> Iterator[ValkeyServer]:
    """A server that has started, and ends with the block."""
    server = ValkeyServer(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.close()


def eventually(what: Callable[[], bool], within: float = 60.0) -> None:
    """Returns when something has come true; fails where it has not in so many seconds."""
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until, "it has not come true"
        time.sleep(0.02)


async def open_as_nodes_do(address: str, database_url: str) -> ValkeyStore:
    """The store of an installation, whose database says which artifacts count."""
    directory = Directory.open(database_url)
    try:
        generation = generation_of(await directory.signing_key())
    finally:
        await directory.close()
    return await ValkeyStore.open(address, generation=generation)


def address_for(folder: Path) -> str:
    """An address on a server that all tests of this process share, with keys for this folder."""
    prefix = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return f"{shared_valkey().address}?prefix={prefix}"


@cache
def shared_valkey() -> ValkeyServer:
    """The server that all tests of this process share, and its forks."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    server = ValkeyServer(Path(folder.name))
    atexit.register(server.close)  # which comes before the folder goes
    server.start()
    return server
