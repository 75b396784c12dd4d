"""What one request of each kind costs, for the page that says how much to buy.

The server has a core of its own, as in the other measurements, and is kept busy; so these are the
costs at the limit, where a commit takes many requests with it.
"""

import time
from collections.abc import Sequence
from typing import Any

import load
from contestants import Worksgate
from databases import running_postgres, running_valkey
from elsewhere import WorksgateOnPostgres, WorksgateOnValkey
from load import Template
from machine import Spent
from measures import TOKENS, Plan, hashing_alone, rest
from provision import Missing
from sessions import Browsers
from storm import login_call, page_call, prepare_people

from worksgate.credentials.password_hashing import ARGON2

CODES = 5_000
"""Codes for each second; a load that has used them up ends before its time, which does no harm."""
WARM_UP = 1.0
"""Seconds of load before those that count."""


def figures(plan: Plan) -> dict[str, Any]:
    """The costs in microseconds of processor time, on each of the databases that are here."""
    threads = max(1, len(plan.cores.all) - 1)
    found: dict[str, Any] = {
        "hash_ms": round(hash_milliseconds(), 2),
        "hashing_threads": threads,
        "hashes_per_second": round(hashing_alone(threads, min(plan.seconds, 4.0)), 1),
    }
    found["sqlite"] = _costs(plan, Worksgate(plan.folder / "cost_sqlite"), threads, None)
    try:
        with running_postgres(plan.folder / "cost_postgres_server", plan.cores.load) as server:
            on_postgres = WorksgateOnPostgres(plan.folder / "cost_postgres", server)
            found["postgres"] = _costs(plan, on_postgres, threads, server.pid)
        with running_valkey(plan.folder / "cost_valkey_server", plan.cores.load) as valkey:
            on_valkey = WorksgateOnValkey(plan.folder / "cost_valkey", valkey)
            found["valkey"] = _costs(plan, on_valkey, threads, valkey.pid)
    except Missing as problem:
        plan.say(f"left out: {problem}")
    return found


def hash_milliseconds(count: int = 40) -> float:
    """The processor time of one argon2id hash, in milliseconds."""
    encoded = ARGON2.hash("a password")
    began = time.thread_time()
    for _ in range(count):
        ARGON2.verify(encoded, "a password")
    return (time.thread_time() - began) / count * 1_000


def _costs(
    plan: Plan, installation: Worksgate, threads: int, database: int | None
) -> dict[str, Any]:
    """Of each kind of request; ``database`` is the process of the database, where it has one."""
    prepare_people(installation)
    installation.start(plan.cores.server)
    meter = _Meter(plan, installation, database)
    try:
        pages = [f"{number:08}" for number in range(TOKENS)]
        page = meter.measure("page", page_call(installation), pages, once=False)
        tokens = installation.tokens(TOKENS)
        userinfo = meter.measure(
            "userinfo", installation.user_info_call(tokens), tokens, once=False
        )
        codes = installation.codes(int(CODES * (plan.seconds + WARM_UP)))
        token = meter.measure("token", installation.token_call(codes), codes, once=True)
        requests = Browsers.signed_in(installation).code_call(int(CODES * (plan.seconds + WARM_UP)))
        code = meter.measure("code", *requests, once=True)
    finally:
        installation.server.stop()
    # Hashes have the cores to themselves, and what they cost is left out: they run in threads.
    installation.start(None)
    try:
        connections = threads + 23
        hashes = 1_000 / hash_milliseconds() * threads
        count = int(2 * hashes * (plan.seconds + WARM_UP)) + 4 * connections
        template, forms = login_call(installation, count)
        form = meter.measure("form", template, forms, once=True, connections=connections)
    finally:
        installation.server.stop()
    return {"page": page, "form": form, "code": code, "token": token, "userinfo": userinfo}


class _Meter:
    """Sends one kind of request for a while, and says what each of them cost."""

    def __init__(self, plan: Plan, installation: Worksgate, database: int | None) -> None:
        self._plan = plan
        self._installation = installation
        self._database = database

    def measure(
        self,
        kind: str,
        template: Template,
        values: Sequence[str],
        *,
        once: bool,
        connections: int | None = None,
    ) -> dict[str, float]:
        """Microseconds of the server, of its event loop alone, and of the database."""
        pid = self._installation.server.process.pid
        # The first ones load code and fill caches; a few seconds later that is forgotten.
        spent = int(len(values) * WARM_UP / (self._plan.seconds + WARM_UP)) if once else 0
        self._send(template, values[:spent] or values, WARM_UP, connections, once=once)
        rest(pid)
        before = Spent.so_far(pid, self._database)
        result = self._send(template, values[spent:], self._plan.seconds, connections, once=once)
        rest(pid)  # what was put off is paid by now
        each = Spent.so_far(pid, self._database).each(result.answers, before)
        self._plan.say(
            f"figures   {self._installation.name:10} {kind:9} {each['server_us']:8,.0f} µs, "
            f"loop {each['loop_us']:6,.0f} µs, database {each['database_us']:6,.0f} µs"
        )
        return {"rate": round(result.rate, 1), **each}

    def _send(
        self,
        template: Template,
        values: Sequence[str],
        seconds: float,
        connections: int | None,
        *,
        once: bool,
    ) -> load.Result:
        return load.start(
            self._installation.port,
            template,
            values,
            seconds=seconds,
            connections=connections or self._plan.connections,
            core=self._plan.cores.load if connections is None else None,
            once=once,
        ).result()
