"""Looks for alerts and sends them once a minute, in one process of all nodes."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import structlog

from worksgate.administration.alerts.delivery import AlertSender
from worksgate.administration.alerts.watching import Watch
from worksgate.database.leases import ALERTING, Turn
from worksgate.directory.alerts import Channel
from worksgate.directory.database import Directory
from worksgate.limits.outages import Unavailable

INTERVAL: Final = 60.0
"""Seconds between two rounds."""
MOST: Final = 20
"""Occurrences that are sent in one round."""
BETWEEN_MESSAGES: Final = 600.0
"""Seconds between two messages of a bot about one kind: LINE WORKS limits messages."""
_LEASE: Final = 3 * INTERVAL

_log = structlog.get_logger("worksgate.alerts")


async def alert_forever(
    directory: Directory,
    watch: Watch,
    sender: AlertSender,
    clock: Callable[[], float],
    *,
    interval: float = INTERVAL,
) -> None:
    """Look, store and send every ``interval`` seconds, if nobody else does; never returns.

    Outages are waited out, and an error ends only one round.
    """
    turn = Turn(directory.leases, max(_LEASE, 3 * interval), ALERTING)
    try:
        while True:
            await asyncio.sleep(interval)  # first, too: a server that starts has enough to do
            try:
                if await turn.take():
                    await one_round(directory, watch, sender, clock())
            except Unavailable as outage:
                _log.warning("alert.postponed", detail=str(outage))
            except Exception as error:  # its text may name people
                _log.error("alert.crashed", kind=type(error).__name__)
    finally:
        await turn.release()


async def one_round(directory: Directory, watch: Watch, sender: AlertSender, now: float) -> int:
    """Look, store and send; return how many were sent. Raises DatabaseUnavailable."""
    if new := await directory.alerts.note(await watch.look(now), now):
        _log.warning("alert.raised", count=new)
    sent = await _by_bot(directory, sender, now) if sender.has_bot else 0
    unsent = await directory.alerts.unsent(sender.channels, MOST) if sender.channels else ()
    for occurrence in unsent:
        channels = await sender.send(occurrence, now)
        await directory.alerts.note_attempt(occurrence.key, channels, now)
        sent += bool(channels)
    return sent


async def _by_bot(directory: Directory, sender: AlertSender, now: float) -> int:
    """One message for all occurrences of a kind, unless there was one of it a moment ago."""
    recent = await directory.alerts.messaged_kinds(now - BETWEEN_MESSAGES)
    by_kind = defaultdict(list)
    for occurrence in await directory.alerts.unsent((Channel.BOT,), MOST):
        by_kind[occurrence.kind].append(occurrence)
    sent = 0
    for kind, occurrences in by_kind.items():
        if kind in recent:
            continue
        is_sent = await sender.message(occurrences)
        for each in occurrences:
            await directory.alerts.note_attempt(each.key, (Channel.BOT,) if is_sent else (), now)
        sent += len(occurrences) if is_sent else 0
    return sent
