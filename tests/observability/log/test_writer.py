"""The writer thread, and what happens when it cannot write."""

import os
import threading
from pathlib import Path

from worksgate.observability.log import LineWriter


def full_pipe() -> tuple[int, int]:
    """A pipe in which there is no room left; its writing end blocks."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"." * 4_096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    return reading, writing


def read_all(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 65_536):
        chunks.append(chunk)
    return b"".join(chunks)


def test_lines_beyond_the_capacity_are_dropped_and_counted() -> None:
    reading, writing = full_pipe()
    writer = LineWriter(writing, capacity=10)
    for number in range(100):
        writer.write(f"line {number}")
    assert 89 <= writer.lost <= 90  # the thread may hold a first line already
    assert not writer.flush(0.05)
    drained: list[bytes] = []
    drain = threading.Thread(target=lambda: drained.append(read_all(reading)))
    drain.start()
    assert writer.flush(60)
    writer.close(60)
    os.close(writing)
    drain.join(60)
    lines = drained[0].lstrip(b".").decode().splitlines()
    assert lines[0] == "line 0"
    assert sum(line.startswith("line ") for line in lines) == 100 - writer.lost
    assert any("log.lines_lost" in line for line in lines)


def test_non_blocking_descriptor_is_waited_for() -> None:
    reading, writing = full_pipe()
    os.set_blocking(writing, False)
    writer = LineWriter(writing)
    writer.write("after the dots")
    assert not writer.flush(0.05)
    assert os.read(reading, 1_000_000)
    assert writer.flush(60)
    writer.close(60)
    os.close(writing)
    assert read_all(reading).endswith(b"after the dots\n")


def test_writing_after_the_close_is_counted_not_raised(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    writer = LineWriter(descriptor)
    writer.write("one")
    writer.close(60)
    writer.write("two")
    os.close(descriptor)
    assert (tmp_path / "log").read_text() == "one\n"
    assert writer.lost == 1


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    writer = LineWriter(descriptor)

    def chat(name: str) -> None:
        for _ in range(500):
            writer.write(name * 50)

    threads = [threading.Thread(target=chat, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close(60)
    os.close(descriptor)
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 2_000
    assert {(len(line), len(set(line))) for line in lines} == {(50, 1)}
