"""Where a server's event loop spends its time: py-spy looks at it 250 times a second."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Failed
from provision import Missing

TOP = 8
"""So many files are named; the others are one line."""
RATE = 250
OTHERS = "others"


@contextmanager
def recording(pid: int, file: Path, seconds: float) -> Iterator[None]:
    """Record the stacks of a process to a file during the block. Raises Missing or Failed."""
    program = Path(sys.executable).with_name("py-spy")
    if not program.exists():
        raise Missing("py-spy is not installed: make setup")
    command: list[str | Path] = [program, "record", "--pid", str(pid), "--output", file]
    command += ["--format", "raw", "--threads", "--rate", str(RATE)]
    recorder = subprocess.Popen(
        [*command, "--duration", str(max(1, int(seconds)))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield
        _, said = recorder.communicate(timeout=60)
    finally:
        if recorder.poll() is None:
            recorder.terminate()
            recorder.wait()
    if recorder.returncode:
        raise Failed(f"py-spy: {said.strip()[-300:]}")


def shares(stacks: str) -> dict[str, float]:
    """The share of each file in the samples of the first thread, the largest ones first.

    A sample counts for the file of its innermost Python function: what C code does counts for
    whoever called it, so waiting for the network is the event loop's and SQLite is that of the
    file with the statement. Samples in which the thread only waited are not among them.
    """
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if "MainThread" in thread and frames:
            counts[_file_of(frames[-1])] += int(count)
    total = counts.total()
    if not total:
        raise Failed("py-spy has seen nothing of the event loop")
    top = {name: round(count / total, 3) for name, count in counts.most_common(TOP)}
    return top | {OTHERS: round(1 - sum(top.values()), 3)}


def _file_of(frame: str) -> str:
    """Of ``function (path/file.py:12)`` the path, from the package on."""
    path = frame.rpartition(" (")[2].rstrip(")").rpartition(":")[0]
    return path.partition("site-packages/")[2] or path.partition("src/")[2] or path
