"""Records as the command does, in a thread."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.served import wait_until

from worksgate.conformance.recording.collector import Collector
from worksgate.conformance.recording.file import Ended, Limits, RecordingWriter

LIMITS = Limits(seconds=60, calls=20_000, size=50_000_000)


@dataclass
class Recorded:
    """A recording in progress; ``ended`` is there once it is over."""

    collector: Collector
    ended: list[Ended] = field(default_factory=list)


@contextmanager
def recording(socket: Path, file: Path, limits: Limits = LIMITS) -> Iterator[Recorded]:
    """Record until the end of the block, as the command does."""
    writer = RecordingWriter.create(file, limits, time.time())
    recorded = Recorded(Collector(writer, socket, limits, time.time))
    loops: list[asyncio.AbstractEventLoop] = []

    async def record() -> None:
        loops.append(asyncio.get_running_loop())
        recorded.ended.append(await recorded.collector.run())

    thread = threading.Thread(target=lambda: asyncio.run(record()))
    thread.start()
    try:
        wait_until(lambda: recorded.collector.processes or not thread.is_alive())
        yield recorded
    finally:
        if thread.is_alive():
            loops[0].call_soon_threadsafe(recorded.collector.stop)
        thread.join(30)
