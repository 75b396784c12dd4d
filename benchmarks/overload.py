"""Ten times as many requests as can be served, by callers that wait for nobody (F-23)."""

import secrets
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import machine
from contestants import Worksgate
from load import Failed, Template
from measures import TOKENS, Plan, rest
from openloop import Offer, closed_loop, open_loop
from process import Server
from storm import page_call
from tls import serve_with_tls

TIMES = 10
MOST_ROUNDS = 3
CONNECTIONS = 128
"""Under way at once while the capacity is measured: enough to keep the server busy."""
DROPS = ("TcpExtListenOverflows", "TcpExtListenDrops")
"""What the system counts where it forgets a connection, which its caller tries again in 1 s."""


@dataclass(frozen=True)
class Kind:
    """A kind of request, and whether its connections speak TLS."""

    name: str
    call: str
    tls: bool


KINDS = (
    Kind("token_tls", "token", tls=True),
    Kind("page_tls", "page", tls=True),
    Kind("userinfo_tcp", "userinfo", tls=False),
)


def overload(plan: Plan, seconds: float) -> dict[str, Any]:
    """Each kind of request at ``TIMES`` its capacity for so many seconds a round, on one core."""
    return {kind.name: _overload(plan, kind, seconds) for kind in KINDS}


def _overload(plan: Plan, kind: Kind, seconds: float) -> dict[str, Any]:
    installation = Worksgate(plan.folder / f"overload_{kind.name}")
    server = _serve(installation, plan.cores.server, tls=kind.tls)
    rounds: list[dict[str, Any]] = []
    try:
        capacity = _capacity(plan, installation, kind)
        for _ in range(min(plan.rounds, MOST_ROUNDS)):
            rest(server.process.pid)
            offer, drops = _flood(plan, installation, kind, capacity, seconds)
            rest(server.process.pid)
            before, capacity = capacity, _capacity(plan, installation, kind)
            # The machine's speed changes: what could be served meanwhile lies between the two.
            between = (before + capacity) / 2
            share = offer.useful_rate / between
            rounds.append(asdict(offer) | drops | {"capacity": between, "useful_share": share})
            plan.say(
                f"overload  {kind.name:13} {offer.offered / offer.seconds:,.0f}/s offered, "
                f"capacity {between:,.0f}/s: useful {share:.2f}, p99 {offer.good_p99_ms:.0f} ms"
            )
    finally:
        server.stop()
    return {"tls": kind.tls, "capacity_afterwards": round(capacity, 1), **_together(rounds)}


def _flood(
    plan: Plan, installation: Worksgate, kind: Kind, capacity: float, seconds: float
) -> tuple[Offer, dict[str, int]]:
    """What became of ``TIMES`` as many requests as can be served, and of the system's queue."""
    template, values = _requests(installation, kind, int(TIMES * capacity * seconds) + 1_000)
    before = machine.network_counters(*DROPS)
    offer = open_loop(
        installation.port,
        template,
        values,
        rate=TIMES * capacity,
        seconds=seconds,
        core=plan.cores.load,
        once=kind.call == "token",
        tls=kind.tls,
    )
    after = machine.network_counters(*DROPS)
    _check(installation, kind, offer)
    return offer, {name: after[name] - before[name] for name in DROPS}


_MEDIANS = ("useful_share", "capacity")
_SUMS = (
    *("seconds", "offered", "not_offered", "good", "useful", "refused", "closed", "odd"),
    *("unanswered", "late", "resumed", "generator_seconds", *DROPS),
)


def _together(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All rounds as one: what was counted is added up, of latencies and shares the median."""
    found: dict[str, Any] = {}
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        if name.endswith("_max_ms"):
            found[name] = max(values)
        elif name.endswith("_ms") or name in _MEDIANS:
            found[name] = round(statistics.median(values), 3)
        elif name in _SUMS:
            found[name] = sum(values)
        else:
            raise Failed(f"how are rounds put together in {name}?")
    return found | {"offered_rate": round(found["offered"] / found["seconds"], 1)}


def _serve(installation: Worksgate, core: int | None, *, tls: bool) -> Server:
    if tls:
        return serve_with_tls(installation, core)
    installation.start(core)
    return installation.server


def _capacity(plan: Plan, installation: Worksgate, kind: Kind) -> float:
    """Good answers a second, each on a connection of its own."""
    template, values = _requests(installation, kind, int(5_000 * plan.seconds))
    offer = closed_loop(
        installation.port,
        template,
        values,
        seconds=plan.seconds,
        connections=CONNECTIONS,
        core=plan.cores.load,
        once=kind.call == "token",
        tls=kind.tls,
    )
    if offer.refused or offer.odd or offer.closed or offer.unanswered or not offer.good:
        raise Failed(f"the capacity cannot be measured: {offer}")
    _check(installation, kind, offer)
    return offer.useful_rate


def _requests(installation: Worksgate, kind: Kind, count: int) -> tuple[Template, Sequence[str]]:
    if kind.call == "token":
        codes = installation.codes(count)
        return installation.token_call(codes), codes
    if kind.call == "userinfo":
        tokens = installation.tokens(TOKENS)
        return installation.user_info_call(tokens), tokens
    return page_call(installation), [secrets.token_hex(8) for _ in range(TOKENS)]


def _check(installation: Worksgate, kind: Kind, offer: Offer) -> None:
    """Raise Failed unless the database holds what was answered, and nothing by halves.

    A token of which the caller did not hear, for it had given up, is one more.
    """
    if kind.call == "token":
        ignore_records = offer.offered - offer.good
        installation.check_tokens(offer.good, ignore_records)
