"""The page that tells the results: the budgets first, then what they were measured on."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import console_report
import signin_report
from lines import Line, at_least, median, ratio, table

NAMES = {
    "worksgate": "Worksgate",
    "bare": "bare ASGI handler",
    "node": "node-oidc-provider, in memory, no ID token",
    "node_openid": "node-oidc-provider, in memory, with ID token",
    "django": "django-oauth-toolkit, SQLite, as it comes",
    "django_in_clear": "django-oauth-toolkit, SQLite, client secret in clear",
    "empty": "Worksgate, empty store",
    "full": "Worksgate, full store",
    "postgres": "Worksgate on PostgreSQL",
    "bare_postgres": "bare ASGI handler, same statement",
    "valkey": "Worksgate with Valkey",
    "sqlite": "Worksgate on SQLite alone",
    "clients": "Worksgate with 10,000 clients",
    "one_client": "Worksgate with one client",
}
CALLS = {"token": "code → token", "userinfo": "user info"}
BUDGETS = {
    "token": {
        "bare": 0.85,
        "node_openid": 2.0,
        "django": 40.0,
    },
    "userinfo": {"bare": 0.85},
}
"""What the speed of Worksgate is to be, as a multiple of the other's (docs/decisions/0016)."""
IDLE_MIB, LOADED_MIB = 65, 100
POSTGRES_BUDGETS = {"token": {"bare_postgres": 0.7}, "userinfo": {}}
OVERLOADS = {
    "token_tls": "token calls, TLS",
    "page_tls": "sign-in pages, TLS",
    "userinfo_tcp": "user info calls, no TLS",
}
COSTS = {
    "page": "sign-in page",
    "form": "form",
    "code": "code by a live session",
    "token": "token",
    "userinfo": "user info",
}
STORES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "valkey": "Valkey, people on SQLite"}


def as_markdown(results: dict[str, Any], chart: str | None) -> str:
    """The whole page."""
    parts = ["# Benchmarks", ""]
    if results["quick"]:
        parts += ["**A quick run: one short round, good for nothing but a first look.**", ""]
    parts += [
        f"Measured on {results['date']} by `{results['command']}` in {results['minutes']} minutes. "
        f"Each number is the median of {results['rounds']} rounds of {results['seconds']:g} s "
        f"(of the peers and the storm at most 3), with {results['connections']} open connections; "
        "in brackets the lowest and the highest. The server has one core, the load another. "
        "Every answer counted was a good one, and after each round Worksgate's database held "
        "exactly as many codes, tokens and audit records.",
        "",
        *table(_HEADER, map(_row, lines(results))),
        "",
    ]
    if chart:
        parts += [f"![Answers per second, with the budgets]({chart})", ""]
    if "signin" in results:
        parts += ["## What a sign-in costs", "", *signin_report.section(results["signin"])]
    for name, title in CALLS.items():
        if name in results.get("calls", {}):
            parts += [f"## {title}", "", *_calls(results["calls"][name]), ""]
    parts += _elsewhere(results)
    if "overload" in results:
        parts += ["## More than can be served", "", *_overloads(results["overload"]), ""]
    if "figures" in results:
        parts += ["## What each request costs", "", *_costs(results["figures"]), ""]
    if "console" in results:
        parts += ["## Pages of the console", "", *console_report.section(results["console"])]
    if "beside" in results:
        parts += [
            "## Token calls beside the work of administrators",
            "",
            *console_report.section_beside(results["beside"]),
        ]
    if "commands" in results:
        found = results["commands"]
        parts += ["## Commands over many people", "", *console_report.section_commands(found)]
    parts += ["## Measured on", "", *_facts(results["machine"] | results["versions"]), ""]
    if "apart" in results:
        parts += ["Measured apart from the rest:", "", *_facts(results["apart"]), ""]
    return "\n".join([*parts, _NOTES + signin_report.NOTES])


