"""Settings that an owner asks about, with where each was set: alerts, and how long what is kept.

They are changed in the settings file (docs/decisions/0063-settings-are-shown-where-they-are.md);
of secrets there is only whether they are set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from worksgate.administration.alerts.testing import Delivered
from worksgate.provider.throttle import TooManyAttempts
from worksgate.settings.options import FIELDS, Settings
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

ALERTS: Final = {
    "alert_mail": text("E-mail to"),
    "mail_language": text("Language of the e-mails"),
    "alert_webhook": text("Webhook"),
    "alert_webhook_form": text("What the webhook receives"),
    "alert_webhook_secret": text("Secret of the webhook"),
    "alert_bot": text("Bot of LINE WORKS"),
    "alert_bot_client": text("Client of the bot"),
    "alert_bot_users": text("The bot writes to"),
    "alert_bot_channel": text("Channel of the bot"),
}
KEPT: Final = {
    "audit_retention": text("Audit log, and changes with their values"),
    "reset_link_lifetime": text("A reset link works for"),
    "temporary_password_lifetime": text("A password that an administrator has set works for"),
    "remember_device_lifetime": text("A browser is remembered after a second factor for"),
    "app_password_lapse": text("App passwords without a sign-in at the person’s source work for"),
}
"""Settings by what they are, in the order of the page."""
WAYS: Final = {"mail": text("E-mail"), "webhook": text("Webhook"), "bot": text("Bot of LINE WORKS")}
_SECRET: Final = "alert_webhook_secret"
_ADDRESS: Final = "alert_webhook"
TESTS: Final = 5
"""Test alerts within ``WINDOW`` seconds."""
WINDOW: Final = 600.0


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting: its value as a text, or in ``seconds``; and where it was set, if it was."""

    name: str
    label: str
    value: str
    seconds: int | None
    origin: str
    is_default: bool


async def show(visit: Visit) -> Response:
    """Both kinds of settings."""
    return _page(visit)


async def test_alerts(visit: Visit) -> Response:
    """Send a test alert on every channel that is set up."""
    count = await visit.console.store.bump("test alerts", WINDOW, visit.now)
    if count > TESTS:
        raise TooManyAttempts(WINDOW)
    return _page(visit, delivered=await visit.console.alert_test.send(visit.actor))


def _page(visit: Visit, delivered: Sequence[Delivered] = ()) -> Response:
    settings = visit.console.settings
    return visit.page(
        "settings.html",
        alerts=[_shown(settings, name, label) for name, label in ALERTS.items()],
        kept=[_shown(settings, name, label) for name, label in KEPT.items()],
        has_alerts=settings.has_alerts,
        delivered=delivered,
        file=settings.origins.file,
        ways=WAYS,
    )


def _shown(settings: Settings, name: str, label: str) -> ShownSetting:
    value = getattr(settings, name)
    return ShownSetting(
        name=name,
        label=label,
        value=_text(name, value),
        seconds=int(value) if isinstance(value, float) else None,
        origin=settings.origins.of.get(name, ""),
        is_default=value == FIELDS[name].default,
    )


def _text(name: str, value: object) -> str:
    """A value for the page: of a secret nothing, of an address only its host."""
    if name == _SECRET:
        return "•••" if value else ""
    if name == _ADDRESS:
        return urlsplit(str(value)).hostname or ""
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)
