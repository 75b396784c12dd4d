"""A test alert: whether each channel works, before it is needed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worksgate.administration.actor import Actor
from worksgate.administration.alerts import AlertKind
from worksgate.administration.alerts.delivery import AlertSender
from worksgate.administration.errors import Forbidden, Refused
from worksgate.administration.roles import Permission, may
from worksgate.audit import Event
from worksgate.credentials.secrets import new_id
from worksgate.directory.alerts import Channel, Occurrence
from worksgate.directory.database import Directory

NAMES = {Channel.MAIL: "mail", Channel.WEBHOOK: "webhook", Channel.BOT: "bot"}
"""The ways, as commands and the audit log call them."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A way, and whether the test was taken there; if not, the log has the reason."""

    way: str
    is_taken: bool


class AlertTest:
    """Sends one on every channel that is set up, and records it; it is not one of the alerts."""

    def __init__(
        self, sender: AlertSender, directory: Directory, clock: Callable[[], float] = time.time
    ) -> None:
        self._sender = sender
        self._directory = directory
        self._clock = clock

    async def send(self, actor: Actor) -> Sequence[Delivered]:
        """Send it. Raises Refused if nothing is set up, or Forbidden."""
        if actor.role is not None and not may(actor.role, Permission.OWN):
            raise Forbidden("your role cannot send a test alert")
        ways = [*self._sender.channels, *((Channel.BOT,) if self._sender.has_bot else ())]
        if not ways:
            raise Refused("no alerts are set up: alert_mail, alert_webhook or alert_bot")
        now = self._clock()
        test = Occurrence(
            key=new_id(),
            kind=AlertKind.TEST,
            details={"by": actor.name.removeprefix("console:").removeprefix("cli:")},
            since=now,
            seen_at=now,
            mailed_at=None,
            posted_at=None,
            messaged_at=None,
            tries=0,
        )
        sent = set(await self._sender.send(test, now))
        if Channel.BOT in ways and await self._sender.message([test]):
            sent.add(Channel.BOT)
        delivered = [Delivered(NAMES[each], each in sent) for each in ways]
        said = "; ".join(
            f"{each.way}: {'taken' if each.is_taken else 'not taken'}" for each in delivered
        )
        await self._directory.record([actor.event(Event.SYSTEM, f"a test alert was sent; {said}")])
        return delivered
