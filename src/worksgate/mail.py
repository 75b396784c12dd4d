"""E-mail: a message for one person, submitted to the company's mail server.

The connection is encrypted and the server's certificate verified, unless the server is on this
machine. ``MailMessage`` rejects anything that could become another header or command, so user input
cannot turn one message into another. Logs contain no addresses or texts (R-106); responses of the
server are logged by their code.
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

if TYPE_CHECKING:  # deployments that do not use it save its memory
    from email.message import EmailMessage

    from aiosmtplib import SMTP

SEND_TIMEOUT = 5.0
"""Seconds for one message, from connecting to the server's last response."""
CONNECTIONS = 4
WAITING = 200
"""Messages that may wait; a dead server drops all within about four minutes."""

_log = structlog.get_logger("worksgate.mail")


class MailUnavailable(Exception):
    """The mail server did not accept the message; the text contains no address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """A message for one person, as plain text and as HTML.

    Raises ValueError if ``to`` is not an address or ``subject`` not a single line.
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
    """Submits messages to the mail server of ``smtp_url``, as ``mail_from``.

    ``name`` is the sender's display name. Raises ValueError if one of them is unusable.
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
        """Queue a message for delivery; returns at once. False if too many are waiting.

        The message may not use ``kept_free`` of the places. The result is only logged, without text
        or address.
        """
        return self._backlog.add(partial(self._deliver, message), kept_free=kept_free)

    async def send(self, message: MailMessage) -> None:
        """Send a message now, within ``timeout`` seconds. Raises MailUnavailable."""
        composed = self._composed(message)
        async with self._connected() as client:
            await client.send_message(composed, sender=self._sender, recipients=[message.to])

    async def ping(self) -> None:
        """Return if the server is reachable and accepts our credentials. Raises MailUnavailable."""
        async with self._connected():
            pass

    async def close(self, within: float = SEND_TIMEOUT) -> None:
        """Send the waiting messages, for at most ``within`` seconds; the rest is dropped."""
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
                    # By default the library looks up this machine's name in the DNS, in a thread.
                    local_hostname=self._sender.partition("@")[2],
                    timeout=self._timeout,
                    use_tls=server.encryption is Encryption.TLS,
                    start_tls=server.encryption is Encryption.STARTTLS,
                    tls_context=await self._tls_context(),
                )
                try:
                    await client.connect()
                    yield client
                    with suppress(SMTPException):  # the message has already been accepted
                        await client.quit()
                finally:
                    client.close()

    async def _tls_context(self) -> ssl.SSLContext | None:
        """The TLS context, created once: loading all authorities takes long."""
        if self._context is None and self._server.encryption is not Encryption.NONE:
            self._context = await asyncio.to_thread(ssl.create_default_context)
        return self._context

    def _composed(self, message: MailMessage) -> "EmailMessage":
        from datetime import UTC, datetime
        from email import policy
        from email.headerregistry import Address
        from email.message import EmailMessage
        from email.utils import make_msgid

        # Seven bits: not every relay accepts eight.
        mail = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
        mail["From"] = Address(self._name, addr_spec=self._sender)
        mail["To"] = Address(addr_spec=message.to)
        mail["Subject"] = message.subject
        mail["Date"] = datetime.now(UTC)
        mail["Message-ID"] = make_msgid(domain=self._sender.partition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # suppresses automatic replies (RFC 3834)
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail


@contextmanager
def _outages() -> Iterator[None]:
    """Turn errors of the server and the connection into MailUnavailable."""
    from aiosmtplib import SMTPException

    try:
        yield
    except (SMTPException, OSError, ValueError) as error:
        # Not "from error": the server's response may contain the address.
        raise MailUnavailable(_reason(error)) from None


def _reason(error: Exception) -> str:
    """Why a message was not accepted; never the server's text, which often repeats the address."""
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
        return f"the mail server rejected our user name or password ({error.code})"
    if isinstance(error, SMTPResponseException):
        return f"the mail server refused the message ({error.code}, {type(error).__name__})"
    if isinstance(error, TimeoutError):
        return "the mail server did not respond in time"
    if isinstance(error, ssl.SSLError):
        return f"the connection to the mail server cannot be encrypted: {error.reason}"
    # These texts are the library's own; a plain SMTPException is about unsupported features.
    is_library_text = type(error) is SMTPException or isinstance(
        error, SMTPConnectError | SMTPNotSupported
    )
    return f"the mail server cannot be used: {error if is_library_text else type(error).__name__}"
