"""Overload: too many calls, too many sign-ins, too little CPU."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.faults.any_store import p99
from tests.faults.exchanges import Caller, Exchanges
from tests.faults.ledger import settle
from tests.faults.node import Node
from tests.faults.proxy import NONE, Fault
from tests.faults.signing_in import Person, SignIn, add_people, sign_in, somebody_unknown
from tests.faults.trial import (
    HEALED_WITHIN,
    ON_THEIR_WAY,
    Finding,
    Installation,
    Scale,
    attempt,
    callers_of,
    unless,
)
from tests.faults.worlds import Networked
from tests.machine import require

TIMES = 10
"""Of what can be served, so much is asked for (F-23)."""
IN_FLIGHT = 4
"""``max_requests_in_flight``: twice as many calls are answered at once."""
ANSWERS_AFTER = 0.1
"""Seconds by which the network delays each answer of the store, so that it is what is short."""
USEFUL = 0.9
"""Of the capacity, so much must be served however much is asked for (F-23)."""
FAST_REFUSAL = 0.3
"""Seconds within which the rest is refused (F-23)."""
SIGN_INS = 200.0
"""A second, half of them with passwords that are right (F-24)."""
CALLS = 50.0
CALL_P99 = 0.5
"""Seconds within which 99 of 100 calls are answered beside the sign-ins (F-24)."""
PEOPLE = 10
BURNERS = 4


async def overload(installation: Networked, scale: Scale) -> Finding:
    """F-23: ten times as many exchanges as the store can do, whether they are answered or not.

    The network to the store is slow, so its capacity is small and known, and no part of this
    machine is what runs out. ``benchmarks/overload.py`` is about the processor.
    """
    await installation.start_node({"WORKSGATE_MAX_REQUESTS_IN_FLIGHT": str(IN_FLIGHT)})
    seconds = scale.seconds if scale.is_long else 2.0
    async with callers_of(installation) as (caller,):
        installation.proxy.set(Fault(delay=ANSWERS_AFTER, only_answers=True))
        capacity = await _capacity(installation, caller, min(seconds, 10.0))
        if not scale.is_long:  # what is published is measured; a busy machine measures too little
            capacity = max(capacity, IN_FLIGHT / ANSWERS_AFTER / 4)
        codes = await installation.plant(int(TIMES * capacity * seconds))
        exchanges = Exchanges()
        await exchanges.post_each([caller], codes, TIMES * capacity)
        installation.proxy.set(NONE)
        healed = await Exchanges().first_good(caller, await installation.plant(50), 10.0)
        account = await settle(exchanges, caller, codes)
    took = max(answer.ended for answer in exchanges.all) - min(each.at for each in exchanges.all)
    useful = account.good / took / capacity
    broken = [*account.judge(unknown=ON_THEIR_WAY), *unless(account.unavailable, "refused")]
    if healed > HEALED_WITHIN:
        broken.append(f"I-8: no good answer for {healed:.1f} s afterwards")
    if scale.is_long and useful < USEFUL:
        broken.append(f"only {useful:.0%} of the capacity was served")
    if scale.is_long and account.median_shed > FAST_REFUSAL:
        broken.append(f"half of the 503 took more than {account.median_shed:.1f} s")
    return Finding(
        "F-23",
        installation.name,
        f"{TIMES * capacity:,.0f} exchanges/s for {seconds:.0f} s, where {capacity:,.0f}/s can be "
        f"done (each answer of the store takes {ANSWERS_AFTER * 1000:.0f} ms)",
        f"{account.posted:,} exchanges: {account.good:,} good ({useful:.0%} of the capacity), "
        f"{account.unavailable:,} × 503 (half within {account.median_shed * 1000:.0f} ms, slowest "
        f"{account.shed * 1000:,.0f} ms), slowest answer {account.longest * 1000:,.0f} ms, "
        f"normal again after {healed:.1f} s",
        tuple(broken),
    )


async def _capacity(installation: Installation, caller: Caller, seconds: float) -> float:
    """Good answers a second, where as many callers as are served at once wait for each other."""
    codes = await installation.plant(int(2 * IN_FLIGHT * seconds / ANSWERS_AFTER))
    waiting, exchanges = iter(codes), Exchanges()
    until = time.monotonic() + seconds

    async def call() -> None:
        for code in waiting:
            if time.monotonic() > until:
                break
            await exchanges.post(caller, code)

    began = time.monotonic()
    await asyncio.gather(*(call() for _ in range(2 * IN_FLIGHT)))
    return sum(answer.status == 200 for answer in exchanges.all) / (time.monotonic() - began)


async def login_flood(installation: Installation, scale: Scale) -> Finding:
    """F-24: many more sign-ins than passwords can be checked, right and wrong ones, beside calls.

    The codes of those that succeed are posted with the others, and must stand for who signed in.
    """
    people = await add_people(installation, PEOPLE)
    node = await installation.start_node({"WORKSGATE_LOGIN_FAILURES_PER_ADDRESS": "1000000"})
    rate = SIGN_INS if scale.is_long else SIGN_INS / 4
    exchanges = Exchanges()
    signed_in: list[tuple[Person, SignIn]] = []
    async with callers_of(installation) as (caller,):

        async def one(person: Person) -> None:
            done = await sign_in(node.port, installation.client.client_id, person)
            signed_in.append((person, done))
            if done.code:
                await exchanges.post(caller, done.code)

        async def flood() -> None:
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for number in range(int(scale.seconds * rate)):
                    await asyncio.sleep(max(began + number / rate - time.monotonic(), 0.0))
                    known = people[number // 2 % PEOPLE]
                    group.create_task(one(somebody_unknown() if number % 2 else known))

        codes = await installation.plant(int(scale.seconds * CALLS))
        flooding = asyncio.create_task(flood())
        await exchanges.post_each([caller], codes, CALLS)
        calls = Exchanges({code: exchanges.answers[code] for code in codes})
        await flooding
        healed = await _first_sign_in(node, installation.client.client_id, people[0])
        account = await settle(exchanges, caller, list(exchanges.answers))
    statuses = Counter(done.status for _, done in signed_in)
    slowest = max(done.seconds for _, done in signed_in)
    # On a machine without a free core an answer may be late whose statement is on its way.
    is_certain = scale.is_long or installation.name == "SQLite"
    broken = account.judge(unknown=0 if is_certain else ON_THEIR_WAY)
    if scale.is_long and not statuses[303]:
        broken.append("nobody could sign in")
    if healed > HEALED_WITHIN:
        broken.append(f"I-8: no sign-in for {healed:.1f} s afterwards")
    if intruders := sum(done.code is not None for who, done in signed_in if not who.user_id):
        broken.append(f"{intruders} people without an account were signed in")
    if odd := sorted(status for status in statuses if status >= 500 and status != 503):
        broken.append(f"sign-ins were answered {odd}")
    if scale.is_long and p99(calls) > CALL_P99:
        broken.append(f"p99 of the calls was {p99(calls) * 1000:.0f} ms")
    return Finding(
        "F-24",
        installation.name,
        f"{rate:.0f} sign-ins/s, half of them with wrong passwords, beside {CALLS:.0f} exchanges/s",
        f"{len(signed_in):,} sign-ins: {statuses[303]:,} succeeded, {statuses[503]:,} × 503, "
        f"slowest {slowest * 1000:,.0f} ms; {account.posted:,} exchanges: {account.good:,} good, "
        f"p99 {p99(calls) * 1000:.0f} ms, slowest {account.longest * 1000:.0f} ms; the next "
        f"sign-in after {healed:.1f} s",
        tuple(broken),
    )


async def _first_sign_in(node: Node, client_id: str, person: Person) -> float:
    """Seconds until somebody can sign in; no more than twice as long as it may take."""
    began = time.monotonic()
    while time.monotonic() - began < 2 * HEALED_WITHIN:
        if (await sign_in(node.port, client_id, person)).code:
            break
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def starved(installation: Installation, scale: Scale) -> Finding:
    """F-33: the node has one core, and shares it with others who want all of it."""
    core = min(os.sched_getaffinity(0))
    taskset = require("taskset")
    await installation.start_node(prefix=(taskset, "-c", str(core)))

    async def starve() -> None:
        async with _burning([taskset, "-c", str(core)]):
            await asyncio.sleep(scale.seconds - 1)

    trial = await attempt(installation, starve, seconds=scale.seconds, rate=scale.rate / 2)
    return Finding(
        "F-33",
        installation.name,
        f"the node has one core, and {BURNERS} processes that never pause have it too",
        trial.figures(),
        trial.broken(),
    )


@asynccontextmanager
async def _burning(prefix: Sequence[str]) -> AsyncIterator[None]:
    """Processes that take all of the processor that they can get."""
    program = [*prefix, sys.executable, "-c", "while True: pass"]
    burners = [await asyncio.create_subprocess_exec(*program) for _ in range(BURNERS)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            await burner.wait()
