"""What a check says: pass, fail or not tested, with a sentence that a report can translate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from worksgate.conformance.exchange import Exchange


class Outcome(StrEnum):
    """Of one check. Not tested is no success: the report says why."""

    PASS = "pass"
    FAIL = "fail"
    NOT_TESTED = "not_tested"


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence of the catalogue by its key, and what is filled in.

    A value that is itself a key of the catalogue (``value.…``) is translated too.
    """

    key: str
    values: Mapping[str, str] = field(default_factory=dict)


class Finding(Exception):
    """The rule is broken. `exchange` is the request that shows it, if it is another check's."""

    def __init__(self, key: str, *, exchange: Exchange | None = None, **values: object) -> None:
        super().__init__(key)
        self.message = Message(key, {name: str(value) for name, value in values.items()})
        self.exchange = exchange


class Untested(Exception):
    """The rule could not be examined, and why."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.message = Message(key, {name: str(value) for name, value in values.items()})
