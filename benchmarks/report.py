"""The page that tells the results: the budgets first, then what they were measured on."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NAMES = {
    "worksgate": "Worksgate",
    "bare": "bare ASGI handler",
    "node": "node-oidc-provider, in memory, no ID token",
    "node_openid": "node-oidc-provider, in memory, with ID token",
    "django": "django-oauth-toolkit, SQLite, as it comes",
    "django_in_clear": "django-oauth-toolkit, SQLite, client secret in clear",
    "empty": "Worksgate, empty store",
    "full": "Worksgate, full store",
}
CALLS = {"token": "code → token", "userinfo": "user info"}
BUDGETS = {
    "token": {
        "bare": 0.7,
        "node_openid": 2.0,
        "django": 40.0,
    },
    "userinfo": {"bare": 0.7},
}
"""What the speed of Worksgate is to be, as a multiple of the other's (docs/decisions/0016)."""


@dataclass(frozen=True)
class Line:
    """A budget, and what was found; ``is_met`` is None where there is no budget."""

    what: str
    found: str
    budget: str
    is_met: bool | None


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
        "Every answer counted was a 200, and after each round Worksgate's database held exactly as "
        "many used codes, tokens and audit records.",
        "",
        *_table(("what", "found", "budget", "met"), map(_row, lines(results))),
        "",
    ]
    if chart:
        parts += [f"![Answers per second, with the budgets]({chart})", ""]
    for name, title in CALLS.items():
        if name in results.get("calls", {}):
            parts += [f"## {title}", "", *_calls(results["calls"][name]), ""]
    parts += ["## Measured on", "", *_facts(results["machine"] | results["versions"]), ""]
    return "\n".join([*parts, _NOTES])


_NOTES = """\
## What is compared

- **Worksgate** is `worksgate serve` as it is: SQLite with `synchronous=FULL`, audit records in the
  database, a JSON line for each event in a file.
- **The bare ASGI handler** (`bare.py`) has the same server, tables, statements and group commit,
  and nothing else: no checks beyond the secret and the code, no audit, no log.
- **node-oidc-provider** keeps everything in memory. It takes part twice: as plain OAuth, and as
  OpenID Connect, where it signs an ID token for each access token. The budget is held against the
  latter ([why](../docs/decisions/0016-what-the-budgets-are-held-against.md)).
- **django-oauth-toolkit** runs under gunicorn (one process, four threads) on SQLite with
  `synchronous=FULL`. It takes part twice: as it comes, with the client secret hashed like a
  password, and with the secret kept in clear, which its documentation allows and which favours
  it. It issues a refresh token with each token.
- A contestant is measured only when the one before has done with all that was sent to it. A result
  for which that did not hold is left out.
- Codes and tokens are issued beforehand, each contestant's in its own storage.
- **The storm** posts login forms on all cores, with as many hashing threads as there are by
  default, while 200 token calls a second go on; both loads come from the same cores. *argon2id
  alone* is the same number of threads with nothing else to do, measured just before. Then far
  more logins than can be checked are thrown at the same process, at random moments and whether or
  not others have been answered, with the same token calls: most are told within milliseconds that
  too many people are signing in.
"""


def lines(results: dict[str, Any]) -> list[Line]:
    """The budgets that this run can judge."""
    calls = results.get("calls", {})
    found = [line for call in CALLS for line in _ratios(calls.get(call, {}), call)]
    if "long" in results:
        long = results["long"]
        what = f"code → token with {long['tokens']:,} live tokens ÷ with none"
        found.append(_ratio(what, long["full"], long["empty"], 0.8))
    if "storm" in results:
        found += _storm(results["storm"]["rounds"])
    if "start" in results:
        memory = statistics.median(results["start"]["idle_mib"])
        ready = statistics.median(results["start"]["ready_seconds"])
        found += [
            Line("memory of one idle process", f"{memory:.1f} MiB", "≤ 80 MiB", memory <= 80),
            Line("from start to ready", f"{ready:.2f} s", "≤ 1.5 s", ready <= 1.5),
        ]
    if "memory_after_load_mib" in calls:
        memory = calls["memory_after_load_mib"]
        found.append(Line("memory of that process after the load", f"{memory:.1f} MiB", "", None))
    return found


def _ratios(found: dict[str, Any], call: str) -> list[Line]:
    return [
        _ratio(
            f"{CALLS[call]} ÷ {NAMES[name]}", found["worksgate"], rounds, BUDGETS[call].get(name)
        )
        for name, rounds in found.items()
        if name != "worksgate"
    ]


def _ratio(what: str, ours: Sequence[Any], theirs: Sequence[Any], budget: float | None) -> Line:
    ratio = median(ours, "rate") / median(theirs, "rate")
    shown = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    if budget is None:
        return Line(what, shown, "", None)
    return Line(what, shown, f"≥ {budget:g}", ratio >= budget)


def _storm(rounds: Sequence[Any]) -> list[Line]:
    share = statistics.median(one["logins"] / one["alone"] for one in rounds)
    logins, alone = median(rounds, "logins"), median(rounds, "alone")
    latency = median(rounds, "token_p99_ms")
    return [
        Line(
            "storm of logins: logins ÷ argon2id alone",
            f"{share:.2f} ({logins:.0f}/s of {alone:.0f}/s)",
            "≥ 0.8",
            share >= 0.8,
        ),
        Line("storm of logins: token p99", f"{latency:.0f} ms", "≤ 100 ms", latency <= 100),
        Line(
            f"{median(rounds, 'flood_logins'):.0f} logins a second thrown at it: token p99",
            f"{median(rounds, 'flood_token_p99_ms'):.0f} ms",
            "≤ 100 ms",
            median(rounds, "flood_token_p99_ms") <= 100,
        ),
    ]


def median(rounds: Sequence[Any], name: str) -> float:
    return float(statistics.median(one[name] for one in rounds))


def _row(line: Line) -> tuple[str, ...]:
    met = "" if line.is_met is None else "yes" if line.is_met else "**no**"
    return line.what, line.found, line.budget, met


def _calls(found: dict[str, Any]) -> list[str]:
    rows = []
    for name, rounds in found.items():
        rates = [one["rate"] for one in rounds]
        rate = f"{median(rounds, 'rate'):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
        latencies = (f"{median(rounds, key):.1f}" for key in ("p50_ms", "p99_ms", "max_ms"))
        rows.append((NAMES[name], rate, *latencies, f"{median(rounds, 'processor_us'):.0f}"))
    header = ("server", "answers per second", "p50 ms", "p99 ms", "longest ms", "CPU µs each")
    return _table(header, rows)


def _facts(facts: dict[str, str]) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts.items()]


def _table(header: tuple[str, ...], rows: Any) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
