"""Connections to a Valkey server: limited in number and in time, and dropped when in doubt.

A call takes a connection for itself, sends one command, reads one reply and returns the connection.
If anything else happens, including cancellation, the connection is dropped: the next one to use it
would read this one's reply. Nothing is sent twice except what the server has said that it did not
do.

Each script is told when its caller will have given up, on the server's clock, and does nothing
after that. The difference between the clocks is read off every prompt reply. It is estimated
conservatively, so that a script gives up before its caller does; if the clock was changed, the
script reports that it is late, and is sent again with the new difference.

If the server is unreachable, or does not respond in time, the circuit opens: callers are refused at
once, and one task tries until the server answers a write.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from worksgate.settings.addresses.valkey import ValkeyAddress
from worksgate.store import StoreUnavailable
from worksgate.store.valkey.scripts import LATE, PING, Script

Argument = str | bytes | int

START_TIMEOUT = 1.5
"""Seconds within which a script must begin; LINE WORKS must get a response within 2.5 (R-52)."""

REPLY_GRACE = 0.2
"""Additional seconds to wait for a reply."""

PROBE_INTERVAL = 0.25
"""Seconds between two attempts to reach a server that does not respond."""

_PROMPT = 0.1
"""Seconds: a slower reply says too little about the server's clock."""

_log = structlog.get_logger("worksgate.store.valkey")


class Refused(StoreUnavailable):
    """The server has replied, and has done nothing."""


