"""More connections than can be served: which wait, and which are refused at once (F-23)."""

import asyncio
import errno
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.served import listening
from tests.server.processes import make_certificate

from worksgate.server.accept_queue import (
    _GUESS,
    ENOUGH,
    FEWEST,
    MOST,
    MOST_WAIT,
    AcceptQueue,
    Guest,
)
from worksgate.server.acceptor import Acceptor
from worksgate.server.admission import Admission, Place
from worksgate.settings.options import Settings
from worksgate.web.overload import Refusals


class Machine:
    """Time that passes when it is told to, and what is under way meanwhile."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.under_way = 0
        self.room = AcceptQueue(lambda: self.under_way, lambda: self.now)

    def comes(self, count: int) -> list[Guest]:
        """Nobody looks at what is only waiting, so one closed socket does for all."""
        with socket.socket() as connection:
            admission = Admission.of(Settings(), None)
            places = [admission.place_for(f"192.0.2.{number % 250}") for number in range(count)]
            crowd = [(connection, place) for place in places if place is not None]
        for guest in crowd:
            self.room.enter(guest)
        return crowd


def test_who_comes_alone_is_served_at_once() -> None:
    machine = Machine()
    (guest,) = machine.comes(1)
    assert machine.room.next() == [guest]
    assert machine.room.next() == []
    assert not machine.room.is_full


def test_they_are_served_in_their_order_while_not_enough_is_under_way() -> None:
    machine = Machine()
    crowd = machine.comes(500)
    served: list[Guest] = []
    for under_way, count in ((0, MOST), (ENOUGH - 20, 20), (ENOUGH - 1, FEWEST), (900, FEWEST)):
        machine.under_way = under_way
        guests = machine.room.next()
        assert len(guests) == count
        served += guests
    assert served == crowd[: len(served)]


def test_f23_nobody_waits_for_longer_than_it_takes_to_serve_those_before() -> None:
    machine = Machine()
    seconds_each = 0.001
    machine.under_way = ENOUGH - 8
    for turn in range(500):  # four times as many come as can be served
        if not machine.room.is_full:
            machine.comes(32)
        served = len(machine.room.next())
        machine.now += served * seconds_each
        if turn > 250:
            assert len(machine.room) * seconds_each == pytest.approx(MOST_WAIT, rel=0.1)


def test_one_long_turn_does_not_close_the_room() -> None:
    machine = Machine()
    machine.under_way = ENOUGH
    machine.comes(20)
    machine.room.next()
    machine.now += 60.0  # the machine was asleep
    machine.room.next()
    assert len(machine.room) == 20 - 2 * FEWEST
    assert not machine.room.is_full


def test_time_in_which_nobody_waited_is_not_counted() -> None:
    machine = Machine()
    for _ in range(20):
        machine.comes(FEWEST)
        machine.room.next()
        machine.now += 3_600.0
    machine.comes(int(0.9 * MOST_WAIT / _GUESS))
    assert not machine.room.is_full
    machine.comes(int(0.2 * MOST_WAIT / _GUESS))
    assert machine.room.is_full


class Full(AcceptQueue):
    """No room at all."""

    is_full = True


@asynccontextmanager
async def full_acceptor(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Admission, int]]:
    """An acceptor that has no time for anybody, and the port that it listens at."""
    admission = Admission.of(Settings(), Refusals.of)

    def connect(_: Place) -> asyncio.Protocol:
        raise AssertionError("nobody is let in")

    with listening() as listener:
        acceptor = Acceptor(
            listener.dup(), admission, connect, lambda: 0, None if tls is None else lambda: tls
        )
        acceptor._room = Full(lambda: 0)
        acceptor.start(backlog=16)
        try:
            yield admission, listener.getsockname()[1]
        finally:
            acceptor.close()


async def answer_to(port: int, request: bytes) -> bytes:
    """What comes back. The request is there when the connection is accepted."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(request)
    connection.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_f23_whoever_would_wait_too_long_is_answered_503_at_once() -> None:
    async with full_acceptor() as (admission, port), asyncio.timeout(60):
        call = await answer_to(port, b"POST /accessToken HTTP/1.1\r\nHost: x\r\n\r\n")
        page = await answer_to(port, b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = call.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in head
    assert json.loads(body)["error"] == "server_error"
    assert page.startswith(b"HTTP/1.1 503 ")
    assert b"text/html" in page
    assert admission.refused_connections == 2
    assert admission.connections == 0, "they have given their places back"


async def test_f23_a_request_that_follows_its_connection_is_answered_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due: list[Callable[[], None]] = []

    def wait(*guest: Any) -> None:
        due.append(partial(refuse, *guest))

    refuse = Acceptor._refuse_mute
    monkeypatch.setattr(Acceptor, "_refuse_mute", wait)  # until the request is there
    async with full_acceptor() as (admission, port), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not due:  # noqa: ASYNC110  # the loop calls it
            await asyncio.sleep(0)
        assert admission.connections == 1, "it holds an open file, and has a place"
        writer.write(b"POST /userInfo HTTP/1.1\r\nHost: x\r\n\r\n")
        due.pop()()
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()
    assert admission.refused_connections == 1
    assert admission.connections == 0


async def test_f29_who_says_nothing_is_not_waited_for_where_no_place_is_left() -> None:
    async with full_acceptor() as (admission, port), asyncio.timeout(60):
        admission.limits = replace(admission.limits, connections=1)
        first, writer = await asyncio.open_connection("127.0.0.1", port)
        second, other = await asyncio.open_connection("127.0.0.1", port)
        assert await second.read() == b""
        assert await first.read() == b""
        writer.close()
        other.close()
    assert admission.refused_connections == 2


async def test_f23_tls_is_not_agreed_on_with_whoever_would_wait_too_long(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with full_acceptor(tls) as (admission, port), asyncio.timeout(60):
        assert await answer_to(port, b"\x16\x03\x01") == b""
    assert admission.refused_connections == 1
    assert admission.connections == 0


class Exhausted(socket.socket):
    """A socket that cannot accept, for the process has no more open files."""

    tries = 0

    def _accept(self) -> tuple[int, object]:
        self.tries += 1
        raise OSError(errno.EMFILE, "Too many open files")


async def test_f29_without_files_those_who_wait_are_served_and_accepting_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worksgate.server.acceptor.PAUSE", 3_600.0)  # or it tries again meanwhile
    taken: list[Place] = []
    all_taken = asyncio.Event()

    def connect(place: Place) -> asyncio.Protocol:
        taken.append(place)
        if len(taken) == 20:
            all_taken.set()
        return asyncio.Protocol()

    with listening() as listener:
        exhausted = Exhausted(fileno=listener.dup().detach())
        admission = Admission.of(Settings(), None)
        acceptor = Acceptor(exhausted, admission, connect, lambda: ENOUGH)
        waiting = [socket.socketpair() for _ in range(20)]
        for ours, _ in waiting:
            place = admission.place_for("192.0.2.1")
            assert place is not None
            acceptor._room.enter((ours, place))
        acceptor.start(backlog=16)
        with socket.create_connection(listener.getsockname()):
            async with asyncio.timeout(60):
                await all_taken.wait()
        assert exhausted.tries == 1
        acceptor.close()
        for _, theirs in waiting:
            theirs.close()
