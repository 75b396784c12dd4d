"""What the page of the results says about a sign-in: its budgets, its costs, where they go."""

import statistics
from collections.abc import Sequence
from typing import Any

from lines import Line, at_least, median, ratio, table

STORES = {
    "sqlite": "SQLite",
    "postgres": "PostgreSQL",
    "openid": "SQLite, people of an OpenID provider",
    "ldap": "SQLite, people of an LDAP directory",
    "node": "node-oidc-provider, in memory",
}
KINDS = {
    "code": "code by a live session",
    "page": "sign-in page",
    "form": "form, without its hash",
    "token": "token call",
    "userinfo": "user info call",
}
SIGN_IN = ("page", "form", "token", "userinfo")
"""What a sign-in with a password consists of."""
LIVE = ("code", "token", "userinfo")
"""What it consists of with a live session."""
CODE_BUDGETS = {"sqlite": 0.33, "postgres": 0.25, "openid": 0.33, "ldap": 0.33}
PAGE_BUDGETS = {"sqlite": 0.6}
FORM_LOOP_MS, FORM_PROCESS_MS = 0.8, 1.0
SIGN_INS_OF_A_LOOP, SIGN_INS_OF_POSTGRES = 450, 1_000
PACE = 50
"""Forms a second, with their hashes: a company of some 60,000 people at the peak of its morning."""
PACED_BUDGET = 3.0
"""Of the event loop's time for a token call that comes at the same pace."""
TLS_BUDGET = 0.9
LEFT_OUT = {
    "paced": "forms at a pace",
    "tls": "new TLS connections",
    "postgres": "PostgreSQL",
    "openid": "people of an OpenID provider",
    "ldap": "people of an LDAP directory",
    "node": "node-oidc-provider",
    "profile": "the profile",
}


def section(found: dict[str, Any]) -> list[str]:
    """The part of the page, below its heading."""
    parts = [
        "A sign-in with a password is a page, a form, a token call and a user info call; with a "
        "live session it is a code and the two calls.",
        "",
        *table(
            ("what", "found", "budget", "met"),
            [(line.what, line.found, line.budget, line.met) for line in lines(found)],
        ),
        "",
        *_costs(found),
        "",
    ]
    for name, why in found["left_out"].items():
        parts += [f"Left out: {LEFT_OUT[name]} ({why}).", ""]
    if "profile" in found:
        parts += _profile(found["profile"])
    return parts


def lines(found: dict[str, Any]) -> list[Line]:
    """What was found, and the budgets that this run can judge."""
    stores = [name for name in STORES if name in found]
    judged = [
        ratio(
            f"{KINDS['code']} ÷ token call, {STORES[name]}",
            found[name]["code"],
            found[name]["token"],
            CODE_BUDGETS.get(name),
        )
        for name in stores
    ]
    judged += [
        ratio(
            f"{KINDS['page']} ÷ token call, {STORES[name]}",
            found[name]["page"],
            found[name]["token"],
            PAGE_BUDGETS.get(name),
        )
        for name in stores
        if "page" in found[name]
    ]
    judged += _form(found["sqlite"]["form"])
    judged += _sign_ins(found)
    if "paced" in found:
        judged.append(_paced(found["paced"]))
    if "tls" in found:
        judged += _handshakes(found["tls"])
    if "node" in found:
        judged += _beside_node(found["sqlite"], found["node"])
    return judged


def _form(rounds: Sequence[Any]) -> list[Line]:
    return [
        _at_most(f"{KINDS['form']}, warm: event loop", median(rounds, "loop_us"), FORM_LOOP_MS),
        _at_most(f"{KINDS['form']}, warm: process", median(rounds, "server_us"), FORM_PROCESS_MS),
    ]


def _at_most(what: str, microseconds: float, budget: float) -> Line:
    milliseconds = microseconds / 1_000
    return Line(what, f"{milliseconds:.2f} ms", f"≤ {budget:.1f} ms", milliseconds <= budget)


def _sign_ins(found: dict[str, Any]) -> list[Line]:
    """How many of them one core carries, by the processor time of each of their requests."""
    judged = []
    for name in ("sqlite", "postgres"):
        if name in found:
            budget = SIGN_INS_OF_A_LOOP if name == "sqlite" else None
            where = f"one event loop carries, {STORES[name]}"
            judged += [
                _carried(f"sign-ins a second that {where}", found[name], SIGN_IN, "loop", budget),
                _carried(f"the same by live sessions, {STORES[name]}", found[name], LIVE, "loop"),
            ]
    if "postgres" in found:
        what = "sign-ins a second that one core of PostgreSQL carries"
        rounds, budget = found["postgres"], SIGN_INS_OF_POSTGRES
        judged.append(_carried(what, rounds, SIGN_IN, "database", budget))
        what = "the same by live sessions, one core of PostgreSQL"
        judged.append(_carried(what, rounds, LIVE, "database"))
    return judged


