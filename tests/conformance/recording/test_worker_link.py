"""A process of the server and the command that records: who is trusted, and who never waits."""

import json
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from tests.conformance.recording.recorder import recording
from tests.conformance.recording.test_abstraction import CALL
from tests.served import wait_until
from tests.unhurried import AT_ONCE

from worksgate.conformance.recording import collector, worker_link
from worksgate.conformance.recording.abstraction import abstracted
from worksgate.conformance.recording.collector import CannotRecord, check_free, listening
from worksgate.conformance.recording.file import Limits, Recording
from worksgate.conformance.recording.rendezvous import Untrusted, identity_of
from worksgate.conformance.recording.worker_link import WorkerLink


@dataclass
class Process:
    """A process of the server with a link."""

    is_on: list[bool] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def link(self, path: Path, before: WorkerLink | None = None) -> WorkerLink:
        return WorkerLink(
            path,
            lambda _: self.is_on.append(True),
            lambda: self.is_on.append(False),
            self.errors.append,
            before,
        )


@contextmanager
def connected(
    folder: Path,
    limits: Limits | None = None,
    *,
    process: Process | None = None,
    before: WorkerLink | None = None,
) -> Iterator[tuple[Process, WorkerLink]]:
    """A process that is recorded into ``folder``."""
    process, links = process or Process(), []
    path = folder / "s.sock"

    def connect() -> None:
        wait_until(lambda: identity_of(path))
        links.append(process.link(path, before))

    thread = threading.Thread(target=connect)
    thread.start()
    with recording(path, folder / "file", limits or Limits(60, 10_000, 10_000_000)):
        thread.join()
        yield process, links[0]


def test_calls_reach_the_file_and_the_socket_is_gone_at_the_end(tmp_path: Path) -> None:
    with connected(tmp_path) as (process, link):
        path = tmp_path / "s.sock"
        assert oct(path.stat().st_mode)[-3:] == "600"
        for number in range(250):
            link.put(replace(CALL, at=time.time() + number))
    wait_until(lambda: link.has_ended)
    assert process.is_on == [True, False]
    assert process.errors == []
    assert not path.exists()
    assert len(Recording.read(tmp_path / "file").calls) == 250


