"""A few connections that process one queue.

Each connection belongs to a task, its worker, which takes the oldest request, runs it to its end
and takes the next. So a cancelled caller costs nothing and corrupts nothing (F-21): a waiting
request is dropped, a running one is finished by its worker, and its result is discarded.

Timeouts (R-52: LINE WORKS gets a response within 2.5 s)::

    0.0 s    the request arrives, and waits for a connection
    1.0 s    QUEUE_TIMEOUT: a statement that has not begun by now never will (F-06)
    2.0 s    STATEMENT_TIMEOUT later the server itself has ended the last statement
    2.25 s   REPLY_TIMEOUT after it was sent a statement is abandoned, its outcome unknown (F-03)

While the server has no connection left, requests wait for one; after STARVED_FOR it counts as
down. While the server is down every request is refused at once, and only one worker tries to
reconnect, at most a second apart, whether there are requests or not (F-04). A connection that is
found dead before something is sent is replaced, and the request uses the next one (F-05); sent
statements are never repeated, unless they only read.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

import structlog

from worksgate.database.identity import DatabaseGuard
from worksgate.database.postgres_disk import DISK_FULL, FullDisk
from worksgate.database.postgres_room import (
    CONNECTIONS_LEFT,
    GROW_PAUSE,
    KEPT_FREE,
    TOO_FEW,
    is_short,
)
from worksgate.database.postgres_room import pause as room_pause
from worksgate.settings.addresses.postgres import PostgresAddress
from worksgate.store import StoreUnavailable
from worksgate.store.postgres.connection import PostgresConnection
from worksgate.store.postgres.errors import (
    DRIVER_ERRORS,
    is_cut,
    is_lost,
    is_passing,
    is_unsent,
    must_replace,
    refusal,
    why_not_connected,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

QUEUE_TIMEOUT = 1.0
"""Maximum seconds that a request waits for a connection."""
STATEMENT_TIMEOUT = 1.0
LOCK_TIMEOUT = 0.8
REPLY_TIMEOUT = STATEMENT_TIMEOUT + 0.25
CONNECT_TIMEOUT = 1.0
IDLE_IN_TRANSACTION = 5.0
"""Seconds after which the server releases the locks of a process that was suspended midway."""

_KEPT_IDLE = 10.0
"""Seconds after which an idle connection is closed; one is kept."""
_BALANCE_INTERVAL = 2.0

_CUT_OFF = 3
"""Connections that may fail while being opened before that counts as an outage."""

STARVED_FOR = 1.0
"""Seconds without any connection, because the server has none left, that count as an outage."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
_CLOSING = 1.0

_SETTINGS = {
    "statement_timeout": f"{STATEMENT_TIMEOUT * 1_000:.0f}",
    "lock_timeout": f"{LOCK_TIMEOUT * 1_000:.0f}",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION * 1_000:.0f}",
    # Everything is found by an index. What gets an array would be planned anew each time, since
    # its length is unknown beforehand: that costs more than to run it.
    "plan_cache_mode": "force_generic_plan",
    # The server notices that we are gone, and releases our locks and its memory.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

_NO_CONNECTION: tuple[type[Exception], ...] = (StoreUnavailable, ValueError, *DRIVER_ERRORS)

_log = structlog.get_logger("worksgate.store.postgres")


class _Request:
    """Work for a connection, and its waiting caller."""

    __slots__ = ("args", "due", "future", "reads", "repeated", "work")

    def __init__(
        self,
        future: asyncio.Future[Any],
        work: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        due: float,
        *,
        reads: bool,
    ) -> None:
        self.future = future
        self.work = work
        self.args = args
        self.due = due
        self.reads = reads
        self.repeated = False

    def answer(self, result: Any) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _IdleWorker:
    """An idle worker, and since when."""

    __slots__ = ("call", "since")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.call: asyncio.Future[bool] = loop.create_future()
        self.since = loop.time()

    def end(self, *, goes_on: bool) -> bool:
        """Wake the worker, to work or to end; False if it is gone."""
        if self.call.done():
            return False
        self.call.set_result(goes_on)
        return True


async def _connections_left(connection: PostgresConnection) -> int:
    return await connection.number(CONNECTIONS_LEFT)


