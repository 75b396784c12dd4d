"""The audit log: each event a log line and a row of the database, soon after it happened.

A login must not wait for the disk, so events are gathered for a moment and written together.
While the database does not answer they are kept, up to a limit, and tried again; beyond the limit
the newest are dropped, counted, and the loss is told in the log and, later, in the database.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import msgspec
import structlog

from worksgate import log
from worksgate.audit import AuditEvent, Event
from worksgate.audit_rows import event_values
from worksgate.directory import DirectoryUnavailable
from worksgate.directory.rows import events_at_once

LOGGER = "worksgate.audit"
CAPACITY = 20_000
"""Events that are kept while the database does not answer."""

_JSON = msgspec.json.Encoder()
_LONGEST_PLAIN = 255
"""Bytes of a line in which no text can be too long for the database."""
_LINES_AT_ONCE = 100
"""Log lines that are put together before others have their turn of the event loop."""
_LONGEST_PAUSE = 5.0
_LAST_CHANCE = 10.0

_log = structlog.get_logger(LOGGER)


class Recorder(Protocol):
    """Where rows are written: the directory."""

    async def record(self, events: Sequence[AuditEvent]) -> None: ...


def log_events(events: Iterable[AuditEvent]) -> None:
    """Write events as log lines, in UTC, in which nothing from outside can pass for more."""
    log.info_at((event.at, _members(event)) for event in events)


def _members(event: AuditEvent) -> bytes:
    """The JSON of an event without its braces and its time."""
    line = _plain(event)
    if line is None:
        values = event_values(event).items()
        line = _JSON.encode({name: value for name, value in values if value is not None})
    return line[line.index(b",") + 1 : -1]  # the time comes first


def _plain(event: AuditEvent) -> bytes | None:
    """The JSON of an event if nothing in it has to be encoded, which shows in the JSON itself."""
    try:
        line = _JSON.encode(event)
    except UnicodeEncodeError:  # half a character
        return None
    is_plain = line.isascii() and b"\\" not in line and b"\x7f" not in line
    return line if is_plain and len(line) <= _LONGEST_PLAIN else None


@dataclass(slots=True)
class _Losses:
    """How many events were dropped, and how many of those the database has been told of."""

    dropped: int = 0
    logged: int = 0
    recorded: int = 0


class AuditWriter:
    """An ``audit.AuditLog`` on the directory; ``interval`` is the seconds that events gather.

    All calls belong to one event loop. ``dropped`` counts what was lost, ``recorded`` how often
    each event has happened.
    """

    def __init__(
        self,
        directory: Recorder,
        clock: Callable[[], float] = time.time,
        *,
        interval: float = 0.2,
        capacity: int = CAPACITY,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._interval = interval
        self._capacity = capacity
        self._unlogged: list[AuditEvent] = []
        self._waiting: deque[AuditEvent] = deque()
        self._losses = _Losses()
        self._writing = asyncio.Lock()
        self._stopped = asyncio.Event()
        self.recorded: dict[str, int] = dict.fromkeys(Event, 0)
        self._task: asyncio.Task[None] | None = None

    @property
    def dropped(self) -> int:
        return self._losses.dropped

    @property
    def waiting(self) -> int:
        """How many events are not in the database yet."""
        return len(self._waiting)

    def record(self, event: AuditEvent) -> None:
        """Keep an event for the log and the database; returns at once and never raises."""
        self._unlogged.append(event)
        self.recorded[event.event] += 1
        if len(self._waiting) >= self._capacity:
            self._losses.dropped += 1
        else:
            self._waiting.append(event)
        if self._task is None or self._task.done():
            with suppress(RuntimeError):  # no loop yet: the next record or flush will write it
                self._wake()

    async def flush(self) -> None:
        """Return when all that was recorded before is durable. Raises DirectoryUnavailable."""
        await self._write_all()

    async def close(self) -> None:
        """Write what is waiting, for at most ten seconds, and stop; what is lost is logged."""
        self._stopped.set()
        if self._task is not None:
            await self._task
        try:
            async with asyncio.timeout(_LAST_CHANCE):
                await self._write_all()
        except (DirectoryUnavailable, TimeoutError):
            self._losses.dropped += len(self._waiting)
            self._waiting.clear()
        self._tell_of_losses()

    def _wake(self) -> None:
        if not self._stopped.is_set():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Write until nothing is left; after an outage wait longer each time."""
        pause = self._interval
        while self._waiting and not await self._stopped_within(pause):
            try:
                await self._write_all()
                pause = self._interval
            except DirectoryUnavailable as error:
                pause = min(pause * 2 + 0.05, _LONGEST_PAUSE)
                _log.warning("audit.delayed", waiting=len(self._waiting), reason=str(error))
            self._tell_of_losses()

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        return self._stopped.is_set()

    async def _write_all(self) -> None:
        """Write all that waits now, in order; one writer at a time."""
        await self._log_all()
        async with self._writing:
            self._note_losses()
            left = len(self._waiting)
            while left > 0:
                left -= await self._write(list(islice(self._waiting, events_at_once(left))))

    async def _log_all(self) -> None:
        events, self._unlogged = self._unlogged, []
        for start in range(0, len(events), _LINES_AT_ONCE):
            with suppress(Exception):  # a broken log must not keep events from the database
                log_events(events[start : start + _LINES_AT_ONCE])
            await asyncio.sleep(0)

    async def _write(self, batch: list[AuditEvent]) -> int:
        try:
            await self._directory.record(batch)
        except DirectoryUnavailable:
            raise
        except Exception as error:  # one that cannot be written must not hold up the others
            if len(batch) > 1:
                return await self._write(batch[: len(batch) // 2])
            self._losses.dropped += 1
            _log.error(
                "audit.unwritable", audit_event=batch[0].event.value, kind=type(error).__name__
            )
        for _ in batch:
            self._waiting.popleft()
        return len(batch)

    def _note_losses(self) -> None:
        """Say in the audit log itself that something is missing from it."""
        lost = self._losses.dropped - self._losses.recorded
        if lost:
            self._losses.recorded = self._losses.dropped
            detail = f"{lost} audit records were lost while the database did not answer"
            self._waiting.append(AuditEvent(event=Event.SYSTEM, at=self._clock(), detail=detail))

    def _tell_of_losses(self) -> None:
        lost = self._losses.dropped - self._losses.logged
        if lost:
            self._losses.logged = self._losses.dropped
            _log.error("audit.lost", count=lost, total=self._losses.dropped)