def _elsewhere(results: dict[str, Any]) -> list[str]:
    """Calls where codes and tokens are not in an empty file of SQLite."""
    parts = []
    others = (("postgres", "on PostgreSQL"), ("valkey", "with Valkey"))
    for part, where in (*others, ("clients", "with 10,000 clients")):
        for name, title in CALLS.items():
            if part in results:
                parts += [f"## {title}, {where}", "", *_calls(results[part][name]), ""]
    for part, where in (("long", "on SQLite"), ("long_postgres", "on PostgreSQL")):
        if part in results:
            found = results[part]
            parts += [
                f"## code → token with {found['tokens']:,} live tokens, {where}",
                "",
                f"They were made in {found['fill_seconds']:,} s and take {found['gib']:.1f} GiB.",
                "",
                *_calls({name: found[name] for name in ("empty", "full")}),
                "",
            ]
    return parts


def _overloads(found: dict[str, Any]) -> list[str]:
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "capacity a second": lambda one: f"{one['capacity']:,.0f}",
        "offered a second": lambda one: f"{one['offered_rate']:,.0f} ({_times(one)})",
        "useful a second": lambda one: f"{one['useful'] / one['seconds']:,.0f}",
        "answered": lambda one: _share(one, "good"),
        "p50 / p99 ms": lambda one: f"{one['good_p50_ms']:,.0f} / {one['good_p99_ms']:,.0f}",
        "503": lambda one: _share(one, "refused"),
        "503 p50 / longest ms": lambda one: (
            f"{one['refused_p50_ms']:,.0f} / {one['refused_max_ms']:,.0f}"
        ),
        "after 3 s": lambda one: _share(one, "late"),
        "closed at once": lambda one: _share(one, "closed"),
        "closed p50 / longest ms": lambda one: (
            f"{one['closed_p50_ms']:,.0f} / {one['closed_max_ms']:,.0f}"
        ),
        "no answer in 4 s": lambda one: _share(one, "unanswered"),
        "ListenOverflows / Drops": lambda one: (
            f"{one['TcpExtListenOverflows']:,} / {one['TcpExtListenDrops']:,}"
        ),
        "capacity afterwards": lambda one: f"{one['capacity_afterwards']:,.0f}",
    }
    names = [name for name in OVERLOADS if name in found]
    rows = [(what, *(of(found[name]) for name in names)) for what, of in columns.items()]
    return table(("", *(OVERLOADS[name] for name in names)), rows)


def _times(one: dict[str, Any]) -> str:
    return f"{one['offered_rate'] / one['capacity']:.1f} ×"


def _share(one: dict[str, Any], name: str) -> str:
    return f"{one[name] / one['offered']:.1%}"


def _costs(found: dict[str, Any]) -> list[str]:
    rows = [
        (
            STORES[store],
            title,
            f"{found[store][kind]['server_us']:,.0f}",
            f"{found[store][kind]['loop_us']:,.0f}",
            f"{found[store][kind]['database_us']:,.0f}" if store != "sqlite" else "",
        )
        for store in STORES
        if store in found
        for kind, title in COSTS.items()
        if kind in found[store]
    ]
    hashing = (
        f"Processor time in microseconds. One argon2id hash takes {found['hash_ms']:.1f} ms; "
        f"{found['hashing_threads']} threads with nothing else to do make "
        f"{found['hashes_per_second']:.0f} a second. It is part of what the server spends on a "
        "form, and not of what its event loop does."
    )
    return [hashing, "", *table(("", "request", "server", "event loop", "database"), rows)]


