"""From when to when a source did not respond, as far as records of sign-ins tell it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from worksgate.audit import AuditEvent, Event, Reason

OUTAGE: Final = (Event.LOGIN_INTERRUPTED, Reason.SOURCE_UNAVAILABLE)
"""Event and reason of a sign-in that met a source which did not respond."""
NEAR: Final = 7_200.0
"""Seconds before and after a sign-in in which records are looked for."""
_PAUSE: Final = 900.0
"""Seconds between two such records after which they are about two outages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOutage:
    """The first and the last sign-in that a source interrupted."""

    source: str
    since: float
    until: float

    @property
    def lasted(self) -> bool:
        """Whether it is more than a moment."""
        return self.until - self.since >= 60


def outage_at(
    at: float, records: Sequence[AuditEvent], sources: Collection[str]
) -> SourceOutage | None:
    """The outage that a sign-in met, from records of interrupted ones, the oldest first."""
    own = next((each for each in records if each.at == at), None)
    source = "" if own is None else source_in(own.detail or "", sources)
    if not source:
        return None
    times = [each.at for each in records if source_in(each.detail or "", sources) == source]
    begins = [later for earlier, later in pairwise(times) if later - earlier > _PAUSE]
    ends = [earlier for earlier, later in pairwise(times) if later - earlier > _PAUSE]
    return SourceOutage(
        source=source,
        since=max((each for each in begins if each <= at), default=times[0]),
        until=min((each for each in ends if each >= at), default=times[-1]),
    )


def source_in(detail: str, sources: Collection[str]) -> str:
    """The source whose name begins a text: the longest, since names may begin alike."""
    found = [each for each in sources if detail.startswith((f"{each}:", f"{each} "))]
    return max(found, key=len, default="")
