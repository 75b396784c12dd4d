"""Tells administrators of an occurrence: by mail, by a signed request to a webhook, by a bot.

What could not be sent is tried again in the next rounds. The log has no address and no text.
"""

import asyncio
import hashlib
import hmac
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from worksgate.administration.alerts.bot import BotSender
from worksgate.administration.errors import NotFound, Refused
from worksgate.directory.alerts import Channel, Occurrence
from worksgate.limits.egress import Egress
from worksgate.limits.outages import Unavailable
from worksgate.line_works_api.app import LONGEST_TEXT
from worksgate.line_works_api.errors import ApiRefused
from worksgate.mail import Mailer, MailMessage, MailUnavailable

TIMEOUT: Final = 5.0
"""Seconds that a webhook may take."""
SIGNATURE: Final = "Worksgate-Signature"
"""The header of a request to a webhook: ``t=SECONDS,v1=HEX``."""

Say = Callable[[str, Mapping[str, str | int | float]], tuple[str, str]]
"""A heading and a text for a kind of alert and its details."""

_log = structlog.get_logger("worksgate.alerts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where requests go, and the secret of their signature.

    ``is_line_works``: it is an Incoming Webhook of LINE WORKS, which takes a form of its own.
    """

    url: str = field(repr=False)
    secret: str = field(repr=False)
    is_line_works: bool = False
    egress: Egress = field(default_factory=Egress)

    def signature(self, body: bytes, at: int) -> str:
        """The value of ``SIGNATURE``: an HMAC over the time and the body (SHA-256)."""
        signed = f"{at}.".encode() + body
        code = hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        return f"t={at},v1={code}"


class AlertSender:
    """Sends occurrences by mail, webhook and bot, as far as each is configured.

    ``console`` is the address of the console, or empty.
    """

    def __init__(
        self,
        say: Say,
        *,
        mailer: Mailer | None = None,
        addresses: Sequence[str] = (),
        webhook: Webhook | None = None,
        bot: BotSender | None = None,
        console: str = "",
    ) -> None:
        self._say = say
        self._mailer = mailer
        self._addresses = tuple(addresses)
        self._webhook = webhook
        self._bot = bot
        self._console = console

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels on which each occurrence is sent."""
        has_mail = self._mailer is not None and bool(self._addresses)
        return (
            *((Channel.MAIL,) if has_mail else ()),
            *((Channel.WEBHOOK,) if self._webhook is not None else ()),
        )

    @property
    def has_bot(self) -> bool:
        """Whether it has a bot, which sends several occurrences in one message."""
        return self._bot is not None

    async def send(self, occurrence: Occurrence, now: float) -> list[Channel]:
        """Send an occurrence on all channels on which it was not sent; those that succeeded."""
        sent = []
        if (
            Channel.MAIL in self.channels
            and occurrence.mailed_at is None
            and await self._mail(occurrence)
        ):
            sent.append(Channel.MAIL)
        if (
            Channel.WEBHOOK in self.channels
            and occurrence.posted_at is None
            and await self._post(occurrence, int(now))
        ):
            sent.append(Channel.WEBHOOK)
        return sent

    async def message(self, occurrences: Sequence[Occurrence]) -> bool:
        """Tell of occurrences of one kind by the bot, in one message.

        Whether LINE WORKS took it for at least one of those to whom the bot sends.
        """
        if self._bot is None:
            return False
        said = [self._say(each.kind, each.details) for each in occurrences]
        headings, texts = (list(dict.fromkeys(each)) for each in zip(*said, strict=True))
        text = "\n\n".join(filter(None, (*headings, self._console, *texts)))
        reasons: Sequence[Exception] = ()
        taken = 0
        try:
            sent = await self._bot.send(text[:LONGEST_TEXT])
            taken, reasons = sent.taken, sent.problems
        except (NotFound, Refused, Unavailable) as problem:
            reasons = (problem,)
        for each in reasons:
            # Its text may name whom LINE WORKS does not know.
            reason = (
                f"status {each.status}" if isinstance(each, ApiRefused) else type(each).__name__
            )
            kind = occurrences[0].kind
            _log.warning("alert.not_sent", by="bot", alert=kind, reason=reason)
        return taken > 0

    async def _mail(self, occurrence: Occurrence) -> bool:
        """Whether the mail server took it for at least one address."""
        heading, text = self._say(occurrence.kind, occurrence.details)
        paragraphs = [text, *([self._console] if self._console else [])]
        taken = 0
        for address in self._addresses:
            message = MailMessage(
                to=address,
                subject=heading,
                text="\n\n".join(paragraphs) + "\n",
                html="".join(f"<p>{html.escape(each)}</p>" for each in paragraphs),
            )
            try:
                await self._mailer.send(message)  # type: ignore[union-attr]  # see channels
                taken += 1
            except MailUnavailable as error:
                _log.warning("alert.not_sent", by="mail", alert=occurrence.kind, reason=str(error))
        return taken > 0

    async def _post(self, occurrence: Occurrence, at: int) -> bool:
        import httpx2

        webhook = self._webhook
        if webhook is None:
            return False
        document = self._short if webhook.is_line_works else self._document
        body = msgspec.json.encode(document(occurrence))
        headers = {"Content-Type": "application/json"}
        if webhook.secret:
            headers[SIGNATURE] = webhook.signature(body, at)
        try:
            # The answer's body is not read: it could be endless.
            async with (
                asyncio.timeout(TIMEOUT),
                httpx2.AsyncClient(
                    transport=webhook.egress.transport(), timeout=TIMEOUT, trust_env=False
                ) as client,
                client.stream("POST", webhook.url, content=body, headers=headers) as answer,
            ):
                status, is_taken = answer.status_code, answer.is_success
        except (httpx2.HTTPError, OSError, ValueError) as error:
            kind = type(error).__name__
            _log.warning("alert.not_sent", by="webhook", alert=occurrence.kind, reason=kind)
            return False
        if not is_taken:
            reason = f"status {status}"
            _log.warning("alert.not_sent", by="webhook", alert=occurrence.kind, reason=reason)
        return bool(is_taken)

    def _short(self, occurrence: Occurrence) -> dict[str, Any]:
        """As an Incoming Webhook of LINE WORKS takes it."""
        heading, text = self._say(occurrence.kind, occurrence.details)
        paragraphs = (text, self._console)
        return {"title": heading, "body": {"text": "\n\n".join(filter(None, paragraphs))}}

    def _document(self, occurrence: Occurrence) -> dict[str, Any]:
        heading, text = self._say(occurrence.kind, occurrence.details)
        return {
            "id": f"{occurrence.key[:16]}-{occurrence.since:.0f}",
            "kind": occurrence.kind,
            "since": datetime.fromtimestamp(occurrence.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "title": heading,
            "text": text,
            "details": dict(occurrence.details),
            "console": self._console,
        }
