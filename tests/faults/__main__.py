"""All faults in the long form: ``make faults``. Writes ``docs/reliability.md``.

``make faults ARGS=F-04`` tries a few, which take the place of their rows there, and
``ARGS="--short F-04 f09_killed"`` tries them for a look, and writes nothing.
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
    if not options.short:
        apart = " ".join(options.faults)
        _write(findings, (time.monotonic() - began) / 60, apart=apart)
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


def _write(findings: list[Finding], minutes: float, *, apart: str) -> None:
    """Replace the table between the marks; the words around it are written by hand.

    ``apart`` names what was tried by itself: all other rows stay.
    """
    page = PAGE.read_text("utf-8")
    start, end = page.index(_BEGIN) + len(_BEGIN), page.index(_END)
    arguments = f' ARGS="{apart}"' if apart else ""
    told = (
        f"Tried on {datetime.now(UTC):%Y-%m-%d} by `make faults{arguments}`, "
        f"in {minutes:.0f} minutes, with Python {platform.python_version()} on Linux "
        f"{platform.release().partition('-')[0]}.\n"
    )
    rows = [_row(each) for each in findings]
    if apart:
        tried = {_injected(row) for row in rows}
        before = page[start:end].strip()
        words, _, table = before.partition("\n\n")
        told = f"{words}\n{told}"
        rows += [row for row in table.split("\n")[2:] if _injected(row) not in tried]
    table = "\n".join([*_HEADER, *sorted(rows)])
    PAGE.write_text(f"{page[:start]}\n{told}\n{table}\n\n{page[end:]}", "utf-8")


_HEADER = ("| | Store | Injected | Seen | Verdict |", "|---|---|---|---|---|")


def _row(finding: Finding) -> str:
    verdict = f"**{finding.verdict}**" if finding.broken else finding.verdict
    cells = (finding.fault, finding.store, finding.injected, finding.seen, verdict)
    return f"| {' | '.join(cells)} |"


def _injected(row: str) -> tuple[str, ...]:
    """What tells the rows apart, whatever figures are in them: fault, store, and first words."""
    fault, store, injected = row.strip("| ").split(" | ")[:3]
    return fault, store, " ".join(injected.split()[:3])


if __name__ == "__main__":
    sys.exit(main())