class ValkeyPool:
    """The connections of one store. They belong to the event loop that uses them first."""

    def __init__(self, address: ValkeyAddress, waiting: int) -> None:
        self._address = address
        self._waiting = waiting
        self.unavailable = 0
        """How many scripts have failed with StoreUnavailable."""
        self._queued = 0
        self._slots = asyncio.Semaphore(address.max_connections)
        self._idle: list[AbstractConnection] = []
        self._ahead: float | None = None
        """What the server's clock shows when the loop's shows 0, at the least."""
        self._outage: str | None = None
        self._probing: asyncio.Task[None] | None = None
        self._under_way = 0
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._closed = False
        self._new = _factory(address)

    @property
    def waiting(self) -> int:
        """How many calls wait for a connection."""
        return self._queued

    async def run(self, script: Script, *arguments: Argument) -> Sequence[Any]:
        """Run a script: its status, and its further result. Raises StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._outage is not None:
            self.unavailable += 1
            raise StoreUnavailable(self._outage)
        try:
            return await self._run(script, arguments)
        except StoreUnavailable:
            self.unavailable += 1
            raise

    async def command(self, *command: Argument) -> Any:
        """The reply to a command that writes nothing. Raises StoreUnavailable."""
        until = _now() + START_TIMEOUT
        async with self._connection(until, writes=False) as connection:
            return await _exchange(connection, *command)

    async def close(self) -> None:
        """Wait for running calls and close all connections."""
        self._closed = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        with suppress(TimeoutError):
            async with asyncio.timeout(START_TIMEOUT + 2 * REPLY_GRACE):
                await self._all_ended.wait()
        await self._drop_idle()
        await asyncio.sleep(0)  # in which asyncio closes the transports

    async def _run(self, script: Script, arguments: Sequence[Argument]) -> Sequence[Any]:
        until = _now() + START_TIMEOUT
        for _ in range(2):
            word, *more = await self._run_until(until, script, arguments)
            if word != LATE:
                return (word, *more)
        raise StoreUnavailable("Valkey came to the request too late")

    async def _run_until(
        self, until: float, script: Script, arguments: Sequence[Argument]
    ) -> Sequence[Any]:
        async with self._connection(until, writes=script.writes) as connection:
            if self._ahead is None:
                began = _now()
                seconds, microseconds = await _exchange(connection, "TIME")
                self._set_clock(began, seconds, microseconds)
            began = _now()
            due = f"{until + (self._ahead or 0.0):.6f}"
            given = (1, self._address.tag, due, *arguments)
            try:
                reply = await _exchange(connection, "EVALSHA", script.sha, *given)
            except NoScriptError:
                reply = await _exchange(connection, "EVAL", script.text, *given)
        seconds, microseconds, word, *more = reply
        self._set_clock(began, seconds, microseconds)
        return (word, *more)

    def _set_clock(self, began: float, seconds: bytes, microseconds: bytes) -> None:
        now = _now()
        if self._ahead is None or now - began < _PROMPT:
            self._ahead = int(seconds) + int(microseconds) / 1_000_000 - now

    @asynccontextmanager
    async def _connection(self, until: float, *, writes: bool) -> AsyncIterator[AbstractConnection]:
        """A connection for one call, which must have begun by ``until`` on the loop's clock.

        Any exception of the call becomes StoreUnavailable, and the connection is dropped, unless it
        was a refusal of the server.
        """
        call = _Call(writes)
        self._under_way += 1
        self._all_ended.clear()
        try:
            async with asyncio.timeout_at(until + REPLY_GRACE), self._slot(until):
                call.has_slot = True
                connection = await self._connected()
                call.sent = True
                async with self._kept_after_reply(connection):
                    yield connection
        except (TimeoutError, OSError, RedisError) as error:
            raise await self._refusal(error, call) from None
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._all_ended.set()

    @asynccontextmanager
    async def _kept_after_reply(self, connection: AbstractConnection) -> AsyncIterator[None]:
        """Keep a connection for the next call if its reply has certainly been read."""
        try:
            yield
        except ReadOnlyError:
            # The server is no longer the primary: the name may lead to another by now.
            await connection.disconnect(nowait=True)
            await self._drop_idle()
            raise
        except ResponseError:
            self._idle.append(connection)
            raise
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._idle.append(connection)
        if self._closed:
            await self._drop_idle()

    @asynccontextmanager
    async def _slot(self, until: float) -> AsyncIterator[None]:
        """One of so many places; raises StoreUnavailable at once if too many wait for one."""
        if self._queued >= self._waiting:
            raise StoreUnavailable("too many requests are waiting")
        self._queued += 1
        try:
            async with asyncio.timeout_at(until):
                await self._slots.acquire()
        finally:
            self._queued -= 1
        try:
            yield
        finally:
            self._slots.release()

    async def _connected(self) -> AbstractConnection:
        """A connection without unread data, including the end of the stream."""
        while self._idle:
            connection = self._idle.pop()
            with suppress(OSError, RedisError):
                if connection.is_connected and not await connection.can_read():
                    return connection
            await connection.disconnect(nowait=True)
        connection = self._new()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py has no type here
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _drop_idle(self) -> None:
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def _refusal(self, error: Exception, call: "_Call") -> StoreUnavailable:
        """The exception for an error of a call, without anything that might be secret."""
        place = self._address.place
        if isinstance(error, AuthenticationError):
            if self._address.has_password:
                return Refused(f"the password in store_url is wrong ({place})")
            return Refused(f"Valkey wants a password, and store_url has none ({place})")
        if isinstance(error, ResponseError | BusyLoadingError):
            return Refused(f"Valkey refuses: {_word_of(error)}")
        if isinstance(error, TimeoutError | RedisTimeoutError):
            if not call.has_slot:
                return StoreUnavailable("too many requests are waiting")
            detail = "Valkey does not answer in time"
        else:
            closed = "Valkey has closed the connection"
            detail = closed if call.sent else f"Valkey cannot be reached: {place}: {_why(error)}"
        # The others are of the same age and probably useless too.
        await self._drop_idle()
        if isinstance(error, TimeoutError | RedisTimeoutError) or not call.sent:
            self._open_circuit(detail)
        return StoreUnavailable(detail, outcome_unknown=call.sent and call.writes)

    def _open_circuit(self, reason: str) -> None:
        if self._probing is None and not self._closed:
            _log.warning("store.unreachable", reason=reason)
            self._outage = reason
            self._probing = asyncio.create_task(self._probe(), name="valkey-probe")

    async def _probe(self) -> None:
        """Try until the server replies; then callers are admitted again."""
        try:
            while not await self._answers():
                pass
            _log.info("store.connected")
        finally:
            self._outage = self._probing = None

    async def _answers(self) -> bool:
        await asyncio.sleep(PROBE_INTERVAL)
        try:
            await self._run(PING, ("0", ""))
        except StoreUnavailable as refusal:
            return isinstance(refusal, Refused)  # which each caller gets
        return True


@dataclass(slots=True)
class _Call:
    """The progress of a call."""

    writes: bool
    has_slot: bool = False
    sent: bool = False


def _factory(address: ValkeyAddress) -> Callable[[], AbstractConnection]:
    """Returns a function that makes unconnected connections, which retry nothing."""
    options: dict[str, Any] = {**parse_url(address.url)}
    kind = options.pop("connection_class", Connection)
    return partial(
        kind,
        **options,
        protocol=2,
        driver_info=None,
        socket_timeout=None,
        socket_connect_timeout=START_TIMEOUT + REPLY_GRACE,
    )


async def _exchange(connection: AbstractConnection, *command: Argument) -> Any:
    """Send a command and read its reply. Raises ResponseError if the server refuses."""
    try:
        await connection.send_command(*command)
    except RuntimeError as error:  # uvloop's error for a connection that has ended meanwhile
        raise ConnectionResetError(str(error)) from error
    return await connection.read_response()


def _why(error: Exception) -> str:
    """The message of the operating system or OpenSSL; redis-py wraps the address around it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return type(error).__name__
    if isinstance(cause, ssl.SSLError | socket.gaierror) or not cause.errno:
        return cause.strerror or str(cause)
    return os.strerror(cause.errno)


_ACL_FAILURE = "ACL failure in script"


def _word_of(error: RedisError) -> str:
    """The kind of a refusal: the server's message may repeat what it was sent."""
    text = str(error)
    if text.startswith(_ACL_FAILURE):  # inside a script, NOPERM is reported like this
        return "NoPermission"
    word = text.partition(" ")[0]
    if word.isupper() and word.isascii() and len(word) < 20:
        return word
    return type(error).__name__.removesuffix("Error")


def _now() -> float:
    return asyncio.get_running_loop().time()
