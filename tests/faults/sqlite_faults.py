"""Faults of the embedded store: its lock, its disk, the clock of its machine."""

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from tests.faults.clock import faked, set_clock
from tests.faults.exchanges import LIMIT, NO_ANSWER, Exchanges
from tests.faults.ledger import replayed, settle
from tests.faults.node import Node
from tests.faults.trial import (
    HEALED_WITHIN,
    Finding,
    Installation,
    Scale,
    attempt,
    callers_of,
    unless,
)

WRITERS = 8
HELD = 2.0
"""Seconds for which somebody else holds the write lock."""

_WRITER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
until = time.monotonic() + float(sys.argv[2])
number = 0
while time.monotonic() < until:
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR REPLACE INTO counters VALUES (?, 1, 1e300)", (f"storm {number % 50}",))
    db.execute("COMMIT")
    number += 1
    time.sleep(0.002)
"""


async def locked(installation: Installation, scale: Scale) -> Finding:
    """F-06: somebody holds the write lock for longer than LINE WORKS waits."""
    await installation.start_node()
    held = scale.outage

    async def hold() -> None:
        await _hold_lock(installation, held)

    trial = await attempt(
        installation, hold, seconds=max(scale.seconds, held + 2), rate=scale.rate / 2
    )
    return Finding(
        "F-06",
        installation.name,
        f"another process holds the write lock for {held:.0f} s",
        trial.figures(),
        trial.broken(),
    )


async def busy_storm(installation: Installation, scale: Scale) -> Finding:
    """F-14: eight other processes write all the time, and one holds the lock for two seconds."""
    await installation.start_node()
    seconds = max(scale.seconds, HELD + 2)

    async def storm() -> None:
        file = str(_file_of(installation))
        arguments = [sys.executable, "-c", _WRITER, file, str(seconds - 1.5)]
        writers = [await asyncio.create_subprocess_exec(*arguments) for _ in range(WRITERS)]
        try:
            await asyncio.sleep(0.3)
            await _hold_lock(installation, HELD)
            await asyncio.sleep(max(seconds - HELD - 2.5, 0))
        finally:
            for writer in writers:
                with suppress(ProcessLookupError):  # it has ended
                    writer.kill()
                await writer.wait()

    trial = await attempt(installation, storm, seconds=seconds, rate=scale.rate / 2)
    return Finding(
        "F-14",
        installation.name,
        f"{WRITERS} other processes write to the file all the time, and one holds the lock for "
        f"{HELD:.0f} s",
        trial.figures(),
        trial.broken(),
    )


async def disk_full(installation: Installation, scale: Scale) -> Finding:
    """F-11: the file system of the database has no room left; the folder is one of its own."""
    await installation.start_node()
    filler = installation.folder / "filler"

    async def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65_536)
            except OSError:
                pass
        await asyncio.sleep(scale.seconds - 1)
        filler.unlink()

    trial = await attempt(installation, fill, seconds=scale.seconds, rate=scale.rate)
    return Finding(
        "F-11",
        installation.name,
        "the disk of the database is filled to the last byte, then freed",
        trial.figures(),
        trial.broken(),
    )


async def started_on_a_full_disk(installation: Installation, scale: Scale) -> Finding:
    """F-11: the disk is full when the node starts; expired rows are there to be removed."""
    node = await installation.start_node()
    await installation.plant(2_000, lifetime=-700)
    spare = installation.folder / "worksgate.db.spare"
    broken = list(unless(spare.exists(), "kept in reserve"))
    await installation.stop_node(node)
    with (installation.folder / "filler").open("wb", buffering=0) as file:
        for size in (65_536, 512):
            with suppress(OSError):
                while True:
                    file.write(b"\0" * size)
    await installation.start_node()
    async with callers_of(installation) as (caller,):
        number = 20
        codes = await installation.plant(number)
        exchanges = Exchanges()
        await exchanges.post_each([caller], codes, scale.rate)
        good = exchanges.count(200)
        account = await settle(exchanges, caller, codes)
    if good < number:
        broken.append(f"only {good} of {number} codes were good after a start on a full disk")
    return Finding(
        "F-11",
        installation.name,
        "the node is stopped, the disk filled to the last byte, and the node started again",
        f"it starts by the room of its spare file, and {good} of {number} codes are good",
        (*broken, *account.judge()),
    )


async def file_replaced(installation: Installation, scale: Scale) -> Finding:
    """F-34: an older copy is moved to the file's name; a worker is new; then there is no file."""
    node = await installation.start_node(workers=2)
    file = _file_of(installation)
    older, aside = file.with_name("older"), file.with_name("aside")
    broken, exchanges, number = list[str](), Exchanges(), int(scale.seconds * 10)
    async with callers_of(installation) as (caller,):
        used = await installation.plant(number)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(older)) as copy:
            source.backup(copy)
        await exchanges.post_each([caller], used, scale.rate)
        good = [code for code in used if exchanges.answers[code][0].status == 200]
        known = [exchanges.answers[code][0].body["access_token"] for code in good]
        for replacement in (older, None):
            file.rename(aside)
            if replacement is not None:
                replacement.rename(file)
                await asyncio.to_thread(_kill_one_worker, node)
            until = time.monotonic() + 2
            answered = set[int]()
            while time.monotonic() < until:
                again = await asyncio.gather(*(caller.exchange(code) for code in used[:20]))
                asked = await asyncio.gather(*(caller.user_info(token) for token in known[:20]))
                answered |= {answer.status for answer in (*again, *asked)}
                await asyncio.sleep(0.05)
            if answered - {503, NO_ANSWER}:
                broken.append(f"I-4: answered {sorted(answered)} while the database was another")
            if await asyncio.to_thread(node.is_ready):
                broken.append("a node without its database was ready")
            if replacement is None and file.exists():
                broken.append("an empty database was made")
            file.unlink(missing_ok=True)
            aside.rename(file)
        healed = await Exchanges().first_good(caller, await installation.plant(50), 10.0)
        again = [await replayed(caller, code) for code in good]
    if "database.replaced" not in node.log.read_text("utf-8"):
        broken.append("the log does not tell of it")
    if revived := sum(answer.status == 200 for answer in again):
        broken.append(f"I-4: {revived} used codes were good again")
    if healed > HEALED_WITHIN:
        broken.append(f"I-8: no good answer for {healed:.1f} s")
    return Finding(
        "F-34",
        installation.name,
        "an older copy takes the place of the file and a worker dies; then there is no file",
        f"{len(good)} used codes and tokens are answered 503 both times; with the file back, fresh "
        f"codes are good after {healed:.1f} s and {revived} of the used ones",
        (*broken, *unless(len(good), "used")),
    )


