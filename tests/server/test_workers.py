"""Several worker processes: drained, killed and replaced."""

import math
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import Pipe, get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from tests.served import read_all, wait_until
from tests.server import scripted_worker
from tests.server.load import ALIVE, AT_ONCE, Load
from tests.server.processes import is_alive, is_listening, serving
from uvicorn.config import STARTUP_FAILURE

from worksgate.server.connection import QUIET
from worksgate.server.process import DRAIN
from worksgate.server.supervisor import Supervisor, Worker
from worksgate.server.supervisor_pipe import Reload, SupervisorPipe, WorkerState
from worksgate.settings.options import Settings

TURNS = 10
"""How often a busy machine may miss a moment."""


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
    for turn in range(TURNS):
        folder = tmp_path / str(turn)
        folder.mkdir()
        if assert_ends_in_order(folder, options):
            return
    raise AssertionError("this machine is never fast enough to speak up in time")


def assert_ends_in_order(folder: Path, options: tuple[str, ...]) -> bool:
    """Whether this machine was fast enough: who says nothing for a second is not waited for."""
    with serving(folder, *options) as running, ExitStack() as stack:
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
        with suppress(OSError):
            silent.sendall(ALIVE + b"\r\n")
            begun.sendall(b"\r\n")
            kept.sendall(ALIVE + b"\r\n")
        said_after = time.monotonic() - began
        answers = [read_all(connection) for connection in (silent, begun, kept)]
        assert read_all(idle) == b""
        assert running.ends() == 0
        took = time.monotonic() - began
    if said_after > 0.8 * QUIET or took > DRAIN:
        return False
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
    return True


def test_f26_no_request_is_lost_while_workers_come_and_go(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "3") as running:
        running.wait_for("worker.ready", 3)
        chance, told = random.Random(1), set[int]()
        with Load(running.port).beside() as load:
            for turn in range(1, 19):
                load.more(100)
                there = [pid for pid in running.workers() if pid not in told]
                if turn % 3 == 0:
                    running.signal(signal.SIGHUP)
                elif there:
                    told.add(pid := chance.choice(there))
                    os.kill(pid, signal.SIGTERM)
            running.wait_for("worker.ended", len(told))
            load.more(100)
    assert load.failures == []
    assert len(told) >= 3
    assert not running.named("worker.died")


def test_f01_workers_are_killed_and_replaced_and_end_with_their_supervisor(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as running:
        running.wait_for("worker.ready", 2)

        # Killed under load: what was in flight there is lost, and nothing else.
        with Load(running.port, rate=200).beside() as load:
            load.more(100)
            os.kill(worker := running.workers()[0], signal.SIGKILL)
            wait_until(lambda: not is_alive(worker))
            load.catch_up()
            killed_at = time.monotonic()
            load.more(200)
        assert running.wait_for("worker.died")["by"] == "SIGKILL"
        assert all(began < killed_at for began, _ in load.failures), load.failures
        assert len(load.failures) <= load.kept + AT_ONCE
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
        wait_until(lambda: not any(map(is_alive, workers)))
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


def starts_of(target: Callable[..., None], argument: int, number: int) -> list[float]:
    """When so many workers that do the same were begun, one after the other."""
    takes_pipe = target is scripted_worker.die_of
    factory = Scripted([(target, (argument,))], takes_pipe=takes_pipe)
    supervise(factory, lambda: wait_until(lambda: len(factory.begun) >= number), workers=1)
    return factory.begun[:number]


def test_f01_worker_that_served_and_was_killed_is_replaced_without_a_pause(
    logged: Callable[[], str],
) -> None:
    starts_of(scripted_worker.die_of, signal.SIGKILL, 4)
    assert logged().count('"pause":0.0') >= 3
    assert '"pause":0.5' not in logged()


def test_worker_that_crashes_as_soon_as_it_serves_is_started_again_after_a_pause() -> None:
    before, after = starts_of(scripted_worker.die_of, signal.SIGABRT, 2)
    assert after - before >= 0.5


def test_worker_that_dies_at_once_is_started_again_after_pauses_that_grow(
    logged: Callable[[], str],
) -> None:
    first, second = [after - before for before, after in pairwise(starts_of(os._exit, 1, 3))]
    assert first >= 0.5
    assert second >= 1.0
    assert "exit code 1" in logged()


def test_server_whose_first_worker_cannot_start_ends(logged: Callable[[], str]) -> None:
    failing = Scripted([(os._exit, (STARTUP_FAILURE,))], takes_pipe=False)
    with socket.socket() as listening, pytest.raises(SystemExit):
        Supervisor(1, failing).run(listening)
    assert len(failing.begun) == 1
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
    supervisor._turned_at = math.inf  # it did not stand still, however slow this machine is
    return supervisor, process


def test_f35_a_worker_that_is_silent_for_too_long_is_killed_once() -> None:
    supervisor, process = supervisor_of_one(last_message_at=-31.0)
    supervisor._end_hung()
    supervisor._end_hung()
    assert process.times == 1


@pytest.mark.parametrize(("last_message_at", "ready"), [(-20.0, True), (-100.0, False)])
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
    ("hung_after", "silent", "times"), [(30.0, 31, 1), (30.0, 20, 0), (5.0, 6, 0), (5.0, 13, 1)]
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
        supervisor._turned_at = time.monotonic() - 3_600.0
        supervisor._end_hung()
        supervisor._end_hung()
        assert process.times == 0


@dataclass
class Ended(Killed):
    """A process that has ended by itself."""

    exitcode: int = 0


@pytest.mark.parametrize(("said", "event"), [("LEAVING", "worker.ended"), ("READY", "worker.died")])
def test_what_a_worker_said_just_before_its_end_counts(
    logged: Callable[[], str], said: str, event: str
) -> None:
    """Both may be seen in one turn, the end first: a supervisor may be slow between its looks."""
    ours, theirs = Pipe()
    process = Ended(exitcode=-signal.SIGKILL)
    worker = Worker(process, ours, time.monotonic(), 0)  # type: ignore[arg-type]  # as above
    supervisor = Supervisor(1, Scripted([]), workers=[worker])
    theirs.send(WorkerState[said])
    supervisor._reap()
    assert supervisor.workers == []
    assert f'"{event}"' in logged()
    assert supervisor._pause.seconds == 0.0, "it had served: the next one starts at once"


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


def supervise(factory: Scripted, direct: Callable[[], None], *, workers: int = 2) -> None:
    """Run a supervisor of some workers until ``direct``, in a thread, returns."""

    def direct_to_the_end() -> None:
        try:
            direct()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool, socket.socket() as listening:
        directing = pool.submit(direct_to_the_end)
        Supervisor(workers, factory).run(listening)
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