_NOTES = """\
## What is compared

- **Worksgate** is `worksgate serve` as it is: SQLite with `synchronous=FULL`, audit records in the
  database, a JSON line for each event in a file.
- **The bare ASGI handler** (`bare.py`) has the same server, tables, statements and group commit,
  and nothing else: no checks beyond the secret and the code, no audit, no log.
- **On PostgreSQL** both have everything in one, with `fsync` and `synchronous_commit` on, ten
  connections each for codes and tokens, and no checkpoint within a round. The bare handler
  (`bare_postgres.py`) sends the same statement through the same driver. PostgreSQL shares its core
  with the load, so these are not the most that two full cores could do.
- **With Valkey** codes and tokens are in a Valkey in memory, on the core of the load; people and
  audit records are in SQLite.
- **node-oidc-provider** keeps everything in memory. It takes part twice: as plain OAuth, and as
  OpenID Connect, where it signs an ID token for each access token. The budget is held against the
  latter ([why](../docs/decisions/0016-what-the-budgets-are-held-against.md)).
- **django-oauth-toolkit** runs under gunicorn (one process, four threads) on SQLite with
  `synchronous=FULL`. It takes part twice: as it comes, with the client secret hashed like a
  password, and with the secret kept in clear, which its documentation allows and which favours
  it. It issues a refresh token with each token.
- Two that are compared take turns, and their ratio is the median of the ratios of all rounds, for
  the machine's speed changes from one minute to the next. The two foreign servers come after all
  rounds of ours, and the ratio is that of the medians.
- A contestant is measured only when the one before has done with all that was sent to it. A result
  for which that did not hold is left out.
- Codes and tokens are issued beforehand, each contestant's in its own storage.
- **The storm** posts sign-in forms on all cores, with as many hashing threads as there are by
  default, while 200 token calls a second go on; both loads come from the same cores. *argon2id
  alone* is the same number of threads with nothing else to do, measured just before. Then far
  more sign-ins than can be checked are thrown at the same process, at random moments and whether or
  not others have been answered, with the same token calls: most are told within milliseconds that
  too many people are signing in.
- **More than can be served**: up to three rounds of ten times the capacity, by callers that wait
  for nobody (`openloop.c`), each on a connection of its own from one of 250 addresses, and with TLS
  agreed on anew. The capacity is measured before and after each, by 128 callers in turns, and their
  mean counts, for the machine's speed changes. What was counted is added up; of shares and
  latencies it is the median. *Useful* is an answer within the 3 s that LINE WORKS waits, as long as
  the load lasts. To be *shed* is to be answered 503 or, before TLS is agreed on, to have the
  connection closed at once. Where one core cannot make ten times as many, or has no files left for
  connections, the table says what it did offer.
- **What each request costs** is the processor time of the server, of its first thread alone, and
  of all processes of the database, kept busy and after a warm-up.
"""


def lines(results: dict[str, Any]) -> list[Line]:
    """The budgets that this run can judge."""
    calls = results.get("calls", {})
    found = [line for call in CALLS for line in _ratios(calls.get(call, {}), call)]
    for part, where in (("long", "SQLite"), ("long_postgres", "PostgreSQL")):
        if part in results:
            long = results[part]
            what = f"code → token with {long['tokens']:,} live tokens ÷ with none, {where}"
            found.append(ratio(what, long["full"], long["empty"], 0.8))
    for part, other in (("postgres", "bare_postgres"), ("valkey", "sqlite")):
        for name in CALLS if part in results else ():
            rounds = results[part][name]
            budget = POSTGRES_BUDGETS[name].get(other)
            what = f"{CALLS[name]}: {NAMES[part]} ÷ {NAMES[other]}"
            found.append(ratio(what, rounds[part], rounds[other], budget))
    for name in CALLS if "clients" in results else ():
        rounds = results["clients"][name]
        what = f"{CALLS[name]}: {NAMES['clients']} ÷ {NAMES['one_client']}"
        found.append(ratio(what, rounds["clients"], rounds["one_client"], 0.95))
    for name, one in results.get("overload", {}).items():
        found += _overload(f"{OVERLOADS[name]}, {_times(one)} what can be served", one)
    if "storm" in results:
        found += _storm(results["storm"]["rounds"])
    if "start" in results:
        memory = statistics.median(results["start"]["idle_mib"])
        ready = statistics.median(results["start"]["ready_seconds"])
        found += [
            _memory("memory of one idle process", memory, IDLE_MIB),
            Line("from start to ready", f"{ready:.2f} s", "≤ 1.5 s", ready <= 1.5),
        ]
    if "memory_after_load_mib" in calls:
        memory = calls["memory_after_load_mib"]
        found.append(_memory("memory of a process after the load", memory, LOADED_MIB))
    return found


