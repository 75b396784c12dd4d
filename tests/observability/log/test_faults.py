"""A log that cannot be written loses lines and delays no request. Each test is a process."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

LINES = 15_000
"""More than the queue and a pipe hold together."""

CHATTER = textwrap.dedent(
    f"""
    import asyncio, logging, os, sys
    import structlog
    from worksgate.observability import log
    from worksgate.settings.options import Settings

    log.configure(Settings(log_format="json"))
    logger = structlog.get_logger()

    async def serve():
        for number in range({LINES}):
            logger.info("login.succeeded", number=number, padding="x" * 100)
            if number % 1_000 == 0:
                await asyncio.sleep(0)

    asyncio.run(serve())
    os.write(2, f"served, {{log.lost_lines()}} lost\\n".encode())
    sys.stdin.readline()
    logger.info("still.there")
    log.close()
    """
)


def lost_of(note: str) -> int:
    assert note.startswith("served, ")
    return int(note.split()[1])


def test_f13_stuck_reader_never_blocks_the_event_loop(tmp_path: Path) -> None:
    fifo = tmp_path / "stdout"
    os.mkfifo(fifo)
    seen = tmp_path / "seen"
    with seen.open("wb") as out:
        reader = subprocess.Popen(["cat", str(fifo)], stdout=out)
    with fifo.open("wb") as stdout:
        reader.send_signal(signal.SIGSTOP)
        chatter = subprocess.Popen(
            [sys.executable, "-c", CHATTER],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        assert chatter.stderr is not None
        note = chatter.stderr.readline()  # comes though nobody reads the log
        assert lost_of(note) > 0
        reader.send_signal(signal.SIGCONT)
        chatter.communicate("go on\n", timeout=120)
        reader.wait(timeout=120)
    finally:
        reader.kill()
        chatter.kill()
    events = [json.loads(line) for line in seen.read_text().splitlines()]
    told = sum(event["lost"] for event in events if event["event"] == "log.lines_lost")
    written = sum(event["event"] in ("login.succeeded", "still.there") for event in events)
    assert told >= lost_of(note)
    assert written + told == LINES + 1


def test_f13_process_ends_though_the_reader_is_stuck(tmp_path: Path) -> None:
    fifo = tmp_path / "stdout"
    os.mkfifo(fifo)
    nobody = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with fifo.open("wb") as stdout:
        chatter = subprocess.run(
            [sys.executable, "-c", CHATTER],
            input="go on\n",
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=True,
        )
    os.close(nobody)
    assert lost_of(chatter.stderr) > 0


def test_f12_full_disk_is_counted_and_told_once_on_standard_error() -> None:
    with Path("/dev/full").open("wb") as stdout:
        chatter = subprocess.run(
            [sys.executable, "-c", CHATTER],
            input="go on\n",
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=True,
        )
    lines = chatter.stderr.splitlines()
    notes = [line for line in lines if line.startswith("worksgate: ")]
    assert notes == ["worksgate: log lines are being lost: No space left on device"]
    assert lost_of(next(line for line in lines if line.startswith("served"))) > 0


def test_f12_reader_that_went_away_ends_nothing() -> None:
    chatter = subprocess.Popen(
        [sys.executable, "-c", CHATTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert chatter.stdout is not None
    chatter.stdout.close()
    chatter.stdout = None
    _, noted = chatter.communicate("go on\n", timeout=120)
    assert chatter.returncode == 0
    assert noted.count("log lines are being lost") == 1


def test_what_was_logged_last_is_written_though_nobody_closes_the_log() -> None:
    program = (
        "import structlog\n"
        "from worksgate.observability import log\n"
        "from worksgate.settings.options import Settings\n"
        "log.configure(Settings(log_format='json'))\n"
        "for n in range(5_000): structlog.get_logger().info('event', n=n)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert len(done.stdout.splitlines()) == 5_000
