"""Reckons how much a nine o'clock rush needs: capacity.py RESULTS.json PAGE.md, with SimPy.

A simulation of people who sign in, with the costs that ``figures`` measured. It looks for the
smallest installation in which LINE WORKS and people are answered in time, and writes what it finds
between the marks in the page. Without measured costs it writes that there are none.

A server process has one event loop, which is one core, and hashing threads, each on a core of its
own; all of them share one database. Work on a loop is done in pieces, between which other requests
get their turn. How long a piece takes varies as an exponential distribution does, which is more
than it varies in truth; a hash varies little.
"""

import json
import math
import random
import re
import statistics
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import simpy

SHARE = 0.6
"""Of all people, those who sign in within the half hour; the others come before or after."""
HALF_HOUR = 1_800.0
SPREAD = 300.0
"""Standard deviation of the moments at which they come, in seconds; the middle is the peak."""
LIVE_SESSIONS = 0.2
"""Of those who sign in, those whose browser has a session here: they get a code at once."""
WRONG = 0.1
"""Of the passwords that are sent, those that are wrong; their person tries once more."""
TYPING = (5.0, 20.0)
"""Seconds between the page and its form."""
TOKEN_P99 = 1.0
"""Seconds in which 99 of 100 token calls are to be answered; LINE WORKS gives up after 3."""
WAIT_P99 = 3.0
"""Seconds that 99 of 100 people wait at most after they have sent their password."""
QUEUE = 64
"""Sign-ins that wait for a hashing thread in each process, as ``hashing_queue`` has it."""
PIECE = 0.001
"""Seconds of work on a loop after which others get their turn, on average."""
PEAK = 60.0
"""Seconds of the peak that are simulated where the whole half hour would be too much."""
MOST = 500.0
"""Logins a second that are simulated at most. A part of a larger installation stands for all of
it: its processes know nothing of each other, and a small database waits rather longer."""
FULLEST = 0.95
"""The load of its resources at which the search begins; more cannot last."""
SIZES = (1_000, 100_000, 6_000_000)
WITHIN = 0.2
"""How far the simulation may be from what was measured."""
SEED = 9

Steps = Generator[Any, Any, Any]


@dataclass(frozen=True)
class Costs:
    """Seconds: of each request on an event loop and in the database, of a sign-in in a thread."""

    loop: dict[str, float]
    database: dict[str, float]
    hashing: float

    @classmethod
    def of(cls, found: dict[str, Any]) -> "Costs":
        """From what was measured on one kind of database.

        What a sign-in costs beside its loop is the hash and the threads around it.
        """
        return cls(
            loop={name: one["loop_us"] / 1e6 for name, one in found.items()},
            database={name: one["database_us"] / 1e6 for name, one in found.items()},
            hashing=(found["form"]["server_us"] - found["form"]["loop_us"]) / 1e6,
        )

    def per_login(self, of: dict[str, float]) -> float:
        """Of the average person, with or without a form."""
        with_form = of["page"] + (1 + WRONG) * of["form"]
        first = LIVE_SESSIONS * of["code"] + (1 - LIVE_SESSIONS) * with_form
        return first + of["token"] + of["userinfo"]

    def per_live_session(self, of: dict[str, float]) -> float:
        """Of somebody who is signed in here already."""
        return of["code"] + of["token"] + of["userinfo"]

    @property
    def hashing_per_login(self) -> float:
        return (1 - LIVE_SESSIONS) * (1 + WRONG) * self.hashing


@dataclass(frozen=True)
class Installation:
    """So many processes with so many hashing threads each, and cores of the database."""

    processes: int
    threads: int
    database: int

    @property
    def cores(self) -> int:
        return self.processes * (1 + self.threads) + self.database


