"""What a call costs in two checkouts, measured in turns: ``before_after.py BEFORE AFTER``.

Both servers run at the same time, each with the interpreter in its checkout's ``.venv``, and get
the same calls in alternating batches. Only their processor time is compared, and the result is the
median of the ratios of batches: it holds on a machine that other work keeps busy, too.

Each checkout's own ``contestants`` prepare its calls. This file imports nothing else of
``benchmarks``: a server would get that module of this checkout instead of its own.
"""

import argparse
import importlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

CALLS = ("token", "userinfo")
COUNT = 12_800
BATCH = 640
CONNECTIONS = 32
REST = 0.5
"""Seconds after a batch in which the server finishes what it does behind its answers.

Records that belong to no change wait for at most 0.2 s: with a shorter rest a server that writes
them later would seem to be cheaper.
"""


@dataclass
class Contestant:
    """A server of one checkout."""

    checkout: Path
    call: str
    folder: Path
    microseconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        command: list[str | Path] = [self.checkout / ".venv/bin/python", __file__]
        command += ["--serve", self.call, self.folder]
        self._program = subprocess.Popen(
            command, cwd=self.checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._program.stdout
        served = json.loads(self._program.stdout.readline())
        self._pid: int = served["pid"]
        self._request: str = served["request"]
        self.values: Sequence[str] = served["values"]
        self._address = ("127.0.0.1", int(served["port"]))

    def measure(self, values: Sequence[str]) -> None:
        """Send a call for each value, and note what one took. Raises ValueError if one failed."""
        connections = [socket.create_connection(self._address) for _ in range(CONNECTIONS)]
        before = self._processor_time()
        for start in range(0, len(values), CONNECTIONS):
            pairs = list(zip(connections, values[start : start + CONNECTIONS], strict=False))
            for connection, value in pairs:
                connection.sendall(self._request.replace("{value}", value).encode())
            for connection, _ in pairs:
                answer = connection.recv(65_536)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise ValueError(f"{self.checkout} answered {answer[:40]!r}")
        time.sleep(REST)
        self.microseconds.append((self._processor_time() - before) / len(values))
        for connection in connections:
            connection.close()

    def stop(self) -> None:
        self._program.communicate("\n")

    def _processor_time(self) -> float:
        """Microseconds of all threads of the server so far."""
        tasks = Path(f"/proc/{self._pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1_000


def serve(call: str, folder: Path) -> None:
    """Serve until a line comes, from the checkout in whose folder this was started."""
    sys.path.insert(0, str(Path.cwd() / "benchmarks"))
    contestants: Any = importlib.import_module("contestants")
    installation = contestants.Worksgate(folder)
    make, template = {
        "token": (installation.codes, installation.token_call),
        "userinfo": (installation.tokens, installation.user_info_call),
    }[call]
    values = list(make(COUNT))
    installation.start(None)
    served = {
        "port": installation.port,
        "pid": installation.server.process.pid,
        "request": template(values).text.decode(),
        "values": values,
    }
    print(json.dumps(served), flush=True)
    sys.stdin.readline()
    installation.server.stop()


def compare(before: Path, after: Path, call: str) -> str:
    """One line: what the call costs in both, and the ratio."""
    folder = Path(tempfile.mkdtemp(prefix="before-after-"))
    contestants: list[Contestant] = []
    try:
        for number, checkout in enumerate((before, after)):
            contestants.append(Contestant(checkout.resolve(), call, folder / str(number)))
        for start in range(0, COUNT, BATCH):
            for each in contestants:
                each.measure(each.values[start : start + BATCH])
    finally:
        for each in contestants:
            each.stop()
        shutil.rmtree(folder, ignore_errors=True)
    old, new = (each.microseconds[1:] for each in contestants)  # the first batch was to warm up
    ratio = median(b / a for a, b in zip(old, new, strict=True))
    return f"{call:9} before {median(old):6.0f} µs, after {median(new):6.0f} µs, ratio {ratio:.2f}"


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    for call in CALLS:
        print(compare(options.before, options.after, call), flush=True)


if __name__ == "__main__":
    main()
