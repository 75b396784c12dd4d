"""Faults of a database server and of the network to it."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
from tests.faults.any_store import children_of
from tests.faults.proxy import NONE, Fault
from tests.faults.trial import ON_THEIR_WAY, Finding, Scale, attempt, unless
from tests.faults.worlds import PostgresInstallation
from tests.postgres_server import PostgresServer

FAST_REFUSAL = 0.3
"""Seconds within which a 503 comes while the server is gone (F-04)."""


async def reply_lost(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-03: a statement reaches the server, and its reply does not come back."""
    await installation.start_node()
    proxy = installation.proxy
    before = proxy.cuts

    async def cut() -> None:
        # The name of every statement that is kept prepared, so also that of the redemption.
        proxy.set(Fault(after=b"__asyncpg_stmt_", every=20))
        await asyncio.sleep(scale.seconds - 1)
        proxy.set(NONE)

    trial = await attempt(installation, cut, seconds=scale.seconds, rate=scale.rate)
    cuts = (proxy.cuts - before) // 2
    return Finding(
        "F-03",
        installation.name,
        f"the connection is cut after a statement has reached the server, {cuts} times",
        trial.figures(),
        # With a 503 whose outcome nobody can know, a code may be used: never more than were cut.
        (*trial.broken(unknown=cuts), *unless(cuts, "cut")),
    )


async def server_killed(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-04: ``kill -9`` of the server, which comes back after a while."""
    await installation.start_node()
    server = installation.server

    async def kill() -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(scale.outage)
        await asyncio.to_thread(server.start)

    seconds = max(scale.seconds, scale.outage + 2)
    trial = await attempt(installation, kill, seconds=seconds, rate=scale.rate)
    account = trial.account
    broken = list(trial.broken(unknown=ON_THEIR_WAY))
    if scale.is_long and account.median_shed > FAST_REFUSAL:
        broken.append(f"503 after {account.median_shed:.1f} s while the server was gone")
    return Finding(
        "F-04",
        installation.name,
        f"kill -9 of the server, started again after {scale.outage:.0f} s",
        f"{trial.figures()}; half of the 503 within {account.median_shed * 1000:.0f} ms",
        tuple(broken),
    )


async def backends_ended(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-05: ``pg_terminate_backend`` of every connection, again and again."""
    await installation.start_node()
    ended = 0

    async def end() -> None:
        nonlocal ended
        for _ in range(int((scale.seconds - 1) / 0.3)):
            rows = await asyncio.to_thread(
                installation.server.query,
                _END_OURS,
            )
            ended += len(rows)
            await asyncio.sleep(0.3)

    trial = await attempt(installation, end, seconds=scale.seconds, rate=scale.rate)
    return Finding(
        "F-05",
        installation.name,
        f"{ended} connections ended by the server",
        trial.figures(),
        (*trial.broken(unknown=ended), *unless(ended, "ended")),
    )


async def network_slow(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-06: everything that is sent to the server arrives four seconds late."""
    await installation.start_node()

    async def delay() -> None:
        installation.proxy.set(Fault(delay=4.0))
        await asyncio.sleep(scale.outage)
        installation.proxy.set(NONE)
        await asyncio.sleep(5.0)  # what is still on its way arrives

    seconds = max(scale.seconds, scale.outage + 6)
    trial = await attempt(installation, delay, seconds=seconds, rate=scale.rate / 2)
    return Finding(
        "F-06",
        installation.name,
        "each piece is held back for 4 s on its way, in both directions",
        trial.figures(),
        # A reply that comes too late leaves an outcome unknown; a statement that does is void.
        trial.broken(unknown=ON_THEIR_WAY),
    )


async def table_locked(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-06: somebody holds the table of codes for longer than LINE WORKS waits."""
    await installation.start_node()
    held = scale.outage

    async def lock() -> None:
        connection = await asyncpg.connect(installation.direct)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE codes IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(held)
        finally:
            await connection.close()

    trial = await attempt(
        installation, lock, seconds=max(scale.seconds, held + 2), rate=scale.rate / 2
    )
    return Finding(
        "F-06",
        installation.name,
        f"another connection locks the table of codes for {held:.0f} s",
        trial.figures(),
        trial.broken(),
    )


async def server_stopped(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-06: all processes of the server are stopped for a while, and go on."""
    await installation.start_node()
    stopped = scale.outage

    async def stop() -> None:
        processes = await asyncio.to_thread(_processes_of, installation.server.pid)
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(stopped)
        for pid in processes:
            os.kill(pid, signal.SIGCONT)

    trial = await attempt(
        installation, stop, seconds=max(scale.seconds, stopped + 2), rate=scale.rate / 2
    )
    return Finding(
        "F-06",
        installation.name,
        f"SIGSTOP to all processes of the server for {stopped:.0f} s",
        trial.figures(),
        trial.broken(unknown=ON_THEIR_WAY),
    )


async def disk_full(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-08: the file system of the server has no room left; it is one of its own."""
    await installation.start_node()
    filler = installation.disk / "filler"
    restarts = 0

    async def fill() -> None:
        nonlocal restarts
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 65_536)
        await asyncio.sleep(scale.seconds - 1)
        filler.unlink()
        # Where it could not write ahead it has ended; whatever looks after it starts it again.
        if not await asyncio.to_thread(installation.server.is_running):
            restarts += 1
            await asyncio.to_thread(installation.server.start)

    trial = await attempt(installation, fill, seconds=scale.seconds + 1, rate=scale.rate)
    told = "the server had ended and was started again" if restarts else "the server went on"
    return Finding(
        "F-08",
        installation.name,
        "the disk of the server is filled to the last byte, then freed",
        f"{trial.figures()}; {told}",
        (
            *trial.broken(unknown=ON_THEIR_WAY),
            *unless(trial.account.unavailable, "refused: the disk was not full"),
        ),
    )


async def connections_used_up(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-07: others take all connections of the server, then those of Worksgate are ended."""
    await installation.start_node()
    server = installation.server

    async def hoard() -> None:
        async with AsyncExitStack() as stack:
            while await asyncio.to_thread(_ours, server):
                with suppress(asyncpg.TooManyConnectionsError):
                    while True:
                        connection = await asyncpg.connect(
                            installation.direct, server_settings={"application_name": "hoarder"}
                        )
                        stack.push_async_callback(connection.close)
                await asyncio.to_thread(server.query, _END_OURS)
            await asyncio.sleep(scale.seconds - 1)

    trial = await attempt(installation, hoard, seconds=scale.seconds, rate=scale.rate)
    return Finding(
        "F-07",
        installation.name,
        "others take all connections of the server, those of the node are ended",
        trial.figures(),
        trial.broken(unknown=ON_THEIR_WAY),
    )


_OURS = "FROM pg_stat_activity WHERE usename = 'worksgate' AND application_name <> 'hoarder'"
_END_OURS = f"SELECT pg_terminate_backend(pid) {_OURS}"


def _ours(server: PostgresServer) -> bool:
    """Whether the node has a connection left; the superuser has some of its own to ask with."""
    return server.query(f"SELECT count(*) {_OURS}") != [("0",)]


def _processes_of(pid: int) -> list[int]:
    return [pid, *children_of(pid)]