def test_r222_what_finds_no_room_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_link, "QUEUE_LIMIT", 10)
    now = replace(CALL, at=time.time())
    slow = threading.Event()
    real = abstracted

    def wait(*arguments: object) -> object:
        slow.wait(60)
        return real(*arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(worker_link, "abstracted", wait)
    with connected(tmp_path) as (_, link):
        began = time.perf_counter()
        for _ in range(500):
            link.put(now)
        assert time.perf_counter() - began < AT_ONCE
        slow.set()
    read = Recording.read(tmp_path / "file")
    assert read.ended is not None
    assert read.ended.dropped > 300
    assert read.ended.dropped + len(read.calls) == 500
    wait_until(lambda: link.has_ended)
    assert link.lost == 0  # the next link of this process must not report them once more


def test_a_call_that_cannot_be_abstracted_is_reported_once_and_the_rest_is_kept(
    tmp_path: Path,
) -> None:
    now = replace(CALL, at=time.time())
    broken = replace(now, headers=None)  # type: ignore[arg-type]  # as no server has it
    with connected(tmp_path) as (process, link):
        for seen in (broken, now, broken, now):
            link.put(seen)
    read = Recording.read(tmp_path / "file")
    assert len(read.calls) == 2
    assert read.ended is not None
    assert read.ended.dropped == 2
    assert len(process.errors) == 1


def test_r222_what_a_command_does_not_take_in_time_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process hangs up then; its next link reports what was lost, and what came in between."""
    monkeypatch.setattr(worker_link, "_TIMEOUT", 1.0)
    monkeypatch.setattr(worker_link, "_AT_ONCE", 5_000)
    now, calls = replace(CALL, at=time.time()), 900
    with listening(tmp_path / "s.sock") as listener:
        process = Process()
        link = process.link(tmp_path / "s.sock")
        connection, _ = listener.accept()
        with connection:
            hello = {"key": "00" * 32, "began": time.time(), "until": time.time() + 60}
            connection.sendall(json.dumps(hello).encode() + b"\n")
            assert b"dropped" in connection.recv(100)
            for _ in range(calls):
                link.put(now)
            wait_until(lambda: link.has_ended)
            received = b"".join(iter(partial(connection.recv, 65_536), b""))
    arrived = sum(b"dropped" not in line for line in received.split(b"\n")[:-1])
    assert 0 < link.lost < calls
    assert arrived + link.lost == calls
    lost = link.lost
    for _ in range(7):
        link.put(now)
    never = process.link(tmp_path / "gone", link)
    wait_until(lambda: never.has_ended)
    assert (never.lost, never.is_counting, process.is_on) == (lost + 7, True, [True])
    monkeypatch.setattr(worker_link, "_TIMEOUT", 60.0)
    with connected(tmp_path, process=process, before=never) as (_, last):
        wait_until(lambda: last.lost == 0)
        link.put(now)  # a request that was under way all the time
    read = Recording.read(tmp_path / "file")
    assert read.ended is not None
    assert (read.ended.dropped, len(read.calls)) == (lost + 7, 1)
    wait_until(lambda: process.is_on == [True, True, False])


def test_a_process_that_connects_again_is_one(tmp_path: Path) -> None:
    path, process = tmp_path / "s.sock", Process()

    def connect() -> None:
        wait_until(lambda: identity_of(path))
        process.link(path)

    threading.Thread(target=connect).start()
    with recording(path, tmp_path / "file") as recorded:
        again = process.link(path)
        wait_until(lambda: again.is_open)
        again.put(replace(CALL, at=time.time()))
        wait_until(lambda: recorded.collector.calls == 1)
        assert recorded.collector.processes == 1


def test_r222_another_user_gets_no_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.sock"
    with listening(path):
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
        process = Process()
        # Root is trusted by everybody, and tests may be run by it.
        monkeypatch.setattr(struct, "unpack", lambda *_: (1, 54_321, 1))
        link = process.link(path)
        wait_until(lambda: link.has_ended)
    assert [type(error) for error in process.errors] == [Untrusted]
    assert link.is_refused
    assert process.is_on == []


def test_r222_a_link_to_a_socket_is_none(tmp_path: Path) -> None:
    with listening(tmp_path / "s.sock"):
        (tmp_path / "link").symlink_to(tmp_path / "s.sock")
        assert identity_of(tmp_path / "link") is None
        assert identity_of(tmp_path / "s.sock") is not None


def test_a_socket_that_was_left_behind_is_tried_once_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    link = Process().link(path)
    wait_until(lambda: link.has_ended)
    assert link.is_refused
    check_free(path)
    with listening(path):
        pass


def test_only_one_recording_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with connected(tmp_path), pytest.raises(CannotRecord, match="one recording at a time"):
        check_free(path)


def test_a_path_that_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRecord, match="recording_directory"):
        check_free(tmp_path / ("x" * 120))
    assert collector.PATH_LIMIT < 108


@pytest.mark.skipif(os.geteuid() != 0, reason="only root records for another user")
def test_r222_root_makes_the_socket_as_the_owner_of_its_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that is given away by its name may have become another one."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # one that another user can reach
    monkeypatch.setattr(os, "chown", None)
    try:
        os.lchown(folder, 4242, 4242)
        with listening(folder / "socket"):
            found = (folder / "socket").lstat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4242, 4242, 0o600)
            assert (os.geteuid(), os.getegid()) == (0, os.getgid())
    finally:
        shutil.rmtree(folder)


def test_r222_a_recording_of_another_user_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Untrusted("another user listens")

    with listening(tmp_path / "socket"):
        monkeypatch.setattr(collector, "check_peer", refuse)
        with pytest.raises(CannotRecord, match="already"):
            check_free(tmp_path / "socket")