def _memory(what: str, mib: float, most: int) -> Line:
    return Line(what, f"{mib:.1f} MiB", f"≤ {most} MiB", mib <= most)


def _ratios(found: dict[str, Any], call: str) -> list[Line]:
    """To the bare handler, measured in turns with ours, and to the peers, measured after both."""
    lines, ours = [], found.get("worksgate", ())
    for name, rounds in found.items():
        what, budget = f"{CALLS[call]} ÷ {NAMES[name]}", BUDGETS[call].get(name)
        if name == "bare":
            lines.append(ratio(what, ours, rounds, budget))
        elif name != "worksgate":
            of_medians = median(ours, "rate") / median(rounds, "rate")
            lines.append(at_least(what, of_medians, budget))
    return lines


def _overload(what: str, one: dict[str, Any]) -> list[Line]:
    useful, p99 = one["useful_share"], one["good_p99_ms"]
    shed = one["refused"] + one["closed"]
    in_time = (one["good"] + shed - one["late"]) / one["offered"]
    drops = one["TcpExtListenDrops"]
    return [
        # F-23 asks for it with TLS; without it every refusal is an answer, which has its price.
        Line(
            f"{what}: useful ÷ capacity",
            f"{useful:.2f}",
            *(("≥ 0.93", useful >= 0.93) if one["tls"] else ("", None)),
        ),
        Line(f"{what}: p99 of the answered", f"{p99:,.0f} ms", "≤ 1,000 ms", p99 <= 1_000),
        _slowest_refusal(what, one),
        Line(f"{what}: answered or shed within 3 s", f"{in_time:.1%}", "100 %", in_time == 1),
        Line(f"{what}: dropped connections", f"{drops:,}", "0", not drops),
    ]


def _slowest_refusal(what: str, one: dict[str, Any]) -> Line:
    """A connection with TLS is shed by closing it: TLS costs more than what is refused."""
    slowest = max(one["refused_max_ms"], one["closed_max_ms"])
    if not one["refused"] + one["closed"]:
        return Line(f"{what}: slowest to be shed", "none was", "≤ 300 ms", None)
    return Line(f"{what}: slowest to be shed", f"{slowest:,.0f} ms", "≤ 300 ms", slowest <= 300)


def _storm(rounds: Sequence[Any]) -> list[Line]:
    share = statistics.median(one["logins"] / one["alone"] for one in rounds)
    logins, alone = median(rounds, "logins"), median(rounds, "alone")
    latency = median(rounds, "token_p99_ms")
    return [
        Line(
            "storm of sign-ins: sign-ins ÷ argon2id alone",
            f"{share:.2f} ({logins:.0f}/s of {alone:.0f}/s)",
            "≥ 0.8",
            share >= 0.8,
        ),
        Line("storm of sign-ins: token p99", f"{latency:.0f} ms", "≤ 100 ms", latency <= 100),
        Line(
            f"{median(rounds, 'flood_logins'):.0f} sign-ins a second thrown at it: token p99",
            f"{median(rounds, 'flood_token_p99_ms'):.0f} ms",
            "≤ 100 ms",
            median(rounds, "flood_token_p99_ms") <= 100,
        ),
    ]


_HEADER = ("what", "found", "budget", "met")


def _row(line: Line) -> tuple[str, ...]:
    return line.what, line.found, line.budget, line.met


def _calls(found: dict[str, Any]) -> list[str]:
    rows = []
    for name, rounds in found.items():
        rates = [one["rate"] for one in rounds]
        rate = f"{median(rounds, 'rate'):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
        latencies = (f"{median(rounds, key):.1f}" for key in ("p50_ms", "p99_ms", "max_ms"))
        rows.append((NAMES[name], rate, *latencies, f"{median(rounds, 'processor_us'):.0f}"))
    header = ("server", "answers per second", "p50 ms", "p99 ms", "longest ms", "CPU µs each")
    return table(header, rows)


def _facts(facts: dict[str, str]) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts.items()]
