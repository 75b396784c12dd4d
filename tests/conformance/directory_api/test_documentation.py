"""docs/protocol.md lists every choice of the simulator."""

import re
from dataclasses import fields
from pathlib import Path

from worksgate.conformance.directory_api import Rules

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"


def test_every_choice_of_the_simulator_is_documented() -> None:
    _, _, after = PAGE.read_text("utf-8").partition("\n## LINE WORKS API 2.0\n")
    section, _, _ = after.partition("\n## ")
    told = re.findall(r"^\| .* \| `([a-z_]+)` \|$", section, re.MULTILINE)
    assert told == [field.name for field in fields(Rules)]
