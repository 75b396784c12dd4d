"""The pages about faults list every scenario that runs on whole servers."""

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.faults.catalogue import SCENARIOS

DOCS = Path(__file__).parents[2] / "docs"

_FAULT = re.compile(r"^\| (F-\d\d) \| .* \|$", re.MULTILINE)
_LINK = re.compile(r"\.\./tests/faults/test_faults_(\w+)\.py")
_FINDINGS = re.compile(r"<!-- findings: begin -->\n(.*)<!-- findings: end -->", re.DOTALL)
_FINDING = re.compile(r"^\| (F-\d\d) \| (\w+) \| .* \|$", re.MULTILINE)

ROWS = {row[1]: row[0] for row in _FAULT.finditer((DOCS / "faults.md").read_text("utf-8"))}


@pytest.mark.parametrize("fault", ROWS)
def test_a_fault_names_the_stores_on_which_whole_servers_are_tried(fault: str) -> None:
    tried = {each.store for each in SCENARIOS if each.fault == fault}
    assert set(_LINK.findall(ROWS[fault])) == tried


def test_every_scenario_is_of_a_fault_that_has_a_row() -> None:
    assert {each.fault for each in SCENARIOS} <= ROWS.keys()


def test_every_scenario_has_a_finding() -> None:
    """``make faults`` writes them."""
    findings = _FINDINGS.search((DOCS / "reliability.md").read_text("utf-8"))
    assert findings is not None
    found = Counter((fault, store.lower()) for fault, store in _FINDING.findall(findings[1]))
    assert found == Counter((each.fault, each.store) for each in SCENARIOS)
