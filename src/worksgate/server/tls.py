"""The certificate that is shown: replaced without a dropped connection, watched until its end.

New handshakes get the newest certificate. A context that is in use cannot simply load another
one: where the kind of key changes, from EC to RSA say, OpenSSL keeps both and still shows the old
one to whoever prefers it. So each certificate has a context of its own, and a handshake is moved
to the newest one as it begins (F-30).
"""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from worksgate.server.listening import CannotListen, check_certificate

WARN_BEFORE = 21.0
"""Days before its end from which on a certificate is warned of."""
_DAY = 86_400.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate chain and its key, both PEM."""

    certificate: Path
    key: Path

    def are_usable(self) -> bool:
        """Whether they can be served; if not, why is logged."""
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
        """When the certificate ends, in seconds since the epoch. Raises OSError or ValueError."""
        from cryptography.x509 import load_pem_x509_certificates

        first = load_pem_x509_certificates(self.certificate.read_bytes())[0]
        return first.not_valid_after_utc.timestamp()


class Certificate:
    """The certificate of a process. ``context`` is what connections are made with."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self.context = self._newest = self._context()
        self.context.sni_callback = self._choose

    def renew(self) -> bool:
        """Read the files again and return whether new connections get what they hold.

        A pair that is broken changes nothing; why is logged.
        """
        if not self._files.are_usable():
            return False
        try:
            self._newest = self._context()
        except OSError as error:  # replaced since it was looked at
            _log.error("certificate.unusable", detail=error.strerror or type(error).__name__)
            return False
        return True

    def _context(self) -> ssl.SSLContext:
        """TLS is 1.2 or newer (R-94)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._files.certificate, self._files.key, password="")
        return context

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _: ssl.SSLContext
    ) -> None:
        """Called as each handshake begins, whether or not it names a server."""
        if self._newest is not self.context:
            connection.context = self._newest


@dataclass(slots=True)
class Expiry:
    """Warns once a day of a certificate that ends soon."""

    files: CertificateFiles
    _next: float = field(default=0.0)

    def look(self, now: float) -> None:
        """Log a warning if one is due; ``now`` in seconds since the epoch."""
        if now < self._next:
            return
        self._next = now + _DAY
        try:
            ends_at = self.files.ends_at()
        except (OSError, ValueError):  # what is wrong with it was told when it was loaded
            return
        days = (ends_at - now) / _DAY
        if days < WARN_BEFORE:
            _log.warning(
                "certificate.ends_soon" if days > 0 else "certificate.has_ended",
                days=max(int(days), 0),
                at=datetime.fromtimestamp(ends_at, UTC).isoformat(),
            )

    def forget(self) -> None:
        """Look again at once: the files are new."""
        self._next = 0.0
