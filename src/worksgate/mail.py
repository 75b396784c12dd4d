"""Mail: a message for one person, handed to the company's mail server.

It is encrypted, and the server's certificate is verified, unless the server is on this machine.
``MailMessage`` refuses whatever could become a header or a command of its own, so nothing that
somebody typed can turn one mail into another. No log line names an address or repeats a text
(R-106): what the server answered is told by its number.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from worksgate.limits.background import BackgroundQueue
from worksgate.settings.addresses.mail import Encryption, SmtpServer, check_address

if TYPE_CHECKING:  # what a deployment does not use costs it no memory
    from email.message import EmailMessage

    from aiosmtplib import SMTP

SEND_TIMEOUT = 5.0
"""Seconds for one message, from the connection to the server's last word."""
CONNECTIONS = 4
WAITING = 200
"""Messages that may wait; with a dead server they are gone in little more than four minutes."""

_log = structlog.get_logger("worksgate.mail")


class MailUnavailable(Exception):
    """The mail server did not take the message; the text names nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """A message for one person, as plain text and as HTML.

    Raises ValueError where ``to`` is no address or ``subject`` no single line.
    """

    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)

    def __post_init__(self) -> None:
        check_address(self.to)
        if not self.subject.isprintable():
            raise ValueError("the subject of a mail must be one line of text")


class Mailer:
    """Hands messages to the mail server that ``smtp_url`` names, as ``mail_from``.

    ``name`` is shown beside the address. Raises ValueError where one of them cannot be used.
    """

    def __init__(
        self,
        smtp_url: str,
        mail_from: str,
        *,
        name: str = "",
        timeout: float = SEND_TIMEOUT,
        waiting: int = WAITING,
    ) -> None:
        self._server = SmtpServer.parse(smtp_url)
        self._sender = check_address(mail_from)
        if not name.isprintable():
            raise ValueError("the name of the sender must be one line of text")
        self._name = name
        self._timeout = timeout
        self._backlog = BackgroundQueue("mail", at_once=CONNECTIONS, waiting=waiting)
        self._context: ssl.SSLContext | None = None

    def queue(self, message: MailMessage, *, kept_free: int = 0) -> bool:
        """Have a message sent soon; returns at once. False where too many are waiting.

        ``kept_free`` of the places are not for it. What becomes of it is told in the log only,
        without its text or address.
        """
        return self._backlog.add(partial(self._deliver, message), kept_free=kept_free)

    async def send(self, message: MailMessage) -> None:
        """Send a message now, within ``timeout`` seconds. Raises MailUnavailable."""
        composed = self._composed(message)
        async with self._connected() as client:
            await client.send_message(composed, sender=self._sender, recipients=[message.to])

    async def ping(self) -> None:
        """Return if the server can be reached and knows us. Raises MailUnavailable."""
        async with self._connected():
            pass

    async def close(self, within: float = SEND_TIMEOUT) -> None:
        """Send what is waiting, for at most ``within`` seconds; the rest is dropped."""
        await self._backlog.close(within)

    async def _deliver(self, message: MailMessage) -> None:
        try:
            await self.send(message)
        except MailUnavailable as error:
            _log.warning("mail.not_sent", reason=str(error))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator["SMTP"]:
        from aiosmtplib import SMTP, SMTPException

        server = self._server
        with _outages():
            async with asyncio.timeout(self._timeout):
                client = SMTP(
                    hostname=server.host,
                    port=server.port,
                    username=server.username,
                    password=server.password,
                    # Without it the name of this machine is asked for, in a thread, from the DNS.
                    local_hostname=self._sender.partition("@")[2],
                    timeout=self._timeout,
                    use_tls=server.encryption is Encryption.TLS,
                    start_tls=server.encryption is Encryption.STARTTLS,
                    tls_context=await self._tls_context(),
                )
                try:
                    await client.connect()
                    yield client
                    with suppress(SMTPException):  # the message has been accepted by now
                        await client.quit()
                finally:
                    client.close()

    async def _tls_context(self) -> ssl.SSLContext | None:
        """The context that verifies the server, made once: to read all authorities takes long."""
        if self._context is None and self._server.encryption is not Encryption.NONE:
            self._context = await asyncio.to_thread(ssl.create_default_context)
        return self._context

    def _composed(self, message: MailMessage) -> "EmailMessage":
        from datetime import UTC, datetime
        from email import policy
        from email.headerregistry import Address
        from email.message import EmailMessage
        from email.utils import make_msgid

        # Seven bits: not every server on the way takes eight.
        mail = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
        mail["From"] = Address(self._name, addr_spec=self._sender)
        mail["To"] = Address(addr_spec=message.to)
        mail["Subject"] = message.subject
        mail["Date"] = datetime.now(UTC)
        mail["Message-ID"] = make_msgid(domain=self._sender.partition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # so that no absence notice answers (RFC 3834)
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail


@contextmanager
def _outages() -> Iterator[None]:
    """Turn what a server or the way to it does wrong into MailUnavailable."""
    from aiosmtplib import SMTPException

    try:
        yield
    except (SMTPException, OSError, ValueError) as error:
        # Not "from error": what the server said may name the person.
        raise MailUnavailable(_reason(error)) from None


def _reason(error: Exception) -> str:
    """Why a message was not taken; never what the server wrote, which often repeats the address."""
    from aiosmtplib import (
        SMTPAuthenticationError,
        SMTPConnectError,
        SMTPException,
        SMTPNotSupported,
        SMTPRecipientsRefused,
        SMTPResponseException,
    )

    if isinstance(error, SMTPRecipientsRefused):
        codes = sorted({refusal.code for refusal in error.recipients})
        return f"the mail server refused the recipient ({', '.join(map(str, codes))})"
    if isinstance(error, SMTPAuthenticationError):
        return f"the mail server refused our user name or password ({error.code})"
    if isinstance(error, SMTPResponseException):
        return f"the mail server refused the message ({error.code}, {type(error).__name__})"
    if isinstance(error, TimeoutError):
        return "the mail server did not answer in time"
    if isinstance(error, ssl.SSLError):
        return f"the connection to the mail server cannot be encrypted: {error.reason}"
    # These texts are the library's own; what it raises as SMTPException itself is about features.
    is_told = type(error) is SMTPException or isinstance(error, SMTPConnectError | SMTPNotSupported)
    return f"the mail server cannot be used: {error if is_told else type(error).__name__}"