class PostgresPool:
    """At most ``size`` connections to one database, opened on demand.

    At most ``waiting`` requests queue. They belong to the event loop that made them.
    """

    def __init__(
        self,
        address: PostgresAddress,
        *,
        size: int,
        waiting: int,
        guard: DatabaseGuard | None = None,
    ) -> None:
        self._address = address
        self._guard = guard
        self._size = size
        self._waiting = waiting
        self.unavailable = 0
        """How many requests were refused with StoreUnavailable."""
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Request] = deque()
        self._idle: list[_IdleWorker] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._connections: set[PostgresConnection] = set()
        self._outage: str | None = None
        self._reconnecting = False
        self._short_until = 0.0
        self._surplus = 0
        self._disk = FullDisk()
        self._starved_since: float | None = None
        self._gives_way = False
        self._balancing: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection."""
        return len(self._queue)

    def give_way(self) -> None:
        """Close a connection, even the last one, for what this process cannot do without one.

        The next request opens another, and waits for it.
        """
        self._short_until = self._loop.time() + GROW_PAUSE
        self._gives_way = not (self._idle and self._idle.pop(0).end(goes_on=False))

    async def run(
        self,
        work: Callable[[PostgresConnection, *Ts], Awaitable[T]],
        *args: *Ts,
        reads: bool = False,
    ) -> T:
        """Run some work on a connection and return its result.

        ``reads`` means that it changes nothing, so it may be repeated. Raises StoreUnavailable, at
        once if the server is down or too many wait; then nothing was done, unless
        ``outcome_unknown`` says otherwise.
        """
        try:
            result: T = await self._enqueue(work, args, reads=reads)
        except StoreUnavailable:
            self.unavailable += 1
            raise
        return result

    async def close(self) -> None:
        """Finish accepted work and close all connections."""
        self._ending.set()
        if self._balancing is not None:
            self._balancing.cancel()
        while self._wake():
            pass
        await asyncio.gather(*self._workers, return_exceptions=True)

    def _enqueue(
        self, work: Callable[..., Awaitable[Any]], args: tuple[Any, ...], *, reads: bool
    ) -> asyncio.Future[Any]:
        """Queue a request for the next free connection; the future of its result."""
        if self._ending.is_set():
            raise StoreUnavailable("the store is closed")
        if self._outage is not None and not self._is_alive():
            raise StoreUnavailable(self._outage)
        if len(self._queue) >= self._waiting:
            raise StoreUnavailable("too many requests are waiting")
        due = self._loop.time() + QUEUE_TIMEOUT
        request = _Request(self._loop.create_future(), work, args, due, reads=reads)
        self._queue.append(request)
        if not self._wake() and self._may_grow():
            self._start_worker()
        return request.future

    def _may_grow(self) -> bool:
        if len(self._workers) >= self._size or self._outage is not None:
            return False
        return not self._workers or self._loop.time() >= self._short_until

    # The workers

    def _start_worker(self) -> None:
        worker = self._loop.create_task(self._serve())
        self._workers.add(worker)
        worker.add_done_callback(self._note_end)
        if len(self._workers) > 1 and (self._balancing is None or self._balancing.done()):
            self._balancing = self._loop.create_task(self._balance())

    def _note_end(self, worker: asyncio.Task[None]) -> None:
        """What was queued while the last one ended is another's."""
        self._workers.discard(worker)
        if self._queue and not self._workers and not self._ending.is_set():
            self._start_worker()

    async def _serve(self) -> None:
        """Work until the store is closed, or until no connection is available."""
        connection: PostgresConnection | None = None
        try:
            while await self._has_work():
                if self._gives_way:
                    self._gives_way = False
                    await self._retire(connection)
                    connection = None
                if connection is not None and not connection.is_closed:
                    await self._run_next(connection)
                    continue
                self._drop(connection)
                connection = await self._replace()
                if connection is None:
                    return
        finally:
            await self._retire(connection)

    async def _has_work(self) -> bool:
        """Wait until something is queued; False if the store is closed instead."""
        while not self._queue:
            if self._ending.is_set():
                return False
            rest = _IdleWorker(self._loop)
            self._idle.append(rest)
            if not await rest.call:
                return False
        if self._surplus and len(self._workers) > 1:
            self._surplus -= 1
            self._wake()
            return False
        return True

    def _wake(self) -> bool:
        """Wake the most recently idle worker; False if none is idle."""
        while self._idle:
            if self._idle.pop().end(goes_on=True):
                return True
        return False

    # As many connections as are needed, and no more than the server has room for

    async def leaves_one(self) -> bool:
        """Whether the server has a free connection beside ours. Raises StoreUnavailable."""
        return self._address.pooled or await self.run(_connections_left, reads=True) > 0

    async def _balance(self) -> None:
        """Close idle connections, and those that others lack, as long as there is more than one."""
        while len(self._workers) > 1:
            await asyncio.sleep(_BALANCE_INTERVAL)
            self._close_idle()
            with suppress(StoreUnavailable, ValueError):
                left = await self._enqueue(_connections_left, (), reads=True)
                if left < KEPT_FREE and not self._address.pooled:
                    self._return_connections(KEPT_FREE - left)

    def _close_idle(self) -> None:
        rested = self._loop.time() - _KEPT_IDLE
        while len(self._idle) > 1 and self._idle[0].since < rested:
            self._idle.pop(0).end(goes_on=False)

    def _return_connections(self, number: int) -> None:
        """Close so many connections, idle ones first, but never the last one."""
        self._short_until = self._loop.time() + GROW_PAUSE
        number = min(number, len(self._workers) - 1)
        while number > 0 and self._idle:
            number -= self._idle.pop(0).end(goes_on=False)
        self._surplus = max(number, 0)

    async def _run_next(self, connection: PostgresConnection) -> None:
        """Run the oldest request, and pass the result to its caller."""
        request = self._queue.popleft()
        if request.future.done():
            return  # its caller was cancelled, and has left nothing behind
        if request.due <= self._loop.time():
            request.refuse(StoreUnavailable("no connection was free in time"))
            return
        try:
            await connection.refresh()
        except DRIVER_ERRORS:
            # Nothing was sent for this request: it uses the next connection.
            connection.terminate()
            self._queue.appendleft(request)
            return
        connection.begin_request(request.due)
        try:
            request.answer(await self._run_with_retries(connection, request))
        except DRIVER_ERRORS as error:
            self._fail_request(connection, request, error)
        except Exception as error:
            request.refuse(error)

    async def _run_with_retries(self, connection: PostgresConnection, request: _Request) -> Any:
        """Run the work, and retry it if it was rolled back because of another transaction."""
        while True:
            try:
                return await request.work(connection, *request.args)
            except DRIVER_ERRORS as error:
                pause = random.uniform(0.001, 0.02)  # noqa: S311  # only to come at different times
                if not is_passing(error) or self._loop.time() + pause >= request.due:
                    raise
            await asyncio.sleep(pause)

    def _fail_request(
        self, connection: PostgresConnection, request: _Request, error: Exception
    ) -> None:
        """Pass the driver's exception to the caller, or queue a lost read again, once."""
        self._disk.note(error)
        if must_replace(error):
            connection.terminate()
        may_repeat = request.reads or (is_unsent(error) and connection.begun == 1)
        if may_repeat and is_lost(error) and not request.repeated:
            request.repeated = True
            self._queue.appendleft(request)
            return
        unknown = is_lost(error) and not request.reads
        request.refuse(refusal(error, outcome_unknown=unknown))

    # Connecting

    async def _replace(self) -> PostgresConnection | None:
        """A new connection; None if there is none and another worker is already trying."""
        self._wake()  # somebody who is connected may take the work meanwhile
        connection = await self._connect()
        is_needed = not (self.is_short and self._is_alive())
        if connection is None and is_needed and not self._reconnecting:
            connection = await self._reconnect()
        return connection

    async def _reconnect(self) -> PostgresConnection | None:
        """Try until there is a connection, or until the store is closed."""
        self._reconnecting = True
        pause = _FIRST_PAUSE
        try:
            while not self._ending.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), pause)
                pause = room_pause() if self.is_short else min(2 * pause, _LONGEST_PAUSE)
                if connection := await self._connect():
                    return connection
        finally:
            self._reconnecting = False
        return None

    async def _connect(self) -> PostgresConnection | None:
        """One attempt, a few if they fail midway: the server is up, and soon reachable.

        If it fails and nobody else is connected, all waiting requests fail.
        """
        try:
            connection = await self._open_though_cut()
        except _NO_CONNECTION as error:
            if is_short(error):
                self._note_shortage(why_not_connected(error))
            else:
                self._note_outage(why_not_connected(error))
            return None
        if self._outage is not None:
            _log.info("store.connected")
        self._outage = self._starved_since = None
        self._connections.add(connection)
        return connection

    async def _open_though_cut(self) -> PostgresConnection:
        for _ in range(_CUT_OFF - 1):
            try:
                return await self._open()
            except DRIVER_ERRORS as error:
                if not is_cut(error):
                    raise
        return await self._open()

    async def _open(self) -> PostgresConnection:
        return await PostgresConnection.over(
            await self._address.connect(
                _SETTINGS, within=CONNECT_TIMEOUT, command_timeout=REPLY_TIMEOUT
            ),
            self._guard,
        )

    @property
    def is_short(self) -> bool:
        """Whether the server had no free connection a moment ago."""
        return self._loop.time() < self._short_until

    def check_connections(self) -> None:
        """Raise StoreUnavailable while there are fewer connections than needed."""
        if self.is_short:
            raise StoreUnavailable(TOO_FEW)

    def check_disk(self) -> None:
        """Raise StoreUnavailable if a write was refused lately, since the disk is full."""
        if self._disk.is_full:
            raise StoreUnavailable(DISK_FULL)

    def _note_shortage(self, reason: str) -> None:
        """Make do with open connections; to have none for long is an outage, soon retried."""
        now = self._loop.time()
        if not self.is_short:
            _log.warning("store.connections_used_up", reason=reason, open=len(self._connections))
        self._short_until = now + GROW_PAUSE
        if self._is_alive():
            self._wake()
        elif self._starved_since is None:
            self._starved_since = now
        elif now - self._starved_since >= STARVED_FOR:
            self._note_outage(reason)

    def _note_outage(self, reason: str) -> None:
        if self._outage is None:
            _log.warning("store.unreachable", reason=reason)
        self._outage = reason
        if self._is_alive():
            self._wake()
            return
        while self._queue:
            self._queue.popleft().refuse(StoreUnavailable(reason))

    def _is_alive(self) -> bool:
        return any(not connection.is_closed for connection in self._connections)

    def _drop(self, connection: PostgresConnection | None) -> None:
        if connection is not None:
            self._connections.discard(connection)
            connection.terminate()

    async def _retire(self, connection: PostgresConnection | None) -> None:
        """Close the connection cleanly, if the server responds."""
        if connection is not None:
            with suppress(*DRIVER_ERRORS):
                await connection.close(_CLOSING)
            self._drop(connection)
