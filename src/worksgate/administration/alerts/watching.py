"""What there is to tell administrators now.

The audit log has the records of all nodes, so one process sees what happens on any. The queries are
those of the console's page of sign-ins, and as bounded.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from worksgate.administration.alerts import AlertKind
from worksgate.administration.console.places import places_of
from worksgate.administration.first_owner import ANOTHER_LINK
from worksgate.administration.sign_in_trace.outages import OUTAGE, source_in
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.references import reference_of
from worksgate.directory.alerts import Alert
from worksgate.directory.audit.sign_in_counts import (
    OUTCOMES,
    CountedSignIns,
    SignInCounts,
    SignInFilter,
    slowest_tenth,
)

DAY: Final = 86_400.0
WINDOW: Final = 600.0
"""Seconds that are looked back: more than a process takes to get its turn after another."""
QUIET: Final = 1_800.0
"""Seconds after which something has ended, if it was not seen again."""
MOST_WAITING: Final = 20
"""Sign-ins within ``WINDOW`` that had to wait: more is guessing."""
MOST_WRONG: Final = 200
"""Wrong passwords within ``WINDOW``: more is guessing, from whatever many addresses."""
ALARMING_OUTAGES: Final = 3
"""Sign-ins within ``WINDOW`` that met an outage of a source, from which on it is an alert."""
SLOW: Final = 1_500.0
"""Milliseconds: half of what LINE WORKS waits."""
FEWEST_ANSWERS: Final = 10
"""Of fewer answers the slowest tenth says nothing."""
DAYS_LEFT: Final = (0, 3, 14)
"""Days before the end of a certificate at which an alert is sent."""
CERTIFICATE_INTERVAL: Final = 3_600.0
_ONE_BY_ONE: Final = 50
_MOST_OUTAGES: Final = 500
"""Records that are read to learn which source did not respond."""
_ARRIVALS: Final = frozenset({*OUTCOMES, Event.LOGIN_REQUESTED}) - {Event.CLIENT_REFUSED}
"""Events of people who come from LINE WORKS."""

SILENCE: Final = 300.0
"""Seconds after which somebody must have come, once SSO was applied; in the live view, too."""

Moment = Callable[[], Awaitable[float | None]]
"""A time in seconds since the epoch, or None."""


class Watch:
    """Looks at the installation.

    ``applied_at`` says when SSO was applied at LINE WORKS, ``ends_at`` when its certificate ends,
    ``sources`` are the names of the identity sources. Every method may raise DatabaseUnavailable.
    """

    def __init__(
        self,
        sign_ins: SignInCounts,
        applied_at: Moment,
        ends_at: Moment | None = None,
        sources: Collection[str] = (),
    ) -> None:
        self._sign_ins = sign_ins
        self._applied_at = applied_at
        self._ends_at = ends_at
        self._sources = sources
        self._certificate_at = float("-inf")
        self._of_certificate: list[Alert] = []

    async def look(self, now: float) -> list[Alert]:
        """All that is so at this moment, in seconds since the epoch."""
        within = SignInFilter(since=now - WINDOW, until=now + 1)
        counted = await self._sign_ins.counted(within, (within.since, within.until))
        answers = await self._sign_ins.answers(within.since, within.until)
        return [
            *await self._replays(now),
            *guessing(counted),
            *await self._outages(counted, within),
            *slowness([took for _, took in answers]),
            *await self._silence(now),
            *await self._console_sign_ins(now),
            *await self._owner_links(now),
            *await self._certificate(now),
        ]

    async def _events(self, event: Event, now: float) -> tuple[AuditEvent, ...]:
        wanted = SignInFilter(since=now - WINDOW, until=now + 1, events=frozenset({event}))
        return (await self._sign_ins.page(wanted, limit=_ONE_BY_ONE)).records

    async def _outages(self, counted: CountedSignIns, within: SignInFilter) -> list[Alert]:
        """Sources that did not respond, if enough sign-ins met one."""
        met = sum(each.count for each in counted.causes if (each.event, each.reason) == OUTAGE)
        if met < ALARMING_OUTAGES:
            return []
        event, reason = OUTAGE
        wanted = replace(within, events=frozenset({event}), reason=reason)
        records = (await self._sign_ins.page(wanted, limit=_MOST_OUTAGES)).records
        return list(outages(met, [each.detail or "" for each in records], self._sources))

    async def _replays(self, now: float) -> list[Alert]:
        return [
            Alert(
                kind=AlertKind.CODE_REPLAYED,
                subject=repr(each.at),
                details={
                    "client": each.client_id or "",
                    "address": each.address or "",
                    "reference": reference_of(each.login_id or "") or "",
                },
                quiet=DAY,
            )
            for each in await self._events(Event.CODE_REPLAYED, now)
        ]

    async def _console_sign_ins(self, now: float) -> list[Alert]:
        return [
            Alert(
                kind=AlertKind.CONSOLE_SIGN_IN,
                subject=f"{each.at!r} {each.subject_id}",
                details={"username": each.username or "", "address": each.address or ""},
                quiet=DAY,
            )
            for each in await self._events(Event.CONSOLE_SIGNED_IN, now)
            if await self._is_elsewhere(each)
        ]

    async def _owner_links(self, now: float) -> list[Alert]:
        return [
            Alert(kind=AlertKind.OWNER_LINK, subject=repr(each.at), details={}, quiet=DAY)
            for each in await self._events(Event.SYSTEM, now)
            if each.detail == ANOTHER_LINK
        ]

    async def _is_elsewhere(self, signed_in: AuditEvent) -> bool:
        """Whether an administrator came from a place that is new; the first one is not."""
        if signed_in.subject_id is None:
            return False
        places = await places_of(self._sign_ins, signed_in.subject_id, signed_in.at)
        return places.is_new(signed_in.address)

    async def _silence(self, now: float) -> list[Alert]:
        """Whether nobody has come although SSO was applied, lately."""
        applied_at = await self._applied_at()
        if applied_at is None or not SILENCE <= now - applied_at < DAY:
            return []
        wanted = SignInFilter(since=applied_at, until=now + 1, events=_ARRIVALS)
        if (await self._sign_ins.page(wanted, limit=1)).records:
            return []
        details = {"minutes": int((now - applied_at) / 60)}
        kind = AlertKind.SILENCE
        return [Alert(kind=kind, subject=repr(applied_at), details=details, quiet=DAY)]

    async def _certificate(self, now: float) -> list[Alert]:
        if self._ends_at is not None and now - self._certificate_at >= CERTIFICATE_INTERVAL:
            self._certificate_at = now
            self._of_certificate = list(certificate_end(await self._ends_at(), now))
        return self._of_certificate


def guessing(counted: CountedSignIns) -> Iterator[Alert]:
    """Many wrong passwords, or so many that not each of them has a record."""
    waiting = sum(each.count for each in counted.causes if each.event is Event.LOGIN_THROTTLED)
    wrong = sum(each.count for each in counted.causes if each.event is Event.LOGIN_FAILED)
    is_flood = any(
        each.reason is Reason.COUNTED and each.event is Event.LOGIN_FAILED
        for each in counted.causes
    )
    if waiting > MOST_WAITING or wrong > MOST_WRONG or is_flood:
        yield Alert(
            kind=AlertKind.GUESSING,
            subject="",
            details={"wrong": wrong, "waiting": waiting},
            quiet=QUIET,
        )


def outages(met: int, details: Sequence[str], sources: Collection[str]) -> Iterator[Alert]:
    """An alert for each source that ``met`` sign-ins say did not respond.

    ``details`` are those of their records, or of the newest of them: each begins with the name of
    its source. A source that is no longer in the settings is not named.
    """
    named = Counter(source_in(each, sources) for each in details) or Counter({"": met})
    for source, count in sorted(named.items()):
        yield Alert(
            kind=AlertKind.SOURCE_DOWN,
            subject=source,
            details={"source": source, "sign_ins": met if len(named) == 1 else count},
            quiet=QUIET,
        )


def slowness(milliseconds: list[float]) -> Iterator[Alert]:
    """Answers to LINE WORKS that took long."""
    tenth = slowest_tenth(milliseconds)
    if tenth is not None and len(milliseconds) >= FEWEST_ANSWERS and tenth > SLOW:
        details = {"seconds": round(tenth / 1_000, 1)}
        yield Alert(kind=AlertKind.SLOW, subject="", details=details, quiet=QUIET)


def certificate_end(ends_at: float | None, now: float) -> Iterator[Alert]:
    """A certificate that ends soon: once at each of ``DAYS_LEFT``."""
    if ends_at is None:
        return
    left = (ends_at - now) / DAY
    due = [days for days in DAYS_LEFT if left <= days]
    if due:
        yield Alert(
            kind=AlertKind.CERTIFICATE,
            subject=f"{ends_at:.0f} {min(due)}",
            details={"days": max(0, int(left))},
            quiet=40 * DAY,
        )
