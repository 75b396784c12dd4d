"""Many workers, as processes: drained, killed, replaced and left alone."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from tests.served import read_all, wait_until
from tests.serving.load import ALIVE, Load
from tests.serving.processes import is_alive, is_listening, serving
from uvicorn.config import STARTUP_FAILURE

from worksgate.serving.line import Line, Reload
from worksgate.serving.workers import Supervisor


@pytest.fixture(params=[(), ("--workers", "2")], ids=["one process", "two workers"])
def options(request: pytest.FixtureRequest) -> tuple[str, ...]:
    chosen: tuple[str, ...] = request.param
    return chosen


def assert_alive(connection: socket.socket) -> None:
    """Make a request whose connection stays open."""
    connection.sendall(ALIVE + b"\r\n")
    received = b""
    while b'"ok"' not in received:
        part = connection.recv(65_536)
        assert part, received
        received += part


def test_f26_what_was_accepted_before_the_end_is_answered_and_nobody_holds_it_up(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with serving(tmp_path, *options) as running, ExitStack() as stack:
        if options:
            running.wait_for("worker.ready", 2)
        silent, begun, kept, idle = (stack.enter_context(running.connect()) for _ in range(4))
        begun.sendall(ALIVE)
        for connection in (kept, idle):
            assert_alive(connection)
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        running.wait_for("server.draining", 2 if options else 1)
        wait_until(lambda: not is_listening(running.port))
        silent.sendall(ALIVE + b"\r\n")
        begun.sendall(b"\r\n")
        kept.sendall(ALIVE + b"\r\n")
        for connection in (silent, begun, kept):
            answer = read_all(connection)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
        assert read_all(idle) == b""
        assert running.ends() == 0
        assert time.monotonic() - began < 5


def test_f26_no_request_is_lost_while_workers_come_and_go(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "3") as running:
        running.wait_for("worker.ready", 3)
        chance, told, turn = random.Random(1), set[int](), 0
        with Load(running.port).in_background(8.0) as load:
            while not load.done():
                time.sleep(0.4)
                turn += 1
                there = [pid for pid in running.workers() if pid not in told]
                if turn % 3 == 0:
                    running.signal(signal.SIGHUP)
                elif there:
                    told.add(pid := chance.choice(there))
                    os.kill(pid, signal.SIGTERM)
        running.wait_for("worker.ended", len(told))
        tally = load.result()
    assert tally.failures == []
    assert tally.answered > 1_000
    assert len(told) >= 3
    assert not running.named("worker.died")


def test_f01_workers_are_killed_and_replaced_and_end_with_their_supervisor(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as running:
        running.wait_for("worker.ready", 2)

        # Killed under load: what was in flight there is lost, and nothing else.
        with Load(running.port).in_background(3.0, rate=200) as load:
            time.sleep(1.0)
            killed_at = time.monotonic()
            os.kill(running.workers()[0], signal.SIGKILL)
        tally = load.result()
        assert running.wait_for("worker.died")["by"] == "SIGKILL"
        assert all(began < killed_at + 0.05 for began, _ in tally.failures), tally.failures
        assert len(tally.failures) <= 20 + 1
        assert tally.answered > 200
        third = running.wait_for("worker.ready", 3)["pid"]

        # Told to end: it serves until another one does.
        os.kill(third, signal.SIGTERM)
        running.wait_for("worker.ended")
        fourth = running.wait_for("worker.ready", 4)["pid"]
        order = [(each["event"], each.get("pid")) for each in list(running.events)]
        assert order.index(("worker.ready", fourth)) < order.index(("worker.ended", third))

        # Left alone by their supervisor, none of them serves on.
        workers = running.workers()
        assert len(workers) == 2
        running.process.kill()
        wait_until(lambda: not any(map(is_alive, workers)), seconds=15)
        assert not is_listening(running.port)


@contextmanager
def supervised(code: int, seconds: float) -> Iterator[tuple[Supervisor, list[float]]]:
    """A supervisor whose workers end at once, told to end after a while; when it started them."""
    begun: list[float] = []

    def start(_: Line) -> SpawnProcess:
        begun.append(time.monotonic())
        return get_context("spawn").Process(target=os._exit, args=(code,))

    supervisor = Supervisor(1, start, lambda: Reload(None, certificate=False), lambda: None)
    ending = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    ending.start()
    try:
        yield supervisor, begun
    finally:
        ending.cancel()
        ending.join()


def test_worker_that_dies_at_once_is_started_again_after_pauses_that_grow(
    logged: Callable[[], str],
) -> None:
    with supervised(1, 3.0) as (supervisor, begun), socket.socket() as listening:
        supervisor.run(listening)
    pauses = [after - before for before, after in pairwise(begun)]
    assert len(pauses) >= 2
    assert pauses[0] >= 0.5
    assert pauses[1] >= 1.0
    assert "exit code 1" in logged()


def test_server_whose_first_worker_cannot_start_ends(logged: Callable[[], str]) -> None:
    with (
        supervised(STARTUP_FAILURE, 60.0) as (supervisor, begun),
        socket.socket() as listening,
        pytest.raises(SystemExit),
    ):
        supervisor.run(listening)
    assert len(begun) == 1
    assert "worker.died" in logged()
