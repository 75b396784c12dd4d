"""A worker that serves nothing: it responds to its supervisor as a test requires."""

import os
import signal
from pathlib import Path
from typing import Literal

from worksgate.server.supervisor_pipe import Drain, Reloaded, SupervisorPipe, WorkerState

Answer = Literal["can", "cannot", "dies"]


def work(pipe: SupervisorPipe, name: str, answer: Answer, asked: Path) -> None:
    """Note who is given other settings, and answer, or die of them."""
    pipe.send(WorkerState.READY)
    while not isinstance(order := pipe.receive(), Drain):
        if order.settings is None:  # a certificate can always be read again
            pipe.send(Reloaded(order.number, is_applied=True))
            continue
        with asked.open("a", encoding="ascii") as file:
            file.write(name)
        if answer == "dies":
            os._exit(1)
        pipe.send(Reloaded(order.number, is_applied=answer == "can"))


def die_of(pipe: SupervisorPipe, number: signal.Signals) -> None:
    """Serve for a moment, and end by a signal."""
    pipe.send(WorkerState.READY)
    os.kill(os.getpid(), number)