def _kill_one_worker(node: Node) -> None:
    assert node.process is not None
    children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.split()}
    worker = next(pid for pid, line in commands.items() if b"spawn_main" in line)
    os.kill(worker, signal.SIGKILL)


async def clock_jumps(installation: Installation, scale: Scale) -> Finding:
    """F-16: the clock of the machine jumps an hour ahead, and an hour back."""
    clock = installation.folder / "clock"
    set_clock(clock, 0)
    await installation.start_node(faked(clock))
    number = int(scale.seconds * 10)
    exchanges, broken, seen = Exchanges(), list[str](), list[str]()
    async with callers_of(installation) as (caller,):
        planted = await installation.plant(2 * number, lifetime=60)
        await exchanges.post_each([caller], planted, scale.rate)
        posted_again, left_alone = planted[:number], planted[number:]
        posted_again = [code for code in posted_again if exchanges.was_good(code)]
        for jump in (+3_600, -3_600, 0):
            set_clock(clock, jump)
            fresh = await installation.plant(number, lifetime=60)
            tried = Exchanges()
            await tried.post_each([caller], fresh, scale.rate)
            good = sum(answer.status == 200 for answer in tried.all)
            slowest = max(answer.seconds for answer in tried.all)
            again = [await replayed(caller, code) for code in posted_again]
            revived = sum(answer.status == 200 for answer in again)
            statuses = dict(Counter(answer.status for answer in tried.all))
            seen.append(
                f"at {jump:+} s: {good} of {number} fresh codes good ({statuses}), "
                f"{revived} used ones"
            )
            if revived:
                broken.append(f"I-4: {revived} used codes were good again at {jump:+} s")
            if slowest > LIMIT + tried.late:
                broken.append(f"I-6: an answer took {slowest:.1f} s at {jump:+} s")
            # In the short form others may have the processor.
            busy = 0 if scale.is_long else sum(answer.status == 503 for answer in tried.all)
            if jump <= 0 and good + busy != number:
                broken.append(f"I-8: only {good} of {number} fresh codes were good at {jump:+} s")
            if jump > 0 and good:
                broken.append(f"F-16: {good} codes were good an hour after they had lapsed")
        account = await settle(exchanges, caller, left_alone)
    return Finding(
        "F-16",
        installation.name,
        "the clock of the node jumps +1 h, to -1 h, and back",
        "; ".join(seen),
        (*account.judge(), *broken),
    )


async def _hold_lock(installation: Installation, seconds: float) -> None:
    """Hold the write lock, as soon as it is free for a moment."""
    with closing(_connect(installation)) as db:
        until = time.monotonic() + 5
        while not _begins(db):
            assert time.monotonic() < until, "the lock is never free"
            await asyncio.sleep(0.01)
        await asyncio.sleep(seconds)
        db.execute("ROLLBACK")


def _file_of(installation: Installation) -> Path:
    return installation.folder / "worksgate.db"


def _connect(installation: Installation) -> sqlite3.Connection:
    return sqlite3.connect(_file_of(installation), isolation_level=None, timeout=0)


def _begins(db: sqlite3.Connection) -> bool:
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True
