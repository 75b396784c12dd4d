"""All faults in the long form: ``make faults``. Writes ``docs/reliability.md``.

``python -m tests.faults --short F-04 f09_valkey`` tries a few, for a look, and writes nothing.
"""

import argparse
import asyncio
import platform
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.faults.catalogue import Scenario, named, try_one
from tests.faults.trial import LONG, SHORT, Finding, Scale

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- findings: begin -->\n", "<!-- findings: end -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("faults", nargs="*", help="only these: F-04, or f04_postgresql")
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes")
    options = parser.parse_args()
    try:
        scenarios = named(options.faults)
    except ValueError as error:
        parser.error(str(error))
    began = time.monotonic()
    findings = []
    for scenario in scenarios:
        print(f"{scenario.name} …", file=sys.stderr, flush=True)
        finding = _tried(scenario, SHORT if options.short else LONG)
        print(
            f"  {finding.injected}\n  {finding.seen}\n  {finding.verdict}",
            file=sys.stderr,
            flush=True,
        )
        findings.append(finding)
    if not options.short and not options.faults:
        _write(findings, (time.monotonic() - began) / 60)
    return int(any(finding.broken for finding in findings))


def _tried(scenario: Scenario, scale: Scale) -> Finding:
    """What was found. One that breaks off is told too: the half hour of the others is not lost."""
    try:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            return asyncio.run(try_one(scenario, Path(folder), scale))
    except (Exception, pytest.skip.Exception, pytest.fail.Exception) as error:
        traceback.print_exc()
        reason = str(error).partition("\n")[0]
        return Finding(scenario.fault, scenario.store, "", "", (f"not tried: {reason}",))


def _write(findings: list[Finding], minutes: float) -> None:
    """Replace the table between the marks; the words around it are written by hand."""
    page = PAGE.read_text("utf-8")
    start, end = page.index(_BEGIN) + len(_BEGIN), page.index(_END)
    told = (
        f"Tried on {datetime.now(UTC):%Y-%m-%d} by `make faults`, in {minutes:.0f} minutes, with "
        f"Python {platform.python_version()} on Linux {platform.release().partition('-')[0]}.\n"
    )
    rows = ["| | Store | Injected | Seen | Verdict |", "|---|---|---|---|---|"]
    for each in sorted(findings, key=lambda one: (one.fault, one.store)):
        verdict = each.verdict if not each.broken else f"**{each.verdict}**"
        rows.append(f"| {each.fault} | {each.store} | {each.injected} | {each.seen} | {verdict} |")
    table = "\n".join(rows)
    PAGE.write_text(f"{page[:start]}\n{told}\n{table}\n\n{page[end:]}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