def _carried(
    what: str, found: dict[str, Any], kinds: Sequence[str], of: str, budget: int | None = None
) -> Line:
    both = zip(*(found[kind] for kind in kinds), strict=True)
    rate = statistics.median(1e6 / sum(one[f"{of}_us"] for one in each) for each in both)
    if budget is None:
        return Line(what, f"{rate:,.0f}", "", None)
    return Line(what, f"{rate:,.0f}", f"≥ {budget:,}", rate >= budget)


def _paced(found: dict[str, Any]) -> Line:
    """At one pace, so it is the event loop's time that is compared, not the rate.

    A machine that hashes too slowly for the pace of the budget is not judged by it.
    """
    both = zip(found["form"], found["token"], strict=True)
    times = statistics.median(form["loop_us"] / token["loop_us"] for form, token in both)
    form, token = (median(found[kind], "loop_us") for kind in ("form", "token"))
    return Line(
        f"form with its hash, {found['pace']}/s: event loop ÷ that of a token call at this pace",
        f"{times:.1f} ({form:,.0f} µs of {token:,.0f} µs)",
        f"≤ {PACED_BUDGET:g} at {PACE}/s",
        times <= PACED_BUDGET if found["pace"] >= PACE else None,
    )


def _handshakes(found: dict[str, Any]) -> list[Line]:
    how = {"full": "a new TLS connection each", "resumed": "a resumed TLS connection each"}
    return [
        ratio(
            f"token calls, {how[kind]} ÷ handshakes alone",
            found[kind]["token"],
            found[kind]["handshake"],
            TLS_BUDGET,
        )
        for kind in how
    ]


def _beside_node(ours: dict[str, Any], theirs: dict[str, Any]) -> list[Line]:
    """The peer comes after all rounds of ours, so it is the ratio of the medians."""
    return [
        at_least(
            f"{KINDS[kind]} ÷ that of {STORES['node']}",
            median(ours[kind], "rate") / median(theirs[kind], "rate"),
            None,
        )
        for kind in ("code", "page")
    ]


def _costs(found: dict[str, Any]) -> list[str]:
    rows = [
        _cost(STORES[name], KINDS[kind], found[name][kind], has_database=name in _ASKED)
        for name in STORES
        if name in found
        for kind in KINDS
        if kind in found[name]
    ]
    if "paced" in found:
        rows += _costs_at_a_pace(found["paced"])
    if "tls" in found:
        rows += _costs_of_tls(found["tls"])
    header = ("where", "request", "answers per second", "p50 ms", "p99 ms")
    return table((*header, "CPU µs each", "event loop µs", "database µs"), rows)


def _costs_at_a_pace(found: dict[str, Any]) -> list[tuple[str, ...]]:
    where = f"SQLite, {found['pace']}/s, {found['hashing_threads']} hashing threads"
    return [
        _cost(where, "form, with its hash", found["form"]),
        _cost(where, KINDS["token"], found["token"]),
    ]


