"""A real mail server on 127.0.0.1 for tests, in a thread; it keeps the received messages."""

import asyncio
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.served import listening

PATIENCE = 60.0
"""Seconds that a test waits for a mail that will come."""


@dataclass(frozen=True)
class Received:
    """A mail as it arrived, and how."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    user: str | None
    was_encrypted: bool

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def link(self) -> str:
        """The one address in the text."""
        (link,) = re.findall(r"https?://\S+", self.text)
        return str(link)

    def _body(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class MailServer:
    """Where it listens and what it has; ``refused`` are recipients that it does not take."""

    host: str
    port: int
    users: Mapping[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    received: list[Received] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    async def wait_for(self, count: int) -> list[Received]:
        """What has been received once there are so many mails, or after ``PATIENCE``."""

        def wait() -> list[Received]:
            with self._arrived:
                self._arrived.wait_for(lambda: len(self.received) >= count, PATIENCE)
                return list(self.received)

        return await asyncio.to_thread(wait)

    # What aiosmtpd calls

    async def handle_RCPT(  # noqa: N802  # the name that aiosmtpd looks for
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return f"550 5.1.1 <{address}> does not live here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  # the name that aiosmtpd looks for
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        mail = Received(
            str(envelope.mail_from),
            tuple(map(str, envelope.rcpt_tos)),
            message,
            session.auth_data,
            session.ssl is not None,
        )
        with self._arrived:
            self.received.append(mail)
            self._arrived.notify_all()
        return "250 OK"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        user = data.login.decode()
        self.attempts.append(user)
        is_right = self.users.get(user) == data.password.decode()
        return AuthResult(success=is_right, handled=False, auth_data=user)


@contextmanager
def mail_server(
    *,
    users: Mapping[str, str] | None = None,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[MailServer]:
    """Take mail until the end of the block; with ``users``, only from who is one of them."""
    with listening() as listener:
        host, port = listener.getsockname()
        server = MailServer(host, port, users or {})
        loop = asyncio.new_event_loop()

        def session() -> SMTP:
            return SMTP(
                server,
                hostname="mail.test",
                loop=loop,
                tls_context=starttls,
                auth_required=users is not None,
                auth_require_tls=True,
                authenticator=server.authenticate,
            )

        thread = threading.Thread(target=loop.run_forever, name="mail-server", daemon=True)
        thread.start()
        opening = loop.create_server(session, sock=listener, ssl=tls)
        listening_server = asyncio.run_coroutine_threadsafe(opening, loop).result(PATIENCE)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(_stop(listening_server), loop).result(PATIENCE)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE)
            loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    while others := asyncio.all_tasks() - {asyncio.current_task()}:  # an arrival begins a session
        await asyncio.wait(others, timeout=1)  # sessions that are about to end by themselves
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # transports close in the round after


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a mail server that takes connections and never says a word."""
    with listening() as listener:
        listener.listen(64)
        yield "smtp://{}:{}".format(*listener.getsockname())


def make_certificate(folder: Path, *addresses: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for these addresses, signed by itself, and a server's context with it."""
    certificate, key = folder / "mail.pem", folder / "mail.key"
    names = ",".join(f"IP:{address}" for address in addresses)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=mail.test"),
            *("-addext", f"subjectAltName={names}", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return certificate, context
