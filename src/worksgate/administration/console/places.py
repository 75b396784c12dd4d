"""From where administrators sign in to the console, by the audit log.

A place is an address; of IPv6, the network that throttles count (``limits.networks``). The first
sign-in of all is from no new place: there is nothing to compare it with.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from worksgate.audit import AuditEvent, Event
from worksgate.directory.audit.sign_in_counts import SignInCounts, SignInFilter
from worksgate.limits.networks import network_of

DAY: Final = 86_400.0
KNOWN_FOR: Final = 90 * DAY
"""Seconds for which a place is known after a sign-in from there."""
MOST_A_DAY: Final = 5
"""New places of one administrator within a day that they get a mail for."""
_MOST_RECORDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Places:
    """From where somebody has signed in: earlier, and for the first time within the last day."""

    earlier: frozenset[str]
    of_today: frozenset[str]

    @classmethod
    def of(cls, records: Iterable[AuditEvent], now: float) -> "Places":
        """Those of the records of sign-ins, up to now in seconds since the epoch."""
        found = [(network_of(each.address), each.at) for each in records if each.address]
        earlier = frozenset(place for place, at in found if at < now - DAY)
        return cls(earlier, frozenset(place for place, _ in found) - earlier)

    def is_new(self, address: str | None) -> bool:
        """Whether an address is none of them; without any, none is new."""
        known = self.earlier | self.of_today
        return bool(address and known) and network_of(address or "") not in known

    def is_worth_a_mail(self, address: str | None) -> bool:
        """The same, unless there were so many today that another mail says nothing."""
        return self.is_new(address) and len(self.of_today) < MOST_A_DAY


async def places_of(sign_ins: SignInCounts, subject_id: str, now: float) -> Places:
    """From where an administrator has signed in before. Raises DatabaseUnavailable."""
    wanted = SignInFilter(
        since=now - KNOWN_FOR,
        until=now,
        events=frozenset({Event.CONSOLE_SIGNED_IN}),
        subject_id=subject_id,
    )
    return Places.of((await sign_ins.page(wanted, limit=_MOST_RECORDS)).records, now)
