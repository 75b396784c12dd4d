"""Several worker processes: drained, killed and replaced."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import Pipe, get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from tests.served import read_all, wait_until
from tests.server import scripted_worker
from tests.server.load import ALIVE, Load
from tests.server.processes import is_alive, is_listening, serving
from uvicorn.config import STARTUP_FAILURE

from worksgate.server.supervisor import Supervisor, Worker
from worksgate.server.supervisor_pipe import Reload, SupervisorPipe, WorkerState
from worksgate.settings.options import Settings


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


def _has_ended(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return True
    return stat.rpartition(") ")[2].startswith("Z")


def test_f01_workers_are_killed_and_replaced_and_end_with_their_supervisor(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as running:
        running.wait_for("worker.ready", 2)

        # Killed under load: what was in flight there is lost, and nothing else.
        with Load(running.port).in_background(3.0, rate=200) as load:
            time.sleep(1.0)
            os.kill(worker := running.workers()[0], signal.SIGKILL)
            wait_until(lambda: _has_ended(worker))
            killed_at = time.monotonic()
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


@dataclass
class Scripted:
    """Makes workers that do what stands here, one after the other, and the last for ever."""

    targets: list[tuple[Callable[..., None], tuple[object, ...]]]
    takes_pipe: bool = True
    begun: list[float] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    """The names of the settings that all are to have."""

    def start(self, pipe: SupervisorPipe) -> SpawnProcess:
        target, arguments = self.targets[min(len(self.begun), len(self.targets) - 1)]
        self.begun.append(time.monotonic())
        given = (pipe, *arguments) if self.takes_pipe else arguments
        return get_context("spawn").Process(target=target, args=given)

    def reload(self) -> Reload:
        return Reload(Settings(company_name="New"), certificate=False)

    def adopt(self, settings: Settings) -> None:
        self.adopted.append(settings.company_name)

    def look(self) -> None:
        """Nothing is to be looked at."""


@contextmanager
def supervised(code: int, seconds: float) -> Iterator[tuple[Supervisor, list[float]]]:
    """A supervisor whose workers end at once, told to end after a while; when it started them."""
    with supervising(Scripted([(os._exit, (code,))], takes_pipe=False), seconds) as found:
        yield found


@contextmanager
def supervising(factory: Scripted, seconds: float) -> Iterator[tuple[Supervisor, list[float]]]:
    supervisor, begun = Supervisor(1, factory), factory.begun
    ending = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    ending.start()
    try:
        yield supervisor, begun
    finally:
        ending.cancel()
        ending.join()


def test_f01_worker_that_served_and_was_killed_is_replaced_without_a_pause(
    logged: Callable[[], str],
) -> None:
    killed = Scripted([(scripted_worker.die_of, (signal.SIGKILL,))])
    with supervising(killed, 3.0) as (supervisor, begun), socket.socket() as listening:
        supervisor.run(listening)
    assert len(begun) >= 5  # pauses that grow would leave time for three
    assert '"pause":0.0' in logged()
    assert '"pause":0.5' not in logged()


def test_worker_that_crashes_as_soon_as_it_serves_is_started_again_after_a_pause() -> None:
    crashing = Scripted([(scripted_worker.die_of, (signal.SIGABRT,))])
    with supervising(crashing, 3.0) as (supervisor, begun), socket.socket() as listening:
        supervisor.run(listening)
    pauses = [after - before for before, after in pairwise(begun)]
    assert len(pauses) >= 1
    assert pauses[0] >= 0.5


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


def test_f35_a_worker_that_stands_still_is_replaced_and_the_others_serve_on(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", settings={"worker_timeout": 5}) as running:
        running.wait_for("worker.ready", 2)
        hung = running.workers()[0]
        os.kill(hung, signal.SIGSTOP)
        assert running.wait_for("worker.hung")["pid"] == hung
        running.wait_for("worker.ready", 3)
        assert hung not in running.workers()
        assert len(running.workers()) == 2


@dataclass
class Killed:
    """A process that notes that it was killed."""

    pid: int = 1
    times: int = 0

    def kill(self) -> None:
        self.times += 1


def supervisor_of_one(
    *, last_message_at: float, ready: bool = True, draining: bool = False, hung_after: float = 30.0
) -> tuple[Supervisor, Killed]:
    process, now = Killed(), time.monotonic()
    worker = Worker(
        process,  # type: ignore[arg-type]  # what is asked of a process
        Pipe()[0],
        now - 1_000.0 if ready else now + last_message_at,
        0,
        last_message_at=now + last_message_at if ready else 0.0,
        is_ready=ready,
        is_draining=draining,
    )
    supervisor = Supervisor(1, Scripted([]), hung_after, workers=[worker])
    supervisor._turned_at = now
    return supervisor, process


def test_f35_a_worker_that_is_silent_for_too_long_is_killed_once() -> None:
    supervisor, process = supervisor_of_one(last_message_at=-31.0)
    supervisor._end_hung()
    supervisor._end_hung()
    assert process.times == 1


@pytest.mark.parametrize(("last_message_at", "ready"), [(-29.0, True), (-119.0, False)])
def test_a_worker_that_was_heard_of_or_still_starts_is_left_alone(
    last_message_at: float, *, ready: bool
) -> None:
    supervisor, process = supervisor_of_one(last_message_at=last_message_at, ready=ready)
    supervisor._end_hung()
    assert process.times == 0


def test_f35_a_worker_that_never_begins_is_killed_after_the_time_for_a_start() -> None:
    supervisor, process = supervisor_of_one(last_message_at=-121.0, ready=False)
    supervisor._end_hung()
    assert process.times == 1


@pytest.mark.parametrize(
    ("hung_after", "silent", "times"), [(30.0, 31, 1), (30.0, 29, 0), (5.0, 11, 0), (5.0, 13, 1)]
)
def test_f35_a_worker_that_does_not_come_to_its_end_is_killed_after_the_time_for_it(
    hung_after: float, silent: float, times: int
) -> None:
    supervisor, process = supervisor_of_one(
        last_message_at=-silent, draining=True, hung_after=hung_after
    )
    supervisor._end_hung()
    assert process.times == times


def test_after_a_time_in_which_the_supervisor_stood_still_too_workers_get_theirs_again() -> None:
    for ready in (True, False):
        supervisor, process = supervisor_of_one(last_message_at=-3_600.0, ready=ready)
        supervisor._turned_at -= 3_600.0
        supervisor._end_hung()
        supervisor._end_hung()
        assert process.times == 0


def test_no_worker_is_killed_where_nothing_is_to_be_waited_for() -> None:
    for draining in (False, True):
        supervisor, process = supervisor_of_one(
            last_message_at=-3_600.0, draining=draining, hung_after=0.0
        )
        supervisor._end_hung()
        assert process.times == 0


def test_a_sign_of_life_never_waits_for_a_supervisor_that_does_not_listen() -> None:
    ours, theirs = Pipe()
    pipe, began = SupervisorPipe(theirs), time.monotonic()
    for _ in range(20_000):  # far more than a pipe holds
        pipe.beat()
    assert time.monotonic() - began < 20
    assert ours.recv() is WorkerState.TURNING


def scripted(asked: Path, *answers: scripted_worker.Answer) -> Scripted:
    """Workers a, b and so on; the file has the name of each that is asked to reload."""
    asked.touch()
    named = zip("abc", answers, strict=False)
    return Scripted([(scripted_worker.work, (name, answer, asked)) for name, answer in named])


def supervise(factory: Scripted, direct: Callable[[], None]) -> None:
    """Run a supervisor of two workers until ``direct``, in a thread, returns."""

    def direct_to_the_end() -> None:
        try:
            direct()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool, socket.socket() as listening:
        directing = pool.submit(direct_to_the_end)
        Supervisor(2, factory).run(listening)
        directing.result()


def test_f32_settings_that_come_before_the_first_worker_are_tried_too(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    asked = tmp_path / "asked"
    factory = scripted(asked, "cannot", "cannot")

    def direct() -> None:
        wait_until(lambda: factory.begun)
        os.kill(os.getpid(), signal.SIGHUP)
        wait_until(lambda: logged().count('"worker.ready"') == 2 and asked.read_text())

    supervise(factory, direct)
    assert factory.adopted == []
    assert len(factory.begun) == 2


@pytest.mark.parametrize(
    ("answers", "asked", "adopted", "told"),
    [
        (("can", "can"), "abab", ["New", "New"], []),
        (("can", "cannot", "can"), "abac", ["New", "New"], ["worker.ended"]),
        (("cannot", "can"), "aa", [], []),
        (("dies", "can", "can"), "abc", ["New"], ["worker.died", "settings.kept"]),
    ],
    ids=["all can", "the second cannot", "the first cannot", "the first dies of them"],
)
def test_f32_the_first_worker_decides_whether_settings_are_everybodys(
    answers: tuple[scripted_worker.Answer, ...],
    asked: str,
    adopted: list[str],
    told: list[str],
    tmp_path: Path,
    logged: Callable[[], str],
) -> None:
    file = tmp_path / "asked"
    factory = scripted(file, *answers)
    expected = {name: asked.count(name) for name in asked}

    def there(event: str) -> int:
        return logged().count(f'"{event}"')

    def direct() -> None:
        wait_until(lambda: there("worker.ready") == 2)
        os.kill(os.getpid(), signal.SIGHUP)
        wait_until(lambda: file.read_text() and there("worker.ready") == len(answers))
        wait_until(lambda: all(there(event) for event in told))
        os.kill(os.getpid(), signal.SIGHUP)  # followed when the first round is over
        wait_until(lambda: len(file.read_text()) == len(asked))

    supervise(factory, direct)
    assert {name: file.read_text().count(name) for name in expected} == expected
    assert factory.adopted == adopted
