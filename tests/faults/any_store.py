"""Faults that are independent of the store."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.faults.exchanges import Code, Exchanges, hang_up
from tests.faults.ledger import settle
from tests.faults.trial import (
    HEALED_WITHIN,
    Finding,
    Installation,
    Scale,
    attempt,
    callers_of,
    unless,
)

KILL_EVERY = 1.0
"""Seconds; to start a worker takes more than half a second of one core."""
HANG_UP_WITHIN = 0.020
RESTART_EVERY = 0.4
"""Seconds; in the short form one worker stays, however long the others take to start."""
STOPPED_FOR = 5.0
"""Seconds after which a silent worker is replaced."""
SLOW_SENDERS = 2_000
SLOW_LIMIT = 15.0
"""Seconds after which a slow sender must be gone: 10 s, and what a busy machine adds."""


async def worker_killed(installation: Installation, scale: Scale) -> Finding:
    """F-01: ``kill -9`` of a random worker, every second."""
    node = await installation.start_node(workers=3)
    assert node.process is not None
    supervisor = node.process.pid
    killed: list[tuple[float, float]] = []
    """Between which moments."""

    async def kill() -> None:
        chance = random.Random(1)
        for _ in range(max(int((scale.seconds - 2.0) / KILL_EVERY), 2)):
            if workers := children_of(supervisor):
                before = time.monotonic()
                with suppress(ProcessLookupError):  # it has ended at this moment
                    os.kill(chance.choice(workers), signal.SIGKILL)
                killed.append((before, time.monotonic()))
            await asyncio.sleep(KILL_EVERY)

    trial = await attempt(installation, kill, seconds=scale.seconds + 1, rate=scale.rate)
    in_flight = sum(
        trial.exchanges.in_flight(before, within=after - before + 0.1) for before, after in killed
    )
    return Finding(
        "F-01",
        installation.name,
        f"kill -9 of one of 3 workers every {KILL_EVERY} s, {len(killed)} times, "
        f"at {scale.rate:.0f} exchanges/s",
        trial.figures(),
        (*trial.broken(in_flight=in_flight), *unless(len(killed), "killed")),
    )


async def worker_stopped(installation: Installation, scale: Scale) -> Finding:
    """F-35: a worker stands still until its supervisor puts another in its place."""
    timeout = {"WORKSGATE_WORKER_TIMEOUT": f"{STOPPED_FOR:.0f}"}
    node = await installation.start_node(timeout, workers=3)
    assert node.process is not None
    supervisor = node.process.pid
    began, stopped, replaced = time.monotonic(), 0, 0.0

    async def stop() -> None:
        nonlocal began, stopped, replaced
        began, stopped = time.monotonic(), children_of(supervisor)[0]
        os.kill(stopped, signal.SIGSTOP)
        until = began + 3 * STOPPED_FOR
        while stopped in children_of(supervisor) and time.monotonic() < until:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.05)
        replaced = time.monotonic() - began

    trial = await attempt(
        installation, stop, seconds=scale.seconds + 2 * STOPPED_FOR, rate=scale.rate
    )
    # Nearly a third of the calls are its own: of the connections that it has, and of new ones.
    its_own = int(replaced * scale.rate / 2)
    in_flight = trial.exchanges.in_flight(began)
    return Finding(
        "F-35",
        installation.name,
        f"one of 3 workers is stopped, worker_timeout is {STOPPED_FOR:.0f} s",
        f"it was replaced after {replaced:.1f} s; {trial.figures()}",
        (
            *trial.broken(in_flight=in_flight, overdue=its_own),
            *unless(stopped and stopped not in children_of(supervisor), "replaced"),
        ),
    )


async def cancel_storm(installation: Installation, scale: Scale) -> Finding:
    """F-21: callers hang up after 0 to 20 ms, each with a code of its own."""
    await installation.start_node()
    codes = await installation.plant(scale.storm)
    chance = random.Random(21)
    exchanges = Exchanges()
    async with callers_of(installation) as (caller,):
        places = asyncio.Semaphore(12)

        async def one(code: Code) -> None:
            async with places:
                await hang_up(caller, code, chance.random() * HANG_UP_WITHIN, exchanges)

        for start in range(0, len(codes), 5_000):
            await asyncio.gather(*map(one, codes[start : start + 5_000]))
        answered = sum(answer.status == 200 for answer in exchanges.all)
        healing = Exchanges()
        healed = await healing.first_good(caller, await installation.plant(20), 10.0)
        sample = [code for code in codes if code in exchanges.answers][: scale.storm // 2]
        account = await settle(exchanges, caller, sample)
    broken = account.judge(in_flight=len(sample))
    if healed > HEALED_WITHIN:
        broken.append(f"I-8: no good answer for {healed:.1f} s after the storm")
    return Finding(
        "F-21",
        installation.name,
        f"{scale.storm:,} exchanges whose callers hang up after 0 to 20 ms",
        f"{answered:,} were answered before; of {len(sample):,} settled: {account.foreign} tokens "
        f"stood for somebody else, {account.twice} codes were good twice; the next exchange was "
        f"good after {healed * 1000:.0f} ms",
        tuple(broken),
    )


def children_of(pid: int) -> list[int]:
    """The child processes of a process that are workers: they listen."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return [child for child in found if b"resource_tracker" not in command_of(child)]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"resource_tracker"