def _costs_of_tls(found: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for kind, how in (("full", "new TLS connections"), ("resumed", "resumed TLS connections")):
        rows.append(_cost(f"SQLite, {how}", KINDS["token"], found[kind]["token"]))
        rows.append(_cost(f"bare handler, {how}", "handshake", found[kind]["handshake"]))
    return rows


_ASKED = ("postgres", "ldap")
"""Where another process takes part, whose time is known."""


def _cost(
    where: str, what: str, rounds: Sequence[Any], *, has_database: bool = False
) -> tuple[str, ...]:
    rates = [one["rate"] for one in rounds]
    rate = f"{median(rounds, 'rate'):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
    latencies = (f"{median(rounds, name):.1f}" for name in ("p50_ms", "p99_ms"))
    spent = [f"{median(rounds, name):,.0f}" for name in ("server_us", "loop_us")]
    database = f"{median(rounds, 'database_us'):,.0f}" if has_database else ""
    return (where, what, rate, *latencies, *spent, database)


def _profile(found: dict[str, dict[str, float]]) -> list[str]:
    parts = []
    for kind, shares in found.items():
        rows = [
            (f"`{file}`" if "/" in file else file, f"{share:.1%}") for file, share in shares.items()
        ]
        parts += [
            f"The event loop in a {KINDS[kind]}, by file:",
            "",
            *table(("file", "share"), rows),
            "",
        ]
    return parts


NOTES = """\
- **What a sign-in costs**: all kinds of requests of one store take turns in each round, on the
  same server, and a ratio is the median of those of all rounds. Browsers with live sessions are 100
  people who have signed in with their password beforehand, each with the cookies of their own;
  those of the OpenID provider, which cannot be asked again, have theirs from the store; those of
  the LDAP directory are looked up there once a minute, as `found_lifetime` has it. Each
  authorization request has a state of its own. After each round the database holds the very codes
  that were answered, with their records, and LINE WORKS has redeemed all of them. A form is
  measured on a server with `light_hashes.py`, where argon2id costs next to nothing; its thread is
  still waited for. How many sign-ins a core carries is reckoned from the processor time of each of
  their requests. *At a pace* the server has all cores, a hashing thread on each, and its real
  hashes; a form and a token call each come at random moments on as many connections.
- **The sign-in of node-oidc-provider** is that of its `devInteractions`. A page takes two requests
  there, one that leads to it and one for it; its time is that of both. Codes are issued with the
  scope `openid`.
- **Handshakes alone** are the bare handler with the same kind of certificate (P-256), on the same
  server, which answers `/readyz` on a new connection each time. So the connection, the handshake
  and one message each way are in both, and what is compared is the call. What OpenSSL could do in
  C is not.
- **Budgets that are missed**:
  - *Token and user info calls beside the bare handler* cost 30 and 20 µs more each. The bare
    handler makes no audit record and no log line. Tried: the record in the commit that redeems the
    code, one write per response, headers read once, log lines through a queue, no collection of
    what the start has made, the pages of a batch's savepoint in memory instead of a temporary file,
    conditions of the audit log's indexes that need no set at each insertion (6.7 to 4.2 µs a
    record). On PostgreSQL, where the statement itself is a larger part, the ratios are 0.83 and
    1.05. It would take fewer indexes on the audit log, or its records in a file of their own, which
    then could not be in the commit of the code.
  - *A code by a live session* on SQLite costs 4 token calls of the event loop. It writes three rows
    and two records in one commit. It reads the session, the person and their factors, each by a
    statement of its own, and the person once more after the commit; the rows and the reads of the
    directory are a fifth of it, and no other file has a tenth. It would take fewer indexes on the
    audit log, or records of requests that are written behind the answer, which a crash could lose.
    People of an OpenID provider or an LDAP directory cost the same, and miss the budget as well.
  - *A form with its hash* costs 3.1 token calls of the event loop at 50 a second (2.9 in the run
    before). Both are mostly a loop that wakes up, finds one thing to do, and sleeps again, beside
    two threads that hash.
  - *New TLS connections*: a connection with a full handshake takes 400 µs of the bare handler's
    loop, a resumed one 340, and a token call 75 more than the `/readyz` that it is compared with.
    A token call may cost 40 more for 0.9. It would take TLS and calls in different processes, as
    behind a proxy.
  - *Far more than can be served, with TLS*: 0.92 of the capacity for token calls and 0.89 for
    sign-in pages. What is shed is closed before its handshake; what is lost is what accepting and
    closing thousands of connections a second costs. It would take a limit in front of the process.
  - *An idle process* has 78 MiB (74 on 27 November), most of them modules: SQLAlchemy's Core, our
    own with 18, asyncio with TLS with 10. Tried: a process carries no ORM (decision 70; 8 MiB), no
    dialect of another database, no command but its own, no data of other languages, no rich and no
    date library, and gives back what its start has freed. It would take a store without SQLAlchemy.
    After the load it has 25 MiB more, and the same would have to go.
- **The state of 27 November and that of 30 November, one after the other** on the same machine, by
  `make bench` of each: code → token ÷ bare handler 0.86, then 0.77; memory of one idle process 74.2
  MiB, then 77.6. Far more than can be served, useful ÷ capacity: token calls with TLS 0.89, then
  0.88; sign-in pages with TLS 0.87, then 0.91, of a capacity of 1,187 a second, then 1,962; user
  info calls without TLS 0.42, then 0.47.
- **What a call costs since the state of 27 November**, `python benchmarks/before_after.py BEFORE
  AFTER` on 30 November, twice: a token call 1.11 and 1.14 times, a user info call 1.17 and 1.15,
  with what is written behind the answer. The audit record of a token call is now in the commit that
  redeems the code (decision 32), and the audit log has indexes for the console.
- **The event loop by file**: what C code does counts for the Python file that has called it, so
  `asyncio/runners.py` is uvloop itself: waking up, reading, writing.
"""
