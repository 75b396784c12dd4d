"""Scenarios are found by their exact names."""

import pytest
from tests.faults.catalogue import SCENARIOS, named


def test_scenarios_are_found_by_fault_store_and_name() -> None:
    assert named([]) == SCENARIOS
    assert {each.fault for each in named(["F-06"])} == {"F-06"}
    assert {each.store for each in named(["valkey"])} == {"valkey"}
    for name in ("f06_network_postgresql", "f06_network"):
        assert [each.name for each in named([name])] == ["f06_network_postgresql"]


@pytest.mark.parametrize("name", ["f44", "f06_networks", ""])
def test_a_name_that_fits_no_scenario_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="there is no scenario of"):
        named(["F-06", name])


def test_names_are_different() -> None:
    names = [each.name for each in SCENARIOS]
    assert len(set(names)) == len(names)
