"""The TLS certificate: replaced without dropping connections, and monitored until it expires.

New connections get the newest certificate. A context in use cannot simply load another one: if the
type of key changes, say from EC to RSA, OpenSSL keeps both and still presents the old one to
clients that prefer it. So each certificate has a context of its own, and a connection begins with
the newest one (F-30). A callback for server names could switch later, but Python writes of each
name that is not ASCII to the log, and anybody could fill it.
"""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from worksgate.server.listening import CannotListen, check_certificate
from worksgate.server.session_tickets import TicketKeys

WARN_BEFORE = 21.0
"""Days before expiry from which on there are warnings."""
_DAY = 86_400.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate chain and its key, both PEM."""

    certificate: Path
    key: Path

    def are_usable(self) -> bool:
        """Whether they can be served; if not, the reason is logged."""
        try:
            check_certificate(self.certificate, self.key)
        except CannotListen as problem:
            _log.error("certificate.unusable", detail=str(problem))
        except OSError as error:
            _log.error("certificate.unusable", detail=f"{error.filename}: {error.strerror}")
        else:
            return True
        return False

    def ends_at(self) -> float:
        """Expiry of the certificate, in seconds since the epoch. Raises OSError or ValueError."""
        from cryptography.x509 import load_pem_x509_certificates

        first = load_pem_x509_certificates(self.certificate.read_bytes())[0]
        return first.not_valid_after_utc.timestamp()


class Certificate:
    """The certificate of a process.

    ``tickets`` are the keys that it shares with the other processes of the port, if there are any.
    """

    def __init__(self, files: CertificateFiles, tickets: TicketKeys | None = None) -> None:
        self._files = files
        self._tickets = tickets or TicketKeys()
        self.context = self._context()
        """For new connections; another one once the files have been renewed."""
        # Without keys to be shared this is only for sessions that go on after a renewal.
        if not self._tickets.install(self.context) and tickets is not None:
            _log.info("tls.sessions_not_shared", openssl=ssl.OPENSSL_VERSION)

    def renew(self) -> bool:
        """Reload the files and return whether new connections use them.

        An invalid pair changes nothing; the reason is logged.
        """
        if not self._files.are_usable():
            return False
        try:
            renewed = self._context()
        except OSError as error:  # replaced since it was checked
            _log.error("certificate.unusable", detail=error.strerror or type(error).__name__)
            return False
        self._tickets.install(renewed)
        self.context = renewed
        return True

    def _context(self) -> ssl.SSLContext:
        """TLS is 1.2 or newer (R-94)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._files.certificate, self._files.key, password="")
        return context


@dataclass(slots=True)
class Expiry:
    """Warns once a day about a certificate that expires soon."""

    files: CertificateFiles
    _next: float = field(default=0.0)

    def look(self, now: float) -> None:
        """Log a warning if one is due; ``now`` in seconds since the epoch."""
        if now < self._next:
            return
        self._next = now + _DAY
        try:
            ends_at = self.files.ends_at()
        except (OSError, ValueError):  # problems with it were logged when it was loaded
            return
        days = (ends_at - now) / _DAY
        if days < WARN_BEFORE:
            _log.warning(
                "certificate.ends_soon" if days > 0 else "certificate.has_ended",
                days=max(int(days), 0),
                at=datetime.fromtimestamp(ends_at, UTC).isoformat(),
            )

    def forget(self) -> None:
        """Check again at once: the files are new."""
        self._next = 0.0
