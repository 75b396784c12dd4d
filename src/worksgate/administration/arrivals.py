"""Whether audit records arrive in the database, and alerts at their receivers.

What reads the log lines of a process is not known here, only where they are written to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worksgate.audit import AuditEvent, Event
from worksgate.directory.alerts import Channel, Delivery
from worksgate.directory.audit.sign_in_counts import SignInFilter
from worksgate.directory.audit.writer import RECORDS_LOST
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter
from worksgate.settings.options import Settings

PERIOD: Final = 30 * 86_400.0
"""Seconds in which records are looked for that say that others were lost."""
_MOST: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """What has arrived, and what not; times are in seconds since the epoch.

    ``newest`` is the last audit record. ``loss`` says how many were lost, the last time within
    ``PERIOD``; the records since ``looked_back_to`` were looked through for it. ``alerts`` are the
    ways of the settings.
    """

    newest: AuditEvent | None
    loss: AuditEvent | None
    looked_back_to: float
    alerts: Mapping[Channel, Delivery]


async def arrivals(directory: Directory, settings: Settings, now: float) -> Arrivals:
    """The state at this moment. Raises DatabaseUnavailable."""
    wanted = SignInFilter(since=now - PERIOD, until=now + 1, events=frozenset({Event.SYSTEM}))
    found = await directory.sign_ins.page(wanted, limit=_MOST)
    losses = [each for each in found.records if (each.detail or "").endswith(RECORDS_LOST)]
    newest = await directory.audit_before(AuditFilter(limit=1), None)
    return Arrivals(
        newest=newest[0][1] if newest else None,
        loss=losses[0] if losses else None,
        looked_back_to=wanted.since if found.next is None else found.next[0],
        alerts={each: await directory.alerts.delivery(each) for each in channels_of(settings)},
    )


def channels_of(settings: Settings) -> tuple[Channel, ...]:
    """The channels on which administrators get alerts."""
    ways = (
        (settings.alert_mail, Channel.MAIL),
        (settings.alert_webhook, Channel.WEBHOOK),
        (settings.alert_bot, Channel.BOT),
    )
    return tuple(channel for is_set, channel in ways if is_set)
