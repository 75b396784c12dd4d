"""Connections to Valkey, on fake connections."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from tests.unhurried import AT_ONCE

from worksgate.settings.addresses.valkey import ValkeyAddress
from worksgate.store import StoreUnavailable
from worksgate.store.valkey import pool as valkey_pool
from worksgate.store.valkey.pool import REPLY_GRACE, Refused, ValkeyPool
from worksgate.store.valkey.scripts import FIND, LATE, PING, SAVE

AHEAD = 1_000.25
"""Seconds that the server's clock is ahead of the event loop's."""

Command = tuple[Any, ...]


class Server:
    """What is answered: in turn what is to be, or the word ``done``."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.commands: list[Command] = []
        self.next: list[bytes | Exception] = []
        self.refusal: Exception | None = None
        self.is_silent = False
        self.now: Callable[[], float] = _now

    def connection(self) -> "Connection":
        self.connections.append(Connection(self))
        return self.connections[-1]

    def clock(self) -> list[bytes]:
        seconds, parts = divmod(round((self.now() + AHEAD) * 1_000_000), 1_000_000)
        return [b"%d" % seconds, b"%d" % parts]

    async def answer(self, command: Command) -> Any:
        self.commands.append(command)
        await asyncio.sleep(60 if self.is_silent else 0)
        if command[0] == "TIME":
            return self.clock()
        reply = self.next.pop(0) if self.next else b"done"
        if isinstance(reply, Exception):
            raise reply
        return [*self.clock(), reply, b"more"] if command[0].startswith("EVAL") else reply


