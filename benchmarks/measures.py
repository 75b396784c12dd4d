"""What is measured, each as a function that returns its numbers ready for JSON."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import load
import machine
from contestants import (
    Bare,
    Contestant,
    Django,
    DjangoInClear,
    Node,
    NodeOpenId,
    Worksgate,
    WorksgateWithClients,
)
from databases import running_postgres, running_valkey
from elsewhere import BareOnPostgres, WorksgateOnPostgres, WorksgateOnValkey
from load import Result
from machine import Cores
from process import Server, worksgate
from storm import login_call, prepare_people

from worksgate.credentials.password_hashing import ARGON2

TOKENS = 50_000
"""Access tokens that the user info calls ask for in turns: about as many as one round has calls,
since LINE WORKS asks for each once, soon after it was issued."""
SPARE = 1.6
"""So many times more codes are issued than the last round used."""


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    cores: Cores
    rounds: int
    seconds: float
    connections: int
    folder: Path
    say: Callable[[str], None]


@contextmanager
def running(contestants: Sequence[Contestant], core: int | None) -> Iterator[None]:
    """Serve with all of them; those that are not asked use no time."""
    started: list[Contestant] = []
    try:
        for contestant in contestants:
            contestant.start(core)
            started.append(contestant)
        yield
    finally:
        for contestant in started:
            contestant.server.stop()


class Course:
    """Rounds of one kind of call."""

    def __init__(self, plan: Plan, call: str) -> None:
        self._plan = plan
        self._call = call
        self._rates: dict[str, float] = {}
        self._tokens: dict[str, Sequence[str]] = {}
        self.found: dict[str, list[dict[str, Any]]] = {}

    def run(self, contestants: Sequence[Contestant], rounds: int) -> None:
        """Warm up, then let them take turns, so that what disturbs one disturbs the others."""
        for contestant in contestants:
            self._rates[contestant.name] = 4_000.0
            warm_up, _ = self._load(contestant, self._plan.seconds)
            self._rates[contestant.name] = warm_up.rate
        for number in range(rounds):
            for contestant in contestants:
                result, microseconds = self._load(contestant, self._plan.seconds)
                self._rates[contestant.name] = result.rate
                facts = result.as_json() | {"processor_us": round(microseconds, 1)}
                self.found.setdefault(contestant.name, []).append(facts)
                self._plan.say(
                    f"{self._call:9} round {number + 1}/{rounds}  {contestant.name:13} "
                    f"{result.rate:8,.0f}/s  p99 {result.p99:.1f} ms  {microseconds:.0f} µs each"
                )

    def _load(self, contestant: Contestant, seconds: float) -> tuple[Result, float]:
        """One load, and the microseconds of processor time that each of its answers cost."""
        if self._call == "token":
            return self._token(contestant, seconds)
        return self._user_info(contestant, seconds)

    def _token(self, contestant: Contestant, seconds: float) -> tuple[Result, float]:
        """A load that did not run out of codes before its time."""
        while True:
            values = contestant.codes(int(self._rates[contestant.name] * seconds * SPARE) + 1_000)
            template = contestant.token_call(values)
            result, microseconds = self._send(contestant, template, values, seconds, once=True)
            contestant.check_tokens(result.answers)
            if not result.ran_out:
                return result, microseconds
            self._rates[contestant.name] = 2 * result.rate

    def _user_info(self, contestant: Contestant, seconds: float) -> tuple[Result, float]:
        if contestant.name not in self._tokens:
            self._tokens[contestant.name] = contestant.tokens(TOKENS)
        values = self._tokens[contestant.name]
        template = contestant.user_info_call(values)
        return self._send(contestant, template, values, seconds, once=False)

    def _send(
        self,
        contestant: Contestant,
        template: load.Template,
        values: Sequence[str],
        seconds: float,
        *,
        once: bool,
    ) -> tuple[Result, float]:
        server = contestant.server
        before = machine.processor_seconds(server.process.pid)
        sending = load.start(
            server.port,
            template,
            values,
            seconds=seconds,
            connections=self._plan.connections,
            core=self._plan.cores.load,
            once=once,
        )
        result = sending.result()
        # What was put off until after the answer, as the audit records are, was paid by now.
        contestant.check_audit(self._call, result.answers)
        used = machine.processor_seconds(server.process.pid) - before
        rest(server.process.pid)
        return result, used / result.answers * 1e6


def rest(pid: int, longest: float = 30.0) -> None:
    """Wait until a server has done with what was sent to it, so that it slows no other down."""
    until = time.monotonic() + longest
    before = machine.processor_seconds(pid)
    while time.monotonic() < until:
        time.sleep(0.5)
        now = machine.processor_seconds(pid)
        if now - before < 0.05:
            return
        before = now


def calls(plan: Plan, names: Sequence[str], *, peers: bool) -> dict[str, Any]:
    """Tokens and user info of Worksgate and the bare handler in turns, then of the peers."""
    found: dict[str, Any] = {}
    ours: list[Contestant] = [Worksgate(plan.folder / "worksgate"), Bare(plan.folder / "bare")]
    courses = {name: Course(plan, name) for name in names}
    with running(ours, plan.cores.server):
        for course in courses.values():
            course.run(ours, plan.rounds)
        found["memory_after_load_mib"] = machine.memory_of(ours[0].server.process.pid)
    if peers:
        _calls_of_peers(plan, courses)
    return found | {name: course.found for name, course in courses.items()}


def on_postgres(plan: Plan) -> dict[str, Any]:
    """Tokens and user info of Worksgate on PostgreSQL and of the bare handler, in turns."""
    with running_postgres(plan.folder / "postgres", plan.cores.load) as server:
        return _in_turns(
            plan,
            [
                WorksgateOnPostgres(plan.folder / "on_postgres", server),
                BareOnPostgres(plan.folder / "bare_on_postgres", server),
            ],
        )


def on_valkey(plan: Plan) -> dict[str, Any]:
    """Tokens and user info with Valkey for what is short-lived, and on SQLite alone, in turns."""
    with running_valkey(plan.folder / "valkey", plan.cores.load) as server:
        on_sqlite = Worksgate(plan.folder / "beside_valkey")
        on_sqlite.name = "sqlite"
        return _in_turns(plan, [WorksgateOnValkey(plan.folder / "on_valkey", server), on_sqlite])


def many_clients(plan: Plan) -> dict[str, Any]:
    """Tokens and user info with ten thousand clients and with one, in turns."""
    one = Worksgate(plan.folder / "one_client")
    one.name = "one_client"
    return _in_turns(plan, [WorksgateWithClients(plan.folder / "many_clients"), one])


def _in_turns(plan: Plan, contestants: Sequence[Contestant]) -> dict[str, Any]:
    courses = {name: Course(plan, name) for name in ("token", "userinfo")}
    with running(contestants, plan.cores.server):
        for course in courses.values():
            course.run(contestants, min(plan.rounds, 3))
    return {name: course.found for name, course in courses.items()}


def _calls_of_peers(plan: Plan, courses: dict[str, Course]) -> None:
    from provision import Missing

    others: list[Contestant] = []
    for make in (Node, NodeOpenId, Django, DjangoInClear):
        try:
            others.append(make(plan.folder / make.name))
        except Missing as problem:
            plan.say(f"left out: {problem}")
    with running(others, plan.cores.server):
        for name, course in courses.items():
            # User info is the same without ID tokens, and with a client secret that is not asked.
            only_tokens = ("node_openid", "django")
            taking_part = [one for one in others if name == "token" or one.name not in only_tokens]
            course.run(taking_part, min(plan.rounds, 3))


def start(plan: Plan, samples: int = 5) -> dict[str, Any]:
    """How soon one process answers /readyz after its start, and what it weighs when idle."""
    installation = Worksgate(plan.folder / "start")
    seconds, memory = [], []
    for _ in range(samples):
        server = Server(
            worksgate("serve"),
            installation.port,
            installation.folder,
            environment=installation.environment,
            ready="/readyz",
        )
        try:
            seconds.append(round(server.wait(), 3))
            time.sleep(1.5)
            memory.append(round(machine.memory_of(server.process.pid), 1))
        finally:
            server.stop()
    plan.say(f"start     {statistics.median(seconds):.2f} s, {statistics.median(memory):.1f} MiB")
    return {"ready_seconds": seconds, "idle_mib": memory}


def storm(plan: Plan) -> dict[str, Any]:
    """Everybody signs in at once, on all cores, while LINE WORKS goes on asking for tokens."""
    threads = max(1, len(plan.cores.all) - 1)
    installation = Worksgate(plan.folder / "storm")
    prepare_people(installation)
    found = []
    for _ in range(min(plan.rounds, 3)):
        alone = hashing_alone(threads, min(plan.seconds, 4.0))
        with running([installation], None):
            storm = _storm(plan, installation, alone, threads)
            found.append({"alone": round(alone, 1)} | storm | _flood(plan, installation))
        plan.say(
            f"storm     {found[-1]['logins']:.1f} logins/s of {alone:.1f}, "
            f"token p99 {found[-1]['token_p99_ms']:.1f} ms"
        )
    return {"hashing_threads": threads, "rounds": found}


def _storm(plan: Plan, installation: Worksgate, alone: float, threads: int) -> dict[str, float]:
    seconds = max(plan.seconds, 4.0)
    connections = threads + 23
    template, forms = login_call(installation, int(alone * seconds * 1.2) + 2 * connections)
    codes = installation.codes(int(TOKENS_IN_STORM * seconds * 1.5))
    logins = load.start(
        installation.port,
        template,
        forms,
        seconds=seconds,
        connections=connections,
        core=None,
        once=True,
    )
    tokens = _tokens_meanwhile(installation, codes, seconds)
    bought, signed_in = tokens.result(), logins.result()
    return {
        "logins": round(signed_in.rate, 1),
        "login_p99_ms": signed_in.p99,
        "tokens": round(bought.rate, 1),
        "token_p50_ms": bought.p50,
        "token_p99_ms": bought.p99,
        "token_max_ms": bought.longest,
    }


def _flood(plan: Plan, installation: Worksgate) -> dict[str, float]:
    """More sign-ins than can be checked, ``LOGINS_IN_FLOOD`` a second: most are told to wait."""
    seconds = max(plan.seconds, 4.0)
    connections = LOGINS_IN_FLOOD * 3 // 2  # each rests a second, and a checked one waits longer
    template, forms = login_call(installation, int(connections * (seconds + 3)))
    codes = installation.codes(int(TOKENS_IN_STORM * seconds * 1.5))
    logins = load.start(
        installation.port,
        template,
        forms,
        seconds=seconds,
        connections=connections,
        core=None,
        once=True,
        pause=1_000,
    )
    tokens = _tokens_meanwhile(installation, codes, seconds)
    bought, tried = tokens.result(), logins.result(may_refuse=True)
    return {
        "flood_logins": round(tried.answers / tried.seconds, 1),
        "flood_refused": tried.refused,
        "flood_token_p50_ms": bought.p50,
        "flood_token_p99_ms": bought.p99,
        "flood_token_max_ms": bought.longest,
    }


def _tokens_meanwhile(installation: Worksgate, codes: Sequence[str], seconds: float) -> load.Load:
    """The calls of LINE WORKS while everybody signs in, ``TOKENS_IN_STORM`` a second."""
    return load.start(
        installation.port,
        installation.token_call(codes),
        codes,
        seconds=seconds,
        connections=TOKENS_IN_STORM // 20,
        core=None,
        once=True,
        pause=50,
    )


LOGINS_IN_FLOOD = 200
"""Logins a second that are thrown at the process, far more than the hashing threads can check."""
TOKENS_IN_STORM = 200
"""Token calls a second during the storm, by connections that rest 50 ms after each."""


def hashing_alone(threads: int, seconds: float) -> float:
    """Passwords a second that argon2id checks in so many threads with nothing else to do."""
    encoded = ARGON2.hash("a password")
    counts = [0] * threads
    until = time.perf_counter() + seconds

    def check(place: int) -> None:
        while time.perf_counter() < until:
            ARGON2.verify(encoded, "a password")
            counts[place] += 1

    workers = [threading.Thread(target=check, args=(place,)) for place in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began)


def crowded(plan: Plan, tokens: int) -> dict[str, Any]:
    """Token calls with millions of live tokens in the store, in turns with an empty one."""
    from crowd import fill

    empty, full = Worksgate(plan.folder / "empty"), Worksgate(plan.folder / "full")
    full.name = "full"
    empty.name = "empty"
    seconds = fill(full.database, full.client_id, tokens, plan.say)
    course = Course(plan, "token")
    both: list[Contestant] = [empty, full]
    with running(both, plan.cores.server):
        course.run(both, plan.rounds)
    size = full.database.stat().st_size / 2**30
    return {"tokens": tokens, "fill_seconds": round(seconds), "gib": round(size, 2), **course.found}


def crowded_on_postgres(plan: Plan, tokens: int) -> dict[str, Any]:
    """The same on PostgreSQL: two databases of one server, one of them full."""
    from crowd_postgres import fill, size

    with running_postgres(plan.folder / "postgres_crowd", plan.cores.load) as server:
        empty = WorksgateOnPostgres(plan.folder / "empty_on_postgres", server)
        full = WorksgateOnPostgres(plan.folder / "full_on_postgres", server)
        empty.name, full.name = "empty", "full"
        seconds = full.run(lambda db: fill(db, full.client_id, tokens, plan.say))
        gib = full.run(size) / 2**30
        course = Course(plan, "token")
        both: list[Contestant] = [empty, full]
        with running(both, plan.cores.server):
            course.run(both, plan.rounds)
    return {"tokens": tokens, "fill_seconds": round(seconds), "gib": round(gib, 2), **course.found}
