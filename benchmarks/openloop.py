"""Load from ``openloop.c``: a connection for each request, begun when it is due or in turns."""

import json
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import provision
from load import Failed, Template

RESERVED_FILES = 100
"""Of the open files that a process may have, so many are left to the generator itself."""
MOST_FILES = 120_000
"""More connections at once than any server here takes."""
PATIENCE = 4.0
"""Seconds that an answer is waited for: one more than LINE WORKS waits, to see what is late."""


@dataclass(frozen=True)
class Offer:
    """What was offered, and what became of it. Latencies are milliseconds.

    ``good`` were answered with what was asked for, ``useful`` of them within 3 seconds and before
    the load ended; ``refused`` were answered with 503, ``odd`` with something else; ``closed`` were
    closed without an answer, ``unanswered`` not within ``PATIENCE``, and ``late`` are those of
    all kinds whose end came after 3 seconds. ``not_offered`` were due while the generator had no
    connection left. ``resumed`` are the handshakes that went on with an earlier TLS session.
    """

    seconds: float
    offered: int
    not_offered: int
    good: int
    useful: int
    good_p50_ms: float
    good_p99_ms: float
    good_max_ms: float
    refused: int
    refused_p50_ms: float
    refused_p99_ms: float
    refused_max_ms: float
    closed: int
    closed_p50_ms: float
    closed_p99_ms: float
    closed_max_ms: float
    odd: int
    unanswered: int
    late: int
    resumed: int
    generator_seconds: float

    @property
    def useful_rate(self) -> float:
        """Useful answers a second."""
        return self.useful / self.seconds


def closed_loop(
    port: int,
    template: Template,
    values: Sequence[str],
    *,
    seconds: float,
    connections: int,
    core: int | None,
    once: bool,
    tls: bool,
    resumed: bool = False,
) -> Offer:
    """So many connections in turns, each for one request: what the server can do of these.

    With ``resumed`` they speak TLS and go on with the session of an earlier one.
    """
    transport = "resumed" if resumed else _transport(tls=tls)
    return _run(port, template, values, 0.0, seconds, connections, core, transport, once=once)


def open_loop(
    port: int,
    template: Template,
    values: Sequence[str],
    *,
    rate: float,
    seconds: float,
    core: int | None,
    once: bool,
    tls: bool,
) -> Offer:
    """``rate`` connections a second, whatever becomes of them."""
    most = _most_files() - RESERVED_FILES
    transport = _transport(tls=tls)
    return _run(port, template, values, rate, seconds, most, core, transport, once=once)


def _transport(*, tls: bool) -> str:
    return "tls" if tls else "tcp"


def _run(
    port: int,
    template: Template,
    values: Sequence[str],
    rate: float,
    seconds: float,
    most: int,
    core: int | None,
    transport: str,
    *,
    once: bool,
) -> Offer:
    program = provision.open_loop()
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        template_file, values_file = Path(folder, "template"), Path(folder, "values")
        template_file.write_bytes(template.closing().text)
        values_file.write_text("\n".join(values) + "\n")
        numbers = [f"{rate:.1f}", f"{seconds:.1f}", f"{PATIENCE:.1f}", str(most)]
        files = [str(template_file), str(values_file), "once" if once else "cycle"]
        done = subprocess.run(
            [*pinned, program, str(port), *files, *numbers, transport],
            capture_output=True,
            text=True,
            preexec_fn=_allow_many_files,
        )
    if done.returncode:
        raise Failed(done.stderr.strip()[-300:] or "openloop failed")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Offer(**found)


def _most_files() -> int:
    """How many open files the generator may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_most_files(), hard))
