"""Faults of a Valkey server: gone, silent, full, or restored from an older snapshot."""

import asyncio

from tests.faults.exchanges import Exchanges
from tests.faults.proxy import NONE, Fault
from tests.faults.trial import ON_THEIR_WAY, Finding, Scale, Trial, attempt, callers_of, unless
from tests.faults.worlds import ValkeyInstallation


async def killed(installation: ValkeyInstallation, scale: Scale) -> Finding:
    """F-09: ``kill -9``, and started again, empty."""
    await installation.start_node()

    async def kill() -> None:
        installation.server.kill()
        await asyncio.sleep(scale.outage)
        await asyncio.to_thread(installation.server.start)

    seconds = max(scale.seconds, scale.outage + 2)
    trial = await attempt(installation, kill, seconds=seconds, rate=scale.rate)
    injected = f"kill -9, started again after {scale.outage:.0f} s, empty: what it held is void"
    # All that was in memory is gone with the process, tokens too. A code that was not used is
    # refused then, for good: that is what failing closed means.
    account = trial.account
    broken = trial.broken(
        unknown=account.unavailable, refused=account.refused, tokens_survive=False
    )
    return Finding("F-09", installation.name, injected, trial.figures(), broken)


async def suspended(installation: ValkeyInstallation, scale: Scale) -> Finding:
    """F-09: SIGSTOP: connections stay open, and nobody answers."""
    await installation.start_node()

    async def suspend() -> None:
        installation.server.suspend()
        await asyncio.sleep(scale.outage)
        installation.server.resume()

    seconds = max(scale.seconds, scale.outage + 2)
    trial = await attempt(installation, suspend, seconds=seconds, rate=scale.rate)
    return _finding(installation, f"SIGSTOP for {scale.outage:.0f} s", trial)


async def paused(installation: ValkeyInstallation, scale: Scale) -> Finding:
    """F-09: CLIENT PAUSE: the server answers nobody for a while, then does all that it was sent."""
    await installation.start_node()

    async def pause() -> None:
        await asyncio.to_thread(
            installation.server.command, "CLIENT", "PAUSE", int(scale.outage * 1000), "ALL"
        )
        await asyncio.sleep(scale.outage)

    seconds = max(scale.seconds, scale.outage + 2)
    trial = await attempt(installation, pause, seconds=seconds, rate=scale.rate)
    return _finding(installation, f"CLIENT PAUSE for {scale.outage:.0f} s", trial)


async def full(installation: ValkeyInstallation, scale: Scale) -> Finding:
    """F-09: no memory is left, and nothing may be evicted."""
    await installation.start_node()

    async def fill() -> None:
        await asyncio.to_thread(installation.server.config, "maxmemory", "1mb")
        await asyncio.sleep(scale.seconds - 1)
        await asyncio.to_thread(installation.server.config, "maxmemory", "0")

    trial = await attempt(installation, fill, seconds=scale.seconds, rate=scale.rate)
    return _finding(installation, "maxmemory 1mb with noeviction", trial)


async def told_to_evict(installation: ValkeyInstallation, scale: Scale) -> Finding:
    """F-36: from one moment on the server may forget what it holds, used codes too."""
    await installation.start_node()

    async def evict() -> None:
        await asyncio.to_thread(installation.server.config, "maxmemory-policy", "allkeys-lru")
        await asyncio.sleep(scale.seconds - 1)
        await asyncio.to_thread(installation.server.config, "maxmemory-policy", "noeviction")

    trial = await attempt(installation, evict, seconds=scale.seconds, rate=scale.rate)
    return Finding(
        "F-36",
        installation.name,
        "maxmemory-policy allkeys-lru, then noeviction again",
        trial.figures(),
        (
            *trial.broken(unknown=ON_THEIR_WAY),
            *unless(trial.account.unavailable, "refused while keys could be evicted"),
        ),
    )


async def reply_lost(installation: ValkeyInstallation, scale: Scale) -> Finding:
    """F-03: a script reaches the server, and its reply does not come back."""
    await installation.start_node()
    proxy = installation.proxy
    before = proxy.cuts

    async def cut() -> None:
        proxy.set(Fault(after=b"EVALSHA", every=20))
        await asyncio.sleep(scale.seconds - 1)
        proxy.set(NONE)

    trial = await attempt(installation, cut, seconds=scale.seconds, rate=scale.rate)
    cuts = (proxy.cuts - before) // 2
    injected = f"the connection is cut after a script has reached the server, {cuts} times"
    broken = (*trial.broken(unknown=cuts), *unless(cuts, "cut"))
    return Finding("F-03", installation.name, injected, trial.figures(), broken)


async def older_snapshot(installation: ValkeyInstallation, scale: Scale) -> Finding:
    """F-10: codes are used after a snapshot, and the server comes back with the snapshot."""
    await installation.start_node()
    number = int(scale.seconds * 20)
    codes = await installation.plant(number)
    used = Exchanges()
    async with callers_of(installation) as (caller,):
        await asyncio.to_thread(installation.server.command, "SAVE")
        await used.post_each([caller], codes, scale.rate)
        good = sum(answer.status == 200 for answer in used.all)
        installation.server.kill()
        await asyncio.to_thread(installation.server.start)
        kept = await asyncio.to_thread(installation.server.command, "DBSIZE")
        healed = await Exchanges().first_good(caller, await installation.plant(50), 10.0)
        again = [await caller.exchange(code) for code in codes]
    revived = sum(answer.status == 200 for answer in again)
    broken = [f"I-4: {revived} used codes were good again"] if revived else []
    if good != number or not kept:
        broken.append(f"only {good} of {number} were used, {kept} keys came back")
    if healed > 5:
        broken.append(f"I-8: no good answer for {healed:.1f} s")
    return Finding(
        "F-10",
        installation.name,
        f"{number} codes are used after a snapshot; kill -9; the server starts from the snapshot",
        f"{kept} keys came back, {revived} of {good} used codes were good again, fresh codes "
        f"after {healed:.1f} s",
        tuple(broken),
    )


def _finding(installation: ValkeyInstallation, injected: str, trial: Trial) -> Finding:
    broken = trial.broken(unknown=ON_THEIR_WAY)
    return Finding("F-09", installation.name, injected, trial.figures(), broken)
