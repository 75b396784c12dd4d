"""Server processes: started on a core of their own, awaited, and ended."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from load import Failed

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0


def free_port() -> int:
    with contextlib.closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Server:
    """A process that listens on ``port``; what it prints goes to ``log``."""

    def __init__(
        self,
        command: Sequence[str | Path],
        port: int,
        folder: Path,
        *,
        core: int | None = None,
        environment: dict[str, str] | None = None,
        ready: str | None = None,
        talks: bool = False,
    ) -> None:
        """Start it. ``ready`` is a path that answers 200 once it serves; else a port suffices."""
        self.port = port
        self.log = folder / "output"
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        self.began = time.perf_counter()
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*pinned, *command],
                cwd=folder,
                env={**_clean_environment(), **(environment or {})},
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else output,
                stderr=output,
                text=True,
            )
        self._ready = ready

    def wait(self) -> float:
        """Wait until it serves; the seconds since its start. Raises Failed."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Failed(f"a server ended at its start: {self.last_words()}")
            if self._answers():
                return time.perf_counter() - self.began
            time.sleep(0.004)
        raise Failed("a server did not start in time")

    def ask(self, line: str) -> None:
        """Give it an order on its standard input and wait until it prints that this is done."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        if not any(answer.strip() == "done" for answer in iter(self.process.stdout.readline, "")):
            raise Failed(f"a server could not do as asked: {self.last_words()}")

    def stop(self) -> None:
        """End it, politely at first."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()

    def last_words(self) -> str:
        return self.log.read_text("utf-8", "replace")[-400:].strip()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                if self._ready is None:
                    return True
                request = f"GET {self._ready} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                connection.sendall(request.encode())
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def worksgate(*arguments: str) -> list[str]:
    """A command of Worksgate, as it was installed here."""
    return [str(Path(sys.executable).with_name("worksgate")), *arguments]


def _clean_environment() -> dict[str, str]:
    """Ours, without settings of Worksgate that somebody may have made."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WORKSGATE_")}
