"""Leases: one holder at a time, and a dead holder's lease expires."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.databases import NOW, directory_in, query, url_of

from worksgate.administration.purging import purge_forever
from worksgate.audit import AuditEvent, Event
from worksgate.database.leases import PURGING
from worksgate.directory.database import Directory
from worksgate.oauth.model import SpentTransaction
from worksgate.store.memory import MemoryStore


async def test_one_of_many_gets_it(database: Path) -> None:
    async with directory_in(database) as one, directory_in(database) as other:
        tries = [
            directory.leases.take("work", f"{number}", 30.0)
            for number in range(20)
            for directory in (one, other)
        ]
        won = await asyncio.gather(*tries)
        assert won.count(True) == 2  # one name, at two directories: it renews its own
        holder = await one.leases.holder("work")
        assert won[2 * int(holder or "")] is True


async def test_it_is_renewed_by_its_holder_and_by_nobody_else(directory: Directory) -> None:
    leases = directory.leases
    assert await leases.take("work", "a", 30.0)
    assert not await leases.take("work", "b", 30.0)
    assert await leases.take("work", "a", 60.0)
    assert await leases.take("other work", "b", 30.0)
    assert await leases.holder("work") == "a"
    await leases.release("work", "b")
    assert await leases.holder("work") == "a"
    await leases.release("work", "a")
    assert await leases.holder("work") is None
    assert await leases.take("work", "b", 30.0)


async def test_a_dead_holders_ends_by_itself(directory: Directory) -> None:
    leases = directory.leases
    assert await leases.take("work", "a", 30.0)
    assert not await leases.take("work", "b", 30.0)
    assert await leases.take("work", "a", 0.3)
    await asyncio.sleep(0.35)
    assert await leases.holder("work") is None
    assert await leases.take("work", "b", 30.0)
    assert not await leases.take("work", "a", 30.0)


async def test_f17_the_clock_of_a_process_does_not_matter(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node whose clock is ahead does not take what others hold."""
    async with directory_in(database) as directory:
        assert await directory.leases.take("work", "a", 30.0)
        before = time.time
        monkeypatch.setattr(time, "time", lambda: before() + 3_600)
        assert not await directory.leases.take("work", "b", 30.0)
        ((expires_at,),) = query(database, "SELECT expires_at FROM leases")
        assert before() < expires_at < before() + 31


class Purges(MemoryStore):
    """A store that counts the rounds in which something was removed."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0

    async def purge(self, now: float, limit: int = 500) -> int:
        removed = await super().purge(now, limit)
        self.rounds += bool(removed)
        return removed


async def keep_filling(store: Purges) -> None:
    number = 0
    while True:
        await store.save(
            SpentTransaction(
                key=f"{number}", grant_id="", subject_id="", client_id="", expires_at=NOW - 1
            )
        )
        number += 1
        await asyncio.sleep(0.01)


async def until(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


def purging(directory: Directory, store: Purges, *, lease: float) -> asyncio.Task[None]:
    work = purge_forever(
        store, directory, lambda: NOW, interval=0.05, audit_retention=0, lease=lease
    )
    return asyncio.create_task(work)


async def ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_node_purges_and_the_other_goes_on_when_it_is_stopped(database: Path) -> None:
    async with directory_in(database) as one, directory_in(database) as other:
        stores = [Purges(), Purges()]
        fillings = [asyncio.create_task(keep_filling(store)) for store in stores]
        first = purging(one, stores[0], lease=30.0)
        await until(lambda: stores[0].rounds > 2)
        second = purging(other, stores[1], lease=30.0)
        seen = stores[0].rounds
        await until(lambda: stores[0].rounds > seen + 5)
        assert stores[1].rounds == 0
        await ended(first)  # gives the lease back: the other need not wait for its end
        await until(lambda: stores[1].rounds > 2)
        await ended(second, *fillings)
        assert await one.leases.holder(PURGING) is None


PURGES = """
import asyncio, sys
from worksgate.directory.database import Directory
from worksgate.administration.purging import purge_forever
from worksgate.store.memory import MemoryStore

async def main():
    directory = Directory.open(sys.argv[1])
    await purge_forever(MemoryStore(), directory, lambda: 0.0, interval=0.05, audit_retention=0,
                        lease=4.5)

asyncio.run(main())
"""


@pytest.mark.programs
async def test_another_node_goes_on_when_the_first_is_killed(database: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PURGES, url_of(database)), env={**os.environ}
    )
    store = Purges()
    filling = asyncio.create_task(keep_filling(store))
    async with directory_in(database) as directory:
        try:
            await until(lambda: query(database, "SELECT holder FROM leases"))
            holder = await directory.leases.holder(PURGING) or ""
            assert f":{process.pid}:" in holder
            task = purging(directory, store, lease=4.5)
            expiry = "SELECT expires_at FROM leases"
            first = query(database, expiry)
            await until(lambda: query(database, expiry) > first)  # it is renewed
            assert store.rounds == 0
            process.send_signal(signal.SIGKILL)
            await until(lambda: store.rounds)
            await ended(task)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await ended(filling)


@pytest.mark.slow
async def test_whoever_lost_the_lease_stops_in_the_middle(database: Path) -> None:
    """A node that was held up for long does not work beside the one that has taken over."""

    class Slow(Purges):
        async def purge(self, now: float, limit: int = 500) -> int:
            await asyncio.sleep(0.1)
            return await super().purge(now, 1)

    store = Slow()
    await store.save(
        *(
            SpentTransaction(
                key=f"{number}", grant_id="", subject_id="", client_id="", expires_at=NOW - 1
            )
            for number in range(200)
        )
    )
    async with directory_in(database) as directory:
        await directory.record([AuditEvent(event=Event.LOGOUT, at=NOW)])
        task = purging(directory, store, lease=0.6)
        await until(lambda: store.rounds > 2)
        query(database, "UPDATE leases SET holder = 'another', expires_at = 1e12")
        seen = -1
        while store.rounds != seen:  # as long as it has not noticed
            seen = store.rounds
            await asyncio.sleep(0.6)
        assert seen < 200
        await ended(task)
