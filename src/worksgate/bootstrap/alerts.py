"""What tells administrators of what happens, from the settings."""

import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from worksgate.administration.actor import Actor
from worksgate.administration.alerts.bot import AlertBot, BotSender
from worksgate.administration.alerts.certificate import certificate_ends_at
from worksgate.administration.alerts.delivery import AlertSender, Webhook
from worksgate.administration.alerts.schedule import alert_forever
from worksgate.administration.alerts.testing import AlertTest, Delivered
from worksgate.administration.alerts.watching import Watch
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.bootstrap.notices import open_mail
from worksgate.bootstrap.stores import Clock, open_directory
from worksgate.database.migrations import require_migrated
from worksgate.directory.database import Directory
from worksgate.limits.egress import Egress
from worksgate.settings.options import Settings
from worksgate.web.console.alert_texts import say


def open_alerts(
    settings: Settings, directory: Directory, clock: Clock, stack: AsyncExitStack
) -> Coroutine[Any, Any, None]:
    """The rounds, to be run in the background as long as the application is open."""
    watch = Watch(
        directory.sign_ins,
        directory.going_live.started_at,
        partial(certificate_ends_at, settings.public_url) if settings.is_https else None,
        [each.name for each in settings.all_sources],
    )
    sender = sender_of(settings, stack, _bot(settings, directory, clock))
    return alert_forever(directory, watch, sender, clock)


def alert_test_of(
    settings: Settings, directory: Directory, clock: Clock, stack: AsyncExitStack
) -> AlertTest:
    """What sends a test in all ways of the settings."""
    return AlertTest(sender_of(settings, stack, _bot(settings, directory, clock)), directory, clock)


async def send_test_alert(settings: Settings, actor: str) -> Sequence[Delivered]:
    """Send one for a command. Raises Refused if nothing is set up."""
    async with AsyncExitStack() as stack:
        await require_migrated(settings.database_url)
        directory = open_directory(settings, stack)
        test = alert_test_of(settings, directory, time.time, stack)
        return await test.send(Actor(actor, time.time))


def sender_of(
    settings: Settings, stack: AsyncExitStack, bot: BotSender | None = None
) -> AlertSender:
    """Sends by the methods that are set up, in the language of notices."""
    mailer, _ = open_mail(settings, stack) if settings.alert_mail else (None, None)
    webhook = None
    if settings.alert_webhook:
        webhook = Webhook(
            url=settings.alert_webhook,
            secret=settings.alert_webhook_secret,
            is_line_works=settings.alert_webhook_form == "incoming_webhook",
            egress=Egress(settings.outgoing_proxy, settings.outgoing_ca_file),
        )
    return AlertSender(
        partial(say, language=settings.mail_language),
        mailer=mailer,
        addresses=settings.alert_mail,
        webhook=webhook,
        bot=bot,
        console=settings.console_address if settings.console_port else "",
    )


def _bot(settings: Settings, directory: Directory, clock: Clock) -> BotSender | None:
    bot = AlertBot.of(settings)
    if bot is None:
        return None
    return BotSender(bot, LineWorksApiAdministration(settings, directory, Actor("alert", clock)))
