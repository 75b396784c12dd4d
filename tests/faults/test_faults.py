"""Every fault in its short form, on every store that it concerns.

``make faults`` is the long one; its figures are in ``docs/reliability.md``.
"""

from pathlib import Path

import pytest
from tests.faults.catalogue import SCENARIOS, Scenario, try_one
from tests.faults.trial import SHORT


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_fault(scenario: Scenario, tmp_path: Path) -> None:
    finding = await try_one(scenario, tmp_path, SHORT)
    assert finding.broken == (), f"{finding.injected}: {finding.seen}"