class Connection:
    """One of redis-py's, as the pool sees it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._command: Command = ()
        self.is_connected = False
        self.has_more = False
        self.ended: list[bool] = []

    async def connect(self) -> None:
        if self._server.refusal is not None:
            raise self._server.refusal
        self.is_connected = True

    async def disconnect(self, *, nowait: bool = False) -> None:
        self.is_connected = False
        self.ended.append(nowait)

    async def can_read(self) -> bool:
        return self.has_more

    async def send_command(self, *command: Any) -> None:
        self._command = command

    async def read_response(self) -> Any:
        return await self._server.answer(self._command)


def _now() -> float:
    return asyncio.get_running_loop().time()


def stopped_clock(server: Server, monkeypatch: pytest.MonkeyPatch) -> float:
    """What the clocks of the pool and the server, which differ by ``AHEAD``, show from now on."""
    now = _now()
    monkeypatch.setattr(valkey_pool, "_now", lambda: now)
    server.now = lambda: now
    return now


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def pool(server: Server) -> ValkeyPool:
    return pool_on(server)


def pool_on(server: Server, *, connections: int = 2, waiting: int = 10) -> ValkeyPool:
    pool = ValkeyPool(ValkeyAddress("redis://h:6379", max_connections=connections), waiting)

    def new() -> AbstractConnection:
        connection: Any = server.connection()
        return connection  # type: ignore[no-any-return]  # as far as the pool sees

    pool._new = new
    return pool


async def refused(pool: ValkeyPool, reason: str = "") -> StoreUnavailable:
    """What a script that writes is refused with."""
    with pytest.raises(StoreUnavailable, match=reason) as refusal:
        await pool.run(SAVE)
    assert refusal.value.__cause__ is None
    return refusal.value


# Commands


async def test_a_script_is_run_by_its_name_and_its_answer_given(
    server: Server, pool: ValkeyPool
) -> None:
    assert await pool.run(SAVE, "a", 1) == (b"done", b"more")
    time_asked, run = server.commands
    assert time_asked == ("TIME",)
    assert run[:4] == ("EVALSHA", SAVE.sha, 1, "{worksgate}")
    assert run[5:] == ("a", 1)
    assert await pool.command("INFO", "memory") == b"done"
    assert server.commands[2] == ("INFO", "memory")
    assert pool.unavailable == pool.waiting == 0


async def test_a_script_that_the_server_has_forgotten_is_sent_whole(
    server: Server, pool: ValkeyPool
) -> None:
    server.next = [NoScriptError("NOSCRIPT")]
    assert await pool.run(SAVE) == (b"done", b"more")
    assert [command[:2] for command in server.commands[1:]] == [
        ("EVALSHA", SAVE.sha),
        ("EVAL", SAVE.text),
    ]
    assert len(server.connections) == 1


async def test_f06_a_script_is_due_when_its_caller_gives_up_by_the_clock_of_the_server(
    server: Server, pool: ValkeyPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    due_here = stopped_clock(server, monkeypatch) + valkey_pool.START_TIMEOUT
    for _ in range(2):
        await pool.run(SAVE)
        assert float(server.commands[-1][4]) == pytest.approx(due_here + AHEAD, abs=0.001)
    assert server.commands.count(("TIME",)) == 1


async def test_f16_a_script_that_is_late_is_sent_again_once(
    server: Server, pool: ValkeyPool
) -> None:
    server.next = [LATE]
    assert await pool.run(SAVE) == (b"done", b"more")
    server.next = [LATE, LATE, b"never"]
    assert not (await refused(pool, "too late")).outcome_unknown
    assert server.next == [b"never"]


async def test_the_clock_is_set_by_the_first_reply_and_by_those_that_took_not_long(
    server: Server, pool: ValkeyPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = stopped_clock(server, monkeypatch)
    monkeypatch.setattr(valkey_pool, "_PROMPT", 0.0)
    await pool.run(SAVE)
    server.now = lambda: now + 5
    for prompt, ahead in ((0.0, AHEAD), (1.0, AHEAD + 5)):
        monkeypatch.setattr(valkey_pool, "_PROMPT", prompt)
        await pool.run(SAVE)
        assert pool._ahead == pytest.approx(ahead, abs=0.001)


# Which connections are kept


async def test_a_connection_is_used_again_after_an_answer_and_after_a_refusal(
    server: Server, pool: ValkeyPool
) -> None:
    await pool.run(SAVE)
    server.next = [OutOfMemoryError("command not allowed")]
    assert isinstance(await refused(pool, "Valkey refuses: OutOfMemory"), Refused)
    await pool.run(SAVE)
    (connection,) = server.connections
    assert connection.ended == []


async def test_a_server_that_only_reads_loses_all_its_connections(
    server: Server, pool: ValkeyPool
) -> None:
    await asyncio.gather(pool.run(SAVE), pool.run(SAVE))
    server.next = [ReadOnlyError("You can't write against a read only replica.")]
    assert isinstance(await refused(pool, "ReadOnly"), Refused)
    assert [connection.ended for connection in server.connections] == [[True], [True]]
    await pool.run(SAVE)
    assert len(server.connections) == 3


@pytest.mark.parametrize("end", ["closed", "unread"])
async def test_a_connection_that_rested_is_not_used_if_it_has_ended_or_has_something_to_read(
    server: Server, pool: ValkeyPool, end: str
) -> None:
    await pool.run(SAVE)
    (first,) = server.connections
    first.is_connected, first.has_more = end != "closed", end == "unread"
    await pool.run(SAVE)
    assert first.ended == [True]
    assert len(server.connections) == 2


async def test_f21_the_connection_of_a_call_that_is_given_up_is_dropped(
    server: Server, pool: ValkeyPool
) -> None:
    server.is_silent = True
    call = asyncio.create_task(pool.command("INFO"))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    server.is_silent = False
    await pool.run(SAVE)
    first, second = server.connections
    assert (first.ended, second.ended) == ([True], [])


async def test_so_many_connections_work_and_so_many_calls_wait(server: Server) -> None:
    pool = pool_on(server, connections=2, waiting=3)
    calls = [asyncio.create_task(pool.run(SAVE)) for _ in range(7)]
    await asyncio.sleep(0)
    assert pool.waiting == 3
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(each, StoreUnavailable) for each in outcomes].count(True) == 2
    assert pool.unavailable == 2
    assert pool.waiting == 0
    assert len(server.connections) == 2


# What failed


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AuthenticationError("WRONGPASS secret"), r"wants a password, and store_url has none \(h:"),
        (NoPermissionError("this user secret"), "refuses: NoPermission$"),
        (ResponseError("ACL failure in script: secret"), "refuses: NoPermission$"),
        (ResponseError("MISCONF secret"), "refuses: MISCONF$"),
        (ResponseError("Secret sentence"), "refuses: Response$"),
        (ResponseError("A" * 19), f"refuses: {'A' * 19}$"),
        (ResponseError("A" * 20), "refuses: Response$"),
    ],
)
async def test_a_refusal_of_the_server_is_reported_by_its_kind(
    server: Server, pool: ValkeyPool, error: Exception, reason: str
) -> None:
    server.next = [error]
    refusal = await refused(pool, reason)
    assert isinstance(refusal, Refused)
    assert not refusal.outcome_unknown
    assert "ecret" not in str(refusal)
    assert pool.unavailable == 1
    await pool.run(SAVE)


async def test_a_wrong_password_is_reported(server: Server) -> None:
    pool = pool_on(server)
    pool._address = ValkeyAddress("redis://:secret@h:6379")
    server.refusal = AuthenticationError("WRONGPASS")
    assert isinstance(await refused(pool, r"password in store_url is wrong \(h:6379\)"), Refused)


def caused_by(error: Exception) -> Exception:
    """As redis-py tells it, which repeats the address."""
    told = RedisConnectionError("Error connecting to redis://:secret@h")
    told.__context__ = error
    return told


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (caused_by(ConnectionRefusedError(111, "secret")), "Connection refused$"),
        (caused_by(socket.gaierror(-2, "Name or service not known")), "Name or service not known$"),
        (caused_by(ssl.SSLError(1, "certificate verify failed")), "certificate verify failed$"),
        (caused_by(OSError("Multiple exceptions")), "Multiple exceptions$"),
        (caused_by(caused_by(ConnectionResetError(104, "secret"))), "Connection reset by peer$"),
        (RedisConnectionError("secret"), "ConnectionError$"),
    ],
)
async def test_f09_a_server_that_cannot_be_reached_is_reported_with_the_reason(
    server: Server, pool: ValkeyPool, error: Exception, reason: str
) -> None:
    server.refusal = error
    refusal = await refused(pool, f"Valkey cannot be reached: h:6379: {reason}")
    assert not refusal.outcome_unknown
    (connection,) = server.connections
    assert connection.ended == [True]
    await refused(pool, reason)  # nobody tries
    assert len(server.connections) == 1
    assert pool.unavailable == 2
    await pool.close()


async def test_f03_a_connection_that_ends_is_told_as_unknown_to_those_that_write(
    server: Server, pool: ValkeyPool
) -> None:
    await asyncio.gather(pool.run(SAVE), pool.run(SAVE))
    server.next = [RedisConnectionError("secret")]
    assert (await refused(pool, "Valkey has closed the connection$")).outcome_unknown
    assert [connection.ended for connection in server.connections] == [[True], [True]]
    server.next = [RedisConnectionError("secret")]
    with pytest.raises(StoreUnavailable) as refusal:
        await pool.run(FIND)
    assert not refusal.value.outcome_unknown
    await pool.run(SAVE)  # it is reached: others may try


@pytest.mark.parametrize("error", [RedisTimeoutError("secret"), TimeoutError()])
async def test_f09_after_a_silence_nobody_waits_until_the_server_answers(
    server: Server, pool: ValkeyPool, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_pool, "PROBE_INTERVAL", 0.02)
    server.next = [error, RedisConnectionError("secret"), b"done"]
    assert (await refused(pool, "does not answer in time$")).outcome_unknown
    sent = len(server.commands)
    await refused(pool, "does not answer in time$")
    assert len(server.commands) == sent
    await reached_again(pool)
    assert [command[1] for command in server.commands[sent:]] == [PING.sha] * 2
    await pool.run(SAVE)
    await pool.close()


async def reached_again(pool: ValkeyPool) -> None:
    probing = pool._probing
    assert probing is not None
    await asyncio.wait([probing], timeout=60)
    assert pool._probing is None


async def test_a_server_that_refuses_is_there(
    server: Server, pool: ValkeyPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_pool, "PROBE_INTERVAL", 0.02)
    server.next = [TimeoutError(), OutOfMemoryError("command not allowed")]
    await refused(pool, "does not answer in time$")
    await reached_again(pool)
    assert [PING.sha in command for command in server.commands].count(True) == 1
    server.next = [OutOfMemoryError("command not allowed")]
    await refused(pool, "OutOfMemory")


@pytest.mark.parametrize("calls", ["run", "command"])
async def test_r52_a_call_is_given_up_in_time(
    server: Server, pool: ValkeyPool, monkeypatch: pytest.MonkeyPatch, calls: str
) -> None:
    monkeypatch.setattr(valkey_pool, "START_TIMEOUT", 0.1)
    call: Callable[[], Any] = (
        (lambda: pool.run(SAVE)) if calls == "run" else (lambda: pool.command("INFO"))
    )
    await pool.run(SAVE)
    server.is_silent = True
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"does not answer in time$") as refusal:
        await call()
    assert 0.1 + REPLY_GRACE - 0.01 <= time.monotonic() - began < AT_ONCE
    assert refusal.value.outcome_unknown == (calls == "run")
    await pool.close()


async def test_who_waited_for_a_connection_until_the_end_has_sent_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_on(server, connections=1)
    await pool.run(SAVE)
    server.is_silent = True
    first = asyncio.create_task(pool.run(SAVE))
    await asyncio.sleep(0.01)
    monkeypatch.setattr(valkey_pool, "START_TIMEOUT", 0.05)
    refusal = await refused(pool, "too many requests are waiting")
    assert not refusal.outcome_unknown
    assert pool._probing is None, "the server is not to blame"
    assert pool.waiting == 0
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


# The end


async def test_closing_waits_for_calls_and_leaves_no_connection(
    server: Server, pool: ValkeyPool
) -> None:
    await pool.run(SAVE)
    calls = [asyncio.create_task(pool.run(SAVE)) for _ in range(5)]
    await asyncio.sleep(0)
    async with asyncio.timeout(AT_ONCE):
        await pool.close()
    assert all(call.done() for call in calls)
    assert await asyncio.gather(*calls) == [(b"done", b"more")] * 5
    assert all(connection.ended == [True] for connection in server.connections)
    with pytest.raises(StoreUnavailable, match="closed"):
        await pool.run(SAVE)


@pytest.mark.parametrize("calls", [0, 1])
async def test_closing_waits_as_long_as_any_call_may_take_and_for_nothing_that_rests(
    server: Server, pool: ValkeyPool, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    for _ in range(calls):
        await pool.run(SAVE)
    most, begun = list[float](), list[asyncio.Timeout]()
    timeout = asyncio.timeout

    def noted(seconds: float) -> asyncio.Timeout:
        most.append(seconds)
        begun.append(timeout(seconds))
        return begun[-1]

    monkeypatch.setattr(asyncio, "timeout", noted)
    await pool.close()
    assert most[0] > valkey_pool.START_TIMEOUT + valkey_pool.REPLY_GRACE
    assert not begun[0].expired()
    assert [each.ended for each in server.connections] == [[True]] * calls


async def test_closing_ends_the_tries_to_reach_the_server(server: Server, pool: ValkeyPool) -> None:
    server.refusal = ConnectionRefusedError(111, "refused")
    await refused(pool, "cannot be reached")
    probing = pool._probing
    assert probing is not None
    await pool.close()
    assert probing.cancelled()
