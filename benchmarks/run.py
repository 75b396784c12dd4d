"""Runs the benchmarks and writes RESULTS.md, results.json and results.svg: ``make bench``.

Installs what it needs (see ``provision``), measures in turns on one core with the load on another,
and checks after each round that the database holds what was answered. A part that is measured by
itself with ``--keep`` takes its place among the results that are there; ``capacity`` reckons with
those and measures nothing (see ``capacity.py``).
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import beside
import commands
import console_pages
import console_report
import figures
import machine
import measures
import overload
import provision
import report
import signin
from load import Failed
from tests.postgres_server import postgres_program

HERE = Path(__file__).parent
MEASURES = (
    *("token", "userinfo", "start", "storm", "postgres", "valkey", "clients", "overload"),
    *("figures", "signin", "console", "beside", "commands"),
)
LONG = ("long", "long_postgres")
CAPACITY = "capacity"


def main() -> int:
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, stop)
    provision.PEERS.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=provision.PEERS))
    began = time.monotonic()
    try:
        if options.only == {CAPACITY}:
            reckon(options.output)
            return 0
        provision.require_wrk()
        results = measure(options, folder)
    except (provision.Missing, Failed) as problem:
        say(f"benchmarks: {problem}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    results["minutes"] = round((time.monotonic() - began) / 60, 1)
    left_out = results.pop("left_out", False)
    if options.keep:
        results = among(kept(options.output), results)
    write(results, options.output)
    if CAPACITY in options.only:
        reckon(options.output)
    print((options.output / "RESULTS.md").read_text("utf-8"))
    return 1 if left_out else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; tells nothing")
    parser.add_argument("--long", action="store_true", help="also with 10 million live tokens")
    parser.add_argument("--only", help=f"some of {','.join((*MEASURES, *LONG, CAPACITY))}")
    parser.add_argument("--keep", action="store_true", help="keep the results of the other parts")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement (3)")
    parser.add_argument("--seconds", type=float, help="seconds of each round (4)")
    parser.add_argument("--overload-seconds", type=float, help="seconds of each overload (20)")
    parser.add_argument("--connections", type=int, default=32, help="that are kept open (32)")
    parser.add_argument("--tokens", type=int, default=10_000_000, help="how many --long has")
    parser.add_argument("--without-peers", action="store_true", help="only Worksgate and bare")
    parser.add_argument("--profile", action="store_true", help="signin also with py-spy")
    parser.add_argument("--output", type=Path, help="the folder for the results")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (2.0 if options.quick else 4.0)
    options.overload_seconds = options.overload_seconds or (3.0 if options.quick else 20.0)
    # What is measured in passing must not take the place of what was measured with care.
    options.output = options.output or (provision.PEERS / "quick" if options.quick else HERE)
    options.only = set((options.only or ",".join(MEASURES)).split(","))
    options.only |= set(LONG) if options.long else set()
    if unknown := options.only - {*MEASURES, *LONG, CAPACITY}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    cores = machine.choose_cores()
    if not cores.are_apart:
        say("there is one core only: the load takes its time from the server")
    plan = measures.Plan(cores, options.rounds, options.seconds, options.connections, folder, say)
    results: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": shlex.join(["make", "bench", *arguments_of_make()]),
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "connections": plan.connections,
        "quick": options.quick,
        "machine": machine.describe(folder),
    }
    names = [name for name in ("token", "userinfo") if name in options.only]
    if names:
        results["calls"] = measures.calls(plan, names, peers=not options.without_peers)
    if "start" in options.only:
        results["start"] = measures.start(plan, 2 if options.quick else 5)
    if "storm" in options.only:
        results["storm"] = measures.storm(plan)
    for name, measured in others(plan, options).items():
        if name in options.only:
            try:
                results[name] = measured()
            except (provision.Missing, Failed) as problem:
                # An hour of other measurements is not to be lost with it.
                say(f"{name} is left out: {problem}")
                results["left_out"] = True
    if results.get("signin", {}).get("left_out"):
        results["left_out"] = True
    results["versions"] = versions(results)
    return results


def others(plan: measures.Plan, options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """The parts that need something which may not be here."""
    return {
        "postgres": lambda: measures.on_postgres(plan),
        "valkey": lambda: measures.on_valkey(plan),
        "clients": lambda: measures.many_clients(plan),
        "overload": lambda: overload.overload(plan, options.overload_seconds),
        "figures": lambda: figures.figures(plan),
        "signin": lambda: signin.signin(
            plan, peers=not options.without_peers, profile=options.profile
        ),
        "console": lambda: console_report.told(console_pages.console(say)),
        "commands": lambda: commands.commands(say),
        "beside": lambda: beside.beside(say, plan.cores.load),
        "long": lambda: measures.crowded(plan, options.tokens),
        "long_postgres": lambda: measures.crowded_on_postgres(plan, options.tokens),
    }


def arguments_of_make() -> list[str]:
    return [f"ARGS={shlex.join(sys.argv[1:])}"] if len(sys.argv) > 1 else []


def versions(results: dict[str, Any]) -> dict[str, str]:
    """Of what took part."""
    calls = results.get("calls", {})
    peers = calls.get("token") or calls.get("userinfo") or {}
    found = machine.versions(provision.django_peer() if "django_in_clear" in peers else None)
    signins = results.get("signin", {})
    if {"postgres", "long_postgres"} & {*results, *signins}:
        told = machine.first_line(postgres_program("postgres"), "--version")
        found["PostgreSQL"] = told.split()[2]
    if "valkey" in results:
        found["Valkey"] = machine.valkey_version()
    if "node" in {*peers, *signins}:
        package = provision.node_peer() / "node_modules" / "oidc-provider" / "package.json"
        found["oidc-provider"] = json.loads(package.read_text())["version"]
    return found


def write(results: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / "results.json"
    raw.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    chart = folder / "results.svg"
    chart.unlink(missing_ok=True)
    if results.keys() & {"calls", "postgres"}:
        draw(raw, chart)
    text = report.as_markdown(results, chart.name if chart.exists() else None)
    (folder / "RESULTS.md").write_text(text, "utf-8")


def draw(raw: Path, chart: Path) -> None:
    try:
        python = provision.drawing_python()
    except provision.Missing as problem:
        say(f"no chart: {problem}")
        return
    # matplotlib keeps a list of fonts somewhere in the home folder otherwise.
    environment = {**os.environ, "MPLCONFIGDIR": str(provision.PEERS / "drawing" / "fonts")}
    subprocess.run([python, HERE / "chart.py", raw, chart], check=True, env=environment)


def kept(folder: Path) -> dict[str, Any]:
    """The results that are there already, if any."""
    raw = folder / "results.json"
    results: dict[str, Any] = json.loads(raw.read_text("utf-8")) if raw.exists() else {}
    return results


def among(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The new parts in the place of the old ones, and when and how they were measured."""
    if not old:
        return new
    measured = {name: value for name, value in new.items() if name not in _ABOUT}
    if "calls" in measured:
        measured["calls"] = old.get("calls", {}) | measured["calls"]
    apart = dict.fromkeys(measured, f"{new['date']}, `{new['command']}`")
    return {
        **old,
        **measured,
        "versions": old["versions"] | new["versions"],
        "apart": old.get("apart", {}) | apart,
    }


_ABOUT = (
    *("date", "command", "rounds", "seconds", "connections", "quick", "machine", "versions"),
    "minutes",
)
"""What the results say beside the parts that were measured."""


def reckon(folder: Path) -> None:
    """Write what follows from the results into docs/capacity.md."""
    try:
        python = provision.drawing_python()
    except provision.Missing as problem:
        say(f"no capacity: {problem}")
        return
    page = provision.HERE.parent / "docs" / "capacity.md"
    subprocess.run([python, HERE / "capacity.py", folder / "results.json", page], check=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def stop(number: int, _: FrameType | None) -> None:
    """End in order: the servers are children of this process."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
