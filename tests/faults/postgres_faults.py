"""Faults of a database server and of the network that leads to it."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
from tests.faults.any_store import children_of
from tests.faults.proxy import NONE, Fault
from tests.faults.trial import Finding, Scale, attempt
from tests.faults.worlds import PostgresInstallation
from tests.postgres_server import PostgresServer

AWAY = 5.0
"""Seconds for which the server is gone."""
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
        await asyncio.sleep(scale.seconds - 2)
        proxy.set(NONE)

    trial = await attempt(installation, cut, seconds=scale.seconds, rate=scale.rate)
    cuts = (proxy.cuts - before) // 2
    return Finding(
        "F-03",
        installation.name,
        f"the connection is cut after a statement has reached the server, {cuts} times",
        trial.figures(),
        # With a 503 whose outcome nobody can know, a code may be used: never more than were cut.
        (*trial.broken(unknown=cuts), *([] if cuts else ["nothing was cut"])),
    )


async def server_killed(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-04: ``kill -9`` of the server, which comes back after five seconds."""
    await installation.start_node()
    server = installation.server

    async def kill() -> None:
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(server.start)

    seconds = max(scale.seconds, AWAY + 4)
    trial = await attempt(installation, kill, seconds=seconds, rate=scale.rate)
    account = trial.account
    # Those that were under way when it died may have been committed: nobody can know.
    broken = list(trial.broken(unknown=20))
    return Finding(
        "F-04",
        installation.name,
        f"kill -9 of the server, started again after {AWAY:.0f} s",
        f"{trial.figures()}; half of the 503 within {account.median_shed * 1000:.0f} ms",
        (*broken, *_too_slow(account.median_shed)),
    )


async def backends_ended(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-05: ``pg_terminate_backend`` of every connection, again and again."""
    await installation.start_node()
    ended = 0

    async def end() -> None:
        nonlocal ended
        for _ in range(int((scale.seconds - 2) / 0.3)):
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
        trial.broken(unknown=min(trial.account.unavailable, ended)),
    )


async def network_slow(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-06: everything that is sent to the server arrives four seconds late."""
    await installation.start_node()

    async def delay() -> None:
        installation.proxy.set(Fault(delay=4.0))
        await asyncio.sleep(4.0)
        installation.proxy.set(NONE)
        await asyncio.sleep(5.0)  # what is still on its way arrives

    trial = await attempt(installation, delay, seconds=max(scale.seconds, 10), rate=scale.rate / 2)
    return Finding(
        "F-06",
        installation.name,
        "each piece is held back for 4 s on its way, in both directions",
        trial.figures(),
        # A reply that comes too late leaves an outcome unknown; a statement that does is void.
        trial.broken(unknown=20),
    )


async def table_locked(installation: PostgresInstallation, scale: Scale) -> Finding:
    """F-06: somebody holds the table of codes for longer than LINE WORKS waits."""
    await installation.start_node()
    held = 5.0

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
    stopped = 5.0

    async def stop() -> None:
        processes = await asyncio.to_thread(_processes_of, installation.server.pid)
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(stopped)
        for pid in processes:
            os.kill(pid, signal.SIGCONT)

    trial = await attempt(
        installation, stop, seconds=max(scale.seconds, stopped + 3), rate=scale.rate / 2
    )
    return Finding(
        "F-06",
        installation.name,
        f"SIGSTOP to all processes of the server for {stopped:.0f} s",
        trial.figures(),
        trial.broken(unknown=20),
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
            await asyncio.sleep(scale.seconds - 2)

    trial = await attempt(installation, hoard, seconds=scale.seconds, rate=scale.rate)
    return Finding(
        "F-07",
        installation.name,
        "others take all connections of the server, those of the node are ended",
        trial.figures(),
        trial.broken(unknown=20),
    )


_OURS = "FROM pg_stat_activity WHERE usename = 'worksgate' AND application_name <> 'hoarder'"
_END_OURS = f"SELECT pg_terminate_backend(pid) {_OURS}"


def _ours(server: PostgresServer) -> bool:
    """Whether the node has a connection left; the superuser has some of its own to ask with."""
    return server.query(f"SELECT count(*) {_OURS}") != [("0",)]


def _too_slow(seconds: float) -> list[str]:
    if seconds <= FAST_REFUSAL:
        return []
    return [f"503 after {seconds:.1f} s while the server was gone"]


def _processes_of(pid: int) -> list[int]:
    return [pid, *children_of(pid)]
