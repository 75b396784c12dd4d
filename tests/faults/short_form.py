"""The tests of one store; each has its own file, so that processes can share them."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.faults.catalogue import SCENARIOS, Scenario, try_one
from tests.faults.trial import SHORT


def faults_on(store: str) -> Callable[[Scenario, Path], Awaitable[None]]:
    """A test of every fault on this store, each in its short form."""
    scenarios = [each for each in SCENARIOS if each.store == store]

    @pytest.mark.hashing
    @pytest.mark.parametrize("scenario", scenarios, ids=lambda scenario: scenario.name)
    async def test_fault(scenario: Scenario, tmp_path: Path) -> None:
        finding = await try_one(scenario, tmp_path, SHORT)
        assert finding.broken == (), f"{finding.injected}: {finding.seen}: {finding.broken}"

    return test_fault
