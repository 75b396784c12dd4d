"""What ``expect`` may say, each key with the check that it means.

``EACH`` looks at every answer by itself, ``TOGETHER`` at all that came of an entry. Keys in
``PLAN`` say how to send; the runner reads them.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.bad_inputs.entries import Entry
from tests.bad_inputs.site import EXTERNAL_KEY
from tests.bad_inputs.situation import Situation, code_in, hidden
from tests.bad_inputs.wire import Answer

SLACK = 1.0
"""Seconds that a busy machine may add to an entry's own limit."""


@dataclass(frozen=True)
class Before:
    """What was there before the requests."""

    codes: int
    resident: float
    audit_id: int


@dataclass
class Outcome:
    """All that came of an entry; ``closed`` says of each answer whether the server hung up."""

    situation: Situation
    before: Before
    answers: Sequence[Answer]
    closed: Sequence[bool]


def status(_: Situation, answer: Answer, allowed: list[int]) -> None:
    assert answer.status in allowed, f"{answer.status}: {answer.text[:300]}"


def no_5xx(_: Situation, answer: Answer, *, wanted: bool) -> None:
    assert wanted
    assert answer.status < 500, f"{answer.status}: {answer.text[:300]}"
