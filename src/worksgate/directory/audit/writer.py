"""The audit log: each event is a log line and a row of the database.

Changes in the store are recorded in its own commits, and ``AuditLines`` writes the lines once those
are durable. Other events (a user info, a wrong password) must not cost a commit each: they wait for
a moment in ``AuditWriter``, and are written together, through the store's one writer if that is the
same database.

Nothing is dropped while the database responds. Requests call ``room`` before they do anything: if
too many records wait, callers wait too, and are refused if there is no room in time. Only records
in progress can be lost in a long outage of the database; the loss is counted, logged and, later,
recorded in the database.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import msgspec
import structlog

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable
from worksgate.database.audit_rows import event_values
from worksgate.limits.outages import Unavailable
from worksgate.observability import log
from worksgate.store import StoreUnavailable

LOGGER = "worksgate.audit"
CAPACITY = 20_000
"""Events that may wait before requests have to."""
IN_FLIGHT = 20_000
"""Additional events that requests admitted before may still record."""
PATIENCE = 1.0
"""Seconds that a request waits for room."""
AT_ONCE = 500
"""Events per write: the store inserts them in two milliseconds, during which all others wait."""

RECORDS_LOST = "audit records were lost while the database did not respond"
"""How the detail of a record ends that says so."""

_JSON = msgspec.json.Encoder()
_LONGEST_PLAIN = 255
"""Maximum length in bytes of a line in which no text can be too long for the database."""
_LINES_AT_ONCE = 100
"""Log lines that are joined before the event loop gets its turn."""
_LONGEST_PAUSE = 5.0
_LAST_CHANCE = 10.0

_log = structlog.get_logger(LOGGER)


class Recorder(Protocol):
    """Writes the rows: the store, if it is in the database, or the directory."""

    async def record(self, events: Sequence[AuditEvent]) -> None: ...


def log_events(events: Iterable[AuditEvent]) -> None:
    """Write events as log lines, in UTC, in which no external text can imitate another event."""
    log.info_at((event.at, _members(event)) for event in events)


def _members(event: AuditEvent) -> bytes:
    """The JSON of an event without its braces and its time."""
    line = _plain(event)
    if line is None:
        values = event_values(event).items()
        line = _JSON.encode({name: value for name, value in values if value is not None})
    return line[line.index(b",") + 1 : -1]  # the time comes first


def _plain(event: AuditEvent) -> bytes | None:
    """The JSON of an event if nothing in it has to be escaped, as the JSON itself shows."""
    try:
        line = _JSON.encode(event)
    except UnicodeEncodeError:  # a lone surrogate
        return None
    is_plain = line.isascii() and b"\\" not in line and b"\x7f" not in line
    return line if is_plain and len(line) <= _LONGEST_PLAIN else None


@dataclass(slots=True)
class _Losses:
    """How many events were dropped, and how many of those are recorded in the database."""

    dropped: int = 0
    logged: int = 0
    recorded: int = 0


class AuditLines:
    """Writes events as log lines, batching those of a fifth of a second, and counts them.

    All calls belong to one event loop. ``counts`` is how often each event has happened.
    """

    def __init__(self, *, interval: float = 0.2) -> None:
        self._interval = interval
        self._unwritten: list[AuditEvent] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self.counts: dict[str, int] = dict.fromkeys(Event, 0)

    def recorded(self, events: Sequence[AuditEvent]) -> None:
        """Add events that have happened; returns at once and never raises."""
        self._unwritten += events
        for event in events:
            self.counts[event.event] += 1
        if self._task is None or self._task.done():
            with suppress(RuntimeError):  # no event loop yet: the next call writes it
                self._task = asyncio.get_running_loop().create_task(self._run())

    async def flush(self) -> None:
        """Write all pending lines."""
        events, self._unwritten = self._unwritten, []
        for start in range(0, len(events), _LINES_AT_ONCE):
            with suppress(Exception):  # a broken log must not keep events from the database
                log_events(events[start : start + _LINES_AT_ONCE])
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Write all pending lines, and stop batching."""
        self._closed.set()
        if self._task is not None:
            await self._task
        await self.flush()

    async def _run(self) -> None:
        while self._unwritten:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._closed.wait()
            await self.flush()


