"""What LINE WORKS' pages on its API leave open, as the client takes it (docs/protocol.md).

Each can be set otherwise, in case a tenant turns out to be different.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Numbers; the defaults are right under the strictest reading."""

    assertion_backdated: int = 30
    """Seconds by which an assertion is issued in the past: their clock may be behind ours."""
    assertion_lifetime: int = 3_600
    """Seconds. At most an hour is allowed; some report that only an hour exactly is."""
    fewest_key_bits: int = 2_048
    """Of the private key of an app (NIST SP 800-131A)."""
    calls_at_once: int = 1
    audit_log_days: int = 186
    """How long the audit log is kept: about six months, whichever these are."""
    audit_logs_a_minute: int = 1
    """Ten are allowed, and an older page wants a minute between two of them."""

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Those of ``name=number`` entries, and the defaults. Raises ValueError."""
        given: dict[str, int] = {}
        for entry in entries:
            name, _, number = entry.partition("=")
            if name not in RANGES:
                raise ValueError(f"each entry is name=number, where name is {', '.join(RANGES)}")
            if name in given:
                raise ValueError(f"{name} is listed twice")
            least, most = RANGES[name]
            is_number = number.isascii() and number.isdigit() and len(number) < 9
            if not is_number or not least <= int(number) <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most}")
            given[name] = int(number)
        return cls(**given)


RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "assertion_backdated": (0, 300),
    "assertion_lifetime": (60, 3_600),
    "fewest_key_bits": (1_024, 8_192),
    "calls_at_once": (1, 10),
    "audit_log_days": (1, 3_660),
    "audit_logs_a_minute": (1, 10),
}
"""The least and the most of each."""

DEFAULTS: Final = Assumptions()
