"""Audit records of unauthenticated callers: rate limits, and counts beyond them.

Such a record is written in full within two limits per event: so many a minute from one network, and
so many a day from all of them (``A_DAY``); limits are per event, so that a flood of one does not
hide another. Beyond that they are counted, and each minute has one record with the number and the
number of networks. So an attacker with any number of addresses writes a known number of rows, and
an administrator still sees that something happened, when and what.

Records of people who have signed in are not limited: those of a sign-in are in the commit of its
code, and complete.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from worksgate.audit import AuditEvent, AuditLog, Event, Reason
from worksgate.limits.networks import network_of
from worksgate.limits.rate_limit import WINDOW, DailyBudget, Grant, OwnCounters, RateLimit

A_DAY: Mapping[Event, int] = {
    Event.LOGIN_REQUESTED: 0,
    Event.LOGIN_REFUSED: 5_000,
    Event.LOGIN_THROTTLED: 5_000,
    Event.LOGIN_FAILED: 20_000,
    Event.LOGIN_INTERRUPTED: 5_000,
    Event.SESSION_KEY_REFUSED: 5_000,
    Event.CLIENT_REFUSED: 5_000,
    Event.IMAP_REFUSED: 5_000,
    Event.IMAP_FAILED: 20_000,
    Event.FACTOR_FAILED: 5_000,
    Event.PASSWORD_RESET_REQUESTED: 5_000,
    Event.CONSOLE_REFUSED: 5_000,
}
"""Full records per day, of all callers. None of opened sign-in pages: the page of a sign-in that is
completed is recorded with it."""

A_MINUTE: Mapping[Event, int] = {Event.LOGIN_FAILED: 600, Event.IMAP_FAILED: 600}
"""Full records from one network, if not in ``DEFAULT_PER_MINUTE``."""
DEFAULT_PER_MINUTE = 60
PORTION = 500
"""Records that a process takes from the day's budget at a time."""
SUMMARIES_A_DAY = len(A_DAY) * 1_440
"""Maximum number per process of records that only contain a count."""
_NETWORKS = 10_000
"""Networks that are counted individually in a minute."""


@dataclass(slots=True)
class _Summary:
    """What was not recorded one by one."""

    since: float
    count: int = 0
    networks: set[str] = field(default_factory=set)

    def add(self, network: str) -> None:
        self.count += 1
        if len(self.networks) < _NETWORKS:
            self.networks.add(network)

    def summary(self, event: Event, at: float) -> AuditEvent:
        more = "+" if len(self.networks) == _NETWORKS else ""
        detail = (
            f"not recorded one by one: {self.count} within a minute, "
            f"networks: {len(self.networks)}{more}"
        )
        return AuditEvent(event=event, at=at, detail=detail, reason=Reason.COUNTED)


class StrangerRecords:
    """Writes them to ``audit``; ``grant`` counts for all processes (``Store.bump``)."""

    def __init__(self, audit: AuditLog, grant: Grant | None = None) -> None:
        grant = OwnCounters().bump if grant is None else grant
        self._audit = audit
        self._limits = {
            event: RateLimit(A_MINUTE.get(event, DEFAULT_PER_MINUTE)) for event in A_DAY
        }
        self._budgets = {
            event: DailyBudget(f"records {event.value}", a_day, grant, portion=min(PORTION, a_day))
            for event, a_day in A_DAY.items()
        }
        self._held: dict[Event, _Summary] = {}
        self._timer: asyncio.TimerHandle | None = None

    def record(self, event: AuditEvent) -> None:
        """Write a record in full, or count it; returns at once and never raises."""
        network, kind, at = network_of(event.address or ""), event.event, event.at
        if not self._limits[kind].exceeded(network, at) and self._budgets[kind].take(at):
            self._audit.record(event)
        else:
            self.count(kind, network, at)

    def count(self, event: Event, network: str, at: float) -> None:
        """Count something that deserves no record of its own."""
        held = self._held.get(event)
        if held is not None and not 0 <= at - held.since < WINDOW:
            self._write(event, at)
            held = None
        if held is None:
            held = self._held[event] = _Summary(at)
        held.add(network)
        if self._timer is None:
            with suppress(RuntimeError):  # no event loop: ``close`` writes it
                self._timer = asyncio.get_running_loop().call_later(WINDOW, self._elapsed)

    async def close(self) -> None:
        """Write what has been counted."""
        if self._timer is not None:
            self._timer.cancel()
        self._write_all()
        for budget in self._budgets.values():
            await budget.settle()

    def _elapsed(self) -> None:
        self._timer = None
        self._write_all()

    def _write_all(self) -> None:
        for event, held in list(self._held.items()):
            self._write(event, held.since + WINDOW)

    def _write(self, event: Event, at: float) -> None:
        held = self._held.pop(event)
        self._audit.record(held.summary(event, at))