class AuditWriter:
    """An ``audit.AuditLog`` on a database; ``interval`` is the batching time in seconds.

    It is also the ``store.RecordKeeper`` of an external store: ``keep`` writes at once, batching
    concurrent callers. All calls belong to one event loop. ``dropped`` counts lost events,
    ``waiting`` those not in the database yet.
    """

    def __init__(
        self,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
        *,
        lines: AuditLines | None = None,
        interval: float = 0.2,
        capacity: int = CAPACITY,
        in_flight: int = IN_FLIGHT,
        patience: float = PATIENCE,
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._lines = AuditLines() if lines is None else lines
        self._interval = interval
        self._capacity = capacity
        self._most = capacity + in_flight
        self._patience = patience
        self._waiting: deque[AuditEvent] = deque()
        self._written = 0
        self._losses = _Losses()
        self._writing = asyncio.Lock()
        self._stopped = asyncio.Event()
        self._has_room = asyncio.Event()
        self._is_due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self.is_away = False

    @property
    def recorded(self) -> Mapping[str, int]:
        """How often each event has happened."""
        return self._lines.counts

    @property
    def dropped(self) -> int:
        return self._losses.dropped

    @property
    def waiting(self) -> int:
        """How many events are not in the database yet."""
        return len(self._waiting)

    def record(self, event: AuditEvent) -> None:
        """Queue an event for the log and the database; returns at once and never raises."""
        self._lines.recorded((event,))
        if len(self._waiting) >= self._most:
            self._losses.dropped += 1
        else:
            self._waiting.append(event)
        if len(self._waiting) >= AT_ONCE:
            self._is_due.set()
        if self._task is None or self._task.done():
            with suppress(RuntimeError):  # no event loop yet: the next call writes it
                self._wake()

    async def room(self) -> None:
        """Return when a request may proceed. Raises StoreUnavailable after ``patience`` seconds."""
        if len(self._waiting) < self._capacity:  # the normal case needs no clock
            return
        until = asyncio.get_running_loop().time() + self._patience
        while len(self._waiting) >= self._capacity:
            self._has_room.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._has_room.wait()
            except TimeoutError:
                raise StoreUnavailable("too many audit records wait for the database") from None

    async def keep(self, events: Sequence[AuditEvent]) -> None:
        """Return when these are durable. Raises StoreUnavailable; they may become durable later."""
        for event in events:
            self.record(event)
        try:
            await self._write_all()
        except DatabaseUnavailable as error:
            raise StoreUnavailable(str(error), outcome_unknown=True) from error

    async def flush(self) -> None:
        """Return when everything recorded before is durable. Raises DatabaseUnavailable."""
        await self._lines.flush()
        await self._write_all()

    async def close(self) -> None:
        """Write pending events, for at most ten seconds, and stop; losses are logged."""
        self._stopped.set()
        self._is_due.set()
        if self._task is not None:
            await self._task
        try:
            async with asyncio.timeout(_LAST_CHANCE):
                await self._write_all()
        except (DatabaseUnavailable, TimeoutError):
            for write in self._writes:
                write.cancel()
            self._losses.dropped += len(self._waiting)
            self._waiting.clear()
        await self._lines.close()
        self._log_losses()

    def _wake(self) -> None:
        if not self._stopped.is_set():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Write until nothing is left; wait longer after each failure."""
        pause = self._interval
        while self._waiting and not await self._stopped_within(pause):
            try:
                await self._write_all()
                pause = self._interval
            except DatabaseUnavailable as error:
                pause = min(pause * 2 + 0.05, _LONGEST_PAUSE)
                _log.warning("audit.delayed", waiting=len(self._waiting), reason=str(error))
            self._log_losses()

    async def _stopped_within(self, seconds: float) -> bool:
        """Wait, unless the last write failed, until there is enough for a batch."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (self._stopped if self.is_away else self._is_due).wait()
        return self._stopped.is_set()

    async def _write_all(self) -> None:
        """Write all pending events, in order.

        A caller that is cancelled does not interrupt the write, or events would be written twice.
        """
        write = asyncio.create_task(self._write_waiting())
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        write.add_done_callback(_retrieve_exception)
        await asyncio.shield(write)

    async def _write_waiting(self) -> None:
        """One writer at a time; events that arrive meanwhile are written with the next batch."""
        last = self._written + len(self._waiting)
        async with self._writing:
            self._record_losses()
            while self._written < last:
                await self._write(list(islice(self._waiting, AT_ONCE)))
        if len(self._waiting) < AT_ONCE and not self._stopped.is_set():
            self._is_due.clear()

    async def _write(self, batch: list[AuditEvent]) -> None:
        try:
            await self._recorder.record(batch)
        except Unavailable as error:
            self.is_away = True
            raise DatabaseUnavailable(str(error)) from error
        except Exception as error:  # one unwritable event must not hold up the others
            if len(batch) > 1:
                await self._write(batch[: len(batch) // 2])
                return
            self._losses.dropped += 1
            _log.error(
                "audit.unwritable", audit_event=batch[0].event.value, kind=type(error).__name__
            )
        self.is_away = False
        for _ in batch:
            self._waiting.popleft()
        self._written += len(batch)
        if len(self._waiting) < self._capacity:
            self._has_room.set()

    def _record_losses(self) -> None:
        """Record in the audit log itself that events are missing."""
        lost = self._losses.dropped - self._losses.recorded
        if lost:
            self._losses.recorded = self._losses.dropped
            detail = f"{lost} {RECORDS_LOST}"
            self._waiting.append(AuditEvent(event=Event.SYSTEM, at=self._clock(), detail=detail))

    def _log_losses(self) -> None:
        lost = self._losses.dropped - self._losses.logged
        if lost:
            self._losses.logged = self._losses.dropped
            _log.error("audit.lost", count=lost, total=self._losses.dropped)


def _retrieve_exception(write: asyncio.Task[None]) -> None:
    """Retrieve the exception of a write: waiting callers got it, or have been cancelled."""
    if not write.cancelled():
        write.exception()