class Rush:
    """One installation and the people who come to it."""

    def __init__(self, costs: Costs, installation: Installation, chance: random.Random) -> None:
        self._costs = costs
        self._chance = chance
        self.clock = simpy.Environment()
        self._loops = [simpy.Resource(self.clock) for _ in range(installation.processes)]
        self._hashing = [
            simpy.Resource(self.clock, installation.threads) for _ in range(installation.processes)
        ]
        self._database = simpy.Resource(self.clock, max(1, installation.database))
        self.tokens: list[float] = []
        """Seconds of each token call."""
        self.waits: list[float] = []
        """Seconds of each form, endless for one that was refused."""

    def arrive(self, moments: list[float]) -> None:
        """People come at these moments, and all of them are served."""
        self.clock.process(self._arrive(moments))
        self.clock.run()

    def _arrive(self, moments: list[float]) -> Steps:
        for moment in sorted(moments):
            yield self.clock.timeout(moment - self.clock.now)
            self.clock.process(self._person())

    def _person(self) -> Steps:
        if self._chance.random() < LIVE_SESSIONS:
            yield from self._answer("code")
        else:
            yield from self._answer("page")
            yield self.clock.timeout(self._chance.uniform(*TYPING))
            tries = 2 if self._chance.random() < WRONG else 1
            for _ in range(tries):
                if not (yield from self.form()):
                    return
        yield from self.token()
        yield from self._answer("userinfo")

    def form(self) -> Generator[Any, Any, bool]:
        """A password is sent; False where it was not looked at."""
        began = self.clock.now
        process = self._chance.randrange(len(self._loops))
        yield from self._answer("form", process)
        threads = self._hashing[process]
        if len(threads.queue) >= QUEUE:
            self.waits.append(math.inf)
            return False
        with threads.request() as turn:
            yield turn
            yield self.clock.timeout(self._costs.hashing * self._chance.uniform(0.9, 1.1))
        self.waits.append(self.clock.now - began)
        return True

    def token(self) -> Steps:
        began = self.clock.now
        yield from self._answer("token")
        self.tokens.append(self.clock.now - began)

    def _answer(self, kind: str, process: int | None = None) -> Steps:
        """The work of one request on a loop, in pieces, and then in the database."""
        loop = self._loops[self._chance.randrange(len(self._loops)) if process is None else process]
        work = self._costs.loop[kind]
        pieces = max(1, round(work / PIECE))
        for _ in range(pieces):
            yield from self._work(loop, work / pieces)
        if self._costs.database[kind]:
            yield from self._work(self._database, self._costs.database[kind])

    def _work(self, resource: simpy.Resource, mean: float) -> Steps:
        with resource.request() as turn:
            yield turn
            yield self.clock.timeout(self._chance.expovariate(1 / mean))


@dataclass(frozen=True)
class Found:
    """An installation that is large enough, and how people fare with it. Seconds."""

    installation: Installation
    token_p99: float
    wait_p99: float

    @property
    def is_enough(self) -> bool:
        return self.token_p99 <= TOKEN_P99 and self.wait_p99 <= WAIT_P99


def peak_of(people: int) -> float:
    """Logins a second in the middle of the half hour."""
    return people * SHARE / (SPREAD * math.sqrt(2 * math.pi))


def smallest(costs: Costs, people: int, *, has_database: bool, most: int | None) -> Found | None:
    """The fewest cores for so many people; None where ``most`` processes are not enough."""
    peak = peak_of(people)
    part = max(1, math.ceil(peak / MOST))
    bring = partial(_moments, people, part)
    for installation in _candidates(costs, peak / part, has_database=has_database, most=most):
        found = _try(costs, installation, bring)
        if found.is_enough:
            whole = replace(
                installation,
                processes=part * installation.processes,
                database=part * installation.database,
            )
            return replace(found, installation=whole)
    return None


