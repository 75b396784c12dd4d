"""``worksgate serve`` as a process of its own, and the certificates that it is given."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import IO, Any

from tests import forking
from tests.installation import prepared
from tests.ports import free_port
from tests.served import READ_TIMEOUT, wait_until

KEYS = {
    "ec": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa": ("-newkey", "rsa:2048"),
}


def make_certificate(folder: Path, *, key: str = "ec", days: int = 60) -> None:
    """Write cert.pem and key.pem into a folder, in the place of those that are there."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", *KEYS[key], "-nodes", "-days", str(days)),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )


@dataclass
class Running:
    """A server that runs, and what it has logged."""

    process: forking.Process
    port: int
    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Lines that are no events, such as why there was no start."""
    output: IO[str] = field(default_factory=StringIO)

    @property
    def settings_file(self) -> Path:
        return self.folder / "worksgate.toml"

    def named(self, event: str) -> list[dict[str, Any]]:
        return [each for each in list(self.events) if each["event"] == event]

    def wait_for(self, event: str, number: int = 1, *, seconds: float = 120.0) -> dict[str, Any]:
        """Wait until so many events of this name are there; return the last of them."""
        wait_until(lambda: len(self.named(event)) >= number, seconds=seconds)
        return self.named(event)[number - 1]

    def workers(self) -> list[int]:
        """The processes that serve and have not been seen to leave."""
        gone = {
            each["pid"] for name in ("worker.ended", "worker.died") for each in self.named(name)
        }
        return [each["pid"] for each in self.named("worker.ready") if each["pid"] not in gone]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=READ_TIMEOUT)

    def ends(self, *, seconds: float = 60.0) -> int:
        """Wait for the end, and return the exit code."""
        return self.process.wait(seconds)

    def read(self) -> None:
        for line in self.output:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.others.append(line)


PASS_AS_SYSTEMD_DOES = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "x.socket"}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@contextmanager
def serving(
    folder: Path,
    *options: str,
    scheme: str = "http",
    settings: Mapping[str, object] | None = None,
    names_file: bool = True,
) -> Iterator[Running]:
    """Run a server with the usual installation until the end of the block."""
    port = free_port()
    url = f"{scheme}://127.0.0.1:{port}"
    asyncio.run(prepared(folder, public_url=url))
    write_settings(folder, public_url=url, port=port, **(settings or {}))
    with started(folder, port, *options, names_file=names_file) as running:
        yield running


@contextmanager
def started(
    folder: Path,
    port: int,
    *options: str,
    passed: socket.socket | None = None,
    names_file: bool = True,
) -> Iterator[Running]:
    """Run a server in a folder that is prepared until the end of the block.

    ``passed`` is a socket that it gets as systemd would give it. Unless it ``names_file``, it
    finds its settings in the working folder.
    """
    named = ("--config", "worksgate.toml") if names_file else ()
    serve = ("serve", *named, *options)
    variables = {**os.environ, "PYTHONPATH": ""}
    ours, theirs = os.pipe()
    process: forking.Process
    with os.fdopen(theirs, "wb") as their_end:
        if passed is None:
            process = forking.start(
                *serve, stdout=their_end, stderr=their_end, cwd=folder, env=variables
            )
        else:
            systemd = ["-c", PASS_AS_SYSTEMD_DOES, str(passed.fileno())]
            process = subprocess.Popen(
                [sys.executable, *systemd, "-m", "worksgate", *serve],
                stdout=their_end,
                stderr=their_end,
                cwd=folder,
                env=variables,
                pass_fds=[passed.fileno()],
            )
    running = Running(process, port, folder, output=os.fdopen(ours, encoding="utf-8"))
    reader = threading.Thread(target=running.read, daemon=True)
    reader.start()
    try:
        wait_until(lambda: is_listening(port) or process.poll() is not None)
        assert process.poll() is None, running.others
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
            reader.join(60)
            running.output.close()


def write_settings(folder: Path, **settings: object) -> None:
    """Write worksgate.toml as an editor does: all at once."""
    known = {"database_url": f"sqlite:///{folder / 'worksgate.db'}", "hashing_threads": 1}
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in {**known, **settings}.items())
    new = folder / "new.toml"
    new.write_text("".join(lines), "utf-8")
    new.replace(folder / "worksgate.toml")


def is_listening(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def is_alive(pid: int) -> bool:
    """Whether a thread of a process runs: with the last one its sockets are closed.

    A process that only waits to be collected has none.
    """
    try:
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" or threads > 1