async def rolling_restart(installation: Installation, scale: Scale) -> Finding:
    """F-26: one worker after the other is told to end, while exchanges go on."""
    node = await installation.start_node(workers=3)
    assert node.process is not None
    supervisor = node.process.pid
    pause = RESTART_EVERY if scale.is_long else scale.seconds / 2
    restarts = 0

    async def restart() -> None:
        nonlocal restarts
        until = time.monotonic() + scale.seconds - 1.0
        while time.monotonic() < until:
            if workers := children_of(supervisor):
                with suppress(ProcessLookupError):  # it has ended at this moment
                    os.kill(workers[0], signal.SIGTERM)
                    restarts += 1
            await asyncio.sleep(pause)

    trial = await attempt(installation, restart, seconds=scale.seconds, rate=2 * scale.rate)
    failed = trial.account.unanswered + trial.account.unavailable + trial.account.refused
    broken = [*trial.broken(), *unless(restarts, "restarted")]
    if failed:
        broken.append(f"{failed} exchanges failed")
    return Finding(
        "F-26",
        installation.name,
        f"SIGTERM to one of 3 workers every {pause} s, {restarts} times, "
        f"at {2 * scale.rate:.0f} exchanges/s",
        trial.figures(),
        tuple(broken),
    )


async def slow_senders(installation: Installation, scale: Scale) -> Finding:
    """F-22: thousands of connections send a header, or a body, a byte at a time."""
    node = await installation.start_node()
    number = SLOW_SENDERS if scale.is_long else SLOW_SENDERS // 10
    async with callers_of(installation) as (caller,):
        codes = await installation.plant(int(scale.rate * 8))
        half = len(codes) // 2
        before, during = Exchanges(), Exchanges()
        await before.post_each([caller], codes[:half], scale.rate)
        senders = [asyncio.create_task(_send_slowly(node.port, place)) for place in range(number)]
        await asyncio.sleep(0.5)
        await during.post_each([caller], codes[half:], scale.rate)
        lives = await asyncio.gather(*senders)
        account = await settle(during, caller, codes[half:])
    usual, then = p99(before), p99(during)
    broken = account.judge()
    if scale.is_long and then > max(2 * usual, 0.05):
        broken.append(f"p99 was {then * 1000:.0f} ms, and {usual * 1000:.0f} ms before")
    if max(lives) > SLOW_LIMIT:
        broken.append(f"a slow sender was suffered for {max(lives):.1f} s")
    return Finding(
        "F-22",
        installation.name,
        f"{number:,} connections send a header or a body a byte at a time",
        f"closed after {min(lives):.1f} to {max(lives):.1f} s; p99 of {account.good:,} exchanges "
        f"meanwhile {then * 1000:.0f} ms, before {usual * 1000:.0f} ms",
        tuple(broken),
    )


async def _send_slowly(port: int, place: int) -> float:
    """Seconds until the server closes the connection."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /accessToken HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\n"
    rest = b"X" * 400
    if place % 2:
        writer.write(head)  # its body is what comes slowly
    else:
        rest = head[:-4] + rest
    try:
        for number in range(40):
            writer.write(rest[number : number + 1])
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    if not await reader.read(1_024):
                        break
    except OSError:
        pass
    finally:
        writer.transport.abort()
    return time.monotonic() - began


def p99(exchanges: Exchanges) -> float:
    """Seconds within which 99 of 100 answers came."""
    seconds = sorted(answer.seconds for answer in exchanges.all)
    return seconds[int(len(seconds) * 0.99)]