def _candidates(
    costs: Costs, rate: float, *, has_database: bool, most: int | None
) -> list[Installation]:
    """What could last at so many sign-ins a second, the fewest cores first."""
    loops = _at_least(rate * costs.per_login(costs.loop))
    hashing = _at_least(rate * costs.hashing_per_login)
    database = _at_least(rate * costs.per_login(costs.database)) if has_database else 0
    found = []
    for threads in range(1, math.ceil(hashing / loops) + 3):
        fewest = max(loops, math.ceil(hashing / threads))
        for processes in range(fewest, fewest + max(3, fewest // 4)):
            for more in (0, 1) if has_database else (0,):
                found.append(Installation(processes, threads, database + more))
    return sorted(
        (one for one in found if most is None or one.processes <= most),
        key=lambda one: (one.cores, one.processes),
    )


def _at_least(load: float) -> int:
    """Cores for so much work."""
    return max(1, math.ceil(load / FULLEST))


def _moments(people: int, part: int, chance: random.Random) -> list[float]:
    """When people come: all of the half hour, or of one part in so many the peak alone."""
    if part > 1:
        count = round(peak_of(people) / part * PEAK)
        return [chance.uniform(0, PEAK) for _ in range(count)]
    mornings = max(1, 5_000 // people)
    return [
        morning * 2 * HALF_HOUR + moment
        for morning in range(mornings)
        for _ in range(round(people * SHARE))
        if 0 <= (moment := chance.gauss(HALF_HOUR / 2, SPREAD)) <= HALF_HOUR
    ]


def _try(
    costs: Costs, installation: Installation, bring: Callable[[random.Random], list[float]]
) -> Found:
    chance = random.Random(SEED)
    rush = Rush(costs, installation, chance)
    rush.arrive(bring(chance))
    return Found(installation, p99(rush.tokens), p99(rush.waits))


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1] if seconds else 0.0


@dataclass(frozen=True)
class Storm:
    """The storm of the benchmark, simulated."""

    logins: float
    login_p99: float
    token_p99: float


def storm(costs: Costs, threads: int, tokens: float, seconds: float = 30.0) -> Storm:
    """As ``measures.storm`` does it: the connections of wrk send one form after another."""
    chance = random.Random(SEED)
    rush = Rush(costs, Installation(1, threads, 0), chance)

    def browser() -> Steps:
        while True:
            yield from rush.form()

    def line_works() -> Steps:
        while True:
            yield rush.clock.timeout(chance.expovariate(tokens))
            rush.clock.process(rush.token())

    for _ in range(threads + 23):
        rush.clock.process(browser())
    rush.clock.process(line_works())
    rush.clock.run(until=seconds)
    return Storm(len(rush.waits) / seconds, p99(rush.waits), p99(rush.tokens))


# The page


NOTHING = "Not measured yet."


def as_markdown(results: dict[str, Any]) -> str:
    found = results.get("figures", {})
    if "code" not in found.get("sqlite", {}):  # or measured before a code was among them
        return NOTHING
    costs = {name: Costs.of(found[name]) for name in ("sqlite", "postgres") if name in found}
    parts = [_costs(found), _sizes(costs), _stops(found, costs)]
    if "storm" in results:
        parts.append(_storm(results["storm"], costs["sqlite"]))
    return "\n\n".join(parts)


def _costs(found: dict[str, Any]) -> str:
    rows = []
    for name, title in TITLES.items():
        if name in found:
            one = found[name]
            loops = [f"{one[kind]['loop_us']:,.0f}" for kind in KINDS]
            hashing = f"{(one['form']['server_us'] - one['form']['loop_us']) / 1_000:.1f}"
            database = f"{sum(one[kind]['database_us'] for kind in WITH_A_FORM):,.0f}"
            rows.append((title, *loops, hashing, database if name != "sqlite" else ""))
    header = ("database", "page µs", "form µs", "code by a live session µs", "token µs")
    rest = ("user info µs", "hash and threads ms", "database µs")
    return (
        "**What each costs.** Microseconds of the event loop's core, milliseconds of a hashing "
        "thread's, and microseconds of the database's for one whole sign-in with a password.\n\n"
        + _table((*header, *rest), rows)
    )


def _sizes(costs: dict[str, Costs]) -> str:
    rows = []
    for people in SIZES:
        for name, one in costs.items():
            most = 1 if name == "sqlite" else None
            found = smallest(one, people, has_database=name != "sqlite", most=most)
            start = (f"{people:,}", f"{peak_of(people):,.1f}", TITLES[name])
            rows.append((*start, *_size(found)))
    header = ("people", "sign-ins a second at the peak", "database", "processes")
    rest = ("hashing threads in each", "cores of the database", "cores in all")
    return "**The smallest installation.**\n\n" + _table(
        (*header, *rest, "token p99", "wait of people p99"), rows
    )


def _size(found: Found | None) -> tuple[str, ...]:
    if found is None:
        return ("more than one", *[""] * 5)
    one = found.installation
    return (
        f"{one.processes:,}",
        f"{one.threads}",
        f"{one.database}" if one.database else "",
        f"{one.cores:,}",
        f"{found.token_p99 * 1_000:,.0f} ms",
        f"{found.wait_p99:.2f} s",
    )


def _stops(found: dict[str, Any], costs: dict[str, Costs]) -> str:
    rows = [_stop(f"one event loop, {TITLES[name]}", one, one.loop) for name, one in costs.items()]
    if "postgres" in costs:
        one = costs["postgres"]
        rows.append(_stop("one core of PostgreSQL's primary", one, one.database))
    if "valkey" in found:
        one = Costs.of(found["valkey"])
        rows.append(_stop("Valkey, which has one core", one, one.database))
    header = ("when this is full", "sign-ins a second", "which is the rush of so many people")
    live = "sign-ins a second if everybody has a live session"
    return "**Where each design stops.**\n\n" + _table((*header, live), rows)


def _stop(what: str, costs: Costs, of: dict[str, float]) -> tuple[str, ...]:
    full, live = 1 / costs.per_login(of), 1 / costs.per_live_session(of)
    return what, f"{full:,.0f}", _people(full), f"{live:,.0f}"


def _people(rate: float) -> str:
    return f"{float(f'{rate / peak_of(1):.2g}'):,.0f}"


def _storm(measured: dict[str, Any], costs: Costs) -> str:
    rounds = measured["rounds"]

    def of(name: str) -> float:
        return float(statistics.median(one[name] for one in rounds))

    simulated = storm(costs, measured["hashing_threads"], of("tokens"))
    rows = [
        _compared("sign-ins a second", of("logins"), simulated.logins, is_judged=True),
        _compared("sign-in p99 ms", of("login_p99_ms"), simulated.login_p99 * 1e3, is_judged=True),
        _compared("token p99 ms", of("token_p99_ms"), simulated.token_p99 * 1e3, is_judged=False),
    ]
    return (
        "**Is the simulation right?** The storm of the benchmark, measured and simulated with the "
        f"costs above; right is what differs by {WITHIN:.0%} at most. A wait of a few "
        "milliseconds depends on what else the machine does, and is shown without a verdict.\n\n"
        + _table(("", "measured", "simulated", "ratio", "right"), rows)
    )


def _compared(what: str, measured: float, simulated: float, *, is_judged: bool) -> tuple[str, ...]:
    ratio = simulated / measured
    right = "yes" if abs(ratio - 1) <= WITHIN else "**no**"
    shown = (f"{measured:,.1f}", f"{simulated:,.1f}", f"{ratio:.2f}")
    return (what, *shown, right if is_judged else "")


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, *rows]
    shown = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([shown[0], f"|{'---|' * len(header)}", *shown[1:]])


KINDS = ("page", "form", "code", "token", "userinfo")
WITH_A_FORM = ("page", "form", "token", "userinfo")
TITLES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "valkey": "Valkey, people on SQLite"}
_MARKS = re.compile(r"(<!-- capacity: begin -->\n).*?(<!-- capacity: end -->)", re.DOTALL)


def main(results: Path, page: Path) -> None:
    found = as_markdown(json.loads(results.read_text("utf-8")))
    text, marks = _MARKS.subn(lambda mark: f"{mark[1]}{found}\n{mark[2]}", page.read_text("utf-8"))
    if marks != 1:
        raise SystemExit(f"{page.name}: the marks are missing")
    page.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
